//! The date and the time, here and elsewhere.

use jiff::Zoned;
use jiff::civil::DateTime;
use serde_json::json;

use super::{Arguments, object, optional, reading};
use crate::{Definition, ToolError, ToolOutput};

/// The tool's name.
pub const NAME: &str = "date_and_time";

/// As it is told to the model.
pub(super) fn definition() -> Definition {
    let zone = json!({
        "type": "string",
        "description": "An IANA time zone, Continent/City or UTC; without one, this computer's",
    });
    let at = json!({
        "type": "string",
        "description": "Leave it out for now. Otherwise the moment to look at, as YYYY-MM-DDTHH:MM in `from_zone`",
    });
    let from =
        json!({"type": "string", "description": "The time zone of `at`; without one, this computer's"});
    reading(
        NAME,
        "Date and time",
        "Tells the date, the day of the week and the time, now or of another moment, here or in another time zone.",
        object(&[("time_zone", zone), ("at", at), ("from_zone", from)], 0),
    )
}

/// Runs it at a moment, which also says what zone this computer is in.
pub(super) fn run(arguments: &Arguments, now: &Zoned) -> Result<ToolOutput, ToolError> {
    let moment = match optional(arguments, "at")? {
        None => now.clone(),
        Some(at) => {
            let civil: DateTime = at.trim().parse().map_err(|_| unread("at", at, "2026-03-01T09:30"))?;
            match optional(arguments, "from_zone")? {
                None => civil.to_zoned(now.time_zone().clone()).map_err(|error| out_of_range(&error))?,
                Some(zone) => {
                    civil.in_tz(zone.trim()).map_err(|_| unread("from_zone", zone, "Asia/Tokyo"))?
                }
            }
        }
    };
    let shown = match optional(arguments, "time_zone")? {
        None => moment,
        Some(zone) => moment.in_tz(zone.trim()).map_err(|_| unread("time_zone", zone, "Europe/Berlin"))?,
    };
    Ok(ToolOutput::text(told(&shown)))
}

fn told(moment: &Zoned) -> String {
    let zone = moment.time_zone().iana_name().unwrap_or("this computer's time zone");
    let week = moment.date().iso_week_date();
    format!(
        "{}, {}, {} ({zone}, UTC{}); day {} of the year, week {}",
        moment.strftime("%A"),
        moment.strftime("%Y-%m-%d"),
        moment.strftime("%H:%M:%S"),
        moment.strftime("%:z"),
        moment.day_of_year(),
        week.week(),
    )
}

fn unread(name: &str, given: &str, example: &str) -> ToolError {
    let given: String = given.chars().take(60).collect();
    ToolError::Arguments(format!("`{name}` is `{given}`, and must be like `{example}`"))
}

fn out_of_range(error: &jiff::Error) -> ToolError {
    ToolError::Arguments(format!("`at` cannot be told: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(arguments: serde_json::Value) -> Result<String, ToolError> {
        let now: Zoned = "2026-11-27T07:05:09+01:00[Europe/Berlin]".parse().unwrap();
        let serde_json::Value::Object(arguments) = arguments else { panic!("no object") };
        run(&arguments, &now).map(|output| output.text)
    }

    #[test]
    fn it_is_told_here_and_elsewhere() {
        assert_eq!(
            ask(json!({})).unwrap(),
            "Friday, 2026-11-27, 07:05:09 (Europe/Berlin, UTC+01:00); day 331 of the year, week 48"
        );
        let tokyo = ask(json!({"time_zone": "Asia/Tokyo"})).unwrap();
        assert!(tokyo.starts_with("Friday, 2026-11-27, 15:05:09 (Asia/Tokyo, UTC+09:00)"), "{tokyo}");
    }

    #[test]
    fn other_moments_go_from_zone_to_zone() {
        let asked = json!({"at": "2026-07-01T09:30", "from_zone": "America/New_York", "time_zone": "UTC"});
        assert!(ask(asked).unwrap().starts_with("Wednesday, 2026-07-01, 13:30:00 (UTC, UTC+00:00)"));
        let date = ask(json!({"at": "2024-02-29"})).unwrap();
        assert!(date.starts_with("Thursday, 2024-02-29, 00:00:00 (Europe/Berlin"), "{date}");
    }

    #[test]
    fn what_cannot_be_read_says_how_it_should_be() {
        for arguments in [
            json!({"time_zone": "Mars/Olympus"}),
            json!({"at": "tomorrow"}),
            json!({"at": "2026-07-01T09:30", "from_zone": "x"}),
            json!({"time_zone": 3}),
            json!({"at": "-9999-01-01T00:00"}),
        ] {
            assert_eq!(ask(arguments.clone()).map_err(|e| e.code()), Err("tool_arguments"), "{arguments}");
        }
    }
}

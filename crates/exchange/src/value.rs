//! Reading loosely typed JSON: what is missing or of another type is `None`, and what was not read can be kept.

use serde_json::{Map, Value};

pub(crate) fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(crate) fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// A time as programs write it: seconds or milliseconds since the Unix epoch (told apart by size), or ISO 8601. In
/// milliseconds.
pub(crate) fn time(value: &Value, key: &str) -> Option<i64> {
    match value.get(key)? {
        Value::Number(number) => number.as_f64().and_then(millis),
        Value::String(text) => text
            .parse::<jiff::Timestamp>()
            .map(|time| time.as_millisecond())
            .ok()
            .or_else(|| text.parse::<f64>().ok().and_then(millis)),
        _ => None,
    }
}

/// Past this, seconds would be in the year 5138.
const SECONDS_BELOW: f64 = 1e11;
/// The year 9999.
const LAST: f64 = 253_402_300_799_999.0;

fn millis(number: f64) -> Option<i64> {
    let millis = if number.abs() < SECONDS_BELOW { (number * 1000.0).round() } else { number };
    // Parsed from its own digits: no cast can cut it.
    (0.0..=LAST).contains(&millis).then(|| format!("{millis:.0}").parse().ok()).flatten()
}

/// What is left of an object without these keys and without what says nothing.
pub(crate) fn rest(value: &Value, taken: &[&str]) -> Option<Value> {
    let Value::Object(object) = value else { return None };
    let says_something = |value: &Value| match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
        Value::String(text) => !text.is_empty(),
        _ => true,
    };
    let left: Map<String, Value> = object
        .iter()
        .filter(|(key, value)| !taken.contains(&key.as_str()) && says_something(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    (!left.is_empty()).then_some(Value::Object(left))
}

/// What a model thought before it answered, in the form in which Lantern keeps both.
pub(crate) fn with_thoughts(thoughts: &str, said: &str) -> String {
    if thoughts.trim().is_empty() {
        said.to_owned()
    } else {
        format!("<think>\n{thoughts}\n</think>\n\n{said}")
    }
}

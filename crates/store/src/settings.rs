//! Table `settings`: one row of JSON. New fields take their defaults when read, so they need no migration.

use lantern_protocol::Settings;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Map, Value};

use crate::{Store, StoreError};

pub(crate) const V1: &str = "
CREATE TABLE settings (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    json TEXT NOT NULL
) STRICT;
";

impl Store {
    /// The settings as last saved, or the defaults.
    pub fn settings(&self) -> Result<Settings, StoreError> {
        load(&self.conn)
    }

    /// Changes the settings in one transaction, so that two processes cannot overwrite each other's changes. When
    /// `change` refuses, nothing is saved and its error is given in the inner result.
    pub fn change_settings<E>(
        &mut self,
        change: impl FnOnce(Settings) -> Result<Settings, E>,
    ) -> Result<Result<Settings, E>, StoreError> {
        self.write(|t| {
            let settings = match change(load(t)?) {
                Ok(settings) => settings,
                Err(refusal) => return Ok(Err(refusal)),
            };
            t.execute(
                "INSERT INTO settings (id, json) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET json = excluded.json",
                params![serde_json::to_string(&settings)?],
            )?;
            Ok(Ok(settings))
        })
    }
}

fn load(conn: &Connection) -> Result<Settings, StoreError> {
    let json: Option<String> =
        conn.query_row("SELECT json FROM settings WHERE id = 1", [], |row| row.get(0)).optional()?;
    Ok(json.map(|json| read(&json)).unwrap_or_default())
}

/// A field that cannot be read (a value of a later version, say) takes its default; the others keep theirs.
fn read(json: &str) -> Settings {
    if let Ok(settings) = serde_json::from_str(json) {
        return settings;
    }
    let Ok(Value::Object(fields)) = serde_json::from_str(json) else { return Settings::default() };
    let readable = |key: &str, value: &Value| {
        serde_json::from_value::<Settings>(Value::Object(Map::from_iter([(key.to_owned(), value.clone())])))
            .is_ok()
    };
    let kept: Map<String, Value> = fields.into_iter().filter(|(key, value)| readable(key, value)).collect();
    serde_json::from_value(Value::Object(kept)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use lantern_protocol::Theme;

    use super::*;

    #[test]
    fn one_unreadable_field_does_not_cost_the_others() {
        let settings =
            read(r#"{"theme":"sepia","systemPrompt":"Be brief.","threads":-3,"contextLength":4096}"#);
        assert_eq!(settings.theme, Theme::System);
        assert_eq!(settings.system_prompt, "Be brief.");
        assert_eq!((settings.threads, settings.context_length), (None, Some(4096)));
    }

    #[test]
    fn nonsense_is_the_defaults() {
        assert_eq!(read("not json"), Settings::default());
    }
}

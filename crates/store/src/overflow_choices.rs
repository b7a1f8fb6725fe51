//! Table `overflow_choices`: what a conversation does when it no longer fits its context, where that is not what the
//! settings say.

use lantern_protocol::Overflow;
use rusqlite::{OptionalExtension, params};

use crate::{Store, StoreError, conversations};

pub(crate) const FIRST: &str = "
CREATE TABLE overflow_choices (
    conversation_id TEXT PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    choice TEXT NOT NULL
) STRICT;
";

impl Store {
    /// What a conversation does when it no longer fits; `None` where it does what the settings say.
    pub fn overflow_choice(&self, conversation_id: &str) -> Result<Option<Overflow>, StoreError> {
        let sql = "SELECT choice FROM overflow_choices WHERE conversation_id = ?1";
        let found: Option<String> =
            self.conn.prepare_cached(sql)?.query_row([conversation_id], |row| row.get(0)).optional()?;
        // A choice of a later version is none here.
        Ok(found.and_then(|name| serde_json::from_value(name.into()).ok()))
    }

    /// Sets what a conversation does when it no longer fits; `None` has it do what the settings say.
    pub fn choose_overflow(
        &mut self,
        conversation_id: &str,
        choice: Option<Overflow>,
    ) -> Result<(), StoreError> {
        let name = choice.map(serde_json::to_value).transpose()?;
        self.write(|t| {
            conversations::get(t, conversation_id)?;
            t.execute("DELETE FROM overflow_choices WHERE conversation_id = ?1", [conversation_id])?;
            if let Some(name) = name.as_ref().and_then(|name| name.as_str()) {
                t.execute(
                    "INSERT INTO overflow_choices (conversation_id, choice) VALUES (?1, ?2)",
                    params![conversation_id, name],
                )?;
            }
            Ok(())
        })
    }
}

//! Table `summaries`: what stands in place of the beginning of a conversation that outgrew its context. A summary is of
//! everything from the first message to the one it is kept with, and goes with that.

use lantern_protocol::Summary;
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError, messages, now_ms};

/// Format 2.
pub(crate) const V2: &str = "
CREATE TABLE summaries (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
";

/// The summaries of a conversation.
pub(crate) fn of_conversation(conn: &Connection, id: &str) -> Result<Vec<Summary>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT message_id, text FROM summaries JOIN messages ON messages.id = message_id
         WHERE conversation_id = ?1 ORDER BY message_id",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok(Summary { message_id: row.get(0)?, text: row.get(1)? });
    Ok(statement.query_map([id], read)?.collect::<Result<_, _>>()?)
}

impl Store {
    /// The summary of everything up to a message, that one included.
    pub fn summary(&self, message_id: &str) -> Result<Option<String>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT text FROM summaries WHERE message_id = ?1")?;
        Ok(statement.query_row([message_id], |row| row.get(0)).optional()?)
    }

    /// Keeps a summary of everything up to a message, in place of an earlier one.
    pub fn keep_summary(&mut self, message_id: &str, text: &str) -> Result<(), StoreError> {
        self.write(|t| {
            messages::get(t, message_id)?;
            t.prepare_cached(
                "INSERT INTO summaries (message_id, text, created_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (message_id) DO UPDATE SET text = excluded.text",
            )?
            .execute(params![message_id, text, now_ms()])?;
            Ok(())
        })
    }
}

//! Table `answer_sights`: what answers did not read of their conversation, for want of room. Where things end is kept, not
//! each message: an answer at the end of ten thousand messages is one row.

use lantern_protocol::AnswerSight;
use rusqlite::{Row, params};

use crate::{Store, StoreError, messages};

pub(crate) const FIRST: &str = "
CREATE TABLE answer_sights (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    -- The last message for which the summary stood.
    summarised_to TEXT,
    -- As it was then: it may be edited, written anew or removed afterwards.
    summary TEXT,
    -- The last message that was left out.
    dropped_to TEXT
) STRICT;
";

impl Store {
    /// Keeps what an answer's model does not read.
    pub fn keep_sight(&mut self, sight: &AnswerSight) -> Result<(), StoreError> {
        self.write(|t| {
            messages::get(t, &sight.message_id)?;
            t.prepare_cached(
                "INSERT OR REPLACE INTO answer_sights (message_id, summarised_to, summary, dropped_to)
                 VALUES (?1, ?2, ?3, ?4)",
            )?
            .execute(params![
                sight.message_id,
                sight.summarised_to,
                sight.summary,
                sight.dropped_to
            ])?;
            Ok(())
        })
    }

    /// Of the answers of a conversation that did not read everything, oldest first.
    pub fn sights(&self, conversation_id: &str) -> Result<Vec<AnswerSight>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT message_id, summarised_to, summary, dropped_to FROM answer_sights
             JOIN messages ON messages.id = message_id WHERE conversation_id = ?1 ORDER BY message_id",
        )?;
        let read = |row: &Row<'_>| {
            Ok(AnswerSight {
                message_id: row.get(0)?,
                summarised_to: row.get(1)?,
                summary: row.get(2)?,
                dropped_to: row.get(3)?,
            })
        };
        Ok(statement.query_map([conversation_id], read)?.collect::<Result<_, _>>()?)
    }
}

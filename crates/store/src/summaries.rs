//! Tables `summaries` and `edited_summaries`: what stands in place of the beginning of a conversation that outgrew its
//! context, and which of that a person wrote. A summary is of everything from the first message to the one it is kept with,
//! and goes with that.

use lantern_protocol::Summary;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, messages, now_ms};

/// Format 2.
pub(crate) const V2: &str = "
CREATE TABLE summaries (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
";

pub(crate) const EDITED: &str = "
CREATE TABLE edited_summaries (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES summaries (message_id) ON DELETE CASCADE,
    edited_at INTEGER NOT NULL
) STRICT;
";

const COLUMNS: &str = "summaries.message_id, text, edited_at IS NOT NULL";
const FROM: &str =
    "summaries LEFT JOIN edited_summaries ON edited_summaries.message_id = summaries.message_id";

fn read(row: &Row<'_>) -> rusqlite::Result<Summary> {
    Ok(Summary { message_id: row.get(0)?, text: row.get(1)?, edited: row.get(2)? })
}

/// The summaries of a conversation.
pub(crate) fn of_conversation(conn: &Connection, id: &str) -> Result<Vec<Summary>, StoreError> {
    let mut statement = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM {FROM} JOIN messages ON messages.id = summaries.message_id
         WHERE conversation_id = ?1 ORDER BY summaries.message_id"
    ))?;
    Ok(statement.query_map([id], read)?.collect::<Result<_, _>>()?)
}

/// Says of a summary that a person wrote it.
pub(crate) fn mark_edited(conn: &Connection, message_id: &str) -> Result<(), StoreError> {
    conn.prepare_cached("INSERT OR REPLACE INTO edited_summaries (message_id, edited_at) VALUES (?1, ?2)")?
        .execute(params![message_id, now_ms()])?;
    Ok(())
}

fn get(conn: &Connection, message_id: &str) -> Result<Option<Summary>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM {FROM} WHERE summaries.message_id = ?1");
    Ok(conn.prepare_cached(&sql)?.query_row([message_id], read).optional()?)
}

impl Store {
    /// The summary of everything up to a message, that one included.
    pub fn summary(&self, message_id: &str) -> Result<Option<Summary>, StoreError> {
        get(&self.conn, message_id)
    }

    /// The summaries that end at one of the messages down to `message_id`, the one that reaches furthest first.
    pub fn summaries_to(&self, message_id: &str) -> Result<Vec<Summary>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE up (up_id, up_parent, depth) AS (
                 SELECT id, parent_id, 0 FROM messages WHERE id = ?1
                 UNION ALL
                 SELECT m.id, m.parent_id, depth + 1 FROM messages m JOIN up ON m.id = up_parent
             )
             SELECT {COLUMNS} FROM up JOIN {FROM} WHERE summaries.message_id = up_id ORDER BY depth"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_map([message_id], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps a summary that a model wrote, of everything up to a message, in place of an earlier one. What a person wrote
    /// stays.
    pub fn keep_summary(&mut self, message_id: &str, text: &str) -> Result<(), StoreError> {
        self.write(|t| {
            messages::get(t, message_id)?;
            let is_edited = get(t, message_id)?.is_some_and(|summary| summary.edited);
            if is_edited { Ok(()) } else { put(t, message_id, text) }
        })
    }

    /// Has a summary read otherwise: as a person wants it, or, not `edited`, as a model wrote it anew.
    pub fn change_summary(
        &mut self,
        message_id: &str,
        text: &str,
        edited: bool,
    ) -> Result<Summary, StoreError> {
        self.write(|t| {
            get(t, message_id)?.ok_or_else(|| StoreError::NoSummary(message_id.into()))?;
            put(t, message_id, text)?;
            match edited {
                true => mark_edited(t, message_id)?,
                false => drop(t.execute("DELETE FROM edited_summaries WHERE message_id = ?1", [message_id])?),
            }
            Ok(Summary { message_id: message_id.into(), text: text.into(), edited })
        })
    }

    /// Removes the summary of everything up to a message, and those before that it was made from.
    pub fn remove_summaries(&mut self, message_id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            get(t, message_id)?.ok_or_else(|| StoreError::NoSummary(message_id.into()))?;
            t.execute(
                "WITH RECURSIVE up (up_id, up_parent) AS (
                     SELECT id, parent_id FROM messages WHERE id = ?1
                     UNION ALL
                     SELECT m.id, m.parent_id FROM messages m JOIN up ON m.id = up_parent
                 )
                 DELETE FROM summaries WHERE message_id IN (SELECT up_id FROM up)",
                [message_id],
            )?;
            Ok(())
        })
    }
}

fn put(conn: &Connection, message_id: &str, text: &str) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO summaries (message_id, text, created_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (message_id) DO UPDATE SET text = excluded.text",
    )?
    .execute(params![message_id, text, now_ms()])?;
    Ok(())
}

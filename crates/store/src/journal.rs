//! Table `journal`: the text of answers being written, in the pieces in which it arrived.
//!
//! Appending a row costs the same however long the answer is; rewriting the message would not. When the answer ends,
//! its rows become the message's content and go. Rows of a message exist only while it is `streaming`.

use rusqlite::{Connection, params};

use crate::{Store, StoreError, messages};

pub(crate) const V1: &str = "
CREATE TABLE journal (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;
";

pub(crate) fn clear(conn: &Connection, message_id: &str) -> Result<(), StoreError> {
    conn.prepare_cached("DELETE FROM journal WHERE message_id = ?1")?.execute([message_id])?;
    Ok(())
}

impl Store {
    /// Appends to an answer that is being written. When this returns, the text survives the death of the process.
    ///
    /// Unlike all other writes it does not wait for the disk: several times a second that would keep a laptop's disk
    /// awake, and a power cut costs at most what was written since the last other commit or checkpoint.
    pub fn append(&mut self, message_id: &str, text: &str) -> Result<(), StoreError> {
        self.conn.pragma_update(None, "synchronous", "NORMAL")?;
        let appended = self.append_row(message_id, text);
        self.conn.pragma_update(None, "synchronous", "FULL")?;
        match appended? {
            0 => Err(StoreError::NotStreaming(messages::get(&self.conn, message_id)?.id)),
            _ => Ok(()),
        }
    }

    fn append_row(&mut self, message_id: &str, text: &str) -> Result<usize, StoreError> {
        Ok(self
            .conn
            .prepare_cached(
                "INSERT INTO journal (message_id, position, text)
                 SELECT id, (SELECT coalesce(max(position) + 1, 0) FROM journal WHERE message_id = ?1), ?2
                 FROM messages WHERE id = ?1 AND status = 'streaming'",
            )?
            .execute(params![message_id, text])?)
    }
}

//! Table `model_notes`: what the user keeps about a model's content, wherever it lies and whatever it is called.

use lantern_protocol::ModelNotes;
use rusqlite::{OptionalExtension, Row, params};

use crate::{Store, StoreError, now_ms};

/// Format 4.
pub(crate) const V4: &str = "
CREATE TABLE model_notes (
    content_id TEXT PRIMARY KEY NOT NULL,
    note TEXT NOT NULL,
    favourite INTEGER NOT NULL,
    defaults TEXT NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
";

const COLUMNS: &str = "content_id, note, favourite, defaults";

fn read(row: &Row<'_>) -> rusqlite::Result<ModelNotes> {
    let defaults: String = row.get(3)?;
    Ok(ModelNotes {
        content_id: row.get(0)?,
        note: row.get(1)?,
        favourite: row.get(2)?,
        // Those of a later version are not understood, and then nothing is better than half of it.
        defaults: serde_json::from_str(&defaults).unwrap_or_default(),
    })
}

impl Store {
    /// What is kept about all models, in no order.
    pub fn all_model_notes(&self) -> Result<Vec<ModelNotes>, StoreError> {
        let mut statement = self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM model_notes"))?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// What is kept about one content; nothing, if nothing is.
    pub fn model_notes(&self, content_id: &str) -> Result<ModelNotes, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM model_notes WHERE content_id = ?1");
        let found = self.conn.prepare_cached(&sql)?.query_row([content_id], read).optional()?;
        let nothing = || ModelNotes { content_id: content_id.to_owned(), ..ModelNotes::default() };
        Ok(found.unwrap_or_else(nothing))
    }

    /// Keeps this about a content in place of what was kept; notes that say nothing are forgotten.
    pub fn keep_model_notes(&mut self, notes: &ModelNotes) -> Result<(), StoreError> {
        let nothing = ModelNotes { content_id: notes.content_id.clone(), ..ModelNotes::default() };
        let defaults = serde_json::to_string(&notes.defaults)?;
        self.write(|t| {
            if *notes == nothing {
                t.execute("DELETE FROM model_notes WHERE content_id = ?1", [&notes.content_id])?;
                return Ok(());
            }
            t.execute(
                "INSERT INTO model_notes (content_id, note, favourite, defaults, updated_at)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (content_id) DO UPDATE SET note = excluded.note, favourite = excluded.favourite,
                     defaults = excluded.defaults, updated_at = excluded.updated_at",
                params![notes.content_id, notes.note, notes.favourite, defaults, now_ms()],
            )?;
            Ok(())
        })
    }
}

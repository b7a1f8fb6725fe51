//! Table `prompts`: texts with a name, to be put into a message.

use lantern_protocol::SavedPrompt;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, new_id, now_ms};

pub(crate) const FIRST: &str = "
CREATE TABLE prompts (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
";

const COLUMNS: &str = "id, name, text, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<SavedPrompt> {
    Ok(SavedPrompt {
        id: row.get(0)?,
        name: row.get(1)?,
        text: row.get(2)?,
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    })
}

fn get(conn: &Connection, id: &str) -> Result<SavedPrompt, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM prompts WHERE id = ?1"))?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| StoreError::NoPrompt(id.into()))
}

impl Store {
    /// All prompts by name.
    pub fn prompts(&self) -> Result<Vec<SavedPrompt>, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM prompts ORDER BY name"))?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Changes a prompt, or makes one without an id. No other may have its name.
    pub fn save_prompt(
        &mut self,
        id: Option<&str>,
        name: &str,
        text: &str,
    ) -> Result<SavedPrompt, StoreError> {
        self.write(|t| {
            let mut same = t.prepare_cached("SELECT 1 FROM prompts WHERE name = ?1 AND id IS NOT ?2")?;
            if same.exists(params![name, id])? {
                return Err(StoreError::PromptExists(name.into()));
            }
            let now = now_ms();
            let id = match id {
                Some(id) => {
                    get(t, id)?;
                    t.prepare_cached(
                        "UPDATE prompts SET name = ?2, text = ?3, updated_at = ?4 WHERE id = ?1",
                    )?
                    .execute(params![id, name, text, now])?;
                    id.to_owned()
                }
                None => {
                    let id = new_id();
                    t.prepare_cached(
                        "INSERT INTO prompts (id, name, text, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
                    )?
                    .execute(params![id, name, text, now])?;
                    id
                }
            };
            get(t, &id)
        })
    }

    /// Deletes a prompt. What was written with it stays.
    pub fn delete_prompt(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            get(t, id)?;
            t.prepare_cached("DELETE FROM prompts WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
    }
}

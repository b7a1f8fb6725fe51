//! Table `folders`: what conversations can be put into. Which one lies where says `shelf`.

use lantern_protocol::Folder;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, new_id, now_ms};

/// Format 5.
pub(crate) const V5: &str = "
CREATE TABLE folders (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    created_at INTEGER NOT NULL
) STRICT;
";

fn read(row: &Row<'_>) -> rusqlite::Result<Folder> {
    Ok(Folder { id: row.get(0)?, name: row.get(1)?, created_at: row.get(2)? })
}

fn get(conn: &Connection, id: &str) -> Result<Folder, StoreError> {
    conn.prepare_cached("SELECT id, name, created_at FROM folders WHERE id = ?1")?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| StoreError::NoFolder(id.into()))
}

fn named(conn: &Connection, name: &str) -> Result<Option<Folder>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT id, name, created_at FROM folders WHERE name = ?1")?;
    Ok(statement.query_row([name], read).optional()?)
}

impl Store {
    /// All folders by name.
    pub fn folders(&self) -> Result<Vec<Folder>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT id, name, created_at FROM folders ORDER BY name")?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Makes a folder, or gives the one that has this name.
    pub fn create_folder(&mut self, name: &str) -> Result<Folder, StoreError> {
        self.write(|t| {
            if let Some(folder) = named(t, name)? {
                return Ok(folder);
            }
            let folder = Folder { id: new_id(), name: name.into(), created_at: now_ms() };
            t.prepare_cached("INSERT INTO folders (id, name, created_at) VALUES (?1, ?2, ?3)")?
                .execute(params![folder.id, folder.name, folder.created_at])?;
            Ok(folder)
        })
    }

    /// Gives a folder another name, which no other may have.
    pub fn rename_folder(&mut self, id: &str, name: &str) -> Result<Folder, StoreError> {
        self.write(|t| {
            if named(t, name)?.is_some_and(|other| other.id != id) {
                return Err(StoreError::FolderExists(name.into()));
            }
            t.prepare_cached("UPDATE folders SET name = ?2 WHERE id = ?1")?.execute([id, name])?;
            get(t, id)
        })
    }

    /// Deletes a folder. The conversations in it lie in none from then on.
    pub fn delete_folder(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            get(t, id)?;
            t.prepare_cached("DELETE FROM folders WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
    }
}

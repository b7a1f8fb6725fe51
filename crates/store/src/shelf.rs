//! Table `shelf`: where a conversation is kept in the list (its folder, the archive) and who gave it its title. A
//! conversation without a row lies in no folder, is not archived, and has its first line as title.

use lantern_protocol::{Conversation, TitledBy};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError, conversations, search};

/// Format 5.
pub(crate) const V5: &str = "
CREATE TABLE shelf (
    conversation_id TEXT PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    folder_id TEXT REFERENCES folders (id) ON DELETE SET NULL,
    archived INTEGER NOT NULL DEFAULT 0,
    titled_by TEXT NOT NULL DEFAULT 'rule' CHECK (titled_by IN ('rule', 'model', 'user'))
) STRICT;
CREATE INDEX shelf_by_folder ON shelf (folder_id) WHERE folder_id IS NOT NULL;
";

fn name(titled_by: TitledBy) -> &'static str {
    match titled_by {
        TitledBy::Rule => "rule",
        TitledBy::Model => "model",
        TitledBy::User => "user",
    }
}

/// Who gave a conversation its title.
pub(crate) fn titled_by(conn: &Connection, id: &str) -> Result<TitledBy, StoreError> {
    let mut statement = conn.prepare_cached("SELECT titled_by FROM shelf WHERE conversation_id = ?1")?;
    let found: Option<String> = statement.query_row([id], |row| row.get(0)).optional()?;
    Ok(match found.as_deref() {
        Some("user") => TitledBy::User,
        Some("model") => TitledBy::Model,
        _ => TitledBy::Rule,
    })
}

/// Notes who gave a conversation its title.
pub(crate) fn set_titled_by(conn: &Connection, id: &str, by: TitledBy) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO shelf (conversation_id, titled_by) VALUES (?1, ?2)
         ON CONFLICT (conversation_id) DO UPDATE SET titled_by = excluded.titled_by",
    )?
    .execute(params![id, name(by)])?;
    Ok(())
}

/// Puts a conversation into a folder, or into none.
pub(crate) fn set_folder(conn: &Connection, id: &str, folder: Option<&str>) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO shelf (conversation_id, folder_id) VALUES (?1, ?2)
         ON CONFLICT (conversation_id) DO UPDATE SET folder_id = excluded.folder_id",
    )?
    .execute(params![id, folder])?;
    Ok(())
}

/// Puts a conversation into the archive, or takes it out.
pub(crate) fn set_archived(conn: &Connection, id: &str, archived: bool) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO shelf (conversation_id, archived) VALUES (?1, ?2)
         ON CONFLICT (conversation_id) DO UPDATE SET archived = excluded.archived",
    )?
    .execute(params![id, archived])?;
    Ok(())
}

impl Store {
    /// Puts a conversation into a folder, or with `None` into none.
    pub fn move_conversation(&mut self, id: &str, folder: Option<&str>) -> Result<Conversation, StoreError> {
        self.write(|t| {
            conversations::get(t, id)?;
            if let Some(folder) = folder {
                let mut known = t.prepare_cached("SELECT 1 FROM folders WHERE id = ?1")?;
                if !known.exists([folder])? {
                    return Err(StoreError::NoFolder(folder.into()));
                }
            }
            set_folder(t, id, folder)?;
            conversations::get(t, id)
        })
    }

    /// Puts a conversation into the archive, or takes it out.
    pub fn archive_conversation(&mut self, id: &str, archived: bool) -> Result<Conversation, StoreError> {
        self.write(|t| {
            conversations::get(t, id)?;
            set_archived(t, id, archived)?;
            conversations::get(t, id)
        })
    }

    /// Whether nobody but its first line gave a conversation its title.
    pub fn wants_title(&self, id: &str) -> Result<bool, StoreError> {
        conversations::get(&self.conn, id)?;
        Ok(titled_by(&self.conn, id)? == TitledBy::Rule)
    }

    /// Gives a conversation the title that a model wrote, unless it has one of a model or of the user. Whether it did.
    pub fn title_by_model(&mut self, id: &str, title: &str) -> Result<bool, StoreError> {
        self.write(|t| {
            conversations::get(t, id)?;
            if titled_by(t, id)? != TitledBy::Rule {
                return Ok(false);
            }
            t.prepare_cached("UPDATE conversations SET title = ?2 WHERE id = ?1")?.execute([id, title])?;
            search::index_title(t, id, title)?;
            set_titled_by(t, id, TitledBy::Model)?;
            Ok(true)
        })
    }
}

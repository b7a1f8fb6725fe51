//! Tables `knowledge_folders`, `knowledge_files`, `conversation_knowledge`: folders that are searched, what is known of their
//! files, and which conversations search them.

use lantern_protocol::{ErrorInfo, FailedFile};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, conversation_assistants, conversations, new_id, now_ms};

pub(crate) const FIRST: &str = "
CREATE TABLE knowledge_folders (
    id TEXT PRIMARY KEY NOT NULL,
    path TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE knowledge_files (
    folder TEXT NOT NULL REFERENCES knowledge_folders (id) ON DELETE CASCADE,
    -- Within the folder.
    path TEXT NOT NULL,
    size INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    reader INTEGER NOT NULL,
    -- NULL where it could not be read.
    document TEXT REFERENCES documents (hash),
    error TEXT,
    PRIMARY KEY (folder, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX knowledge_files_by_document ON knowledge_files (document);

CREATE TABLE conversation_knowledge (
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    folder TEXT NOT NULL REFERENCES knowledge_folders (id) ON DELETE CASCADE,
    PRIMARY KEY (conversation_id, folder)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_knowledge_by_folder ON conversation_knowledge (folder);
";

/// A folder that is searched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFolder {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub path: String,
}

/// A file of a folder, as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Within the folder.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// When it was changed, in milliseconds since the Unix epoch.
    pub modified: i64,
    /// Version of what read it.
    pub reader: u32,
    /// Its document; `None` where it could not be read.
    pub document: Option<String>,
    /// Why not.
    pub error: Option<ErrorInfo>,
}

/// How much there is in a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FolderCount {
    /// Files that were read.
    pub files: u32,
    /// Their passages.
    pub passages: u32,
    /// Passages with a vector of the model that was asked about.
    pub embedded: u32,
    /// Files that could not be read.
    pub failed: u32,
}

/// See [`Store::set_folders_of_conversation`].
pub(crate) fn set_folders(t: &Connection, id: &str, folders: &[String]) -> Result<(), StoreError> {
    conversations::get(t, id)?;
    t.execute("DELETE FROM conversation_knowledge WHERE conversation_id = ?1", [id])?;
    let mut insert = t.prepare_cached(
        "INSERT OR IGNORE INTO conversation_knowledge (conversation_id, folder)
         SELECT ?1, id FROM knowledge_folders WHERE id = ?2",
    )?;
    for folder in folders {
        insert.execute([id, folder])?;
    }
    Ok(())
}

impl Store {
    /// Every folder, by its path.
    pub fn knowledge_folders(&self) -> Result<Vec<StoredFolder>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT id, path FROM knowledge_folders ORDER BY path")?;
        let read = |row: &Row<'_>| Ok(StoredFolder { id: row.get(0)?, path: row.get(1)? });
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Adds a folder; one that is here stays what it is. Gives its id.
    pub fn add_knowledge_folder(&mut self, path: &str) -> Result<String, StoreError> {
        self.write(|t| {
            t.execute(
                "INSERT INTO knowledge_folders (id, path, created_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                params![new_id(), path, now_ms()],
            )?;
            Ok(t.query_row("SELECT id FROM knowledge_folders WHERE path = ?1", [path], |row| row.get(0))?)
        })
    }

    /// Forgets a folder, not its files' documents: [`Self::forget_documents`] does that.
    pub fn remove_knowledge_folder(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            t.execute("DELETE FROM knowledge_folders WHERE id = ?1", [id])?;
            Ok(())
        })
    }

    /// What is known of a folder's files, by their paths.
    pub fn knowledge_files(&self, folder: &str) -> Result<Vec<StoredFile>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT path, size, modified, reader, document, error FROM knowledge_files WHERE folder = ?1 ORDER BY path",
        )?;
        let read = |row: &Row<'_>| {
            Ok(StoredFile {
                path: row.get(0)?,
                size: row.get(1)?,
                modified: row.get(2)?,
                reader: row.get(3)?,
                document: row.get(4)?,
                error: row.get::<_, Option<String>>(5)?.and_then(|text| serde_json::from_str(&text).ok()),
            })
        };
        Ok(statement.query_map([folder], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps what is known of a file in place of what was. A folder that was removed meanwhile gets none.
    pub fn keep_knowledge_file(&mut self, folder: &str, file: &StoredFile) -> Result<(), StoreError> {
        let error = file.error.as_ref().map(serde_json::to_string).transpose()?;
        self.write(|t| {
            t.prepare_cached(
                "INSERT OR REPLACE INTO knowledge_files (folder, path, size, modified, reader, document, error)
                 SELECT id, ?2, ?3, ?4, ?5, ?6, ?7 FROM knowledge_folders WHERE id = ?1",
            )?
            .execute(params![
                folder,
                file.path,
                file.size,
                file.modified,
                file.reader,
                file.document,
                error
            ])?;
            Ok(())
        })
    }

    /// Forgets files of a folder that are gone.
    pub fn forget_knowledge_files(&mut self, folder: &str, paths: &[String]) -> Result<(), StoreError> {
        self.write(|t| {
            let mut delete =
                t.prepare_cached("DELETE FROM knowledge_files WHERE folder = ?1 AND path = ?2")?;
            for path in paths {
                delete.execute([folder, path])?;
            }
            Ok(())
        })
    }

    /// Files of a folder that could not be read.
    pub fn failed_files(&self, folder: &str) -> Result<Vec<FailedFile>, StoreError> {
        let files = self.knowledge_files(folder)?;
        let failed = |file: StoredFile| Some(FailedFile { error: file.error?, path: file.path });
        Ok(files.into_iter().filter_map(failed).collect())
    }

    /// How much there is in a folder.
    pub fn count_knowledge(&self, folder: &str, model: Option<&str>) -> Result<FolderCount, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "WITH held (hash) AS (
                 SELECT DISTINCT document FROM knowledge_files WHERE folder = ?1 AND document IS NOT NULL)
             SELECT (SELECT count(*) FROM knowledge_files WHERE folder = ?1 AND document IS NOT NULL),
                    (SELECT coalesce(sum(passages), 0) FROM documents JOIN held USING (hash)),
                    (SELECT count(*) FROM held JOIN passages ON document = held.hash
                     JOIN passage_vectors ON passage = passages.id AND model = ?2),
                    (SELECT count(*) FROM knowledge_files WHERE folder = ?1 AND error IS NOT NULL)",
        )?;
        let read = |row: &Row<'_>| {
            Ok(FolderCount {
                files: row.get(0)?,
                passages: row.get(1)?,
                embedded: row.get(2)?,
                failed: row.get(3)?,
            })
        };
        Ok(statement.query_row(params![folder, model], read)?)
    }

    /// The documents in a folder, each with the path of one of its files.
    pub fn documents_of_folder(&self, folder: &str) -> Result<Vec<(String, String)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT document, min(path) FROM knowledge_files WHERE folder = ?1 AND document IS NOT NULL
             GROUP BY document ORDER BY document",
        )?;
        let rows = statement.query_map([folder], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Ids of the folders that a conversation searches: those that it chose, or else its assistant's.
    pub fn folders_of_conversation(&self, id: &str) -> Result<Vec<String>, StoreError> {
        if let Some(folders) = conversation_assistants::folders(&self.conn, id)? {
            return Ok(folders);
        }
        let sql = "SELECT folder FROM conversation_knowledge WHERE conversation_id = ?1 ORDER BY folder";
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Has a conversation search these folders and no others; those that are gone are left out.
    pub fn set_folders_of_conversation(&mut self, id: &str, folders: &[String]) -> Result<(), StoreError> {
        self.write(|t| {
            conversation_assistants::chose_folders(t, id)?;
            set_folders(t, id, folders)
        })
    }

    /// Where the folder of this id is.
    pub fn knowledge_folder(&self, id: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT path FROM knowledge_folders WHERE id = ?1";
        Ok(self.conn.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
    }
}

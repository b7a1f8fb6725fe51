//! Tables `documents`, `passages` and `passage_vectors`: the text of files by their content, cut into passages that are
//! searched by words (FTS5, BM25) and by meaning (vectors).
//!
//! The files themselves are not here: a database is copied whole before it is upgraded, and pictures and PDFs would
//! make it many times larger than what is looked up in it. A document that nothing names any more is deleted.

use lantern_protocol::{Attachment, DocumentKind, Place};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::search::{document, words_of};
use crate::{Store, StoreError, now_ms};

pub(crate) const FIRST: &str = r#"
CREATE TABLE documents (
    -- SHA-256 of the file, in hex.
    hash TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    characters INTEGER NOT NULL,
    passages INTEGER NOT NULL,
    -- Version of what read it.
    reader INTEGER NOT NULL,
    text TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE passages (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL REFERENCES documents (hash) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    place TEXT NOT NULL,
    -- As it is indexed, see `search`.
    body TEXT NOT NULL,
    UNIQUE (document, position)
) STRICT;

CREATE VIRTUAL TABLE passage_index USING fts5(
    body, content='passages', content_rowid='id', tokenize='porter unicode61 remove_diacritics 2'
);
INSERT INTO passage_index (passage_index, rank) VALUES ('secure-delete', 1);
CREATE TRIGGER passages_inserted AFTER INSERT ON passages BEGIN
    INSERT INTO passage_index (rowid, body) VALUES (new.id, new.body);
END;
CREATE TRIGGER passages_deleted AFTER DELETE ON passages BEGIN
    INSERT INTO passage_index (passage_index, rowid, body) VALUES ('delete', old.id, old.body);
END;

-- A passage has the vector of one model. Rows with a number of their own keep it on one page; those of a table without
-- would not.
CREATE TABLE passage_vectors (
    passage INTEGER PRIMARY KEY REFERENCES passages (id) ON DELETE CASCADE,
    -- Content of the model that made it.
    model TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    -- Numbers of four bytes each, the least significant first.
    vector BLOB NOT NULL
) STRICT;
"#;

/// A document to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// SHA-256 of the file, in hex.
    pub hash: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Bytes of the file.
    pub bytes: u64,
    /// Version of what read it.
    pub reader: u32,
    /// Its text.
    pub text: String,
    /// Where each passage begins and ends in the text, in bytes, and its place.
    pub passages: Vec<(usize, usize, Place)>,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundPassage {
    /// Its number in the database.
    pub id: i64,
    /// Its document.
    pub document: String,
    /// Where it stands.
    pub place: Place,
    /// Its text.
    pub text: String,
}

impl Store {
    /// Keeps a document, unless the same was kept by the same reader before. Gives whether it is new.
    pub fn keep_document(&mut self, new: &NewDocument) -> Result<bool, StoreError> {
        self.write(|t| {
            let known = "SELECT reader FROM documents WHERE hash = ?1";
            let known: Option<u32> = t.query_row(known, [&new.hash], |row| row.get(0)).optional()?;
            match known {
                Some(reader) if reader == new.reader => return Ok(false),
                Some(_) => {
                    t.execute("DELETE FROM passages WHERE document = ?1", [&new.hash])?;
                }
                None => {}
            }
            let kind = serde_json::to_string(&new.kind)?;
            t.prepare_cached(
                "INSERT INTO documents (hash, kind, bytes, characters, passages, reader, text, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                 ON CONFLICT (hash) DO UPDATE SET kind = excluded.kind, characters = excluded.characters,
                     passages = excluded.passages, reader = excluded.reader, text = excluded.text",
            )?
            .execute(params![
                new.hash,
                kind,
                new.bytes,
                new.text.chars().count(),
                new.passages.len(),
                new.reader,
                new.text,
                now_ms()
            ])?;
            insert_passages(t, new)?;
            Ok(true)
        })
    }

    /// The document of this content, as something that goes with a message under a name; `None` where there is none of this
    /// reader.
    pub fn document(&self, hash: &str, name: &str, reader: u32) -> Result<Option<Attachment>, StoreError> {
        let sql = format!("SELECT {ABOUT}, ?3 FROM documents WHERE hash = ?1 AND reader = ?2");
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_row(params![hash, reader, name], attachment).optional()?)
    }

    /// A document's text and kind.
    pub fn document_text(&self, hash: &str) -> Result<Option<(DocumentKind, String)>, StoreError> {
        let mut statement = self.conn.prepare_cached("SELECT kind, text FROM documents WHERE hash = ?1")?;
        Ok(statement.query_row([hash], |row| Ok((kind(row, 0)?, row.get(1)?))).optional()?)
    }

    /// Passages with these numbers, in this order; those that are gone are left out.
    pub fn passages(&self, ids: &[i64]) -> Result<Vec<FoundPassage>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT p.id, p.document, p.place, substr(CAST(d.text AS BLOB), p.begins + 1, p.ends - p.begins)
             FROM passages p JOIN documents d ON d.hash = p.document WHERE p.id = ?1",
        )?;
        let read = |row: &Row<'_>| {
            let place: String = row.get(2)?;
            Ok(FoundPassage {
                id: row.get(0)?,
                document: row.get(1)?,
                place: serde_json::from_str(&place).unwrap_or_default(),
                text: String::from_utf8_lossy(&row.get::<_, Vec<u8>>(3)?).into_owned(),
            })
        };
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            found.extend(statement.query_row([id], read).optional()?);
        }
        Ok(found)
    }

    /// Numbers of the passages of these documents that have any of a question's words, the best first (BM25), at most
    /// `limit`.
    pub fn passages_by_words(
        &self,
        documents: &[String],
        question: &str,
        limit: usize,
    ) -> Result<Vec<i64>, StoreError> {
        let words = words_of(question);
        if words.is_empty() {
            return Ok(Vec::new());
        }
        let quoted: Vec<String> =
            words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
        let mut statement = self.conn.prepare_cached(
            "SELECT passages.id FROM passage_index JOIN passages ON passages.id = passage_index.rowid
             WHERE passage_index MATCH ?1 AND document IN (SELECT value FROM json_each(?2))
             ORDER BY passage_index.rank, passages.id LIMIT ?3",
        )?;
        let documents = serde_json::to_string(documents)?;
        let rows = statement.query_map(params![quoted.join(" OR "), documents, limit], |row| row.get(0))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Calls `see` with the number and the vector of each passage of these documents that has one of this model.
    pub fn each_vector(
        &self,
        documents: &[String],
        model: &str,
        mut see: impl FnMut(i64, &[u8]),
    ) -> Result<(), StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT passages.id, vector FROM json_each(?1) JOIN passages ON document = json_each.value
             JOIN passage_vectors ON passage = passages.id AND model = ?2",
        )?;
        let documents = serde_json::to_string(documents)?;
        let mut rows = statement.query(params![documents, model])?;
        while let Some(row) = rows.next()? {
            if let Ok(vector) = row.get_ref(1)?.as_blob() {
                see(row.get(0)?, vector);
            }
        }
        Ok(())
    }

    /// At most `limit` passages of these documents without a vector of this model, in order.
    pub fn passages_without_vector(
        &self,
        documents: &[String],
        model: &str,
        limit: usize,
    ) -> Result<Vec<FoundPassage>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT passages.id FROM json_each(?1) JOIN passages ON document = json_each.value
             LEFT JOIN passage_vectors ON passage = passages.id AND model = ?2
             WHERE passage IS NULL ORDER BY passages.id LIMIT ?3",
        )?;
        let documents = serde_json::to_string(documents)?;
        let ids: Vec<i64> = statement
            .query_map(params![documents, model, limit], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        self.passages(&ids)
    }

    /// Keeps vectors of passages, in place of those that another model made: nobody compares with them any more. Those of
    /// passages that are gone meanwhile are left out.
    pub fn keep_vectors(&mut self, model: &str, vectors: &[(i64, Vec<u8>)]) -> Result<(), StoreError> {
        self.write(|t| {
            let mut keep = t.prepare_cached(
                "INSERT OR REPLACE INTO passage_vectors (passage, model, dimensions, vector)
                 SELECT id, ?2, ?3, ?4 FROM passages WHERE id = ?1",
            )?;
            for (passage, vector) in vectors {
                keep.execute(params![passage, model, vector.len() / 4, vector])?;
            }
            Ok(())
        })
    }

    /// Deletes, of these documents or of all, those that nothing names and that were kept before this time. Gives what went.
    pub fn forget_documents(
        &mut self,
        documents: Option<&[String]>,
        before: i64,
    ) -> Result<Vec<String>, StoreError> {
        let documents = documents.map(serde_json::to_string).transpose()?;
        self.write(|t| {
            let mut statement = t.prepare_cached(
                "DELETE FROM documents WHERE created_at <= ?2
                 AND (?1 IS NULL OR hash IN (SELECT value FROM json_each(?1)))
                 AND hash NOT IN (SELECT document FROM attachments)
                 AND hash NOT IN (SELECT document FROM knowledge_files WHERE document IS NOT NULL)
                 RETURNING hash",
            )?;
            let gone = statement.query_map(params![documents, before], |row| row.get(0))?;
            Ok(gone.collect::<Result<_, _>>()?)
        })
    }

    /// Whether a file of this content goes with a message.
    pub fn is_attached(&self, document: &str) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM attachments WHERE document = ?1)";
        Ok(self.conn.prepare_cached(sql)?.query_row([document], |row| row.get(0))?)
    }
}

fn insert_passages(conn: &Connection, new: &NewDocument) -> Result<(), StoreError> {
    let mut insert = conn.prepare_cached(
        "INSERT INTO passages (document, position, begins, ends, place, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for (position, (begins, ends, place)) in new.passages.iter().enumerate() {
        let text = new.text.get(*begins..*ends).unwrap_or_default();
        // What a passage stands under is found with it.
        let heading = place.heading.as_deref().unwrap_or_default();
        let body = document(&format!("{heading}\n{text}"));
        insert.execute(params![new.hash, position, begins, ends, serde_json::to_string(place)?, body])?;
    }
    Ok(())
}

/// Columns for [`attachment`], which a name follows.
pub(crate) const ABOUT: &str = "hash, kind, bytes, characters, passages";

pub(crate) fn attachment(row: &Row<'_>) -> rusqlite::Result<Attachment> {
    Ok(Attachment {
        document: row.get(0)?,
        kind: kind(row, 1)?,
        bytes: row.get(2)?,
        characters: row.get(3)?,
        passages: row.get(4)?,
        name: row.get(5)?,
    })
}

fn kind(row: &Row<'_>, index: usize) -> rusqlite::Result<DocumentKind> {
    let name: String = row.get(index)?;
    // Of a kind that a later version knows, the text is still text.
    Ok(serde_json::from_str(&name).unwrap_or(DocumentKind::Text))
}

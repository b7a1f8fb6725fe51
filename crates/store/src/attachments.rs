//! Tables `attachments`, `answer_sources`, `answer_citations`: the files of messages, and what models saw of files as they
//! wrote answers. Both go with their message.
//!
//! A citation has its passage's text: it can be opened when the file has long changed or is gone.

use lantern_protocol::{
    AnswerSources, AttachedFile, Attachment, Citation, ConversationFiles, MessageAttachments,
};
use rusqlite::{Connection, Row, params};

use crate::documents::{ABOUT, attachment};
use crate::{Store, StoreError, messages};

pub(crate) const FIRST: &str = "
CREATE TABLE attachments (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    document TEXT NOT NULL REFERENCES documents (hash),
    name TEXT NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX attachments_by_document ON attachments (document);

CREATE TABLE answer_sources (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    seen TEXT NOT NULL,
    searched_by TEXT NOT NULL
) STRICT;

CREATE TABLE answer_citations (
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    document TEXT NOT NULL,
    place TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (message_id, number)
) STRICT, WITHOUT ROWID;
";

/// See [`Store::attach`].
pub(crate) fn attach(t: &Connection, message_id: &str, files: &[AttachedFile]) -> Result<(), StoreError> {
    messages::get(t, message_id)?;
    let mut insert = t.prepare_cached(
        "INSERT INTO attachments (message_id, position, document, name) VALUES (?1,
             (SELECT coalesce(max(position) + 1, 0) FROM attachments WHERE message_id = ?1), ?2, ?3)",
    )?;
    for file in files {
        insert.execute(params![message_id, file.document, file.name])?;
    }
    Ok(())
}

/// Gives a message the files of another.
pub(crate) fn attach_as(t: &Connection, message_id: &str, other: &str) -> Result<(), StoreError> {
    t.prepare_cached(
        "INSERT INTO attachments (message_id, position, document, name)
         SELECT ?1, position, document, name FROM attachments WHERE message_id = ?2",
    )?
    .execute([message_id, other])?;
    Ok(())
}

impl Store {
    /// Adds files to a message, behind those that it has. Their documents must have been kept.
    pub fn attach(&mut self, message_id: &str, files: &[AttachedFile]) -> Result<(), StoreError> {
        self.write(|t| attach(t, message_id, files))
    }

    /// The files of a message, in order.
    pub fn attachments(&self, message_id: &str) -> Result<Vec<Attachment>, StoreError> {
        let sql = format!(
            "SELECT {ABOUT}, name FROM attachments JOIN documents ON hash = document
             WHERE message_id = ?1 ORDER BY position"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_map([message_id], attachment)?.collect::<Result<_, _>>()?)
    }

    /// Documents that go with messages of a conversation.
    pub fn documents_of_conversation(&self, id: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT DISTINCT document FROM attachments JOIN messages ON messages.id = message_id
             WHERE conversation_id = ?1",
        )?;
        Ok(statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Keeps what a model sees of files as it begins an answer, in place of what was kept.
    pub fn keep_sources(&mut self, sources: &AnswerSources) -> Result<(), StoreError> {
        self.write(|t| {
            let id = &sources.message_id;
            t.execute("DELETE FROM answer_citations WHERE message_id = ?1", [id])?;
            let (seen, searched_by) =
                (serde_json::to_string(&sources.seen)?, serde_json::to_string(&sources.searched_by)?);
            t.prepare_cached(
                "INSERT OR REPLACE INTO answer_sources (message_id, seen, searched_by) VALUES (?1, ?2, ?3)",
            )?
            .execute(params![id, seen, searched_by])?;
            let mut insert = t.prepare_cached(
                "INSERT INTO answer_citations (message_id, number, name, document, place, text)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for Citation { number, name, document, place, text } in &sources.citations {
                insert.execute(params![id, number, name, document, serde_json::to_string(place)?, text])?;
            }
            Ok(())
        })
    }

    /// What models saw of files as they wrote the answers among these messages, in their order.
    pub fn sources(&self, message_ids: &[String]) -> Result<Vec<AnswerSources>, StoreError> {
        message_ids.iter().filter_map(|id| of_answer(&self.conn, id).transpose()).collect()
    }

    /// All that a conversation has of files.
    pub fn conversation_files(&mut self, id: &str) -> Result<ConversationFiles, StoreError> {
        let t = self.conn.transaction()?;
        let ids = |table: &str| -> Result<Vec<String>, StoreError> {
            let mut statement = t.prepare_cached(&format!(
                "SELECT DISTINCT message_id FROM {table} JOIN messages ON messages.id = message_id
                 WHERE conversation_id = ?1 ORDER BY message_id"
            ))?;
            Ok(statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        let (with_files, with_sources) = (ids("attachments")?, ids("answer_sources")?);
        drop(t);
        let of_message = |message_id: String| {
            Ok(MessageAttachments { attachments: self.attachments(&message_id)?, message_id })
        };
        Ok(ConversationFiles {
            attachments: with_files.into_iter().map(of_message).collect::<Result<_, StoreError>>()?,
            sources: self.sources(&with_sources)?,
            folders: self.folders_of_conversation(id)?,
        })
    }
}

fn of_answer(conn: &Connection, id: &str) -> Result<Option<AnswerSources>, StoreError> {
    use rusqlite::OptionalExtension;
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?));
    let mut statement =
        conn.prepare_cached("SELECT seen, searched_by FROM answer_sources WHERE message_id = ?1")?;
    let Some((seen, searched_by)) = statement.query_row([id], read).optional()? else { return Ok(None) };
    let mut statement = conn.prepare_cached(
        "SELECT number, name, document, place, text FROM answer_citations WHERE message_id = ?1 ORDER BY number",
    )?;
    let read = |row: &Row<'_>| {
        let place: String = row.get(3)?;
        Ok(Citation {
            number: row.get(0)?,
            name: row.get(1)?,
            document: row.get(2)?,
            place: serde_json::from_str(&place).unwrap_or_default(),
            text: row.get(4)?,
        })
    };
    let citations = statement.query_map([id], read)?.collect::<Result<_, _>>()?;
    Ok(Some(AnswerSources {
        message_id: id.to_owned(),
        // Details that a later version wrote differently are not worth losing the citations for.
        seen: serde_json::from_str(&seen).unwrap_or_default(),
        searched_by: serde_json::from_str(&searched_by).unwrap_or_default(),
        citations,
    }))
}

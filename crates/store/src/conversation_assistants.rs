//! Tables `conversation_assistants` and `answer_assistants`: which assistant a conversation has, and with which an answer was
//! written.
//!
//! A conversation names its assistant and keeps it as it was when it last answered: for when it is deleted, and for whoever
//! imports the conversation elsewhere. As long as it is here, what it says now holds. Neither table has a foreign key to
//! `assistants`, so both travel with a conversation, and nothing that was said of an answer is lost with an assistant.

use lantern_protocol::{AnswerAssistant, Assistant};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError, assistants, conversations};

pub(crate) const FIRST: &str = "
CREATE TABLE conversation_assistants (
    conversation_id TEXT PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    assistant_id TEXT NOT NULL,
    assistant TEXT NOT NULL,
    -- Whether the conversation has chosen its folders itself.
    own_folders INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX conversation_assistants_by_assistant ON conversation_assistants (assistant_id);

CREATE TABLE answer_assistants (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    assistant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    version INTEGER NOT NULL
) STRICT;
";

/// The assistant that a conversation names.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedAssistant {
    /// As it is now; as it was when it last answered, if it is not in this database.
    pub assistant: Assistant,
    /// Whether it is.
    pub is_here: bool,
}

/// The assistant of a conversation and whether the conversation has chosen its folders itself.
fn named(conn: &Connection, id: &str) -> Result<Option<(NamedAssistant, bool)>, StoreError> {
    let sql =
        "SELECT assistant_id, assistant, own_folders FROM conversation_assistants WHERE conversation_id = ?1";
    let read = |row: &rusqlite::Row<'_>| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?))
    };
    let Some((assistant_id, kept, own_folders)) =
        conn.prepare_cached(sql)?.query_row([id], read).optional()?
    else {
        return Ok(None);
    };
    let here = assistants::find(conn, &assistant_id)?;
    let is_here = here.is_some();
    // One of a later version is not understood, and then the conversation does without.
    let assistant = here.or_else(|| {
        let kept: Assistant = serde_json::from_str(&kept).ok()?;
        Some(Assistant { id: assistant_id, ..kept })
    });
    Ok(assistant.map(|assistant| (NamedAssistant { assistant, is_here }, own_folders)))
}

/// What conversations keep of an assistant that is about to go: as it is, for those that have not been answered since it changed.
pub(crate) fn keep_last(conn: &Connection, assistant: &Assistant) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE conversation_assistants SET assistant = ?2 WHERE assistant_id = ?1")?
        .execute(params![assistant.id, serde_json::to_string(assistant)?])?;
    Ok(())
}

/// The folders of its assistant, where a conversation has one and has not chosen itself.
pub(crate) fn folders(conn: &Connection, id: &str) -> Result<Option<Vec<String>>, StoreError> {
    let Some((NamedAssistant { assistant, .. }, false)) = named(conn, id)? else { return Ok(None) };
    let mut known = conn.prepare_cached("SELECT 1 FROM knowledge_folders WHERE id = ?1")?;
    let mut found = Vec::new();
    for folder in assistant.setup.folders {
        if known.exists([&folder])? {
            found.push(folder);
        }
    }
    Ok(Some(found))
}

/// Notes that a conversation has chosen its folders itself.
pub(crate) fn chose_folders(conn: &Connection, id: &str) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE conversation_assistants SET own_folders = 1 WHERE conversation_id = ?1")?
        .execute([id])?;
    Ok(())
}

/// See [`Store::set_assistant`].
pub(crate) fn set(
    t: &Connection,
    conversation_id: &str,
    assistant: Option<&Assistant>,
) -> Result<(), StoreError> {
    conversations::get(t, conversation_id)?;
    let Some(assistant) = assistant else {
        t.execute("DELETE FROM conversation_assistants WHERE conversation_id = ?1", [conversation_id])?;
        return Ok(());
    };
    let has_folders = "SELECT 1 FROM conversation_knowledge WHERE conversation_id = ?1";
    let own_folders = t.prepare_cached(has_folders)?.exists([conversation_id])?;
    t.prepare_cached(
        "INSERT INTO conversation_assistants (conversation_id, assistant_id, assistant, own_folders)
         VALUES (?1, ?2, ?3, ?4) ON CONFLICT (conversation_id) DO UPDATE
         SET assistant_id = excluded.assistant_id, assistant = excluded.assistant",
    )?
    .execute(params![conversation_id, assistant.id, serde_json::to_string(assistant)?, own_folders])?;
    Ok(())
}

impl Store {
    /// The assistant of a conversation.
    pub fn assistant_of(&self, conversation_id: &str) -> Result<Option<NamedAssistant>, StoreError> {
        Ok(named(&self.conn, conversation_id)?.map(|(named, _)| named))
    }

    /// Gives a conversation an assistant, or takes it away. Folders that the conversation chose itself stay.
    pub fn set_assistant(
        &mut self,
        conversation_id: &str,
        assistant: Option<&Assistant>,
    ) -> Result<(), StoreError> {
        self.write(|t| set(t, conversation_id, assistant))
    }

    /// Notes with which assistant an answer is written, and keeps that for its conversation.
    pub fn answer_as(&mut self, message_id: &str, assistant: &Assistant) -> Result<(), StoreError> {
        self.write(|t| {
            t.prepare_cached(
                "UPDATE conversation_assistants SET assistant = ?3 WHERE assistant_id = ?2
                 AND conversation_id = (SELECT conversation_id FROM messages WHERE id = ?1)",
            )?
            .execute(params![message_id, assistant.id, serde_json::to_string(assistant)?])?;
            t.prepare_cached(
                "INSERT OR REPLACE INTO answer_assistants (message_id, assistant_id, name, version)
                 SELECT id, ?2, ?3, ?4 FROM messages WHERE id = ?1",
            )?
            .execute(params![
                message_id,
                assistant.id,
                assistant.setup.name,
                assistant.version
            ])?;
            Ok(())
        })
    }

    /// The answers of a conversation that were written with an assistant, in order.
    pub fn answers_with_assistant(&self, conversation_id: &str) -> Result<Vec<AnswerAssistant>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT message_id, assistant_id, name, version FROM answer_assistants
             JOIN messages ON messages.id = message_id WHERE conversation_id = ?1 ORDER BY message_id",
        )?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(AnswerAssistant {
                message_id: row.get(0)?,
                assistant_id: row.get(1)?,
                name: row.get(2)?,
                version: row.get(3)?,
            })
        };
        Ok(statement.query_map([conversation_id], read)?.collect::<Result<_, _>>()?)
    }

    /// Takes back what a conversation chose of that which its assistant says: the later choice holds.
    pub fn follow_assistant(&mut self, id: &str, assistant: &Assistant) -> Result<(), StoreError> {
        let setup = &assistant.setup;
        self.write(|t| {
            if setup.model.is_some() {
                conversations::set_model(t, id, None)?;
            }
            if setup.tools.is_some() {
                t.execute("DELETE FROM tool_choices WHERE conversation_id = ?1", [id])?;
            }
            if !setup.folders.is_empty() {
                t.execute("DELETE FROM conversation_knowledge WHERE conversation_id = ?1", [id])?;
                t.execute(
                    "UPDATE conversation_assistants SET own_folders = 0 WHERE conversation_id = ?1",
                    [id],
                )?;
            }
            Ok(())
        })
    }
}

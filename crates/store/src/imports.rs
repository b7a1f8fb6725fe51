//! Tables `imports` and `kept_parts`, and the way in for whole conversations: where one came from, so that it does not
//! come twice, and what was said of it that has no place of its own.

use std::collections::{HashMap, HashSet};

use lantern_protocol::{ConversationRecord, KeptPart, Message, MessageStatus, Origin};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::side_tables::{self, Renamed};
use crate::{Store, StoreError, id_in, messages, now_ms, search, shelf, summaries};

/// Format 5.
pub(crate) const V5: &str = "
CREATE TABLE imports (
    conversation_id TEXT PRIMARY KEY NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    source TEXT NOT NULL,
    source_id TEXT NOT NULL,
    imported_at INTEGER NOT NULL
) STRICT;
CREATE INDEX imports_by_source ON imports (source, source_id);
CREATE TABLE kept_parts (
    id INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- NULL for the conversation as a whole.
    message_id TEXT REFERENCES messages (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    json TEXT NOT NULL
) STRICT;
CREATE INDEX kept_parts_by_conversation ON kept_parts (conversation_id);
CREATE INDEX kept_parts_by_message ON kept_parts (message_id) WHERE message_id IS NOT NULL;
";

/// What [`Store::import`] did with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Imported {
    /// It is a conversation of this database now.
    New {
        /// Its id here.
        conversation_id: String,
        /// Rows of other tables that this Lantern has no place for; they are kept as raw JSON.
        rows_kept: usize,
    },
    /// It was here already, and nothing was changed.
    Known,
}

/// Where a conversation was imported from.
pub(crate) fn origin(conn: &Connection, id: &str) -> Result<Option<Origin>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT source, source_id FROM imports WHERE conversation_id = ?1")?;
    let read = |row: &rusqlite::Row<'_>| Ok(Origin { source: row.get(0)?, id: row.get(1)? });
    Ok(statement.query_row([id], read).optional()?)
}

/// What was said of a conversation and its messages that has no place of its own.
pub(crate) fn kept(conn: &Connection, id: &str) -> Result<Vec<KeptPart>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT message_id, name, json FROM kept_parts WHERE conversation_id = ?1 ORDER BY id",
    )?;
    let rows = statement.query_map([id], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?)))?;
    let mut parts = Vec::new();
    for row in rows {
        let (message_id, name, json) = row?;
        parts.push(KeptPart { message_id, name, json: serde_json::from_str(&json)? });
    }
    Ok(parts)
}

fn keep(
    conn: &Connection,
    id: &str,
    message: Option<&str>,
    name: &str,
    json: &Value,
) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO kept_parts (conversation_id, message_id, name, json) VALUES (?1, ?2, ?3, ?4)",
    )?
    .execute(params![id, message, name, serde_json::to_string(json)?])?;
    Ok(())
}

impl Store {
    /// Takes conversations in, all or, on an error, none. One that is here already (by its id, or by where it came from)
    /// stays as it is. Ids are kept where they are free and of this Lantern's form; times, order and branches always.
    pub fn import(&mut self, records: &[ConversationRecord]) -> Result<Vec<Imported>, StoreError> {
        self.write(|t| records.iter().map(|record| import(t, record)).collect())
    }
}

fn import(conn: &Connection, record: &ConversationRecord) -> Result<Imported, StoreError> {
    check(record)?;
    if is_known(conn, record)? {
        return Ok(Imported::Known);
    }
    let ids = new_names(conn, record)?;
    let id = &ids[&record.conversation.id];
    insert_conversation(conn, id, record)?;
    for message in &record.messages {
        insert_message(conn, id, message, &ids)?;
    }
    let leaf = record.conversation.leaf_id.as_ref().and_then(|leaf| ids.get(leaf));
    conn.prepare_cached("UPDATE conversations SET leaf_id = ?2 WHERE id = ?1")?.execute(params![id, leaf])?;
    for summary in &record.summaries {
        conn.prepare_cached("INSERT INTO summaries (message_id, text, created_at) VALUES (?1, ?2, ?3)")?
            .execute(params![ids[&summary.message_id], summary.text, now_ms()])?;
        if summary.edited {
            summaries::mark_edited(conn, &ids[&summary.message_id])?;
        }
    }
    if let Some(origin) = &record.origin {
        conn.prepare_cached(
            "INSERT INTO imports (conversation_id, source, source_id, imported_at) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![id, origin.source, origin.id, now_ms()])?;
    }
    for part in &record.kept {
        let message = part.message_id.as_ref().and_then(|message| ids.get(message)).map(String::as_str);
        keep(conn, id, message, &part.name, &part.json)?;
    }
    let left = side_tables::write(conn, &record.tables, Renamed::new(ids.clone()))?;
    let mut rows_kept = 0;
    for (table, rows) in &left {
        rows_kept += rows.as_array().map_or(1, Vec::len);
        keep(conn, id, None, &format!("table {table}"), rows)?;
    }
    Ok(Imported::New { conversation_id: id.clone(), rows_kept })
}

/// Whether the messages make a tree, each behind the one it answers, and whatever is named is there.
fn check(record: &ConversationRecord) -> Result<(), StoreError> {
    let mut seen: HashSet<&str> = HashSet::new();
    for message in &record.messages {
        if let Some(parent) = &message.parent_id
            && !seen.contains(parent.as_str())
        {
            return Err(StoreError::Record(format!("{parent} is answered before it is said")));
        }
        if message.id == record.conversation.id || !seen.insert(&message.id) {
            return Err(StoreError::Record(format!("{} is there twice", message.id)));
        }
    }
    let mut ends: HashSet<&str> = HashSet::new();
    for summary in &record.summaries {
        if !seen.contains(summary.message_id.as_str()) || !ends.insert(&summary.message_id) {
            return Err(StoreError::Record(format!("{} has no message", summary.message_id)));
        }
    }
    let named = record
        .conversation
        .leaf_id
        .iter()
        .chain(record.kept.iter().filter_map(|part| part.message_id.as_ref()));
    for id in named {
        if !seen.contains(id.as_str()) {
            return Err(StoreError::Record(format!("there is no message {id}")));
        }
    }
    Ok(())
}

fn is_known(conn: &Connection, record: &ConversationRecord) -> Result<bool, StoreError> {
    if let Some(origin) = &record.origin {
        let mut same = conn.prepare_cached("SELECT 1 FROM imports WHERE source = ?1 AND source_id = ?2")?;
        if same.exists([&origin.source, &origin.id])? {
            return Ok(true);
        }
    }
    let mut same = conn.prepare_cached("SELECT 1 FROM conversations WHERE id = ?1")?;
    Ok(same.exists([&record.conversation.id])?)
}

/// What the conversation and its messages are called here: as before, if they are Lantern's names and free.
fn new_names(conn: &Connection, record: &ConversationRecord) -> Result<HashMap<String, String>, StoreError> {
    let old = || std::iter::once(&record.conversation.id).chain(record.messages.iter().map(|one| &one.id));
    let is_ours = |id: &String| uuid::Uuid::parse_str(id).is_ok_and(|uuid| uuid.to_string() == *id);
    // Ids sort messages, so they stay only where they sort them as they are.
    let sorted = record.messages.windows(2).all(|pair| pair[0].id < pair[1].id);
    let mut free = sorted && old().all(is_ours);
    if free {
        let mut taken = conn.prepare_cached("SELECT 1 FROM messages WHERE id = ?1")?;
        for message in &record.messages {
            free = free && !taken.exists([&message.id])?;
        }
    }
    Ok(old().map(|id| (id.clone(), if free { id.clone() } else { id_in(conn) })).collect())
}

fn insert_conversation(conn: &Connection, id: &str, record: &ConversationRecord) -> Result<(), StoreError> {
    let of = &record.conversation;
    conn.prepare_cached(
        "INSERT INTO conversations
             (id, title, model, system_prompt, context_length, pinned, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        id,
        of.title,
        of.model,
        of.system_prompt,
        of.context_length,
        of.pinned,
        of.created_at,
        of.updated_at
    ])?;
    search::index_title(conn, id, &of.title)?;
    shelf::set_titled_by(conn, id, record.titled_by)?;
    if of.folder_id.is_some() {
        shelf::set_folder(conn, id, of.folder_id.as_deref())?;
    }
    if of.archived {
        shelf::set_archived(conn, id, true)?;
    }
    Ok(())
}

fn insert_message(
    conn: &Connection,
    conversation_id: &str,
    message: &Message,
    ids: &HashMap<String, String>,
) -> Result<(), StoreError> {
    // Whoever was writing it does so elsewhere.
    let status = match message.status {
        MessageStatus::Streaming => MessageStatus::Interrupted,
        status => status,
    };
    let message = Message {
        id: ids[&message.id].clone(),
        conversation_id: conversation_id.to_owned(),
        parent_id: message.parent_id.as_ref().map(|parent| ids[parent].clone()),
        status,
        ..message.clone()
    };
    conn.prepare_cached(
        "INSERT INTO messages
             (id, conversation_id, parent_id, role, content, status, model, error, stats, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        message.id,
        message.conversation_id,
        message.parent_id,
        message.role.as_str(),
        message.content,
        messages::status_name(message.status),
        message.model,
        message.error.as_ref().map(serde_json::to_string).transpose()?,
        message.stats.as_ref().map(serde_json::to_string).transpose()?,
        message.created_at
    ])?;
    search::index_message(conn, &message)
}

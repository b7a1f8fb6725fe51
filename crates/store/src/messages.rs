//! Table `messages`: a tree per conversation. Messages with the same parent are alternatives of each other.

use lantern_protocol::{ErrorInfo, GenerationStats, Message, MessageStatus, Role};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, conversations, id_in, journal, now_ms, search};

pub(crate) const V1: &str = "
CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent_id TEXT,
    role TEXT NOT NULL CHECK (role IN ('system', 'user', 'assistant', 'tool')),
    content TEXT NOT NULL,
    status TEXT NOT NULL
        CHECK (status IN ('complete', 'streaming', 'stopped', 'interrupted', 'failed', 'truncated')),
    -- The process that is writing it; only while status is 'streaming'.
    writer TEXT,
    model TEXT,
    error TEXT,
    stats TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (conversation_id, id),
    -- A parent is always of the same conversation. No cascade along the tree: it would recurse once per message.
    FOREIGN KEY (conversation_id, parent_id) REFERENCES messages (conversation_id, id)
        DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX messages_by_parent ON messages (conversation_id, parent_id, id);
CREATE INDEX messages_streaming ON messages (status) WHERE status = 'streaming';
";

const COLUMNS: &str = "id, conversation_id, parent_id, role,
    CASE WHEN status = 'streaming' THEN content || coalesce(
        (SELECT group_concat(text, '' ORDER BY position) FROM journal WHERE message_id = messages.id), '')
    ELSE content END,
    status, model, error, stats, created_at";

fn read(row: &Row<'_>) -> rusqlite::Result<Message> {
    Ok(Message {
        id: row.get(0)?,
        conversation_id: row.get(1)?,
        parent_id: row.get(2)?,
        role: parse(row, 3)?,
        content: row.get(4)?,
        status: parse(row, 5)?,
        model: row.get(6)?,
        // Details that a newer minor version wrote differently are not worth losing the message for.
        error: json_column::<ErrorInfo>(row, 7)?,
        stats: json_column::<GenerationStats>(row, 8)?,
        created_at: row.get(9)?,
    })
}

/// A column that holds an enum by its serialised name.
fn parse<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<T> {
    let name: String = row.get(index)?;
    serde_json::from_value(name.into())
        .map_err(|e| rusqlite::Error::FromSqlConversionFailure(index, Type::Text, Box::new(e)))
}

fn json_column<T: serde::de::DeserializeOwned>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>> {
    Ok(row.get::<_, Option<String>>(index)?.and_then(|text| serde_json::from_str(&text).ok()))
}

/// The serialised name of a status.
pub(crate) fn status_name(status: MessageStatus) -> &'static str {
    match status {
        MessageStatus::Complete => "complete",
        MessageStatus::Streaming => "streaming",
        MessageStatus::Stopped => "stopped",
        MessageStatus::Interrupted => "interrupted",
        MessageStatus::Failed => "failed",
        MessageStatus::Truncated => "truncated",
    }
}

/// A message yet to be stored.
pub(crate) struct NewMessage<'a> {
    pub(crate) conversation_id: &'a str,
    pub(crate) parent_id: Option<&'a str>,
    pub(crate) role: Role,
    pub(crate) content: &'a str,
    pub(crate) model: Option<&'a str>,
    /// `Some` makes it one that is being written.
    pub(crate) writer: Option<&'a str>,
}

pub(crate) fn insert(conn: &Connection, new: NewMessage<'_>) -> Result<Message, StoreError> {
    let status = if new.writer.is_some() { MessageStatus::Streaming } else { MessageStatus::Complete };
    let message = Message {
        id: id_in(conn),
        conversation_id: new.conversation_id.into(),
        parent_id: new.parent_id.map(Into::into),
        role: new.role,
        content: new.content.into(),
        status,
        model: new.model.map(Into::into),
        error: None,
        stats: None,
        created_at: now_ms(),
    };
    conn.prepare_cached(
        "INSERT INTO messages (id, conversation_id, parent_id, role, content, status, writer, model, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        message.id,
        message.conversation_id,
        message.parent_id,
        message.role.as_str(),
        message.content,
        status_name(status),
        new.writer,
        message.model,
        message.created_at
    ])?;
    if status == MessageStatus::Complete {
        search::index_message(conn, &message)?;
    }
    Ok(message)
}

pub(crate) fn get(conn: &Connection, id: &str) -> Result<Message, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM messages WHERE id = ?1"))?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| StoreError::NoMessage(id.into()))
}

pub(crate) fn of_conversation(conn: &Connection, conversation_id: &str) -> Result<Vec<Message>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM messages WHERE conversation_id = ?1 ORDER BY id");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map([conversation_id], read)?.collect::<Result<_, _>>()?)
}

/// The messages of a conversation behind one of them, in the order of [`of_conversation`]; from the first where `after` is empty.
pub(crate) fn after(
    conn: &Connection,
    conversation_id: &str,
    after: &str,
    count: i64,
) -> Result<Vec<Message>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM messages WHERE conversation_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map(params![conversation_id, after, count], read)?.collect::<Result<_, _>>()?)
}

/// The last messages of the branch that ends at `leaf`, at most so many, the first one first.
pub(crate) fn tail(conn: &Connection, leaf: &str, count: i64) -> Result<Vec<Message>, StoreError> {
    let sql = format!(
        "WITH RECURSIVE up (up_id, up_parent, depth) AS (
             SELECT id, parent_id, 0 FROM messages WHERE id = ?1
             UNION ALL
             SELECT m.id, m.parent_id, depth + 1 FROM messages m JOIN up ON m.id = up_parent WHERE depth + 1 < ?2
         )
         SELECT {COLUMNS} FROM up JOIN messages ON id = up_id ORDER BY depth DESC"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map((leaf, count), read)?.collect::<Result<_, _>>()?)
}

/// The last message one meets going down from `id`, always to the newest child.
pub(crate) fn newest_leaf(conn: &Connection, conversation_id: &str, id: &str) -> Result<String, StoreError> {
    // Named, because for a maximum the planner prefers the index by id and then reads the whole conversation.
    let mut newest_child = conn.prepare_cached(
        "SELECT id FROM messages INDEXED BY messages_by_parent
         WHERE conversation_id = ?1 AND parent_id = ?2 ORDER BY id DESC LIMIT 1",
    )?;
    let mut leaf = id.to_owned();
    while let Some(child) = newest_child.query_row([conversation_id, &leaf], |row| row.get(0)).optional()? {
        leaf = child;
    }
    Ok(leaf)
}

/// Ends a message that is being written: its journal becomes its content.
pub(crate) fn finish(
    conn: &Connection,
    id: &str,
    status: MessageStatus,
    error: Option<&ErrorInfo>,
    stats: Option<&GenerationStats>,
) -> Result<Message, StoreError> {
    let message = get(conn, id)?;
    if message.status != MessageStatus::Streaming {
        return Err(StoreError::NotStreaming(id.into()));
    }
    conn.prepare_cached(
        "UPDATE messages SET content = ?2, status = ?3, error = ?4, stats = ?5, writer = NULL WHERE id = ?1",
    )?
    .execute(params![
        id,
        message.content,
        status_name(status),
        error.map(serde_json::to_string).transpose()?,
        stats.map(serde_json::to_string).transpose()?
    ])?;
    journal::clear(conn, id)?;
    // Read back rather than put together: what is told is what was stored, to the last digit of the figures.
    let message = get(conn, id)?;
    search::index_message(conn, &message)?;
    conversations::touch(conn, &message.conversation_id)?;
    Ok(message)
}

/// Ends, as `interrupted`, every message whose writer is dead. Gives how many.
pub(crate) fn interrupt(conn: &Connection, is_dead: impl Fn(&str) -> bool) -> Result<usize, StoreError> {
    let streaming = conn
        .prepare("SELECT id, coalesce(writer, '') FROM messages WHERE status = 'streaming'")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()?;
    let mut interrupted = 0;
    for (id, _) in streaming.iter().filter(|(_, writer)| is_dead(writer)) {
        finish(conn, id, MessageStatus::Interrupted, None, None)?;
        interrupted += 1;
    }
    Ok(interrupted)
}

impl Store {
    /// One message; one that is being written with its text so far.
    pub fn message(&self, id: &str) -> Result<Message, StoreError> {
        get(&self.conn, id)
    }

    /// The messages from the first one down to `id`.
    pub fn branch(&self, id: &str) -> Result<Vec<Message>, StoreError> {
        let sql = format!(
            "WITH RECURSIVE up (up_id, up_parent, depth) AS (
                 SELECT id, parent_id, 0 FROM messages WHERE id = ?1
                 UNION ALL
                 SELECT m.id, m.parent_id, depth + 1 FROM messages m JOIN up ON m.id = up_parent
             )
             SELECT {COLUMNS} FROM up JOIN messages ON id = up_id ORDER BY depth DESC"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        let branch: Vec<Message> = statement.query_map([id], read)?.collect::<Result<_, _>>()?;
        if branch.is_empty() { Err(StoreError::NoMessage(id.into())) } else { Ok(branch) }
    }
}

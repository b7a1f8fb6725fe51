//! Table `conversations`: what the sidebar lists. Deleting one deletes its messages, journal and search documents.

use lantern_protocol::{Conversation, ConversationView, TitledBy};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, id_in, is_temporary, messages, now_ms, search, shelf, summaries};

pub(crate) const V1: &str = "
CREATE TABLE conversations (
    id TEXT PRIMARY KEY NOT NULL,
    title TEXT NOT NULL,
    model TEXT,
    system_prompt TEXT,
    leaf_id TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    -- Deferred, because a conversation and its messages name each other.
    FOREIGN KEY (id, leaf_id) REFERENCES messages (conversation_id, id) DEFERRABLE INITIALLY DEFERRED
) STRICT;
CREATE INDEX conversations_by_update ON conversations (updated_at DESC);
";

/// Format 2.
pub(crate) const V2: &str = "
ALTER TABLE conversations ADD COLUMN context_length INTEGER;
ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
";

const COLUMNS: &str =
    "id, title, model, system_prompt, context_length, pinned, leaf_id, created_at, updated_at,
    folder_id, coalesce(archived, 0)";
/// Where the columns are: a conversation without a row in `shelf` lies in no folder and is not archived.
const FROM: &str = "conversations LEFT JOIN shelf ON shelf.conversation_id = conversations.id";

fn read(row: &Row<'_>) -> rusqlite::Result<Conversation> {
    let id: String = row.get(0)?;
    Ok(Conversation {
        title: row.get(1)?,
        model: row.get(2)?,
        system_prompt: row.get(3)?,
        context_length: row.get(4)?,
        pinned: row.get(5)?,
        leaf_id: row.get(6)?,
        created_at: row.get(7)?,
        updated_at: row.get(8)?,
        temporary: is_temporary(&id),
        folder_id: row.get(9)?,
        archived: row.get(10)?,
        id,
    })
}

pub(crate) fn insert(
    conn: &Connection,
    title: &str,
    model: Option<&str>,
) -> Result<Conversation, StoreError> {
    let now = now_ms();
    let id = id_in(conn);
    let conversation = Conversation {
        temporary: is_temporary(&id),
        id,
        title: title.into(),
        model: model.map(Into::into),
        system_prompt: None,
        context_length: None,
        pinned: false,
        leaf_id: None,
        created_at: now,
        updated_at: now,
        folder_id: None,
        archived: false,
    };
    conn.prepare_cached(
        "INSERT INTO conversations (id, title, model, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?4)",
    )?
    .execute(params![conversation.id, title, model, now])?;
    search::index_title(conn, &conversation.id, title)?;
    Ok(conversation)
}

pub(crate) fn get(conn: &Connection, id: &str) -> Result<Conversation, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM {FROM} WHERE id = ?1"))?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| StoreError::NoConversation(id.into()))
}

/// Shows the branch that ends in `leaf` and marks the conversation as changed.
pub(crate) fn set_leaf(conn: &Connection, id: &str, leaf: Option<&str>) -> Result<(), StoreError> {
    changed(
        id,
        conn.prepare_cached("UPDATE conversations SET leaf_id = ?2, updated_at = ?3 WHERE id = ?1")?
            .execute(params![id, leaf, now_ms()])?,
    )
}

pub(crate) fn set_model(conn: &Connection, id: &str, model: Option<&str>) -> Result<(), StoreError> {
    changed(
        id,
        conn.prepare_cached("UPDATE conversations SET model = ?2 WHERE id = ?1")?
            .execute(params![id, model])?,
    )
}

pub(crate) fn touch(conn: &Connection, id: &str) -> Result<(), StoreError> {
    changed(
        id,
        conn.prepare_cached("UPDATE conversations SET updated_at = ?2 WHERE id = ?1")?
            .execute(params![id, now_ms()])?,
    )
}

fn changed(id: &str, rows: usize) -> Result<(), StoreError> {
    if rows == 0 { Err(StoreError::NoConversation(id.into())) } else { Ok(()) }
}

impl Store {
    /// All conversations, the latest changed first.
    pub fn conversations(&self) -> Result<Vec<Conversation>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM {FROM} ORDER BY updated_at DESC, id DESC");
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// One conversation without its messages.
    pub fn conversation(&self, id: &str) -> Result<Conversation, StoreError> {
        get(&self.conn, id)
    }

    /// One conversation with every message of its tree, oldest first, answers being written with their text so far.
    pub fn conversation_view(&mut self, id: &str) -> Result<ConversationView, StoreError> {
        // One read transaction: a message may be finished between the two queries by another process.
        let transaction = self.conn.transaction()?;
        let view = ConversationView {
            conversation: get(&transaction, id)?,
            messages: messages::of_conversation(&transaction, id)?,
            summaries: summaries::of_conversation(&transaction, id)?,
        };
        transaction.commit()?;
        Ok(view)
    }

    /// A conversation that has no message yet.
    pub fn begin_conversation(&mut self, title: &str) -> Result<Conversation, StoreError> {
        self.write(|t| insert(t, title, None))
    }

    /// Gives a conversation another title.
    pub fn rename_conversation(&mut self, id: &str, title: &str) -> Result<Conversation, StoreError> {
        self.write(|t| {
            changed(
                id,
                t.prepare_cached("UPDATE conversations SET title = ?2 WHERE id = ?1")?
                    .execute([id, title])?,
            )?;
            search::index_title(t, id, title)?;
            shelf::set_titled_by(t, id, TitledBy::User)?;
            get(t, id)
        })
    }

    /// Sets how many tokens a conversation may have; `None` leaves it to the settings.
    pub fn set_context_length(
        &mut self,
        id: &str,
        context_length: Option<u32>,
    ) -> Result<Conversation, StoreError> {
        self.write(|t| {
            changed(
                id,
                t.prepare_cached("UPDATE conversations SET context_length = ?2 WHERE id = ?1")?
                    .execute(params![id, context_length])?,
            )?;
            get(t, id)
        })
    }

    /// Pins a conversation, or lets it be like any other.
    pub fn pin_conversation(&mut self, id: &str, pinned: bool) -> Result<Conversation, StoreError> {
        self.write(|t| {
            changed(
                id,
                t.prepare_cached("UPDATE conversations SET pinned = ?2 WHERE id = ?1")?
                    .execute(params![id, pinned])?,
            )?;
            get(t, id)
        })
    }

    /// Ids of the pinned conversations, the latest changed first.
    pub fn pinned_conversations(&self) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT id FROM conversations WHERE pinned ORDER BY updated_at DESC, id DESC";
        let mut statement = self.conn.prepare_cached(sql)?;
        Ok(statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// Deletes a conversation with all it holds, from the log as well.
    pub fn delete_conversation(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            changed(id, t.prepare_cached("DELETE FROM conversations WHERE id = ?1")?.execute([id])?)
        })?;
        // The log still holds the text until it is folded in and cut. A reader elsewhere may delay this to a later time.
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        Ok(())
    }

    /// Shows the branch through `message_id`: down to the newest leaf below it.
    pub fn select_branch(&mut self, id: &str, message_id: &str) -> Result<Conversation, StoreError> {
        self.write(|t| {
            if messages::get(t, message_id)?.conversation_id != id {
                return Err(StoreError::NoMessage(message_id.into()));
            }
            let leaf = messages::newest_leaf(t, id, message_id)?;
            // Looking at another branch is no change, so the sidebar's order stays.
            t.prepare_cached("UPDATE conversations SET leaf_id = ?2 WHERE id = ?1")?
                .execute(params![id, leaf])?;
            get(t, id)
        })
    }
}

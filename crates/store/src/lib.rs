//! What Lantern remembers: conversations, their messages, the settings and the full-text search, in one SQLite file.
//!
//! One file per table holds its schema, its row type's mapping and its queries: [`conversations`](Store::conversations),
//! [`messages`](Store::messages), the journal of answers being written ([`Store::append`]), the settings and the search.
//! `exchange` joins several tables into the steps of one question and its answer; `open` is everything that happens
//! before the first query: locks, checks, migrations, recovery.
//!
//! The calls are synchronous and short. This crate starts no threads, knows no models and sends no events: `lantern-app`
//! decides on which thread to call it and whom to tell.
#![forbid(unsafe_code)]

mod answer_sights;
mod api_keys;
mod api_requests;
mod assistants;
mod attachments;
mod begun;
mod conversation_assistants;
mod conversations;
mod documents;
mod error;
mod exchange;
mod find;
mod folders;
mod imports;
mod journal;
mod knowledge;
mod messages;
mod migrations;
mod model_notes;
mod open;
mod opening;
mod overflow_choices;
mod passage;
mod presence;
mod prompts;
mod receipts;
mod records;
mod search;
mod settings;
mod shelf;
mod side_tables;
mod summaries;
mod token_ids;
mod tool_calls;
mod tool_choices;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lantern_protocol::ErrorInfo;
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use begun::Begun;
pub use conversation_assistants::NamedAssistant;
pub use documents::{FoundPassage, NewDocument};
pub use error::StoreError;
pub use exchange::{Asked, Exchange, Finish, Place, Question, QuestionFiles};
pub use imports::Imported;
pub use knowledge::{FolderCount, StoredFile, StoredFolder};
pub use open::DATABASE_FILE;
pub use receipts::Unhashed;
pub use tool_calls::{NewToolCall, Round};

/// An open database. Several processes may hold one on the same directory at the same time.
#[derive(Debug)]
pub struct Store {
    // Dropped in this order: the connection first, so that its last checkpoint still happens under the lock.
    conn: Connection,
    // Neither is there for a store in memory, which no other process can see.
    writer: Option<presence::Writer>,
    _presence: Option<presence::Presence>,
    path: PathBuf,
}

/// What [`Store::open`] gives.
#[derive(Debug)]
pub struct Opened {
    /// Ready for use.
    pub store: Store,
    /// Something the user must hear about, such as a damaged database that was put aside.
    pub notice: Option<ErrorInfo>,
}

impl Store {
    /// The database file; empty for a store in memory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What messages that are being written name as their writer.
    fn writer_id(&self) -> &str {
        self.writer.as_ref().map_or("memory", presence::Writer::id)
    }

    /// Runs `f` in one transaction that takes the write lock at once: a later upgrade could fail with "busy" half-way.
    fn write<T>(
        &mut self,
        f: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let transaction = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let value = f(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }
}

/// Milliseconds since the Unix epoch.
fn now_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

/// A new identifier; later ones sort after earlier ones.
fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// What ids of conversations and messages begin with that exist in memory only.
const TEMPORARY: &str = "temporary-";

/// Whether a conversation or a message of this id leaves no trace: it is in a store in memory, and in no other.
pub fn is_temporary(id: &str) -> bool {
    id.starts_with(TEMPORARY)
}

/// A new identifier of a conversation or a message in this database, by which one can tell whether it is on a disk.
fn id_in(conn: &Connection) -> String {
    let in_memory = conn.path().is_none_or(str::is_empty);
    if in_memory { format!("{TEMPORARY}{}", new_id()) } else { new_id() }
}

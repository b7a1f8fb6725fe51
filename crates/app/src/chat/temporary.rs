//! Chats that leave no trace: they live in a database in memory, nothing computed of them goes to the disk, and closing one
//! is its end.

use std::sync::Arc;

use lantern_protocol::Conversation;
use lantern_store::{Exchange, Place, Question};

use crate::database::Database;
use crate::models::Answering;
use crate::{App, AppError};

impl App {
    /// Begins a chat that leaves no trace. [`App::delete_conversation`] closes it, and so does the end of the program.
    pub async fn begin_temporary_chat(&self) -> Result<Conversation, AppError> {
        self.0.db.temporary().run(|store| store.begin_conversation("")).await
    }

    /// Where a question goes: to the database that has what it follows.
    pub(super) fn database_of(&self, exchange: &Exchange) -> Database {
        let id = match &exchange.question {
            Question::New { place: Place::New { .. }, .. } => return self.0.db.clone(),
            Question::New { place: Place::End { conversation_id }, .. }
            | Question::New { place: Place::Below { conversation_id, .. }, .. } => conversation_id,
            Question::New { place: Place::InsteadOf { message_id }, .. } | Question::Again { message_id } => {
                message_id
            }
        };
        self.0.db.of(id)
    }
}

/// Tells an engine to keep nothing of a conversation on the disk. Before its first token is computed.
pub(super) async fn leave_no_prefixes(answering: &Answering, conversation: &str) {
    let Some(loaded) = answering.local() else { return };
    let (engine, conversation) = (Arc::clone(&loaded.engine), conversation.to_owned());
    let _ = tokio::task::spawn_blocking(move || engine.forget_prefixes(&conversation)).await;
}

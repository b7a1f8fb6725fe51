//! Listing, searching, renaming, deleting conversations, and choosing among their branches.

use lantern_protocol::{
    AppEvent, Conversation, ConversationSummary, ConversationView, FindQuery, Found, Message, Opening,
};

use lantern_store::Store;

use crate::settings::{CONTEXT_LENGTH, within};
use crate::{App, AppError};

impl App {
    /// All conversations, the latest changed first; with a query, those that match it, the best first.
    pub async fn list_conversations(
        &self,
        query: Option<String>,
    ) -> Result<Vec<ConversationSummary>, AppError> {
        let query = query.filter(|q| !q.trim().is_empty());
        self.0
            .db
            .run(move |store| match query {
                Some(query) => store.search(&query),
                None => Ok(store.conversations()?.into_iter().map(unmatched).collect()),
            })
            .await
    }

    /// Messages and titles that match a query, temporary chats left out.
    pub async fn find_messages(&self, query: FindQuery) -> Result<Found, AppError> {
        self.0.db.run(move |store| store.find(&query)).await
    }

    /// One conversation with all its messages; answers being written with their text so far.
    pub async fn conversation(&self, id: &str) -> Result<ConversationView, AppError> {
        let id = id.to_owned();
        self.0.db.of(&id).run(move |store| store.conversation_view(&id)).await
    }

    /// What is shown first of a conversation; the rest of a long one is asked for with [`Self::messages_after`].
    pub async fn open_conversation(&self, id: &str) -> Result<Opening, AppError> {
        let id = id.to_owned();
        self.0.db.of(&id).run(move |store| store.open_conversation(&id)).await
    }

    /// The messages of all branches behind this one, oldest first, or from the first: a piece of them, which is empty where none are left.
    pub async fn messages_after(&self, id: &str, after: Option<String>) -> Result<Vec<Message>, AppError> {
        let id = id.to_owned();
        self.0.db.of(&id).run(move |store| store.messages_after(&id, after.as_deref())).await
    }

    /// Gives a conversation another title.
    pub async fn rename_conversation(&self, id: &str, title: &str) -> Result<Conversation, AppError> {
        let title = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if title.is_empty() {
            return Err(AppError::new(
                "empty_title",
                "A title needs at least one character.",
                "Type a title.",
            ));
        }
        let id = id.to_owned();
        let conversation = self.0.db.of(&id).run(move |store| store.rename_conversation(&id, &title)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(conversation)
    }

    /// Sets how many tokens a conversation may have; `None` leaves it to the settings. Takes effect at the next answer, and
    /// loads nothing anew for which the model in memory has room.
    pub async fn set_context_length(
        &self,
        id: &str,
        context_length: Option<u32>,
    ) -> Result<Conversation, AppError> {
        if let Some(length) = context_length {
            within("contextLength", length, CONTEXT_LENGTH)?;
        }
        let owned = id.to_owned();
        let set = move |store: &mut Store| store.set_context_length(&owned, context_length);
        let conversation = self.0.db.of(id).run(set).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(conversation)
    }

    /// Pins a conversation: what was computed of it is kept longest, so that it goes on at once. Or lets it be like others.
    pub async fn pin_conversation(&self, id: &str, pinned: bool) -> Result<Conversation, AppError> {
        let stored = id.to_owned();
        let conversation = self.0.db.of(id).run(move |store| store.pin_conversation(&stored, pinned)).await?;
        if !conversation.temporary {
            self.pin_prefixes(id, pinned).await?;
        }
        self.emit(AppEvent::ConversationsChanged);
        Ok(conversation)
    }

    /// Deletes a conversation with all it holds. Answers being written in it are stopped first.
    pub async fn delete_conversation(&self, id: &str) -> Result<(), AppError> {
        self.0.answers.stop_conversation(id);
        let deleted = id.to_owned();
        let delete = move |store: &mut Store| {
            let documents = store.documents_of_conversation(&deleted)?;
            store.delete_conversation(&deleted)?;
            Ok(documents)
        };
        let documents = self.0.db.of(id).run(delete).await?;
        self.forget_documents(documents).await?;
        self.forget_prefixes(id).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(())
    }

    /// Shows the branch through a message, down to the newest leaf below it.
    pub async fn select_branch(&self, id: &str, message_id: &str) -> Result<ConversationView, AppError> {
        let db = self.0.db.of(id);
        let (id, message_id) = (id.to_owned(), message_id.to_owned());
        let select = move |store: &mut Store| {
            store.select_branch(&id, &message_id)?;
            store.conversation_view(&id)
        };
        let view = db.run(select).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(view)
    }
}

fn unmatched(conversation: Conversation) -> ConversationSummary {
    ConversationSummary { conversation, snippet: None }
}

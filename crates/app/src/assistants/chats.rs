//! Conversations that have an assistant.
//!
//! Who says how an answer is made, the first that says anything: the request, the conversation, its assistant, the model's
//! defaults, the settings. An assistant is read at each answer, so a change holds from the next one on; the answer keeps which
//! version it was. When it is deleted, its conversations go on with it as it was.

use lantern_protocol::{AppEvent, ConversationAssistant};
use lantern_store::{NamedAssistant, Store, StoreError};

use crate::{App, AppError};

impl App {
    /// Gives a conversation an assistant, or with `None` none, from the next answer on. What the assistant says something of
    /// (model, tools, folders) takes the place of what the conversation chose before; what it chooses later goes before it.
    pub async fn choose_assistant(
        &self,
        conversation_id: &str,
        assistant: Option<String>,
    ) -> Result<Option<ConversationAssistant>, AppError> {
        let assistant = match assistant {
            Some(id) => Some(self.0.db.run(move |store| store.assistant(&id)).await?),
            None => None,
        };
        let id = conversation_id.to_owned();
        let set = move |store: &mut Store| {
            store.set_assistant(&id, assistant.as_ref())?;
            assistant.map_or(Ok(()), |assistant| store.follow_assistant(&id, &assistant))
        };
        self.0.db.of(conversation_id).run(set).await?;
        self.emit(AppEvent::ConversationsChanged);
        self.conversation_assistant(conversation_id).await
    }

    /// The assistant of a conversation, and which answers were written with one.
    pub async fn conversation_assistant(
        &self,
        conversation_id: &str,
    ) -> Result<Option<ConversationAssistant>, AppError> {
        let Some(NamedAssistant { assistant, is_here }) = self.assistant_of(conversation_id).await? else {
            return Ok(None);
        };
        let id = conversation_id.to_owned();
        let read = move |store: &mut Store| store.answers_with_assistant(&id);
        let answers = self.0.db.of(conversation_id).run(read).await?;
        Ok(Some(ConversationAssistant { assistant, is_here, answers }))
    }

    /// The same without its answers. A temporary chat knows its assistant's name; what that is, the database on disk knows.
    pub(crate) async fn assistant_of(&self, id: &str) -> Result<Option<NamedAssistant>, AppError> {
        let conversation = id.to_owned();
        let read = move |store: &mut Store| store.assistant_of(&conversation);
        let named = self.0.db.of(id).run(read).await?;
        match named {
            Some(named) if !named.is_here && lantern_store::is_temporary(id) => {
                let id = named.assistant.id.clone();
                let here = self.0.db.run(move |store| match store.assistant(&id) {
                    Ok(assistant) => Ok(Some(assistant)),
                    Err(StoreError::NoAssistant(_)) => Ok(None),
                    Err(error) => Err(error),
                });
                let here = here.await?.map(|assistant| NamedAssistant { assistant, is_here: true });
                Ok(Some(here.unwrap_or(named)))
            }
            named => Ok(named),
        }
    }

    /// The model of a conversation's assistant.
    pub(crate) async fn assistants_model(&self, conversation_id: &str) -> Result<Option<String>, AppError> {
        Ok(self.assistant_of(conversation_id).await?.and_then(|named| named.assistant.setup.model))
    }

    /// Keeps with an answer that its conversation's assistant had a say in it.
    pub(crate) async fn note_assistant(
        &self,
        conversation_id: &str,
        message_id: &str,
    ) -> Result<(), AppError> {
        let Some(NamedAssistant { assistant, .. }) = self.assistant_of(conversation_id).await? else {
            return Ok(());
        };
        let id = message_id.to_owned();
        let note = move |store: &mut Store| store.answer_as(&id, &assistant);
        self.0.db.of(message_id).run(note).await
    }
}

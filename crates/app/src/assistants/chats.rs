//! Conversations that have an assistant.
//!
//! Who says how an answer is made, the first that says anything: the request, the conversation, its assistant, the model's
//! defaults, the settings. An assistant is read at each answer, so a change holds from the next one on; the answer keeps which
//! version it was. When it is deleted, its conversations go on with it as it was.

use lantern_protocol::{AppEvent, Assistant, ChosenTools, ConversationAssistant, Settings};
use lantern_store::{Asked, NamedAssistant, Store, StoreError};

use crate::{App, AppError};

/// With what a question begins or goes on with its conversation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Begun {
    /// The assistant that answers from now on; `None` changes nothing.
    pub(crate) assistant: Option<Assistant>,
    /// Tools that were chosen for it.
    pub(crate) tools: Option<ChosenTools>,
    /// Whether the model that answers is the assistant's, so that the conversation follows that.
    pub(crate) models_own: bool,
}

impl Begun {
    /// Keeps it for the conversation of a question that was just stored.
    pub(crate) fn keep(&self, store: &mut Store, asked: &mut Asked) -> Result<(), StoreError> {
        let id = &asked.conversation.id;
        if let Some(assistant) = &self.assistant {
            store.set_assistant(id, Some(assistant))?;
        }
        if self.models_own {
            store.forget_model(id)?;
            asked.conversation.model = None;
        }
        if let Some(tools) = self.tools.as_ref().filter(|_| !asked.conversation.temporary) {
            store.choose_tools(Some(id), tools)?;
        }
        Ok(())
    }

    /// The tools that a new conversation begins with; `None` leaves them to its assistant.
    pub(crate) fn first_tools(&self, store: &Store) -> Result<Option<ChosenTools>, StoreError> {
        let says = self.assistant.as_ref().is_some_and(|assistant| assistant.setup.tools.is_some());
        if says || self.tools.is_some() {
            return Ok(None);
        }
        store.chosen_tools(None).map(Some)
    }
}

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

    /// The settings as they hold for an answer of this conversation. That its assistant had a say is kept with the answer.
    pub(crate) async fn as_assistant(
        &self,
        settings: Settings,
        conversation_id: &str,
        message_id: &str,
    ) -> Result<Settings, AppError> {
        let Some(NamedAssistant { assistant, .. }) = self.assistant_of(conversation_id).await? else {
            return Ok(settings);
        };
        let settings = assistant.setup.over(settings);
        let id = message_id.to_owned();
        let note = move |store: &mut Store| store.answer_as(&id, &assistant);
        self.0.db.of(message_id).run(note).await?;
        Ok(settings)
    }
}

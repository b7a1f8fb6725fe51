//! With what a question begins its conversation, or goes on with it.

use lantern_protocol::{Assistant, ChosenTools};
use rusqlite::Connection;

use crate::{Asked, StoreError, conversation_assistants, conversations, tool_choices};

/// What is chosen together with a question; nothing of it changes nothing.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// The assistant that answers from now on.
    pub assistant: Option<Assistant>,
    /// Tools that were chosen for the conversation.
    pub tools: Option<ChosenTools>,
    /// Whether the model that answers is the assistant's, so that the conversation follows that.
    pub models_own: bool,
}

impl Begun {
    /// Keeps it for the conversation of a question that was just stored. A new one begins with the tools that new ones begin
    /// with, unless its assistant or the user says otherwise.
    pub(crate) fn keep(&self, t: &Connection, asked: &mut Asked, is_new: bool) -> Result<(), StoreError> {
        let id = &asked.conversation.id;
        let assistants = self.assistant.as_ref().is_some_and(|assistant| assistant.setup.tools.is_some());
        if is_new && !assistants && self.tools.is_none() {
            tool_choices::begin_with(t, id)?;
        }
        if let Some(assistant) = &self.assistant {
            conversation_assistants::set(t, id, Some(assistant))?;
        }
        if self.models_own {
            conversations::set_model(t, id, None)?;
            asked.conversation.model = None;
        }
        if let Some(tools) = &self.tools {
            tool_choices::choose(t, Some(id), tools)?;
        }
        Ok(())
    }
}

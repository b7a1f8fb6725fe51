//! Tools: the servers that the user added ([`servers`]), which tools a conversation may use and how the model knows them
//! ([`offered`]), whether a call may run ([`consent`]), and running it ([`run`]).

mod consent;
mod conversations;
mod offered;
mod run;
mod servers;
mod stored;

use std::collections::HashMap;
use std::sync::Mutex;

use lantern_protocol::{ChosenTools, ToolCall};
use lantern_tools::{ToolError, ToolServer};

pub(crate) use offered::{MOST_TOOLS, Offered};
pub(crate) use run::Calls;

use crate::{App, AppError};

/// What is running, and who waits for the user's word.
#[derive(Default)]
pub(crate) struct Tools {
    /// One change of the list at a time.
    turn: tokio::sync::Mutex<()>,
    /// Servers that were wanted since Lantern started, by name, with what they were made of.
    running: Mutex<HashMap<String, (stored::Stored, ToolServer)>>,
    asking: consent::Asking,
}

impl App {
    /// The tools of a conversation; without one, those with which new ones begin.
    pub async fn chosen_tools(&self, conversation_id: Option<String>) -> Result<ChosenTools, AppError> {
        let db = conversation_id.as_deref().map_or_else(|| self.0.db.clone(), |id| self.0.db.of(id));
        db.run(move |store| store.chosen_tools(conversation_id.as_deref())).await
    }

    /// Chooses the tools of a conversation, or those with which new ones begin.
    pub async fn choose_tools(
        &self,
        conversation_id: Option<String>,
        chosen: ChosenTools,
    ) -> Result<(), AppError> {
        if chosen.tools.len() > offered::MOST_TOOLS {
            return Err(AppError::new(
                "too_many_tools",
                format!("A conversation can have at most {} tools.", offered::MOST_TOOLS),
                "Switch some off: the model reads all of them before each answer.",
            ));
        }
        let db = conversation_id.as_deref().map_or_else(|| self.0.db.clone(), |id| self.0.db.of(id));
        db.run(move |store| store.choose_tools(conversation_id.as_deref(), &chosen)).await
    }

    /// The calls of all branches of a conversation, in order.
    pub async fn tool_calls(&self, conversation_id: &str) -> Result<Vec<ToolCall>, AppError> {
        let id = conversation_id.to_owned();
        self.0.db.of(conversation_id).run(move |store| store.tool_calls(&id)).await
    }
}

impl From<ToolError> for AppError {
    fn from(error: ToolError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

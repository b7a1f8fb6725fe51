//! Asking the user whether a call may run.

use std::collections::HashMap;
use std::sync::Mutex;

use lantern_protocol::{ChosenTool, ToolConsent};
use tokio::sync::oneshot;

use crate::{App, AppError, lock};

/// Calls that wait for the user's word, by their ids.
#[derive(Default)]
pub(super) struct Asking(Mutex<HashMap<String, Asked>>);

struct Asked {
    conversation_id: String,
    tool: ChosenTool,
    /// Hears whether it may run.
    answer: oneshot::Sender<bool>,
}

/// Waits for the user's word. Dropping it takes the question back.
pub(super) struct Question<'a> {
    app: &'a App,
    call_id: String,
    pub(super) answer: oneshot::Receiver<bool>,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.app.0.tools.asking.0).remove(&self.call_id);
    }
}

impl App {
    /// Asks whether a call may run. The windows know of it: the call's state is `asking`.
    pub(super) fn ask_consent(
        &self,
        call_id: &str,
        conversation_id: &str,
        tool: &ChosenTool,
    ) -> Question<'_> {
        let (sender, answer) = oneshot::channel();
        let asked = Asked { conversation_id: conversation_id.to_owned(), tool: tool.clone(), answer: sender };
        lock(&self.0.tools.asking.0).insert(call_id.to_owned(), asked);
        Question { app: self, call_id: call_id.to_owned(), answer }
    }

    /// The user's word on a call. What they say of the tool for longer holds for its other calls that wait, too.
    pub async fn answer_tool_call(&self, call_id: &str, consent: ToolConsent) -> Result<(), AppError> {
        let asked = lock(&self.0.tools.asking.0).remove(call_id).ok_or_else(|| {
            AppError::new(
                "tool_call_not_asked",
                "This call does not wait for an answer any more.",
                "Look at what became of it.",
            )
        })?;
        let kept = match consent {
            ToolConsent::Once | ToolConsent::Deny => None,
            ToolConsent::Chat => Some(Some(asked.conversation_id.clone())),
            ToolConsent::Always => Some(None),
        };
        if let Some(conversation_id) = kept {
            let tool = asked.tool.clone();
            let is_always = conversation_id.is_none();
            let db = conversation_id.as_deref().map_or_else(|| self.0.db.clone(), |id| self.0.db.of(id));
            db.run(move |store| store.let_run(conversation_id.as_deref(), &tool)).await?;
            for other in self.waiting_too(&asked, is_always) {
                let _ = other.answer.send(true);
            }
        }
        // Whoever asked may have been stopped meanwhile.
        let _ = asked.answer.send(consent != ToolConsent::Deny);
        Ok(())
    }

    fn waiting_too(&self, asked: &Asked, everywhere: bool) -> Vec<Asked> {
        let mut all = lock(&self.0.tools.asking.0);
        let is_same = |other: &Asked| {
            other.tool == asked.tool && (everywhere || other.conversation_id == asked.conversation_id)
        };
        let ids: Vec<String> =
            all.iter().filter(|(_, other)| is_same(other)).map(|(id, _)| id.clone()).collect();
        ids.iter().filter_map(|id| all.remove(id)).collect()
    }
}

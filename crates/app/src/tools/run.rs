//! Running the calls of an answer: each is asked about, begun in the database, run, and ended there.

use std::time::Duration;

use lantern_protocol::{BUILT_IN, ChatEvent, ChosenTool, ToolCall, ToolCallState, ToolImage, ToolResult};
use lantern_store::Store;
use lantern_tools::builtin::{self, Arguments};
use lantern_tools::{ToolError, ToolOutput};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;
use tokio_util::sync::CancellationToken;

use super::{Offered, conversations};
use crate::database::Database;
use crate::{App, AppError};

/// Calls of one answer.
pub(crate) struct Calls<'a> {
    pub(crate) app: &'a App,
    pub(crate) conversation_id: &'a str,
    pub(crate) offered: &'a Offered,
    pub(crate) events: &'a UnboundedSender<ChatEvent>,
    pub(crate) stop: &'a CancellationToken,
    /// How long each of them may take.
    pub(crate) limit: Duration,
}

impl Calls<'_> {
    /// Brings all calls to their end, side by side; gives them in order. Those that have ended stay as they are.
    pub(crate) async fn run(&self, calls: Vec<ToolCall>) -> Result<Vec<ToolCall>, AppError> {
        futures::future::try_join_all(calls.into_iter().map(|call| self.one(call))).await
    }

    async fn one(&self, call: ToolCall) -> Result<ToolCall, AppError> {
        if call.state != ToolCallState::Asking {
            return Ok(call);
        }
        let prepared = self.prepare(&call);
        let (tool, arguments) = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return self.end(&call, ToolCallState::Failed, Some(failure(&error))).await,
        };
        let stopped_before = match self.may_run(&call, tool).await? {
            Some(true) => false,
            Some(false) => return self.end(&call, ToolCallState::Denied, None).await,
            None => true,
        };
        if stopped_before {
            return self.end(&call, self.stopped(ToolCallState::NotRun), None).await;
        }
        let id = call.id.clone();
        let call = self.tell(self.db().run(move |store: &mut Store| store.begin_tool_call(&id)).await?);
        match self.call(tool, arguments).await {
            Ok(output) => {
                let state = if output.is_error { ToolCallState::Failed } else { ToolCallState::Done };
                self.end(&call, state, Some(result(output))).await
            }
            Err(error) if error.code == ToolError::Stopped.code() => {
                self.end(&call, self.stopped(ToolCallState::Interrupted), None).await
            }
            Err(error) => self.end(&call, ToolCallState::Failed, Some(failure(&error))).await,
        }
    }

    /// The tool and its arguments, or what the model is told instead.
    fn prepare(&self, call: &ToolCall) -> Result<(&ChosenTool, Arguments), AppError> {
        let tool = self.offered.find(&call.name);
        let tool = tool.ok_or_else(|| AppError::from(ToolError::Unknown(call.name.clone())))?;
        let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
        match serde_json::from_str(arguments) {
            Ok(Value::Object(arguments)) => Ok((&tool.chosen, arguments)),
            _ => Err(ToolError::Arguments("they are no JSON object".into()).into()),
        }
    }

    /// Whether it may run; `None` if the answer was stopped before that was clear.
    async fn may_run(&self, call: &ToolCall, tool: &ChosenTool) -> Result<Option<bool>, AppError> {
        // What may always run is kept with the conversations that stay.
        for db in [self.db(), self.app.0.db.clone()] {
            let (conversation, asked) = (self.conversation_id.to_owned(), tool.clone());
            if db.run(move |store: &mut Store| store.may_run(&conversation, &asked)).await? {
                return Ok(Some(true));
            }
        }
        // Before windows hear of it, so that nobody answers too early.
        let mut question = self.app.ask_consent(&call.id, self.conversation_id, tool);
        self.tell(call.clone());
        let answer = self.stop.run_until_cancelled(&mut question.answer).await;
        // A question that was dropped was answered for by nobody.
        Ok(answer.map(|answer| answer.unwrap_or(false)))
    }

    async fn call(&self, tool: &ChosenTool, arguments: Arguments) -> Result<ToolOutput, AppError> {
        if tool.server != BUILT_IN {
            let server = self.app.tool_server(&tool.server).await?;
            return Ok(server.call(&tool.tool, arguments, self.limit, self.stop).await?);
        }
        let run = async {
            if tool.tool == conversations::NAME {
                return self.app.search_for_model(&arguments, self.conversation_id).await;
            }
            let (name, allowed) = (tool.tool.clone(), self.app.allowed().await?);
            let ran = tokio::task::spawn_blocking(move || builtin::run(&name, &arguments, &allowed));
            Ok(ran.await.map_err(AppError::internal)??)
        };
        let limited = tokio::time::timeout(self.limit, run);
        match self.stop.run_until_cancelled(limited).await {
            None => Err(ToolError::Stopped.into()),
            Some(Err(_)) => Err(ToolError::TimedOut(self.limit.as_secs()).into()),
            Some(Ok(ran)) => ran,
        }
    }

    /// The state of a call whose answer was stopped: by the user, or because Lantern is closing.
    fn stopped(&self, closing: ToolCallState) -> ToolCallState {
        if self.app.0.closing.is_cancelled() { closing } else { ToolCallState::Stopped }
    }

    async fn end(
        &self,
        call: &ToolCall,
        state: ToolCallState,
        result: Option<ToolResult>,
    ) -> Result<ToolCall, AppError> {
        let id = call.id.clone();
        let end = move |store: &mut Store| store.end_tool_call(&id, state, result.as_ref());
        Ok(self.tell(self.db().run(end).await?))
    }

    /// The database that has the conversation.
    fn db(&self) -> Database {
        self.app.0.db.of(self.conversation_id)
    }

    fn tell(&self, call: ToolCall) -> ToolCall {
        let _ = self.events.send(ChatEvent::ToolCall { call: call.clone() });
        call
    }
}

fn failure(error: &AppError) -> ToolResult {
    ToolResult { text: format!("Error: {}", error.message), ..ToolResult::default() }
}

fn result(output: ToolOutput) -> ToolResult {
    let image = |image: lantern_tools::Image| ToolImage { mime_type: image.mime_type, data: image.data };
    ToolResult {
        text: output.text,
        structured: output.structured.map(|json| json.to_string()),
        images: output.images.into_iter().map(image).collect(),
    }
}

//! Answers that call tools: the calls of a message, what comes of them, and the message that goes on from there.

use std::time::Duration;

use lantern_protocol::{
    AppEvent, ChatEvent, Conversation, Message, MessageStatus, Role, ToolCall, ToolCallState, ToolRound,
};
use lantern_store::{Asked, Exchange, NewToolCall, Place, Question, Store, StoreError};

use super::answer::{Answer, End};
use super::recorder::Recorder;
use super::thoughts::Thoughts;
use super::{ChatStream, tool_prompt};
use crate::assistants::Begun;
use crate::tools::{Calls, Offered};
use crate::{App, AppError};

/// Most calls of one message that are run. A small model may go on calling for as long as it is let.
const MOST_CALLS: usize = 16;

/// The rounds of an answer.
#[derive(Default)]
pub(super) struct Rounds {
    /// Calls of the message that is being written.
    pub(super) calls: Vec<Written>,
    /// The last message, where it has ended with calls and nothing came after it.
    pub(super) settled: Option<Message>,
    /// Messages before the last one.
    pub(super) ids: Vec<String>,
}

/// A call as it arrives.
pub(super) struct Written {
    pub(super) index: usize,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

impl Rounds {
    /// A piece of a call's arguments.
    pub(super) fn argue(&mut self, index: usize, text: &str) {
        if let Some(call) = self.calls.iter_mut().find(|call| call.index == index) {
            call.arguments.push_str(text);
        }
    }

    /// The calls as they are stored, not asked about yet.
    fn take(&mut self, offered: &Offered) -> Vec<NewToolCall> {
        let new = |(at, call): (usize, Written)| {
            let tool = offered.find(&call.name);
            NewToolCall {
                call_id: call.id,
                server: tool.map(|tool| tool.chosen.server.clone()).unwrap_or_default(),
                tool: tool.map_or_else(|| call.name.clone(), |tool| tool.chosen.tool.clone()),
                name: call.name,
                arguments: call.arguments,
                state: if at < MOST_CALLS { ToolCallState::Asking } else { ToolCallState::NotRun },
            }
        };
        std::mem::take(&mut self.calls).into_iter().enumerate().map(new).collect()
    }
}

impl Answer {
    /// Ends the message with its calls, brings them to their end, and begins the next message. Whether there is one: not
    /// when the answer was stopped or cut, or has called as often as it may.
    pub(super) async fn next_round(&mut self, end: End, offered: &Offered) -> Result<bool, AppError> {
        let most = usize::try_from(self.app.settings().await?.tools.max_rounds).unwrap_or(usize::MAX);
        let is_over = self.rounds.ids.len() >= most || end.status != MessageStatus::Complete;
        let mut calls = self.rounds.take(offered);
        if is_over {
            calls.iter_mut().for_each(|call| call.state = ToolCallState::NotRun);
        }
        let stats = end.stats.map(|stats| self.told(stats));
        let (message, calls) = self.recorder.finish_with_calls(end.status, stats, calls).await?;
        self.rounds.settled = Some(message);
        if is_over {
            calls.into_iter().for_each(|call| drop(self.events.send(ChatEvent::ToolCall { call })));
            return Ok(false);
        }
        self.finish_round(calls, offered).await
    }

    /// Goes on behind a message that has ended with calls. Those that were never run are asked about; one that was cut off is
    /// not run again.
    pub(super) async fn go_on(&mut self, calls: Vec<ToolCall>, offered: &Offered) -> Result<bool, AppError> {
        let id = self.message_id.clone();
        let reopen = move |store: &mut Store| {
            for call in calls.iter().filter(|call| call.state == ToolCallState::NotRun) {
                store.reopen_tool_call(&call.id)?;
            }
            Ok((store.message(&id)?, store.tool_calls_of(&id)?))
        };
        let (message, calls) = self.app.0.db.run(reopen).await?;
        self.rounds.settled = Some(message);
        self.finish_round(calls, offered).await
    }

    async fn finish_round(&mut self, calls: Vec<ToolCall>, offered: &Offered) -> Result<bool, AppError> {
        let seconds = u64::from(self.app.settings().await?.tools.timeout_seconds);
        let run = Calls {
            app: &self.app,
            conversation_id: &self.conversation.id,
            offered,
            events: &self.events,
            stop: &self.stop,
            limit: Duration::from_secs(seconds),
        };
        let calls = run.run(calls).await?;
        if self.stop.is_cancelled() {
            return Ok(false);
        }
        let results: Vec<(String, String)> =
            calls.iter().map(|call| (call.id.clone(), tool_prompt::told(call))).collect();
        let (id, model) = (self.message_id.clone(), self.model.clone());
        let next = move |store: &mut Store| store.next_round(&id, &results, Some(&model));
        let round = self.app.0.db.run(next).await?;
        self.begin_message(round.results, round.assistant_message);
        Ok(true)
    }

    /// What follows is about this message.
    fn begin_message(&mut self, results: Vec<Message>, message: Message) {
        self.rounds.ids.push(std::mem::replace(&mut self.message_id, message.id.clone()));
        self.parent_id.clone_from(&message.parent_id);
        self.app.0.answers.begin(&message.id, &self.conversation.id, self.stop.clone());
        self.recorder = Recorder::new(self.app.0.db.clone(), message.clone());
        self.thoughts = Thoughts::default();
        (self.dropped_messages, self.summarised_messages) = (0, 0);
        if let Some(answered) = self.rounds.settled.take() {
            let round = ToolRound { answered, results, assistant_message: message };
            let _ = self.events.send(ChatEvent::Round { round });
        }
        self.app.emit(AppEvent::ConversationsChanged);
    }
}

/// Stores a question with its empty answer; a new conversation begins with the tools that new ones begin with, unless its
/// assistant or the user says otherwise.
pub(super) fn ask(store: &mut Store, exchange: &Exchange, begun: &Begun) -> Result<Asked, StoreError> {
    let mut asked = store.ask(exchange)?;
    if matches!(exchange.question, Question::New { place: Place::New { .. }, .. })
        && let Some(chosen) = begun.first_tools(store)?
        && !chosen.tools.is_empty()
    {
        store.choose_tools(Some(&asked.conversation.id), &chosen)?;
    }
    begun.keep(store, &mut asked)?;
    Ok(asked)
}

impl App {
    /// Goes on with an answer that has ended with calls and nothing behind them: it had called as often as it may, was stopped,
    /// or Lantern ended. A call that was cut off is told to the model as that, and not run again.
    pub async fn continue_calls(&self, message_id: &str) -> Result<ChatStream, AppError> {
        let id = message_id.to_owned();
        let read = move |store: &mut Store| {
            let message = store.message(&id)?;
            let conversation = store.conversation(&message.conversation_id)?;
            let calls = store.tool_calls_of(&id)?;
            Ok((message, conversation, calls))
        };
        let (message, conversation, calls): (Message, Conversation, _) = self.0.db.run(read).await?;
        let is_open = |call: &ToolCall| matches!(call.state, ToolCallState::Asking | ToolCallState::Running);
        let is_last = conversation.leaf_id.as_deref() == Some(message_id);
        if message.role != Role::Assistant || calls.is_empty() || !is_last || calls.iter().any(is_open) {
            return Err(AppError::new(
                "nothing_to_continue",
                "This answer has no calls of tools behind which it could go on.",
                "Ask again, or write what you want next.",
            ));
        }
        let model = match &message.model {
            Some(model) => model.clone(),
            None => self.default_model().await?,
        };
        let asked = Asked { conversation, user_message: None, assistant_message: message };
        Ok(self.begin_writing(asked, model, Some(calls)))
    }
}

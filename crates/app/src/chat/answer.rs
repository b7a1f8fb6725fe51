//! The task that writes one answer: loads the model, generates, journals, forwards, and records the end.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;
use lantern_engine::{FinishReason, GenerateRequest, GenerationEvent, GenerationStream};
use lantern_protocol::{
    AppEvent, ChatEvent, Conversation, GenerationStats, Message, MessageStatus, Settings, ToolCall,
};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::continued;
use super::meter::{Meter, count, stats};
use super::recorder::Recorder;
use super::summary::Shortened;
use super::temporary::leave_no_prefixes;
use super::thoughts::Thoughts;
use super::tool_rounds::{Rounds, Written};
use crate::models::Answering;
use crate::receipts::{Witness, seeded};
use crate::tools::Offered;
use crate::{App, AppError};

/// One answer to be written. Where tools are called it is several messages, of which this is about the last one.
pub(crate) struct Answer {
    pub(super) app: App,
    pub(super) conversation: Conversation,
    pub(super) message_id: String,
    pub(super) parent_id: Option<String>,
    pub(super) model: String,
    pub(super) stop: CancellationToken,
    pub(super) events: UnboundedSender<ChatEvent>,
    pub(super) recorder: Recorder,
    pub(super) thoughts: Thoughts,
    pub(super) rounds: Rounds,
    /// Notes what the message follows from.
    pub(super) witness: Witness,
    /// Messages of the conversation that the model does not see, for want of room.
    pub(super) dropped_messages: u32,
    /// Messages of which the model sees a summary.
    pub(super) summarised_messages: u32,
}

/// How writing ended, when it did not fail.
pub(super) struct End {
    pub(super) status: MessageStatus,
    pub(super) stats: Option<GenerationStats>,
}

impl Answer {
    pub(crate) fn new(
        app: App,
        conversation: Conversation,
        message: Message,
        model: String,
        stop: CancellationToken,
        events: UnboundedSender<ChatEvent>,
    ) -> Self {
        let (message_id, parent_id) = (message.id.clone(), message.parent_id.clone());
        let recorder = Recorder::new(app.0.db.of(&message_id), message);
        let (dropped_messages, summarised_messages) = (0, 0);
        Self {
            app,
            conversation,
            message_id,
            parent_id,
            model,
            stop,
            events,
            recorder,
            thoughts: Thoughts::default(),
            rounds: Rounds::default(),
            witness: Witness::default(),
            dropped_messages,
            summarised_messages,
        }
    }

    /// Writes the answer to its end, whatever that is; one that has ended with calls goes on from there.
    pub(crate) async fn write(mut self, calls: Option<Vec<ToolCall>>) {
        if calls.is_some() {
            self.rounds.settled = Some(self.recorder.message().clone());
        }
        // A panic, in a chat template say, must not leave a message that seems to be written forever.
        let result = AssertUnwindSafe(self.generate(calls)).catch_unwind().await;
        let result =
            result.unwrap_or_else(|_| Err(AppError::internal("the task that wrote the answer panicked")));
        let (status, error, stats) = match result {
            Ok(end) => (end.status, None, end.stats.map(|stats| self.told(stats))),
            Err(error) => (MessageStatus::Failed, Some(error), None),
        };
        let info = error.clone().map(Into::into);
        let (mut message, failure) = match self.rounds.settled.take() {
            Some(message) => (message, None),
            None => self.recorder.finish(status, info, stats).await,
        };
        let error = error.or(failure).filter(|error| !is_deletion(error));
        self.rounds.ids.iter().chain([&self.message_id]).for_each(|id| self.app.0.answers.end(id));
        self.app.emit(AppEvent::ConversationsChanged);
        if error.is_none() {
            self.app.title_later(&self.conversation, &message);
        }
        let event = match error {
            None => ChatEvent::Finished { message },
            Some(error) => {
                tracing::warn!(code = error.code, message = self.message_id, "an answer failed: {error}");
                message.status = MessageStatus::Failed;
                message.error = Some(error.clone().into());
                ChatEvent::Failed { message, error: error.into() }
            }
        };
        let _ = self.events.send(event);
    }

    /// The figures with what the model did not see.
    pub(super) fn told(&self, stats: GenerationStats) -> GenerationStats {
        let Self { dropped_messages, summarised_messages, .. } = *self;
        GenerationStats { dropped_messages, summarised_messages, ..stats }
    }

    async fn generate(&mut self, calls: Option<Vec<ToolCall>>) -> Result<End, AppError> {
        let stop = self.stop.clone();
        let Some(answering) = stop.run_until_cancelled(self.load()).await else {
            return Ok(self.stopped(None));
        };
        // Held to the end: the engine ends with its last holder, even when another model takes its place meanwhile.
        let answering = answering?;
        if self.conversation.temporary {
            leave_no_prefixes(&answering, &self.conversation.id).await;
        }
        let Some(offered) = stop.run_until_cancelled(self.app.offered(&self.conversation.id)).await else {
            return Ok(self.stopped(None));
        };
        let offered = offered?;
        if let Some(calls) = calls
            && !self.go_on(calls, &offered).await?
        {
            return Ok(self.stopped(None));
        }
        loop {
            let end = self.one_message(&answering, &offered).await?;
            if self.rounds.calls.is_empty() {
                return Ok(end);
            }
            if !self.next_round(end, &offered).await? {
                return Ok(self.stopped(None));
            }
        }
    }

    /// Writes one message, up to its end or its calls.
    async fn one_message(&mut self, answering: &Answering, offered: &Offered) -> Result<End, AppError> {
        let stop = self.stop.clone();
        let settings = self.app.settings_in(&self.conversation.id, &self.model).await?;
        self.app.note_assistant(&self.conversation.id, &self.message_id).await?;
        let branch = match self.parent_id.clone() {
            Some(question) => {
                let db = self.app.0.db.of(&question);
                db.run(move |store| store.branch(&question)).await?
            }
            None => Vec::new(),
        };
        let context = answering.context_length();
        let (request, sources) =
            self.app.branch_request(&self.conversation, &branch, &settings, context, offered).await?;
        let with_files = self.with_files(answering, request, &sources);
        let Some(request) = stop.run_until_cancelled(with_files).await else { return Ok(self.stopped(None)) };
        let request = request?;
        let Some(mut shortened) =
            stop.run_until_cancelled(self.shorten(answering, &settings, request, &sources)).await
        else {
            return Ok(self.stopped(None));
        };
        let mut meter = Meter::start();
        let (request, left_out) =
            continued::request(self.recorder.begun(), answering, shortened.request.clone())?;
        shortened.left_out = left_out;
        let request = if answering.local().is_some() { seeded(request) } else { request };
        self.witness = Witness::new(&request);
        let begun = stop.run_until_cancelled(answering.generate(request)).await;
        let Some(stream) = begun else { return Ok(self.stopped(None)) };
        let mut stream = stream?;
        self.witness.begin(&stream);
        meter.prompt_tokens = stream.prompt_tokens();
        self.tell_summarised(&stream, &shortened, &sources);
        self.tell_dropped(&stream, &shortened, &sources);
        self.keep_sight(&stream, &shortened, &sources).await?;
        let end = self.follow(&mut stream, meter).await;
        let witness = std::mem::take(&mut self.witness);
        self.app.keep_receipt(&self.message_id, answering, witness, end.is_err()).await;
        end
    }

    async fn load(&self) -> Result<Answering, AppError> {
        if let Some(remote) = self.app.remote_named(&self.model).await? {
            return Ok(Answering::Remote(Box::new(remote)));
        }
        let seen = self.app.loads_so_far();
        let model = self.app.find_model(&self.model).await?;
        let settings = self.app.settings().await?;
        if !self.app.is_ready(&model, &settings).await? {
            let _ = self.events.send(ChatEvent::Loading { model: model.id.clone() });
        }
        let context = self.conversation.context_length;
        Ok(Answering::Local(self.app.load_found(model, &settings, context, seen).await?))
    }

    /// The request with what the model sees of files, which is kept with the answer and told.
    async fn with_files(
        &self,
        answering: &Answering,
        request: GenerateRequest,
        stored: &[Vec<String>],
    ) -> Result<GenerateRequest, AppError> {
        let (conversation, answer) = (&self.conversation.id, &self.message_id);
        let composed = self.app.with_files(answering, conversation, answer, request, stored).await?;
        let (request, Some(sources)) = composed else { return Ok(composed.0) };
        let kept = sources.clone();
        self.app.0.db.of(answer).run(move |store| store.keep_sources(&kept)).await?;
        let _ = self.events.send(ChatEvent::Sources { sources });
        Ok(request)
    }

    /// A conversation that does not fit, with a summary in place of its beginning if the settings want that.
    async fn shorten(
        &self,
        answering: &Answering,
        settings: &Settings,
        request: GenerateRequest,
        sources: &[Vec<String>],
    ) -> Shortened {
        // Whether it fits a remote model only its server can tell.
        let Some(loaded) = answering.local() else { return Shortened::as_it_is(request) };
        if settings.overflow != lantern_protocol::Overflow::Summarise {
            return Shortened::as_it_is(request);
        }
        let begin = || drop(self.events.send(ChatEvent::Summarising));
        match self.app.try_shorten_stored(&loaded.engine, &request, sources, begin).await {
            Ok(shortened) => shortened,
            Err(error) => self.app.left_out_instead(request, error),
        }
    }

    /// Tells of which messages the model sees a summary.
    fn tell_summarised(&mut self, stream: &GenerationStream, shortened: &Shortened, sources: &[Vec<String>]) {
        let Some(summarised) = &shortened.summarised else { return };
        let message_ids = stored(&summarised.messages, sources);
        self.summarised_messages = count(message_ids.len());
        self.witness.summarised(&message_ids);
        let _ = self.events.send(ChatEvent::Summarised {
            message_ids,
            text: summarised.text.clone(),
            tokens_before: count(summarised.tokens_before),
            tokens_after: count(stream.prompt_tokens()),
        });
    }

    /// Tells which messages the model does not see, if the conversation did not fit.
    fn tell_dropped(&mut self, stream: &GenerationStream, shortened: &Shortened, sources: &[Vec<String>]) {
        let Some(dropped) = shortened.left_out(stream) else { return };
        let message_ids = stored(&shortened.dropped(stream), sources);
        self.dropped_messages = count(message_ids.len());
        self.witness.dropped(&message_ids);
        let _ = self.events.send(ChatEvent::Dropped {
            message_ids,
            tokens_before: count(dropped.tokens_before),
            tokens_after: count(dropped.tokens_after),
        });
    }

    /// Forwards and journals until the end. Dropping the stream on the way out ends the generation.
    async fn follow(&mut self, stream: &mut GenerationStream, mut meter: Meter) -> Result<End, AppError> {
        loop {
            let due = self.recorder.due();
            let event = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Ok(self.stopped(meter.stats())),
                // The argument is evaluated even when the branch is off.
                () = sleep_until(due.unwrap_or_else(tokio::time::Instant::now)), if due.is_some() => {
                    self.recorder.flush().await?;
                    continue;
                }
                event = stream.next() => event,
            };
            let Some(event) = event else { return Err(AppError::internal("an answer ended without an end")) };
            meter.see(&event);
            self.witness.see(&event);
            if let Some(end) = self.take(event)? {
                return Ok(end);
            }
        }
    }

    fn take(&mut self, event: GenerationEvent) -> Result<Option<End>, AppError> {
        let event = match event {
            GenerationEvent::Queued { position } => ChatEvent::Queued { position: count(position) },
            GenerationEvent::Prefill { processed, total, cached } => {
                ChatEvent::Prefill { processed: count(processed), total: count(total), cached: count(cached) }
            }
            GenerationEvent::Text { text, tokens, .. } => {
                let text = self.thoughts.said(text);
                return Ok(self.append(text, tokens.len()));
            }
            GenerationEvent::Reasoning { text, tokens } => {
                let text = self.thoughts.thought(&text);
                return Ok(self.append(text, tokens.len()));
            }
            GenerationEvent::ToolCall { index, id, name } => {
                self.rounds.calls.push(Written { index, id, name, arguments: String::new() });
                let text = self.thoughts.end();
                return Ok(self.append(text, 0));
            }
            GenerationEvent::ToolArguments { index, text, .. } => {
                self.rounds.argue(index, &text);
                return Ok(None);
            }
            GenerationEvent::Finished { reason, usage, timings, .. } => {
                let status = match reason {
                    FinishReason::Stop | FinishReason::ToolCalls => MessageStatus::Complete,
                    FinishReason::Length => MessageStatus::Truncated,
                    FinishReason::Cancelled => MessageStatus::Stopped,
                };
                return Ok(Some(End { status, stats: Some(stats(usage, timings)) }));
            }
            GenerationEvent::Failed(error) => return Err(error.into()),
        };
        let _ = self.events.send(event);
        Ok(None)
    }

    fn append(&mut self, text: String, tokens: usize) -> Option<End> {
        self.recorder.push(&text, tokens);
        if !text.is_empty() {
            let _ = self.events.send(ChatEvent::Text { text });
        }
        None
    }

    /// The person stopped it, or Lantern is closing.
    pub(super) fn stopped(&self, stats: Option<GenerationStats>) -> End {
        let closing = self.app.0.closing.is_cancelled();
        End { status: if closing { MessageStatus::Interrupted } else { MessageStatus::Stopped }, stats }
    }
}

/// The ids of the stored messages that these of the request's are made of.
pub(super) fn stored(messages: &[usize], sources: &[Vec<String>]) -> Vec<String> {
    messages.iter().filter_map(|&message| sources.get(message)).flatten().cloned().collect()
}

/// The conversation was deleted under the answer, which is then nobody's failure.
fn is_deletion(error: &AppError) -> bool {
    matches!(error.code.as_str(), "message_not_found" | "conversation_not_found")
}

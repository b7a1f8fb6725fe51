//! What becomes of a sequence's logits: token, text, events, and the reasons to end. One per request; lives on
//! the engine thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::EngineError;
use crate::logprobs::Logprobs;
use crate::request::{FinishReason, GenerationEvent, Timings, TokenLogprob, Usage};
use crate::sequence::Sequence;
use crate::stream::EventSender;
use crate::text::{
    Matching, OutputEvent, OutputFormat, OutputParser, Sampler, SamplingParams, StopMatcher, TokenStream,
    Tokenizer,
};

/// The half of a request that the scheduler does not see.
pub(crate) struct Generation {
    tokenizer: Arc<Tokenizer>,
    sampler: Sampler,
    constraint: Constrained,
    logprobs: Option<Logprobs>,
    text: TokenStream,
    /// Tells thoughts and calls from text, where the prompt is a conversation.
    output: Option<Output>,
    stop: StopMatcher,
    events: EventSender,
    owner: Option<Arc<str>>,
    /// Sampled but not yet sent, because their text is incomplete or may be a stop string.
    unsent: Vec<u32>,
    /// Of those, where somebody asked.
    unsent_logprobs: Vec<TokenLogprob>,
    max_tokens: usize,
    /// Tokens that the sequence may have.
    context: usize,
    prompt_tokens: usize,
    completion_tokens: usize,
    cached_tokens: usize,
    position: Option<usize>,
    submitted: Instant,
    started: Option<Instant>,
    first_token: Option<Instant>,
}

/// Reads an answer in the model's own form.
pub(crate) struct Output {
    pub(crate) format: Arc<OutputFormat>,
    pub(crate) parser: Box<OutputParser>,
}

/// The grammar of an answer that has one.
enum Constrained {
    No,
    By(Box<Matching>),
    /// Another thread looks ahead in it.
    Away,
}

/// What a caller's thread prepared.
pub(crate) struct Submission {
    pub(crate) prompt_tokens: usize,
    /// Where the text goes on; decides about the space before its first word.
    pub(crate) last_prompt_token: Option<u32>,
    pub(crate) sampling: SamplingParams,
    pub(crate) max_tokens: usize,
    /// Tokens that the sequence may have.
    pub(crate) context: usize,
    pub(crate) stop: Vec<String>,
    /// What the answer must look like.
    pub(crate) matching: Option<Box<Matching>>,
    /// What reads the answer, if it is one of a conversation's.
    pub(crate) output: Option<Output>,
    /// See [`crate::GenerateRequest::logprobs`].
    pub(crate) logprobs: Option<usize>,
    pub(crate) events: EventSender,
    /// See [`crate::GenerateRequest::owner`].
    pub(crate) owner: Option<Arc<str>>,
    pub(crate) submitted: Instant,
}

impl Generation {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>, submission: Submission) -> Self {
        Self {
            sampler: Sampler::new(&submission.sampling),
            constraint: submission.matching.map_or(Constrained::No, Constrained::By),
            logprobs: submission.logprobs.map(Logprobs::new),
            text: TokenStream::new(tokenizer.clone(), submission.last_prompt_token),
            output: submission.output,
            stop: StopMatcher::new(submission.stop),
            tokenizer,
            events: submission.events,
            owner: submission.owner,
            unsent: Vec::new(),
            unsent_logprobs: Vec::new(),
            max_tokens: submission.max_tokens,
            context: submission.context,
            prompt_tokens: submission.prompt_tokens,
            completion_tokens: 0,
            cached_tokens: 0,
            position: None,
            submitted: submission.submitted,
            started: None,
            first_token: None,
        }
    }

    pub(crate) fn owner(&self) -> Option<Arc<str>> {
        self.owner.clone()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.events.is_abandoned()
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.events.is_cancelled()
    }

    /// Tells how many requests go first, when that has changed. A preempted answer stays silent.
    pub(crate) fn queued(&mut self, position: usize) {
        if self.started.is_none() && self.position.replace(position) != Some(position) {
            self.events.send(GenerationEvent::Queued { position });
        }
    }

    /// Tells how much of the prompt is read. Before the first step this also stops the queue's clock.
    pub(crate) fn prefilling(&mut self, sequence: &Sequence) {
        if self.first_token.is_some() {
            return;
        }
        self.started.get_or_insert_with(Instant::now);
        self.cached_tokens = sequence.cached.unwrap_or(0);
        self.events.send(GenerationEvent::Prefill {
            processed: sequence.computed.min(sequence.prompt_tokens),
            total: sequence.prompt_tokens,
            cached: self.cached_tokens,
        });
    }

    /// The answer's grammar, for another thread to look ahead in. It must come back before the next token is chosen.
    pub(crate) fn take_matching(&mut self) -> Option<Box<Matching>> {
        match std::mem::replace(&mut self.constraint, Constrained::Away) {
            Constrained::By(matching) => Some(matching),
            other => {
                self.constraint = other;
                None
            }
        }
    }

    pub(crate) fn put_matching(&mut self, matching: Box<Matching>) {
        self.constraint = Constrained::By(matching);
    }

    /// The tokens that must come next; `None` without a grammar.
    pub(crate) fn forced(&mut self) -> Result<Option<&[u32]>, EngineError> {
        match &mut self.constraint {
            Constrained::By(matching) => Ok(Some(matching.forced()?)),
            Constrained::No | Constrained::Away => Ok(None),
        }
    }

    /// Chooses a token, among those that the grammar allows behind `row` guesses of the step.
    fn choose(&mut self, logits: &mut [f32], history: &[u32], row: usize) -> Result<u32, EngineError> {
        let records = self.logprobs.as_mut().map(|logprobs| logprobs.read(logits));
        match &mut self.constraint {
            Constrained::No => {}
            Constrained::By(matching) => matching.mask(row)?.apply(logits),
            Constrained::Away => return Err(EngineError::StepFailed("the answer's grammar is lost".into())),
        }
        let token = self.sampler.sample(logits, history)?;
        if let Some(read) = records {
            self.unsent_logprobs.push(read.of(token, &self.tokenizer));
        }
        Ok(token)
    }

    /// Whether the grammar allows nothing behind this token.
    fn is_complete(&mut self, token: u32) -> Result<bool, EngineError> {
        match &mut self.constraint {
            Constrained::By(matching) => Ok(matching.accept(token)?),
            Constrained::No | Constrained::Away => Ok(false),
        }
    }

    /// Chooses the next token of a sequence from its logits, sends what text that makes, and says whether the
    /// answer ends here. `row` of the step's guesses in this sequence were right before.
    pub(crate) fn accept(
        &mut self,
        logits: &mut [f32],
        history: &[u32],
        row: usize,
    ) -> Result<(u32, Option<FinishReason>), EngineError> {
        let token = self.choose(logits, history, row)?;
        self.first_token.get_or_insert_with(Instant::now);
        self.completion_tokens += 1;
        self.unsent.push(token);
        if self.tokenizer.is_eog(token) {
            return Ok((token, Some(FinishReason::Stop)));
        }
        let complete = self.is_complete(token)?;
        let stopped = self.say(token);
        let full = self.completion_tokens >= self.max_tokens || history.len() + 1 >= self.context;
        let reason = match (stopped || complete, full) {
            (true, _) => Some(FinishReason::Stop),
            (false, true) => Some(FinishReason::Length),
            (false, false) => None,
        };
        Ok((token, reason))
    }

    /// Sends what a token completes; says whether a stop string ends the answer.
    fn say(&mut self, token: u32) -> bool {
        let Some(output) = &mut self.output else {
            let piece = self.text.push(token);
            return self.send_content(&piece);
        };
        let events = match output.format.marker(token) {
            Some(marker) => {
                let mut events = output.parser.push_text(&self.text.finish());
                events.extend(output.parser.push_marker(marker));
                events
            }
            None => output.parser.push_text(&self.text.push(token)),
        };
        self.send_events(events)
    }

    /// Sends text up to a stop string; says whether there is one.
    fn send_content(&mut self, text: &str) -> bool {
        let (text, stopped) = self.stop.push(text);
        if !text.is_empty() {
            self.send_text(text);
        }
        stopped
    }

    /// Sends what a parser read; says whether a stop string ends the answer. Only what is said to the reader can have one.
    fn send_events(&mut self, events: Vec<OutputEvent>) -> bool {
        for event in events {
            if let OutputEvent::Content(text) = event {
                if self.send_content(&text) {
                    return true;
                }
                continue;
            }
            let held = self.stop.finish();
            if !held.is_empty() {
                self.send_text(held);
            }
            let event = match event {
                OutputEvent::Reasoning(text) => {
                    GenerationEvent::Reasoning { text, tokens: self.take_unsent() }
                }
                OutputEvent::ToolCallStart { index, id, name } => {
                    GenerationEvent::ToolCall { index, id, name }
                }
                OutputEvent::ToolArguments { index, text } => {
                    GenerationEvent::ToolArguments { index, text, tokens: self.take_unsent() }
                }
                OutputEvent::Content(_) | OutputEvent::ToolCallEnd { .. } => continue,
            };
            self.events.send(event);
        }
        false
    }

    /// The tokens of an event that is no text; nobody asks for their probabilities.
    fn take_unsent(&mut self) -> Vec<u32> {
        self.unsent_logprobs.clear();
        std::mem::take(&mut self.unsent)
    }

    /// Sends what was held back, and the end.
    pub(crate) fn finish(mut self, reason: FinishReason) {
        let rest = self.text.finish();
        let stopped = match &mut self.output {
            None => self.send_content(&rest),
            Some(_) if self.stop.hit().is_some() => true,
            Some(output) => {
                let mut events = output.parser.push_text(&rest);
                events.extend(output.parser.finish());
                self.send_events(events)
            }
        };
        let text = if stopped { String::new() } else { self.stop.finish() };
        if !text.is_empty() || !self.unsent.is_empty() {
            self.send_text(text);
        }
        let has_calls = self.output.as_ref().is_some_and(|output| output.parser.has_calls());
        let reason = if reason == FinishReason::Stop && has_calls { FinishReason::ToolCalls } else { reason };
        let (usage, timings) = (self.usage(), self.timings());
        let stop_string = self.stop.hit().map(str::to_owned);
        self.events.send(GenerationEvent::Finished { reason, stop_string, usage, timings });
    }

    /// Ends with an error; the text so far stands.
    pub(crate) fn fail(self, error: EngineError) {
        self.events.send(GenerationEvent::Failed(error));
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            prompt_tokens: self.prompt_tokens,
            completion_tokens: self.completion_tokens,
            cached_tokens: self.cached_tokens,
        }
    }

    fn timings(&self) -> Timings {
        let now = Instant::now();
        let started = self.started.unwrap_or(now);
        let first_token = self.first_token.unwrap_or(now);
        let between = |from: Instant, to: Instant| to.checked_duration_since(from).unwrap_or(Duration::ZERO);
        Timings {
            queue: between(self.submitted, started),
            prefill: between(started, first_token),
            decode: between(first_token, now),
            first_token: between(self.submitted, first_token),
        }
    }

    fn send_text(&mut self, text: String) {
        let tokens = std::mem::take(&mut self.unsent);
        let logprobs = std::mem::take(&mut self.unsent_logprobs);
        self.events.send(GenerationEvent::Text { text, tokens, logprobs });
    }
}

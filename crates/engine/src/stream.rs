//! The caller's end of a generation.
//!
//! The engine thread never waits for a reader: events queue up without a bound of their own (the context length
//! bounds them), and a slow reader gets text that piled up in one piece.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::error::EngineError;
use crate::inputs::Inputs;
use crate::overflow::Dropped;
use crate::request::GenerationEvent;

/// Events of one generation. Dropping it ends the generation within one step and frees its memory.
#[derive(Debug)]
pub struct GenerationStream {
    events: UnboundedReceiver<GenerationEvent>,
    /// Read from the channel while coalescing, not yet handed out.
    ahead: VecDeque<GenerationEvent>,
    cancelled: Arc<AtomicBool>,
    prompt_tokens: usize,
    dropped: Option<Dropped>,
    inputs: Option<Box<Inputs>>,
    ended: bool,
}

/// The writer's end: the engine's, or that of whoever answers in its place.
#[derive(Debug)]
pub struct EventSender {
    events: UnboundedSender<GenerationEvent>,
    cancelled: Arc<AtomicBool>,
}

pub(crate) fn channel(prompt_tokens: usize, dropped: Option<Dropped>) -> (EventSender, GenerationStream) {
    let (sender, receiver) = unbounded_channel();
    let cancelled = Arc::new(AtomicBool::new(false));
    let stream = GenerationStream {
        events: receiver,
        ahead: VecDeque::new(),
        cancelled: cancelled.clone(),
        prompt_tokens,
        dropped,
        inputs: None,
        ended: false,
    };
    (EventSender { events: sender, cancelled }, stream)
}

impl EventSender {
    /// Hands an event over; a reader that went away is noticed through [`Self::is_abandoned`].
    pub fn send(&self, event: GenerationEvent) {
        let _ = self.events.send(event);
    }

    /// Waits until nobody listens any more. Cancel safe.
    pub async fn closed(&self) {
        self.events.closed().await;
    }

    /// Nobody listens any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.events.is_closed()
    }

    /// The reader asked for the end but still listens.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl GenerationStream {
    /// A stream that is written elsewhere than in an engine, by a server of another machine say. The sender ends it with
    /// one `Finished` or `Failed`; one that is dropped before reads as [`EngineError::EngineStopped`].
    pub fn outside() -> (EventSender, Self) {
        channel(0, None)
    }

    /// The next event; `None` after `Finished` or `Failed`. Cancel safe.
    pub async fn next(&mut self) -> Option<GenerationEvent> {
        if self.ended {
            return None;
        }
        let event = match self.ahead.pop_front() {
            Some(event) => Some(event),
            None => self.events.recv().await,
        };
        self.coalesce(event)
    }

    /// [`Self::next`] for threads outside an async runtime; panics inside one.
    pub fn blocking_next(&mut self) -> Option<GenerationEvent> {
        if self.ended {
            return None;
        }
        let event = match self.ahead.pop_front() {
            Some(event) => Some(event),
            None => self.events.blocking_recv(),
        };
        self.coalesce(event)
    }

    /// Ends the generation within one step; the stream still brings its `Finished` event with the counts.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Tokens of the prompt, known before anything ran.
    pub fn prompt_tokens(&self) -> usize {
        self.prompt_tokens
    }

    /// What was left out of the conversation for want of room, known before anything ran; `None` when all of it is in the
    /// prompt.
    pub fn dropped(&self) -> Option<&Dropped> {
        self.dropped.as_ref()
    }

    /// What the answer follows from, known before anything ran; `None` for a stream that is written elsewhere.
    pub fn inputs(&self) -> Option<&Inputs> {
        self.inputs.as_deref()
    }

    pub(crate) fn with_inputs(self, inputs: Inputs) -> Self {
        Self { inputs: Some(Box::new(inputs)), ..self }
    }

    /// Joins `event` with what follows it in the channel already and is of its kind.
    fn coalesce(&mut self, event: Option<GenerationEvent>) -> Option<GenerationEvent> {
        let mut event = event.unwrap_or(GenerationEvent::Failed(EngineError::EngineStopped));
        while self.ahead.is_empty() && is_piece(&event) {
            match self.events.try_recv() {
                Ok(more) => self.ahead.extend(join(&mut event, more)),
                Err(_) => break,
            }
        }
        self.ended = matches!(event, GenerationEvent::Finished { .. } | GenerationEvent::Failed(_));
        Some(event)
    }
}

fn is_piece(event: &GenerationEvent) -> bool {
    use GenerationEvent::{Reasoning, Text, ToolArguments};
    matches!(event, Text { .. } | Reasoning { .. } | ToolArguments { .. })
}

/// Appends an event to another of its kind; gives it back if it is of another.
fn join(event: &mut GenerationEvent, more: GenerationEvent) -> Option<GenerationEvent> {
    use GenerationEvent::{Reasoning, Text, ToolArguments};
    match (event, more) {
        (
            Text { text, tokens, logprobs },
            Text { text: more, tokens: more_tokens, logprobs: more_logprobs },
        ) => {
            text.push_str(&more);
            tokens.extend(more_tokens);
            logprobs.extend(more_logprobs);
        }
        (Reasoning { text, tokens }, Reasoning { text: more, tokens: more_tokens }) => {
            text.push_str(&more);
            tokens.extend(more_tokens);
        }
        (
            ToolArguments { index, text, tokens },
            ToolArguments { index: of, text: more, tokens: more_tokens },
        ) if *index == of => {
            text.push_str(&more);
            tokens.extend(more_tokens);
        }
        (_, more) => return Some(more),
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str, token: u32) -> GenerationEvent {
        GenerationEvent::Text { text: text.into(), tokens: vec![token], logprobs: Vec::new() }
    }

    #[test]
    fn piled_up_text_arrives_in_one_piece_and_in_order() {
        let (sender, mut stream) = channel(1, None);
        sender.send(text("a", 1));
        sender.send(text("b", 2));
        sender.send(GenerationEvent::Queued { position: 3 });
        sender.send(text("c", 3));
        let Some(GenerationEvent::Text { text, tokens, .. }) = stream.blocking_next() else {
            panic!("text first")
        };
        assert_eq!((text.as_str(), tokens), ("ab", vec![1, 2]));
        assert!(matches!(stream.blocking_next(), Some(GenerationEvent::Queued { position: 3 })));
        assert!(matches!(stream.blocking_next(), Some(GenerationEvent::Text { text, .. }) if text == "c"));
    }

    #[test]
    fn an_engine_that_dies_is_an_error_and_then_the_end() {
        let (sender, mut stream) = channel(1, None);
        drop(sender);
        assert!(matches!(stream.blocking_next(), Some(GenerationEvent::Failed(EngineError::EngineStopped))));
        assert!(stream.blocking_next().is_none());
    }

    #[test]
    fn dropping_and_cancelling_are_told_apart() {
        let (sender, stream) = channel(1, None);
        stream.cancel();
        assert!(sender.is_cancelled() && !sender.is_abandoned());
        drop(stream);
        assert!(sender.is_abandoned());
    }
}

//! Reads an answer as it arrives. One parser for each answer.

use std::sync::Arc;

use super::feed::Feed;
use super::harmony::HarmonyParser;
use super::sink::Sink;
use super::tagged::TaggedParser;
use super::{OutputEvent, ToolSet};

/// Makes events of pieces of an answer. However an answer is cut into pieces, the events say the same, and whatever is no
/// thought and no call is content: no text is lost but white space around thoughts and calls.
#[derive(Debug)]
pub struct OutputParser {
    feed: Feed,
    machine: Machine,
    sink: Sink,
}

#[derive(Debug)]
pub(super) enum Machine {
    Tagged(TaggedParser),
    Harmony(HarmonyParser),
}

impl OutputParser {
    pub(super) fn new(
        machine: Machine,
        as_tokens: Arc<[&'static str]>,
        tools: Arc<ToolSet>,
        seed: u64,
    ) -> Self {
        Self { feed: Feed::new(as_tokens), machine, sink: Sink::new(tools, seed) }
    }

    /// Adds text; gives what can be told now.
    pub fn push_text(&mut self, text: &str) -> Vec<OutputEvent> {
        self.feed.push_text(text);
        self.run()
    }

    /// Adds a token that is one of the format's markers (see
    /// [`OutputFormat::marker`](super::OutputFormat::marker)), by its spelling.
    pub fn push_marker(&mut self, spelling: &str) -> Vec<OutputEvent> {
        self.feed.push_token(spelling);
        self.run()
    }

    /// The answer has ended: gives the rest.
    pub fn finish(&mut self) -> Vec<OutputEvent> {
        self.feed.end();
        self.run()
    }

    /// Whether tools were called so far.
    pub fn has_calls(&self) -> bool {
        self.sink.calls() > 0
    }

    fn run(&mut self) -> Vec<OutputEvent> {
        match &mut self.machine {
            Machine::Tagged(parser) => parser.run(&mut self.feed, &mut self.sink),
            Machine::Harmony(parser) => parser.run(&mut self.feed, &mut self.sink),
        }
        self.sink.take()
    }
}

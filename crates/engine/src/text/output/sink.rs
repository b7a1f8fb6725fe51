//! Where parsers put what they find: events in order, and the number and id of each call.

use std::sync::Arc;

use super::{OutputEvent, ToolSet};

/// Collects the events of one answer.
#[derive(Debug)]
pub struct Sink {
    events: Vec<OutputEvent>,
    tools: Arc<ToolSet>,
    open: Option<usize>,
    calls: usize,
    random: u64,
}

impl Sink {
    /// For calls of these tools, with ids that follow from `seed`.
    pub fn new(tools: Arc<ToolSet>, seed: u64) -> Self {
        Self { events: Vec::new(), tools, open: None, calls: 0, random: seed }
    }

    /// The tools.
    pub fn tools(&self) -> &ToolSet {
        &self.tools
    }

    /// The tools, shared.
    pub fn shared_tools(&self) -> Arc<ToolSet> {
        self.tools.clone()
    }

    /// What was collected since the last time.
    pub fn take(&mut self) -> Vec<OutputEvent> {
        std::mem::take(&mut self.events)
    }

    /// Calls that began.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Whether a call has begun and not ended.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Text for whoever asked.
    pub fn content(&mut self, text: &str) {
        match self.events.last_mut() {
            _ if text.is_empty() => {}
            Some(OutputEvent::Content(before)) => before.push_str(text),
            _ => self.events.push(OutputEvent::Content(text.to_owned())),
        }
    }

    /// A piece of a thought.
    pub fn reasoning(&mut self, text: &str) {
        match self.events.last_mut() {
            _ if text.is_empty() => {}
            Some(OutputEvent::Reasoning(before)) => before.push_str(text),
            _ => self.events.push(OutputEvent::Reasoning(text.to_owned())),
        }
    }

    /// A call begins.
    pub fn start(&mut self, name: &str) {
        self.end();
        let (index, id) = (self.calls, self.id());
        self.calls += 1;
        self.open = Some(index);
        self.events.push(OutputEvent::ToolCallStart { index, id, name: name.to_owned() });
    }

    /// A piece of the open call's arguments.
    pub fn arguments(&mut self, json: &str) {
        let Some(open) = self.open.filter(|_| !json.is_empty()) else { return };
        match self.events.last_mut() {
            Some(OutputEvent::ToolArguments { text, .. }) => text.push_str(json),
            _ => self.events.push(OutputEvent::ToolArguments { index: open, text: json.to_owned() }),
        }
    }

    /// The open call ends, if there is one.
    pub fn end(&mut self) {
        if let Some(index) = self.open.take() {
            self.events.push(OutputEvent::ToolCallEnd { index });
        }
    }

    /// `call_` and 24 letters and digits.
    fn id(&mut self) -> String {
        const SIGNS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        let signs = (0..24).map(|_| {
            // SplitMix64 (Steele, Lea and Flood, 2014).
            self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            char::from(SIGNS[((z ^ (z >> 31)) % 62) as usize])
        });
        std::iter::once("call_".to_owned()).chain(signs.map(String::from)).collect()
    }
}

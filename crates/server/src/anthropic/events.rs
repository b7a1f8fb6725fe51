//! A message as a stream of events.

use serde_json::{Value, json};

use super::answer::{Message, MessageUsage, stop_reason};
use super::error_body;
use crate::ApiError;
use crate::generate::{Event, Frames, Reason, Run, Tokens, Writer};

/// The stream's writer.
#[derive(Default)]
pub(super) struct MessageEvents {
    /// Blocks that were begun.
    begun: usize,
    open: Option<Kind>,
    reason: Reason,
    stop_string: Option<String>,
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Thinking,
    Text,
    ToolUse,
}

impl MessageEvents {
    fn begin(&mut self, kind: Kind, block: Value, out: &mut Frames) {
        self.end(out);
        let event = json!({ "type": "content_block_start", "index": self.begun, "content_block": block });
        out.named("content_block_start", &event);
        self.begun += 1;
        self.open = Some(kind);
    }

    /// Ends the block that is open.
    fn end(&mut self, out: &mut Frames) {
        if self.open.take().is_some() {
            let event = json!({ "type": "content_block_stop", "index": self.begun.saturating_sub(1) });
            out.named("content_block_stop", &event);
        }
    }

    fn delta(&self, delta: Value, out: &mut Frames) {
        let index = self.begun.saturating_sub(1);
        let event = json!({ "type": "content_block_delta", "index": index, "delta": delta });
        out.named("content_block_delta", &event);
    }
}

impl Writer for MessageEvents {
    fn open(&mut self, run: &Run, out: &mut Frames) {
        let tokens = Tokens { prompt: run.prompt_tokens, ..Tokens::default() };
        let message = Message {
            usage: MessageUsage::from(tokens),
            lantern: run.report.clone(),
            ..Message::empty(run.model.clone())
        };
        out.named("message_start", &json!({ "type": "message_start", "message": message }));
        self.wait(out);
    }

    fn event(&mut self, _: usize, event: Event, out: &mut Frames) {
        match event {
            Event::Text { text, .. } => {
                if text.is_empty() {
                    return;
                }
                if self.open != Some(Kind::Text) {
                    self.begin(Kind::Text, json!({ "type": "text", "text": "" }), out);
                }
                self.delta(json!({ "type": "text_delta", "text": text }), out);
            }
            Event::Reasoning { text } => {
                if self.open != Some(Kind::Thinking) {
                    let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
                    self.begin(Kind::Thinking, block, out);
                }
                self.delta(json!({ "type": "thinking_delta", "thinking": text }), out);
            }
            Event::Call { id, name, .. } => {
                let block = json!({ "type": "tool_use", "id": id, "name": name, "input": {} });
                self.begin(Kind::ToolUse, block, out);
            }
            Event::Arguments { text, .. } => {
                self.delta(json!({ "type": "input_json_delta", "partial_json": text }), out);
            }
            Event::Finished { reason, stop_string, .. } => {
                (self.reason, self.stop_string) = (reason, stop_string)
            }
            Event::Failed(_) => {}
        }
    }

    fn close(&mut self, tokens: Tokens, out: &mut Frames) {
        // An answer that says nothing is an empty text.
        if self.begun == 0 {
            self.begin(Kind::Text, json!({ "type": "text", "text": "" }), out);
        }
        self.end(out);
        let stop = self.stop_string.take();
        let delta = json!({ "stop_reason": stop_reason(self.reason, &stop), "stop_sequence": stop });
        let usage = MessageUsage::from(tokens);
        out.named("message_delta", &json!({ "type": "message_delta", "delta": delta, "usage": usage }));
        out.named("message_stop", &json!({ "type": "message_stop" }));
    }

    fn fail(&mut self, error: &ApiError, out: &mut Frames) {
        out.named("error", &error_body(error));
    }

    fn wait(&mut self, out: &mut Frames) {
        out.named("ping", &json!({ "type": "ping" }));
    }
}

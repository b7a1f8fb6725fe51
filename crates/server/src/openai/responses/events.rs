//! A response as a stream of events, in the order of OpenAI's reference.

use serde_json::{Map, Value, json};

use super::answer::{OutputItem, OutputPart, Recorder};
use super::value;
use crate::ApiError;
use crate::generate::{Event, Frames, Reason, Run, Tokens, Writer};
use crate::openai::logprobs::Token;

/// The stream's writer.
pub(super) struct ResponseEvents {
    recorder: Recorder,
    sequence_number: u64,
    /// Items that were begun, and whether the last is still open.
    begun: usize,
    is_open: bool,
    reason: Reason,
}

impl ResponseEvents {
    pub(super) fn new(recorder: Recorder) -> Self {
        Self { recorder, sequence_number: 0, begun: 0, is_open: false, reason: Reason::Stop }
    }

    fn emit(&mut self, name: &str, fields: Value, out: &mut Frames) {
        let mut event = Map::new();
        event.insert("type".into(), name.into());
        event.insert("sequence_number".into(), self.sequence_number.into());
        self.sequence_number += 1;
        if let Value::Object(fields) = fields {
            event.extend(fields);
        }
        out.named(name, &event);
    }

    fn emit_response(&mut self, name: &str, out: &mut Frames) {
        let response = value(&self.recorder.response);
        self.emit(name, json!({ "response": response }), out);
    }

    fn last(&self) -> Option<(usize, &OutputItem)> {
        let index = self.begun.checked_sub(1)?;
        Some((index, self.recorder.response.output.get(index)?))
    }

    /// Begins the item that the recorder has begun, after ending the one before.
    fn keep_up(&mut self, out: &mut Frames) {
        if self.recorder.response.output.len() == self.begun {
            return;
        }
        self.end_item(out);
        self.begun += 1;
        self.is_open = true;
        let Some((index, item)) = self.last() else { return };
        let (id, empty, part) = (item.id().to_owned(), empty_item(item), item.part().map(empty_part));
        self.emit("response.output_item.added", json!({ "output_index": index, "item": empty }), out);
        if let Some(part) = part {
            let fields = json!({ "item_id": id, "output_index": index, "content_index": 0, "part": part });
            self.emit("response.content_part.added", fields, out);
        }
    }

    /// Ends the item that is open.
    fn end_item(&mut self, out: &mut Frames) {
        if !std::mem::replace(&mut self.is_open, false) {
            return;
        }
        let Some((index, item)) = self.last() else { return };
        let (id, whole, part) = (item.id().to_owned(), value(item), item.part().map(value));
        let at = |more: Value| merged(json!({ "item_id": id, "output_index": index }), more);
        match item {
            OutputItem::FunctionCall { arguments, name, .. } => {
                let fields = at(json!({ "name": name, "arguments": arguments }));
                self.emit("response.function_call_arguments.done", fields, out);
            }
            OutputItem::Message { .. } | OutputItem::Reasoning { .. } => {
                let (name, fields) = match item.part() {
                    Some(OutputPart::OutputText { text, logprobs, .. }) => {
                        ("response.output_text.done", json!({ "text": text, "logprobs": logprobs }))
                    }
                    Some(OutputPart::ReasoningText { text }) => {
                        ("response.reasoning_text.done", json!({ "text": text }))
                    }
                    None => return,
                };
                let fields = at(merged(json!({ "content_index": 0 }), fields));
                let ended = at(json!({ "content_index": 0, "part": part }));
                self.emit(name, fields, out);
                self.emit("response.content_part.done", ended, out);
            }
        }
        self.emit("response.output_item.done", json!({ "output_index": index, "item": whole }), out);
    }

    fn delta(&mut self, name: &str, more: Value, out: &mut Frames) {
        self.keep_up(out);
        let Some((index, item)) = self.last() else { return };
        let fields = merged(json!({ "item_id": item.id(), "output_index": index }), more);
        self.emit(name, fields, out);
    }
}

impl Writer for ResponseEvents {
    fn open(&mut self, run: &Run, out: &mut Frames) {
        self.recorder.response.model.clone_from(&run.model);
        self.recorder.response.lantern.clone_from(&run.report);
        self.emit_response("response.created", out);
        self.emit_response("response.in_progress", out);
    }

    fn event(&mut self, _: usize, event: Event, out: &mut Frames) {
        match event {
            Event::Text { text, logprobs } => {
                self.recorder.say(&text, &logprobs);
                let likely: Vec<Token> = logprobs.iter().map(Token::from).collect();
                let more = json!({ "content_index": 0, "delta": text, "logprobs": likely });
                self.delta("response.output_text.delta", more, out);
            }
            Event::Reasoning { text } => {
                self.recorder.think(&text);
                let more = json!({ "content_index": 0, "delta": text });
                self.delta("response.reasoning_text.delta", more, out);
            }
            Event::Call { id, name, .. } => {
                self.recorder.call(id, name);
                self.keep_up(out);
            }
            Event::Arguments { text, .. } => {
                self.recorder.argue(&text);
                self.delta("response.function_call_arguments.delta", json!({ "delta": text }), out);
            }
            Event::Finished { reason, .. } => self.reason = reason,
            Event::Failed(_) => {}
        }
    }

    fn close(&mut self, tokens: Tokens, out: &mut Frames) {
        // An answer that says nothing is an empty message.
        if self.recorder.response.output.is_empty() {
            self.recorder.say("", &[]);
            self.keep_up(out);
        }
        self.recorder.close(self.reason, tokens);
        self.end_item(out);
        let name = match self.reason {
            Reason::Length => "response.incomplete",
            Reason::Stop | Reason::ToolCalls => "response.completed",
        };
        self.emit_response(name, out);
    }

    fn fail(&mut self, error: &ApiError, out: &mut Frames) {
        self.recorder.fail(error);
        let name = if error.is_cancelled() { "response.incomplete" } else { "response.failed" };
        self.emit_response(name, out);
    }
}

fn merged(mut into: Value, more: Value) -> Value {
    if let (Value::Object(into), Value::Object(more)) = (&mut into, more) {
        into.extend(more);
    }
    into
}

/// An item as it begins.
fn empty_item(item: &OutputItem) -> Value {
    let mut item = value(item);
    item["status"] = "in_progress".into();
    for (field, empty) in [("content", json!([])), ("arguments", json!(""))] {
        if item.get(field).is_some() {
            item[field] = empty;
        }
    }
    item
}

/// A part as it begins.
fn empty_part(part: &OutputPart) -> Value {
    let mut part = value(part);
    part["text"] = "".into();
    if part.get("logprobs").is_some() {
        part["logprobs"] = json!([]);
    }
    part
}

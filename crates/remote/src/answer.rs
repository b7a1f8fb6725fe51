//! The chunks of a stream, as events of the engine.

use std::time::Instant;

use lantern_engine::{FinishReason, GenerationEvent, Timings, Usage};
use serde_json::Value;

use crate::{RemoteError, refusal};

/// An answer has no more calls.
const MOST_CALLS: usize = 128;

/// One answer on its way.
pub(crate) struct Answer {
    host: String,
    model: String,
    begun: Instant,
    first: Option<Instant>,
    reason: Option<FinishReason>,
    stop_string: Option<String>,
    usage: Usage,
    /// Ids of the calls that have begun.
    calls: Vec<Call>,
    /// `[DONE]` has come.
    done: bool,
}

/// A call that has begun.
struct Call {
    /// The server's number of it; some number them all 0 and tell them apart by their ids.
    number: u64,
    id: Option<String>,
}

impl Answer {
    pub(crate) fn new(host: &str, model: &str) -> Self {
        Self {
            host: host.into(),
            model: model.into(),
            begun: Instant::now(),
            first: None,
            reason: None,
            stop_string: None,
            usage: Usage::default(),
            calls: Vec::new(),
            done: false,
        }
    }

    /// Nothing more is to come.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// The events of a chunk.
    pub(crate) fn take(&mut self, data: &str) -> Result<Vec<GenerationEvent>, RemoteError> {
        if data.trim() == "[DONE]" {
            self.done = true;
            return Ok(Vec::new());
        }
        let chunk: Value =
            serde_json::from_str(data).map_err(|error| self.bad(format!("a chunk is no JSON ({error})")))?;
        if let Some(error) = refusal::of_chunk(&self.host, &self.model, &chunk) {
            return Err(error);
        }
        self.count(&chunk);
        let mut events = Vec::new();
        // Only one choice was asked for.
        let choices = chunk.get("choices").and_then(Value::as_array);
        if choices.is_none() && chunk.get("usage").is_none() {
            return Err(self.bad("a chunk has no `choices`".into()));
        }
        if let Some(choice) = choices.and_then(|choices| choices.first()) {
            let delta = choice.get("delta").unwrap_or(choice);
            self.take_text(delta, &mut events);
            for call in delta.get("tool_calls").and_then(Value::as_array).into_iter().flatten() {
                self.take_call(call, &mut events)?;
            }
            if let Some(reason) = choice.get("finish_reason").and_then(Value::as_str) {
                self.reason = Some(self.reason_of(reason));
                // vLLM's way of saying which stop string it was; a token's number is none.
                self.stop_string = choice.get("stop_reason").and_then(Value::as_str).map(str::to_owned);
            }
        }
        if !events.is_empty() {
            self.first.get_or_insert_with(Instant::now);
        }
        Ok(events)
    }

    /// The last event, if the stream may end here.
    pub(crate) fn finished(self) -> Result<GenerationEvent, RemoteError> {
        let Some(reason) = self.reason else {
            let why = "it ended without saying why".into();
            return Err(RemoteError::Lost { host: self.host, why });
        };
        let first = self.first.unwrap_or_else(Instant::now);
        // The server's own queue and prefill cannot be told apart from here.
        let first_token = first.duration_since(self.begun);
        let timings =
            Timings { prefill: first_token, decode: first.elapsed(), first_token, ..Timings::default() };
        Ok(GenerationEvent::Finished { reason, stop_string: self.stop_string, usage: self.usage, timings })
    }

    fn take_text(&self, delta: &Value, events: &mut Vec<GenerationEvent>) {
        let text = |name: &str| {
            let text = delta.get(name).and_then(Value::as_str);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        if let Some(text) = text("reasoning_content").or_else(|| text("reasoning")) {
            events.push(GenerationEvent::Reasoning { text, tokens: Vec::new() });
        }
        // `/completions` has it beside the reason.
        if let Some(text) = text("content").or_else(|| text("text")) {
            events.push(GenerationEvent::Text { text, tokens: Vec::new(), logprobs: Vec::new() });
        }
    }

    fn take_call(&mut self, call: &Value, events: &mut Vec<GenerationEvent>) -> Result<(), RemoteError> {
        let function = call.get("function").unwrap_or(&Value::Null);
        let said = |value: Option<&Value>| {
            value.and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let (id, name) = (said(call.get("id")), said(function.get("name")));
        let number = call.get("index").and_then(Value::as_u64);
        let known = self.calls.iter().rposition(|known| match (&id, number) {
            (Some(id), _) if known.id.as_ref() != Some(id) => false,
            (_, Some(number)) => known.number == number,
            (Some(_), None) => true,
            (None, None) => true,
        });
        let index = match known {
            Some(index) => index,
            None => {
                let index = self.calls.len();
                let name = name.ok_or_else(|| self.bad("a tool call has no name".into()))?;
                if index >= MOST_CALLS {
                    return Err(self.bad(format!("it calls more than {MOST_CALLS} tools")));
                }
                self.calls.push(Call { number: number.unwrap_or_default(), id: id.clone() });
                let id = id.unwrap_or_else(|| format!("call_{index}"));
                events.push(GenerationEvent::ToolCall { index, id, name });
                index
            }
        };
        let arguments = match function.get("arguments") {
            Some(Value::Object(map)) => Some(Value::Object(map.clone()).to_string()),
            other => said(other),
        };
        if let Some(text) = arguments {
            events.push(GenerationEvent::ToolArguments { index, text, tokens: Vec::new() });
        }
        Ok(())
    }

    /// The last chunk has all of it; earlier ones may have what came so far.
    fn count(&mut self, chunk: &Value) {
        let Some(usage) = chunk.get("usage").filter(|usage| usage.is_object()) else { return };
        let number = |pointer: &str| {
            let number = usage.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
            usize::try_from(number).unwrap_or(usize::MAX)
        };
        self.usage = Usage {
            prompt_tokens: number("/prompt_tokens"),
            completion_tokens: number("/completion_tokens"),
            cached_tokens: number("/prompt_tokens_details/cached_tokens"),
        };
    }

    fn reason_of(&self, reason: &str) -> FinishReason {
        match reason {
            "length" => FinishReason::Length,
            "tool_calls" | "function_call" => FinishReason::ToolCalls,
            // vLLM ends a call that was asked for by name with `stop`.
            _ if !self.calls.is_empty() => FinishReason::ToolCalls,
            _ => FinishReason::Stop,
        }
    }

    fn bad(&self, why: String) -> RemoteError {
        RemoteError::BadAnswer { host: self.host.clone(), why }
    }
}

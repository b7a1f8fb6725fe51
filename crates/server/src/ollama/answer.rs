//! Answers line by line, and in one piece.

use std::time::{Duration, Instant};

use lantern_app::Stay;
use serde_json::{Map, Value, json};

use super::error_body;
use crate::ApiError;
use crate::generate::{Call, Choice, Event, Frames, Reason, Run, Tokens, Whole, Writer};
use crate::server::Server;

/// Which of the two paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Chat,
    Generate,
}

/// The stream's writer.
pub(super) struct Lines {
    server: Server,
    form: Form,
    /// How long the model stays in memory after the end.
    stay: Option<Stay>,
    model: String,
    /// A call whose arguments are not whole yet.
    call: Option<Call>,
    reason: Reason,
    begun: Instant,
    opened: Option<Instant>,
    first: Option<Instant>,
}

impl Form {
    /// The answer to a request without words.
    pub(super) fn empty(self, model: &str, reason: &str) -> Value {
        let mut line = self.line(model, "", "", &[]);
        line.insert("done".into(), true.into());
        line.insert("done_reason".into(), reason.into());
        Value::Object(line)
    }

    fn line(self, model: &str, text: &str, thinking: &str, calls: &[Call]) -> Map<String, Value> {
        let mut line = Map::new();
        line.insert("model".into(), model.into());
        line.insert("created_at".into(), jiff::Timestamp::now().to_string().into());
        let message = match self {
            Form::Chat => &mut Map::new(),
            Form::Generate => &mut line,
        };
        let content = if self == Form::Chat { "content" } else { "response" };
        if self == Form::Chat {
            message.insert("role".into(), "assistant".into());
        }
        message.insert(content.into(), text.into());
        if !thinking.is_empty() {
            message.insert("thinking".into(), thinking.into());
        }
        if !calls.is_empty() {
            message.insert("tool_calls".into(), calls.iter().map(called).collect());
        }
        if self == Form::Chat {
            let message = Value::Object(std::mem::take(message));
            line.insert("message".into(), message);
        }
        line
    }
}

/// Arguments that broke off are no JSON; then there are none.
fn called(call: &Call) -> Value {
    let arguments = serde_json::from_str(&call.arguments).unwrap_or_else(|_| json!({}));
    json!({ "id": call.id, "function": { "name": call.name, "arguments": arguments } })
}

impl Lines {
    pub(super) fn new(server: Server, form: Form, stay: Option<Stay>) -> Self {
        Self {
            server,
            form,
            stay,
            model: String::new(),
            call: None,
            reason: Reason::Stop,
            begun: Instant::now(),
            opened: None,
            first: None,
        }
    }

    /// The answer in one piece.
    pub(super) fn whole(mut self, answer: Whole) -> Value {
        let Choice { text, reasoning, calls, reason, .. } =
            answer.choices.into_iter().next().unwrap_or_default();
        (self.model, self.reason) = (answer.model, reason);
        let mut line = self.form.line(&self.model, &text, &reasoning, &calls);
        if let Some(report) = answer.report {
            line.insert("lantern".into(), json!(report));
        }
        self.end(&mut line, answer.tokens);
        Value::Object(line)
    }

    fn write(&mut self, text: &str, thinking: &str, calls: &[Call], out: &mut Frames) {
        self.first.get_or_insert_with(Instant::now);
        let mut line = self.form.line(&self.model, text, thinking, calls);
        line.insert("done".into(), false.into());
        out.line(&line);
    }

    /// Calls are told when their arguments are whole.
    fn flush(&mut self, out: &mut Frames) {
        if let Some(call) = self.call.take() {
            self.write("", "", &[call], out);
        }
    }

    fn end(&self, line: &mut Map<String, Value>, tokens: Tokens) {
        let now = Instant::now();
        let opened = self.opened.unwrap_or(now);
        let first = self.first.unwrap_or(opened);
        let nanos = |time: Duration| Value::from(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        let reason = if self.reason == Reason::Length { "length" } else { "stop" };
        let fields = [
            ("done", true.into()),
            ("done_reason", reason.into()),
            ("total_duration", nanos(now.duration_since(self.begun))),
            ("load_duration", nanos(opened.duration_since(self.begun))),
            ("prompt_eval_count", tokens.prompt.into()),
            ("prompt_eval_duration", nanos(first.duration_since(opened))),
            ("eval_count", tokens.completion.into()),
            ("eval_duration", nanos(now.duration_since(first))),
        ];
        line.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        self.keep();
    }

    fn keep(&self) {
        if let Some(stay) = self.stay {
            let (app, model) = (self.server.app.clone(), self.model.clone());
            tokio::spawn(async move {
                if let Err(error) = app.keep_model(&model, stay).await {
                    tracing::warn!(%error, "a model did not leave the memory");
                }
            });
        }
    }
}

impl Writer for Lines {
    const CONTENT_TYPE: &'static str = "application/x-ndjson";

    fn open(&mut self, run: &Run, _: &mut Frames) {
        self.model.clone_from(&run.model);
        self.opened = Some(Instant::now());
    }

    fn event(&mut self, _: usize, event: Event, out: &mut Frames) {
        match event {
            Event::Text { text, .. } => {
                self.flush(out);
                self.write(&text, "", &[], out);
            }
            Event::Reasoning { text } => self.write("", &text, &[], out),
            Event::Call { id, name, .. } => {
                self.flush(out);
                self.call = Some(Call { id, name, arguments: String::new() });
            }
            Event::Arguments { text, .. } => {
                if let Some(call) = &mut self.call {
                    call.arguments.push_str(&text);
                }
            }
            Event::Finished { reason, .. } => {
                self.flush(out);
                self.reason = reason;
            }
            Event::Failed(_) => {}
        }
    }

    fn close(&mut self, tokens: Tokens, out: &mut Frames) {
        let mut line = self.form.line(&self.model, "", "", &[]);
        self.end(&mut line, tokens);
        out.line(&line);
    }

    fn fail(&mut self, error: &ApiError, out: &mut Frames) {
        out.line(&error_body(error));
    }

    /// Clients read every line as a part of the answer: there is nothing to say.
    fn wait(&mut self, _: &mut Frames) {}
}

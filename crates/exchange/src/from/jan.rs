//! Jan: a thread is an object, its messages are objects of their own that name it (`thread_id`), one a line. They are put
//! together by that name, wherever they were found.

use std::collections::{BTreeMap, BTreeSet};

use lantern_protocol::{ConversationRecord, MessageStatus, Role};
use serde_json::Value;

use crate::Tally;
use crate::draft::{Draft, Node, Words};
use crate::value::{list, rest, text, time, with_thoughts};

const SOURCE: &str = "Jan";

/// Threads and messages that wait for each other.
#[derive(Default)]
pub(crate) struct Threads {
    threads: BTreeMap<String, Value>,
    messages: BTreeMap<String, Vec<Value>>,
}

impl Threads {
    pub(crate) fn take(&mut self, value: Value) {
        match text(&value, "thread_id") {
            Some(thread) => self.messages.entry(thread).or_default().push(value),
            None => {
                self.threads.insert(text(&value, "id").unwrap_or_default(), value);
            }
        }
    }

    /// Whether a thread or messages are here whose other half is not.
    pub(crate) fn is_half(&self) -> bool {
        self.messages.keys().any(|id| !self.threads.contains_key(id))
            || self.threads.keys().any(|id| !self.messages.contains_key(id))
    }

    /// The threads that are known or named.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        self.threads.keys().chain(self.messages.keys()).cloned().collect()
    }

    /// Forgets all others.
    pub(crate) fn retain(&mut self, names: &BTreeSet<String>) {
        self.threads.retain(|id, _| names.contains(id));
        self.messages.retain(|id, _| names.contains(id));
    }

    /// The conversations. Messages whose thread is not there make one all the same.
    pub(crate) fn finish(mut self) -> Vec<(ConversationRecord, Tally)> {
        for id in self.messages.keys() {
            self.threads.entry(id.clone()).or_insert_with(|| serde_json::json!({ "id": id }));
        }
        let threads = std::mem::take(&mut self.threads);
        threads
            .into_iter()
            .map(|(id, thread)| draft(&id, &thread, self.messages.remove(&id).unwrap_or_default()).finish())
            .collect()
    }
}

fn draft(id: &str, thread: &Value, messages: Vec<Value>) -> Draft {
    let mut draft = Draft::new(SOURCE, id.to_owned());
    draft.title = text(thread, "title").unwrap_or_default();
    draft.created_at = time(thread, "created");
    draft.updated_at = time(thread, "updated");
    let assistant = list(thread, "assistants").first();
    draft.system_prompt = assistant.and_then(|assistant| text(assistant, "instructions"));
    let model = thread.get("model").or_else(|| assistant.and_then(|assistant| assistant.get("model")));
    draft.model = model.and_then(|model| text(model, "id"));
    draft.keep(None, "details", rest(thread, &["id", "object", "title", "created", "updated"]));
    let mut before: Option<String> = None;
    for (at, message) in messages.iter().enumerate() {
        let id = text(message, "id").unwrap_or_else(|| format!("message {at}"));
        let words = words(&mut draft, &id, message);
        draft.nodes.push(Node { id: id.clone(), parent: before, message: words });
        before = Some(id);
    }
    draft
}

fn words(draft: &mut Draft, id: &str, message: &Value) -> Option<Words> {
    let (mut thoughts, mut said, mut others) = (Vec::new(), Vec::new(), Vec::new());
    match message.get("content") {
        Some(Value::String(words)) => said.push(words.clone()),
        _ => {
            for part in list(message, "content") {
                let value =
                    part.get("text").and_then(|words| text(words, "value")).or_else(|| text(part, "text"));
                match text(part, "type").as_deref() {
                    Some("text") => said.extend(value),
                    Some("reasoning") => thoughts.extend(value),
                    Some("image_url") => others.push(("pictures", part.clone())),
                    Some("tool_call") => others.push(("calls of tools", part.clone())),
                    _ => others.push(("other parts", part.clone())),
                }
            }
        }
    }
    let said = said.join("\n\n");
    let role = match text(message, "role").as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") if draft.system_prompt.is_none() => {
            draft.system_prompt = Some(said);
            return None;
        }
        _ => {
            draft.keep(Some(id), "messages of others", Some(message.clone()));
            return None;
        }
    };
    for (name, json) in others {
        draft.keep(Some(id), name, Some(json));
    }
    for file in list(message, "attachments") {
        draft.keep(Some(id), "attachments", Some(file.clone()));
    }
    let taken =
        ["id", "object", "thread_id", "role", "content", "status", "created_at", "attachments", "type"];
    draft.keep(Some(id), "details", rest(message, &taken));
    let status = match text(message, "status").as_deref() {
        Some("pending") => MessageStatus::Interrupted,
        Some("stopped") => MessageStatus::Stopped,
        Some("error") => MessageStatus::Failed,
        _ => MessageStatus::Complete,
    };
    let details = message
        .get("metadata")
        .and_then(|details| text(details, "modelId").or_else(|| text(details, "model")));
    Some(Words {
        status,
        model: details.filter(|_| role == Role::Assistant),
        created_at: time(message, "created_at"),
        ..Words::new(role, with_thoughts(&thoughts.join("\n\n"), &said))
    })
}

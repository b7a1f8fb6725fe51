//! One file a program: how its export becomes records.

mod chatgpt;
mod claude;
mod jan;
mod lm_studio;
mod open_webui;

use lantern_protocol::ConversationRecord;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::draft::Draft;
use crate::{Tally, value};

pub(crate) use jan::Threads;

/// The program that wrote an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// This one.
    Lantern,
    /// `conversations.json`: an array of trees.
    ChatGpt,
    /// `conversations.json`: an array of lists, newer ones with parents.
    Claude,
    /// `….conversation.json`, one a conversation.
    LmStudio,
    /// `thread.json` beside `messages.jsonl`.
    Jan,
    /// An array of chats.
    OpenWebUi,
}

impl Source {
    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lantern => "Lantern",
            Self::ChatGpt => "ChatGPT",
            Self::Claude => "Claude",
            Self::LmStudio => "LM Studio",
            Self::Jan => "Jan",
            Self::OpenWebUi => "Open WebUI",
        }
    }
}

/// What kind of thing a JSON object is, by its fields alone.
pub(crate) fn recognise(value: &Value) -> Option<Source> {
    let has = |key: &str| value.get(key).is_some();
    let is_list = |key: &str| value.get(key).is_some_and(Value::is_array);
    if value.get("mapping").is_some_and(Value::is_object) {
        return Some(Source::ChatGpt);
    }
    if is_list("chat_messages") {
        return Some(Source::Claude);
    }
    if value.get("chat").is_some_and(|chat| chat.get("history").is_some() || chat.get("messages").is_some()) {
        return Some(Source::OpenWebUi);
    }
    if has("thread_id") && has("role") && has("content") {
        return Some(Source::Jan);
    }
    let is_thread = value.get("object").and_then(Value::as_str) == Some("thread");
    if has("id") && (is_thread || (is_list("assistants") && has("title"))) {
        return Some(Source::Jan);
    }
    let messages = value.get("messages").and_then(Value::as_array)?;
    let are_versions = messages.iter().any(|message| message.get("versions").is_some());
    let is_empty = messages.is_empty() && has("createdAt") && has("name");
    (are_versions || is_empty).then_some(Source::LmStudio)
}

/// The conversation that an object of this source is. `None` for Jan, whose conversations are several objects, and for
/// Lantern, which has a reader of its own.
pub(crate) fn convert(source: Source, value: &Value) -> Option<(ConversationRecord, Tally)> {
    let draft: Draft = match source {
        Source::ChatGpt => chatgpt::draft(value),
        Source::Claude => claude::draft(value),
        Source::LmStudio => lm_studio::draft(value),
        Source::OpenWebUi => open_webui::draft(value),
        Source::Jan | Source::Lantern => return None,
    };
    Some(draft.finish())
}

/// The names of a tree's nodes, so that alternatives are in the order in which their parent names them. Parents may stand behind
/// their children.
fn children_in_order(nodes: &Map<String, Value>, key: &str) -> Vec<String> {
    let mut order = Vec::with_capacity(nodes.len());
    let mut seen = HashSet::new();
    let named = nodes.values().flat_map(|node| value::list(node, key)).filter_map(Value::as_str);
    for id in named.chain(nodes.keys().map(String::as_str)) {
        if nodes.contains_key(id) && seen.insert(id) {
            order.push(id.to_owned());
        }
    }
    order
}

/// A name for a conversation whose export has none: the same for the same content.
fn name_of(value: &Value) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    value.to_string().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

//! ChatGPT: `mapping` is a tree of nodes with `parent` and `children`, `current_node` the end of the shown branch. A node may
//! have no message (the root), or one that people do not see (instructions, results of tools).

use lantern_protocol::{MessageStatus, Role};
use serde_json::Value;

use super::{children_in_order, name_of};
use crate::draft::{Draft, Node, Words};
use crate::value::{flag, list, rest, text, time, with_thoughts};

const SOURCE: &str = "ChatGPT";

pub(super) fn draft(value: &Value) -> Draft {
    let id = text(value, "conversation_id").or_else(|| text(value, "id")).unwrap_or_else(|| name_of(value));
    let mut draft = Draft::new(SOURCE, id);
    draft.title = text(value, "title").unwrap_or_default();
    draft.model = text(value, "default_model_slug");
    draft.created_at = time(value, "create_time");
    draft.updated_at = time(value, "update_time");
    draft.pinned = flag(value, "is_starred");
    draft.archived = flag(value, "is_archived");
    draft.leaf = text(value, "current_node");
    let taken = [
        "conversation_id",
        "id",
        "title",
        "default_model_slug",
        "create_time",
        "update_time",
        "is_starred",
        "is_archived",
        "current_node",
        "mapping",
    ];
    draft.keep(None, "details", rest(value, &taken));
    if let Some(Value::Object(mapping)) = value.get("mapping") {
        for id in children_in_order(mapping, "children") {
            if let Some(node) = mapping.get(&id) {
                add(&mut draft, id, node);
            }
        }
    }
    draft
}

fn add(draft: &mut Draft, id: String, node: &Value) {
    let parent = text(node, "parent");
    let message = node.get("message").filter(|message| message.is_object());
    let words = message.and_then(|message| words(draft, &id, message));
    draft.nodes.push(Node { id, parent, message: words });
}

/// What a message says; `None` for one that is kept as it is.
fn words(draft: &mut Draft, id: &str, message: &Value) -> Option<Words> {
    let author = message.get("author").and_then(|author| text(author, "role")).unwrap_or_default();
    let content = message.get("content").cloned().unwrap_or_default();
    let (said, other) = said(&content);
    let details = message.get("metadata").cloned().unwrap_or_default();
    let role = match author.as_str() {
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "system" => {
            if draft.system_prompt.is_none() && !said.trim().is_empty() {
                draft.system_prompt = Some(said);
            } else if !said.trim().is_empty() {
                draft.keep(Some(id), "instructions", Some(message.clone()));
            }
            return None;
        }
        "tool" => {
            draft.keep(Some(id), "results of tools", Some(message.clone()));
            return None;
        }
        _ => {
            draft.keep(Some(id), "messages of others", Some(message.clone()));
            return None;
        }
    };
    let calls_tool = text(message, "recipient").is_some_and(|recipient| recipient != "all");
    let is_hidden = flag(&details, "is_visually_hidden_from_conversation");
    if calls_tool || is_hidden || said.is_empty() && other.is_none() {
        let name = if calls_tool { "calls of tools" } else { "hidden messages" };
        draft.keep(Some(id), name, Some(message.clone()));
        return None;
    }
    draft.keep(Some(id), "pictures and other parts", other);
    draft.keep(Some(id), "details", rest(message, &["author", "content", "create_time", "id"]));
    let status = match text(message, "status").as_deref() {
        Some("in_progress") => MessageStatus::Interrupted,
        Some("finished_partial_completion") => MessageStatus::Truncated,
        _ => MessageStatus::Complete,
    };
    Some(Words {
        status,
        model: text(&details, "model_slug").filter(|_| role == Role::Assistant),
        created_at: time(message, "create_time"),
        ..Words::new(role, said)
    })
}

/// The text of a content, and what of it is no text.
fn said(content: &Value) -> (String, Option<Value>) {
    match text(content, "content_type").as_deref() {
        Some("thoughts") => {
            let thoughts: Vec<String> = list(content, "thoughts")
                .iter()
                .map(|thought| {
                    let parts = [text(thought, "summary"), text(thought, "content")];
                    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
                })
                .collect();
            (with_thoughts(&thoughts.join("\n\n"), ""), None)
        }
        Some("code") => {
            let language = text(content, "language").filter(|name| name != "unknown").unwrap_or_default();
            let code = text(content, "text").unwrap_or_default();
            (if code.is_empty() { code } else { format!("```{language}\n{code}\n```") }, None)
        }
        _ if content.get("parts").is_some() => {
            let parts = list(content, "parts");
            let texts: Vec<String> = parts
                .iter()
                .filter_map(|part| match part {
                    Value::String(words) => Some(words.clone()).filter(|words| !words.is_empty()),
                    part => text(part, "text"),
                })
                .collect();
            let others: Vec<Value> = parts.iter().filter(|part| part.is_object()).cloned().collect();
            (texts.join("\n\n"), (!others.is_empty()).then_some(Value::Array(others)))
        }
        _ => match text(content, "text")
            .or_else(|| text(content, "result"))
            .or_else(|| text(content, "content"))
        {
            Some(words) => (words, rest(content, &["text", "result", "content", "content_type"])),
            None => (String::new(), rest(content, &["content_type"])),
        },
    }
}

//! Claude: `chat_messages` in order, each with blocks of `content` beside their plain `text`; newer exports name parents, of
//! which the first is a name of zeros.

use lantern_protocol::Role;
use serde_json::Value;

use super::name_of;
use crate::draft::{Draft, Node, Words};
use crate::value::{flag, list, rest, text, time, with_thoughts};

const SOURCE: &str = "Claude";

pub(super) fn draft(value: &Value) -> Draft {
    let id = text(value, "uuid").unwrap_or_else(|| name_of(value));
    let mut draft = Draft::new(SOURCE, id);
    draft.title = text(value, "name").unwrap_or_default();
    draft.model = text(value, "model");
    draft.created_at = time(value, "created_at");
    draft.updated_at = time(value, "updated_at");
    draft.pinned = flag(value, "is_starred");
    draft.leaf = text(value, "current_leaf_message_uuid");
    let taken = [
        "uuid",
        "name",
        "model",
        "created_at",
        "updated_at",
        "is_starred",
        "current_leaf_message_uuid",
        "chat_messages",
    ];
    draft.keep(None, "details", rest(value, &taken));
    let mut before: Option<String> = None;
    for (at, message) in list(value, "chat_messages").iter().enumerate() {
        let id = text(message, "uuid").unwrap_or_else(|| format!("message {at}"));
        let parent = match text(message, "parent_message_uuid") {
            Some(parent) if is_root(&parent) => None,
            Some(parent) => Some(parent),
            None => before.clone(),
        };
        let words = words(&mut draft, &id, message);
        draft.nodes.push(Node { id: id.clone(), parent, message: Some(words) });
        before = Some(id);
    }
    draft
}

/// `00000000-0000-4000-8000-000000000000`, or all zeros.
fn is_root(uuid: &str) -> bool {
    uuid.starts_with("00000000-0000-") && uuid.ends_with("-000000000000")
}

fn words(draft: &mut Draft, id: &str, message: &Value) -> Words {
    let role = match text(message, "sender").as_deref() {
        Some("human" | "user") => Role::User,
        _ => Role::Assistant,
    };
    let (mut thoughts, mut said, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for block in list(message, "content") {
        match text(block, "type").as_deref() {
            Some("text") => {
                said.extend(text(block, "text"));
                others.extend(rest(block, &["type", "text"]).map(|details| ("details of texts", details)));
            }
            Some("thinking") => {
                thoughts.extend(text(block, "thinking"));
                others.extend(
                    rest(block, &["type", "thinking"]).map(|details| ("details of thoughts", details)),
                );
            }
            Some("tool_use") => others.push(("calls of tools", block.clone())),
            Some("tool_result") => others.push(("results of tools", block.clone())),
            _ => others.push(("other parts", block.clone())),
        }
    }
    let mut content = said.join("\n\n");
    if content.is_empty() {
        content = text(message, "text").unwrap_or_default();
    }
    for (name, json) in others {
        draft.keep(Some(id), name, Some(json));
    }
    for (key, name) in [("attachments", "attachments"), ("files", "files")] {
        for one in list(message, key) {
            draft.keep(Some(id), name, Some(one.clone()));
        }
    }
    let taken = [
        "uuid",
        "text",
        "content",
        "sender",
        "created_at",
        "attachments",
        "files",
        "parent_message_uuid",
        "model",
    ];
    draft.keep(Some(id), "details", rest(message, &taken));
    Words {
        model: text(message, "model"),
        created_at: time(message, "created_at"),
        ..Words::new(role, with_thoughts(&thoughts.join("\n\n"), &content))
    }
}

//! Open WebUI: each element has a `chat` whose `history` is a tree of messages by id, with `parentId`, `childrenIds` and
//! `currentId`. Older ones have the list `messages` alone.

use lantern_protocol::{MessageStatus, Role};
use serde_json::Value;

use super::{children_in_order, name_of};
use crate::draft::{Draft, Node, Words};
use crate::value::{flag, list, rest, text, time};

const SOURCE: &str = "Open WebUI";

pub(super) fn draft(value: &Value) -> Draft {
    let none = Value::Null;
    let chat = value.get("chat").unwrap_or(&none);
    let id = text(value, "id").or_else(|| text(chat, "id")).unwrap_or_else(|| name_of(value));
    let mut draft = Draft::new(SOURCE, id);
    draft.title = text(value, "title").or_else(|| text(chat, "title")).unwrap_or_default();
    draft.created_at = time(value, "created_at").or_else(|| time(chat, "timestamp"));
    draft.updated_at = time(value, "updated_at");
    draft.pinned = flag(value, "pinned");
    draft.archived = flag(value, "archived");
    draft.system_prompt =
        text(chat, "system").or_else(|| chat.get("params").and_then(|params| text(params, "system")));
    draft.model = list(chat, "models").first().and_then(Value::as_str).map(str::to_owned);
    let taken = ["id", "title", "created_at", "updated_at", "pinned", "archived", "chat"];
    draft.keep(None, "details", rest(value, &taken));
    draft.keep(None, "details of the chat", rest(chat, &["id", "title", "history", "messages", "system"]));
    match chat.get("history").and_then(|history| history.get("messages")).and_then(Value::as_object) {
        Some(messages) if !messages.is_empty() => {
            draft.leaf = chat.get("history").and_then(|history| text(history, "currentId"));
            for id in children_in_order(messages, "childrenIds") {
                let message = &messages[&id];
                let words = words(&mut draft, &id, message);
                draft.nodes.push(Node { id, parent: text(message, "parentId"), message: words });
            }
        }
        _ => list_alone(&mut draft, list(chat, "messages")),
    }
    draft
}

fn list_alone(draft: &mut Draft, messages: &[Value]) {
    let mut before: Option<String> = None;
    for (at, message) in messages.iter().enumerate() {
        let id = text(message, "id").unwrap_or_else(|| format!("message {at}"));
        let parent = text(message, "parentId").or(before);
        let words = words(draft, &id, message);
        draft.nodes.push(Node { id: id.clone(), parent, message: words });
        before = Some(id);
    }
}

fn words(draft: &mut Draft, id: &str, message: &Value) -> Option<Words> {
    let said = text(message, "content").unwrap_or_default();
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
    for file in list(message, "files") {
        draft.keep(Some(id), "files", Some(file.clone()));
    }
    let taken = ["id", "parentId", "childrenIds", "role", "content", "timestamp", "model", "files", "done"];
    draft.keep(Some(id), "details", rest(message, &taken));
    let is_cut = message.get("done").and_then(Value::as_bool) == Some(false);
    Some(Words {
        status: if is_cut { MessageStatus::Interrupted } else { MessageStatus::Complete },
        model: text(message, "model").filter(|_| role == Role::Assistant),
        created_at: time(message, "timestamp"),
        ..Words::new(role, said)
    })
}

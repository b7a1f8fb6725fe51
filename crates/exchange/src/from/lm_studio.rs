//! LM Studio: a list of turns, each with `versions` of which one is selected. A version of the model has `steps`: blocks of
//! text, some of them thoughts, calls of tools, and what it took. What comes after a turn came after its selected version.

use lantern_protocol::Role;
use serde_json::Value;

use super::name_of;
use crate::draft::{Draft, Node, Words};
use crate::value::{flag, list, rest, text, time, with_thoughts};

const SOURCE: &str = "LM Studio";

pub(super) fn draft(value: &Value) -> Draft {
    let mut draft = Draft::new(SOURCE, name(value));
    draft.title = text(value, "name").unwrap_or_default();
    draft.created_at = time(value, "createdAt");
    draft.updated_at = time(value, "assistantLastMessagedAt").max(time(value, "userLastMessagedAt"));
    draft.pinned = flag(value, "pinned");
    draft.system_prompt = text(value, "systemPrompt").or_else(|| prompt_of_fields(value));
    draft.model = value
        .get("lastUsedModel")
        .and_then(|model| text(model, "indexedModelIdentifier").or_else(|| text(model, "identifier")));
    let taken = ["name", "createdAt", "pinned", "systemPrompt", "messages"];
    draft.keep(None, "details", rest(value, &taken));
    let mut before: Option<String> = None;
    for (turn, message) in list(value, "messages").iter().enumerate() {
        let versions = list(message, "versions");
        let selected = message.get("currentlySelected").and_then(Value::as_u64).unwrap_or(0);
        let selected = usize::try_from(selected).unwrap_or(0).min(versions.len().saturating_sub(1));
        let mut next = None;
        for (version, words) in versions.iter().enumerate() {
            let id = format!("{turn}.{version}");
            let words = self::words(&mut draft, &id, words);
            draft.nodes.push(Node { id: id.clone(), parent: before.clone(), message: words });
            if version == selected {
                next = Some(id);
            }
        }
        draft.keep(None, "details of turns", rest(message, &["versions", "currentlySelected"]));
        before = next.or(before);
    }
    draft.leaf = before;
    draft
}

/// The file has no name of its own for it; when it began and its first words do not change.
fn name(value: &Value) -> String {
    let first = list(value, "messages").first().cloned().unwrap_or_default();
    match time(value, "createdAt") {
        Some(time) => format!("{time}-{}", name_of(&first)),
        None => name_of(value),
    }
}

fn prompt_of_fields(value: &Value) -> Option<String> {
    let fields = list(value.get("perChatPredictionConfig")?, "fields");
    let field =
        fields.iter().find(|field| text(field, "key").as_deref() == Some("llm.prediction.systemPrompt"))?;
    text(field, "value")
}

fn words(draft: &mut Draft, id: &str, version: &Value) -> Option<Words> {
    let role = match text(version, "role").as_deref() {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") if draft.system_prompt.is_none() => {
            draft.system_prompt = Some(texts(list(version, "content")).join("\n\n"));
            return None;
        }
        _ => {
            draft.keep(Some(id), "messages of others", Some(version.clone()));
            return None;
        }
    };
    let mut said = texts(list(version, "content"));
    keep_others(draft, id, list(version, "content"));
    let (mut thoughts, mut model) = (Vec::new(), None);
    for step in list(version, "steps") {
        if text(step, "type").as_deref() != Some("contentBlock") {
            draft.keep(Some(id), "other steps", Some(step.clone()));
            continue;
        }
        let is_thought =
            step.get("style").and_then(|style| text(style, "type")).as_deref() == Some("thinking");
        let into = if is_thought { &mut thoughts } else { &mut said };
        into.extend(texts(list(step, "content")));
        keep_others(draft, id, list(step, "content"));
        let info = step.get("genInfo");
        model = info
            .and_then(|info| text(info, "indexedModelIdentifier").or_else(|| text(info, "identifier")))
            .or(model);
        draft.keep(Some(id), "details of steps", rest(step, &["type", "content"]));
    }
    draft.keep(Some(id), "details", rest(version, &["role", "type", "content", "steps"]));
    let asked = version.get("preprocessed").and_then(|details| time(details, "timestamp"));
    Some(Words {
        model,
        created_at: asked,
        ..Words::new(
            role,
            with_thoughts(&thoughts.join(""), &said.join(if role == Role::User { "\n\n" } else { "" })),
        )
    })
}

fn texts(content: &[Value]) -> Vec<String> {
    let of = |part: &Value| {
        if text(part, "type").as_deref() == Some("text") { text(part, "text") } else { None }
    };
    content.iter().filter_map(of).collect()
}

fn keep_others(draft: &mut Draft, id: &str, content: &[Value]) {
    for part in content {
        let name = match text(part, "type").as_deref() {
            Some("text") => continue,
            Some("file") => "files",
            Some("toolCallRequest") => "calls of tools",
            Some("toolCallResult") => "results of tools",
            _ => "other parts",
        };
        draft.keep(Some(id), name, Some(part.clone()));
    }
}

//! A conversation's shown branch as Markdown.

use lantern_protocol::{ConversationRecord, Message, MessageStatus, Role};

use crate::html::date;

/// The messages from the first one to the leaf.
pub(crate) fn branch(record: &ConversationRecord) -> Vec<&Message> {
    let by_id: std::collections::HashMap<&str, &Message> =
        record.messages.iter().map(|message| (message.id.as_str(), message)).collect();
    let mut branch = Vec::new();
    let mut at = record.conversation.leaf_id.as_deref();
    // A circle, which the database never has, must not go on for ever.
    while let Some(message) = at.and_then(|id| by_id.get(id)).filter(|_| branch.len() < by_id.len()) {
        branch.push(*message);
        at = message.parent_id.as_deref();
    }
    branch.reverse();
    branch
}

/// Who speaks, for people.
pub(crate) fn speaker(message: &Message) -> String {
    match (message.role, &message.model) {
        (Role::User, _) => "You".into(),
        (Role::Assistant, Some(model)) => model.clone(),
        (Role::Assistant, None) => "Assistant".into(),
        (Role::System, _) => "System".into(),
        (Role::Tool, _) => "Tool".into(),
    }
}

/// What a reader must know of how a message ended.
pub(crate) fn note(message: &Message) -> Option<String> {
    Some(match message.status {
        MessageStatus::Complete => return None,
        MessageStatus::Streaming => "This answer was still being written.".into(),
        MessageStatus::Stopped => "This answer was stopped.".into(),
        MessageStatus::Interrupted => "This answer was interrupted.".into(),
        MessageStatus::Truncated => "This answer reached the limit of tokens.".into(),
        MessageStatus::Failed => {
            let why = message.error.as_ref().map_or("", |error| error.message.as_str());
            format!("This answer failed. {why}").trim_end().to_owned()
        }
    })
}

/// The parts of an answer: what the model thought, and what it said.
pub(crate) fn thoughts_and_words(content: &str) -> (Option<&str>, &str) {
    let Some(rest) = content.strip_prefix("<think>") else { return (None, content) };
    match rest.split_once("</think>") {
        Some((thoughts, said)) => {
            (Some(thoughts.trim()).filter(|thoughts| !thoughts.is_empty()), said.trim_start())
        }
        None => (Some(rest.trim()), ""),
    }
}

/// How many messages of other branches are not shown.
pub(crate) fn hidden(record: &ConversationRecord, shown: usize) -> Option<String> {
    match record.messages.len().saturating_sub(shown) {
        0 => None,
        1 => Some("One message of another branch is not shown.".into()),
        hidden => Some(format!("{hidden} messages of other branches are not shown.")),
    }
}

/// The shown branch as Markdown. Messages stay as they were written.
pub fn markdown(record: &ConversationRecord) -> String {
    let conversation = &record.conversation;
    let mut out = format!("# {}\n\n*{}*\n", one_line(&conversation.title), date(conversation.created_at));
    if let Some(prompt) = conversation.system_prompt.as_ref().filter(|prompt| !prompt.trim().is_empty()) {
        out.push_str(&format!("\n> {}\n", prompt.trim().replace('\n', "\n> ")));
    }
    let branch = branch(record);
    for message in &branch {
        out.push_str(&format!("\n## {}\n\n", one_line(&speaker(message))));
        let (thoughts, said) = thoughts_and_words(&message.content);
        if let Some(thoughts) = thoughts {
            out.push_str(&format!("> *Thoughts*\n>\n> {}\n\n", thoughts.replace('\n', "\n> ")));
        }
        out.push_str(said.trim_end());
        out.push('\n');
        if let Some(note) = note(message) {
            out.push_str(&format!("\n*{}*\n", one_line(&note)));
        }
    }
    if let Some(hidden) = hidden(record, branch.len()) {
        out.push_str(&format!("\n---\n\n*{hidden}*\n"));
    }
    out
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

//! Lantern's own form: one JSON object with `format`, `version`, `folders` and `conversations`, each of which is a
//! [`ConversationRecord`]. What a later Lantern adds is kept as it is and goes out again with the next export.

use std::io::{self, Write};

use lantern_protocol::{ConversationRecord, Folder, KeptPart};
use serde_json::{Map, Value};

use crate::Tally;

/// What `format` says.
pub const FORMAT: &str = "lantern";
/// The latest version that is known here. One that only adds has the same number.
pub const VERSION: u64 = 1;

/// Writes conversations one after the other, so that no more than one is in memory.
pub(crate) struct Writer<W: Write> {
    out: W,
    is_first: bool,
}

impl<W: Write> Writer<W> {
    pub(crate) fn begin(mut out: W, folders: &[Folder]) -> io::Result<Self> {
        let folders = serde_json::to_string(folders)?;
        write!(
            out,
            "{{\"format\":\"{FORMAT}\",\"version\":{VERSION},\n\"folders\":{folders},\n\"conversations\":["
        )?;
        Ok(Self { out, is_first: true })
    }

    pub(crate) fn conversation(&mut self, record: &ConversationRecord) -> io::Result<()> {
        let separator = if std::mem::take(&mut self.is_first) { "\n" } else { ",\n" };
        self.out.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut self.out, record)?;
        Ok(())
    }

    pub(crate) fn end(mut self) -> io::Result<W> {
        self.out.write_all(b"\n]}\n")?;
        Ok(self.out)
    }
}

/// The record that one element of `conversations` is, and what was not taken; in words why it is none.
pub(crate) fn record(mut value: Value) -> Result<(ConversationRecord, Tally), String> {
    let mut left = Tally::default();
    let mut kept = Vec::new();
    strip(&mut value, &mut kept);
    let mut record: ConversationRecord = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if record.conversation.temporary {
        // None ever leaves a Lantern; one that says so was made by hand.
        record.conversation.temporary = false;
        left.add("marks as temporary");
    }
    record.kept.extend(kept);
    Ok((record, left))
}

/// Fields of a conversation and of a message that this Lantern knows.
const CONVERSATION: &[&str] = &[
    "id",
    "title",
    "model",
    "systemPrompt",
    "contextLength",
    "pinned",
    "leafId",
    "createdAt",
    "updatedAt",
    "folderId",
    "archived",
    "temporary",
];
const MESSAGE: &[&str] = &[
    "id",
    "conversationId",
    "parentId",
    "role",
    "content",
    "status",
    "model",
    "error",
    "stats",
    "createdAt",
];
const RECORD: &[&str] = &["conversation", "titledBy", "messages", "summaries", "origin", "kept", "tables"];

/// Takes what is unknown out of its place, to be kept.
fn strip(value: &mut Value, kept: &mut Vec<KeptPart>) {
    let unknown = take_unknown(value, RECORD);
    kept.extend(unknown.map(|json| KeptPart { message_id: None, name: "later record".into(), json }));
    if let Some(conversation) = value.get_mut("conversation") {
        let unknown = take_unknown(conversation, CONVERSATION);
        kept.extend(unknown.map(|json| KeptPart {
            message_id: None,
            name: "later conversation".into(),
            json,
        }));
    }
    for message in value.get_mut("messages").and_then(Value::as_array_mut).into_iter().flatten() {
        let unknown = take_unknown(message, MESSAGE);
        let message_id = message.get("id").and_then(Value::as_str).map(str::to_owned);
        kept.extend(unknown.map(|json| KeptPart { message_id, name: "later message".into(), json }));
    }
}

fn take_unknown(value: &mut Value, known: &[&str]) -> Option<Value> {
    let object = value.as_object_mut()?;
    let (ours, others): (Map<_, _>, Map<_, _>) =
        std::mem::take(object).into_iter().partition(|(key, _)| known.contains(&key.as_str()));
    *object = ours;
    (!others.is_empty()).then_some(Value::Object(others))
}

#[cfg(test)]
mod tests {
    use lantern_protocol::{Conversation, Message, MessageStatus, Role};

    use super::*;

    /// A field that is added to a type must be added to the lists, or it would be taken for a later Lantern's.
    #[test]
    fn the_lists_of_known_fields_are_whole() {
        let conversation = Conversation {
            id: String::new(),
            title: String::new(),
            model: None,
            system_prompt: None,
            context_length: None,
            pinned: false,
            leaf_id: None,
            created_at: 0,
            updated_at: 0,
            folder_id: None,
            archived: false,
            temporary: false,
        };
        let message = Message {
            id: String::new(),
            conversation_id: String::new(),
            parent_id: None,
            role: Role::User,
            content: String::new(),
            status: MessageStatus::Complete,
            model: None,
            error: None,
            stats: None,
            created_at: 0,
        };
        let keys = |value: Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(serde_json::to_value(&conversation).unwrap()), CONVERSATION);
        assert_eq!(keys(serde_json::to_value(&message).unwrap()), MESSAGE);
    }
}

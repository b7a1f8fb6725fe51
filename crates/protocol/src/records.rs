//! A conversation with everything that is stored of it, as it leaves one database and enters another.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Conversation, Message, Summary, TitledBy};

/// A whole conversation. What is read from a file is checked where it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConversationRecord {
    /// The conversation itself.
    pub conversation: Conversation,
    /// Who gave it its title.
    #[serde(default)]
    pub titled_by: TitledBy,
    /// All branches' messages, each behind the one it answers; alternatives in their order.
    pub messages: Vec<Message>,
    /// What a model reads in place of the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub summaries: Vec<Summary>,
    /// Where it was imported from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// What other programs, or later Lanterns, said that has no place of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kept: Vec<KeptPart>,
    /// Rows of tables that belong to the conversation or its messages, by table and column. Bytes are `{"base64": …}`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub tables: Map<String, Value>,
}

/// Where a conversation came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Origin {
    /// The program: `ChatGPT`.
    pub source: String,
    /// How that program named the conversation.
    pub id: String,
}

/// Something that was said of a conversation or a message and has no place of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptPart {
    /// The message; `None` for the conversation as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// What it is: `metadata`.
    pub name: String,
    /// As it was.
    pub json: Value,
}

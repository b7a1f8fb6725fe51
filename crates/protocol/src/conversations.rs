//! Folders, the search in messages, and what taking conversations in and out tells.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{Conversation, ErrorInfo, Role};

/// A folder of conversations. Deleting it deletes none of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Folder {
    /// UUID, version 7.
    pub id: String,
    /// As the user calls it; no other has the same name.
    pub name: String,
    /// When it was made, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub created_at: i64,
}

/// Who gave a conversation its title.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TitledBy {
    /// Its first line did.
    #[default]
    Rule,
    /// A model did.
    Model,
    /// The user did, so nobody else may change it.
    User,
}

/// What to look for in conversations. Filters that are `None` let everything pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct FindQuery {
    /// Words that must all be there; of each the beginning is enough. Without any, what passes the filters, latest first.
    pub text: String,
    /// Library id of the model that wrote the message.
    pub model: Option<String>,
    /// Who speaks.
    pub role: Option<Role>,
    /// The folder's id.
    pub folder: Option<String>,
    /// Not before, in milliseconds since the Unix epoch.
    #[ts(type = "number | null")]
    pub from: Option<i64>,
    /// Before, in milliseconds since the Unix epoch.
    #[ts(type = "number | null")]
    pub to: Option<i64>,
    /// Looks at archived conversations, too.
    pub archived: bool,
    /// The latest first instead of the best.
    pub latest_first: bool,
}

/// A message, or a title, that matches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FoundMessage {
    /// The conversation it is in.
    pub conversation: Conversation,
    /// `None` when the title matches.
    pub message_id: Option<String>,
    /// Who speaks; `None` for a title.
    pub role: Option<Role>,
    /// Library id of the model that wrote it.
    pub model: Option<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub created_at: i64,
    /// Plain text around the first matches, each match between U+2068 and U+2069.
    pub snippet: String,
}

/// What a search found: titles first, then messages.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Found {
    /// Titles, the latest first, and messages in the order that was asked for.
    pub hits: Vec<FoundMessage>,
    /// How many messages match, those not among the hits included.
    pub messages: u32,
    /// Whether more match than were looked at: then only the latest were put in order.
    pub more: bool,
}

/// The forms in which conversations leave Lantern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ExportFormat {
    /// Everything, so that importing it gives the same conversations.
    Json,
    /// The shown branch, for people and other programs.
    Markdown,
    /// The shown branch as one page without scripts.
    Html,
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ImportReport {
    /// One for each file that was looked at.
    pub files: Vec<ImportedFile>,
}

/// What came of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ImportedFile {
    /// Its path; inside an archive, that of the archive and of the file in it.
    pub name: String,
    /// What kind of export it is, by its content: `ChatGPT`; `None` when that was not recognised.
    pub source: Option<String>,
    /// Conversations that are new here.
    pub conversations: u32,
    /// Messages in them.
    pub messages: u32,
    /// Conversations that were here already.
    pub known: u32,
    /// What was kept as raw JSON beside the messages because Lantern has no place of its own for it, and how often.
    pub kept: Vec<Counted>,
    /// What was not taken, and how often.
    pub left: Vec<Counted>,
    /// Why nothing, or not all of it, was taken.
    pub error: Option<ErrorInfo>,
}

/// Something and how often it occurred.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Counted {
    /// In words.
    pub what: String,
    /// How often.
    pub count: u32,
}

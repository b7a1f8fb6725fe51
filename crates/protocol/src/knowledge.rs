//! Files that go with messages, folders that are searched for them, and what a model saw of either.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ChosenTools, ErrorInfo};

/// What a file is, told by its content; its name decides only among kinds of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum DocumentKind {
    /// Plain text.
    Text,
    /// A program's source.
    Code,
    /// Markdown.
    Markdown,
    /// A web page.
    Html,
    /// PDF.
    Pdf,
    /// Word.
    Docx,
    /// Rows of values with a separator between them.
    Csv,
    /// Excel.
    Xlsx,
    /// A picture: PNG, JPEG, WebP or GIF.
    Image,
}

/// Where in a document something stands; what does not apply is `None`. Counted from 1.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct Place {
    /// Page of a PDF.
    pub page: Option<u32>,
    /// The heading above; of a table the names of its columns.
    pub heading: Option<String>,
    /// Sheet of a workbook.
    pub sheet: Option<String>,
    /// Row of a table.
    pub row: Option<u32>,
    /// Line of a text.
    pub line: Option<u32>,
}

/// A file that was read and can go with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Attachment {
    /// SHA-256 of its bytes, in hex.
    pub document: String,
    /// The file's name.
    pub name: String,
    /// What it is.
    pub kind: DocumentKind,
    /// Bytes of the file.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Characters of text in it; 0 for a picture.
    #[ts(type = "number")]
    pub characters: u64,
    /// Passages that its text is searched in.
    pub passages: u32,
}

/// What goes with a message beside its words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct SentWith {
    /// Files, by what [`Attachment::document`] and [`Attachment::name`] say.
    pub attachments: Vec<AttachedFile>,
    /// Ids of the folders that the conversation searches from now on; `None` leaves them as they are.
    pub folders: Option<Vec<String>>,
    /// Id of the assistant that answers in the conversation from now on; `None` leaves it as it is.
    #[ts(optional)]
    pub assistant: Option<String>,
    /// Tools that a new conversation begins with; `None` takes the assistant's, or those of all new ones.
    #[ts(optional)]
    pub tools: Option<ChosenTools>,
}

/// Names a file that was read before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AttachedFile {
    /// SHA-256 of its bytes, in hex.
    pub document: String,
    /// The file's name.
    pub name: String,
}

/// How much of a document a model saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Seen {
    /// All of its text.
    Whole,
    /// Passages that were found for the question.
    Passages,
    /// The picture.
    Picture,
    /// Nothing: no passage fits the question, or the model sees no pictures.
    Nothing,
}

/// What a model saw of one document, or of one folder, as it wrote an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SeenDocument {
    /// The file's or the folder's name.
    pub name: String,
    /// The document; `None` for a folder.
    pub document: Option<String>,
    /// How much it was.
    pub seen: Seen,
    /// Passages that were shown.
    pub shown: u32,
    /// Passages that there are.
    pub total: u32,
}

/// How passages were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SearchedBy {
    /// By words (BM25) and by meaning (vectors), joined.
    WordsAndMeaning,
    /// By words alone: there is no model for the other, or it has not read the passages yet.
    Words,
}

/// Something that an answer may cite by its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Citation {
    /// What stands in brackets; counted from 1 along a branch.
    pub number: u32,
    /// The file's name.
    pub name: String,
    /// The document.
    pub document: String,
    /// Where in it.
    pub place: Place,
    /// The passage's text as the model saw it; empty where it saw the whole document.
    pub text: String,
}

/// What a model saw of files as it wrote one answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AnswerSources {
    /// The answer.
    pub message_id: String,
    /// Document by document.
    pub seen: Vec<SeenDocument>,
    /// How passages were found; `None` where none were looked for.
    pub searched_by: Option<SearchedBy>,
    /// What the answer may cite.
    pub citations: Vec<Citation>,
}

/// The files of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MessageAttachments {
    /// The person's message.
    pub message_id: String,
    /// In the order in which they were added.
    pub attachments: Vec<Attachment>,
}

/// All that a conversation has of files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConversationFiles {
    /// Of its messages, those without files left out.
    pub attachments: Vec<MessageAttachments>,
    /// Of its answers, those that saw no files left out.
    pub sources: Vec<AnswerSources>,
    /// Ids of the folders that it searches.
    pub folders: Vec<String>,
}

/// A document to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DocumentPreview {
    /// What it is.
    pub kind: DocumentKind,
    /// Its text, or the part of it around the passage that was asked for.
    pub text: String,
    /// Where the passage begins and ends in `text`, in UTF-16 units; `None` where it is not in the document any more.
    pub highlight: Option<[u32; 2]>,
    /// Whether there is more text before or behind.
    pub is_part: bool,
    /// A picture as a data URL.
    pub picture: Option<String>,
}

/// A citation with what stands around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct OpenedCitation {
    /// What the answer cites.
    pub citation: Citation,
    /// Its document, as far as that is still here and still has it.
    pub preview: DocumentPreview,
}

/// A folder whose documents conversations can search.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct KnowledgeFolder {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub path: String,
    /// What it is called.
    pub name: String,
    /// How far reading it has come.
    pub state: KnowledgeState,
    /// Files that can be searched.
    pub files: u32,
    /// Their passages.
    pub passages: u32,
    /// Of those, passages with a vector of the embedding model in use.
    pub embedded: u32,
    /// Files that could not be read.
    pub failed: u32,
}

/// What is being done with a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum KnowledgeState {
    /// It waits for its turn.
    Waiting,
    /// Its files are read.
    Reading {
        /// Files that were read.
        done: u32,
        /// Files to read.
        total: u32,
    },
    /// Its passages become vectors.
    Embedding {
        /// Passages with a vector.
        done: u32,
        /// Passages.
        total: u32,
    },
    /// All is read.
    Ready,
    /// It cannot be read.
    Failed {
        /// Why.
        error: ErrorInfo,
    },
}

/// A file of a knowledge folder that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FailedFile {
    /// Within the folder.
    pub path: String,
    /// Why.
    pub error: ErrorInfo,
}

/// How passages are found now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct KnowledgeStatus {
    /// Every folder.
    pub folders: Vec<KnowledgeFolder>,
    /// Library id of the model that makes vectors; `None` when words alone are searched.
    pub embedding_model: Option<String>,
    /// Library ids of all models that could.
    pub embedding_models: Vec<String>,
    /// Why vectors cannot be made although they should.
    pub error: Option<ErrorInfo>,
}

//! Everything a model's file tells.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ErrorInfo, LibraryModel, ModelNotes};

/// A model's page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ModelDetails {
    /// Its line in the library, with all its places.
    pub model: LibraryModel,
    /// What the header tells; `None` when the file cannot be read.
    pub file: Option<FileDetails>,
    /// What it can do.
    pub capabilities: ModelCapabilities,
    /// Where the chat template in use comes from; `None` when there is none.
    pub template: Option<TemplateDetails>,
    /// What it would take of memory with the context of its defaults; `None` when that cannot be said.
    pub memory: Option<MemoryNeed>,
    /// What the user keeps about it.
    pub notes: ModelNotes,
    /// What keeps it from running, or may make it run wrong.
    pub problems: Vec<ErrorInfo>,
}

/// What a file's header tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FileDetails {
    /// `general.name`.
    pub name: Option<String>,
    /// `general.architecture`.
    pub family: Option<String>,
    /// Number of weights.
    #[ts(type = "number")]
    pub parameters: u64,
    /// Weights that take part in one token, for models with experts.
    #[ts(type = "number | null")]
    pub active_parameters: Option<u64>,
    /// Experts in a layer, and how many of them a token uses.
    pub experts: Option<(u32, u32)>,
    /// Types of the tensors, most bytes first.
    pub types: Vec<QuantShare>,
    /// Tokens it was trained to attend to.
    pub context_length: Option<u32>,
    /// Layers.
    pub layers: Option<u32>,
    /// Width between layers.
    pub hidden_size: Option<u32>,
    /// Its tokenizer.
    pub tokenizer: Option<TokenizerDetails>,
    /// Licence as its metadata says: an SPDX name, or its own.
    pub licence: Option<String>,
    /// Where the licence can be read.
    pub licence_link: Option<String>,
    /// Repositories on the Hub that it was made from, as its metadata says.
    pub base_models: Vec<String>,
    /// Who quantised it.
    pub quantised_by: Option<String>,
    /// Files it consists of.
    pub files: u32,
    /// Version of the format.
    pub gguf_version: u32,
}

/// Tensors of one type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct QuantShare {
    /// Name of the type: `Q4_K`.
    pub name: String,
    /// How many tensors.
    pub tensors: u32,
    /// Their bytes.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// A tokenizer, as the metadata says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct TokenizerDetails {
    /// `tokenizer.ggml.model`.
    pub kind: Option<String>,
    /// `tokenizer.ggml.pre`.
    pub pre_tokenizer: Option<String>,
    /// Number of tokens.
    pub vocabulary: u32,
}

/// What a model can do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
#[allow(missing_docs)] // The names say it.
pub struct ModelCapabilities {
    pub chat: bool,
    pub tools: bool,
    pub thinking: bool,
    pub vision: bool,
    pub embedding: bool,
}

/// Where a chat template comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum TemplateOrigin {
    /// The model's file.
    File,
    /// The file has none; Lantern's for its family.
    Lantern,
    /// The file's does not work; Lantern's for its family.
    Replaced,
    /// The user gave it in the model's defaults.
    User,
}

/// The chat template in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct TemplateDetails {
    /// Where it comes from.
    pub origin: TemplateOrigin,
    /// SHA-256 in hex of its text.
    pub sha256: String,
    /// The text.
    pub text: String,
}

/// How a model's template differs from that of the repository it was made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct TemplateDiff {
    /// `owner/name` on the Hub.
    pub repo: String,
    /// The file the other template was read from.
    pub file: String,
    /// SHA-256 in hex of the repository's template.
    pub sha256: String,
    /// Whether both are the same, but for white space at the ends.
    pub same: bool,
    /// All lines of both in order; none when they are the same.
    pub lines: Vec<DiffLine>,
}

/// One line of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DiffLine {
    /// Which of the two has it.
    pub side: DiffSide,
    /// The line, without its end.
    pub text: String,
}

/// Which text has a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum DiffSide {
    /// Both.
    Both,
    /// The repository's alone.
    Original,
    /// The model's alone.
    Model,
}

/// What a model takes of memory, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MemoryNeed {
    /// Tokens of context that this is for.
    pub context_length: u32,
    /// Weights.
    #[ts(type = "number")]
    pub weight_bytes: u64,
    /// Cache of keys and values.
    #[ts(type = "number")]
    pub kv_bytes: u64,
    /// Work space.
    #[ts(type = "number")]
    pub scratch_bytes: u64,
    /// All of it.
    #[ts(type = "number")]
    pub total_bytes: u64,
    /// Free now.
    #[ts(type = "number")]
    pub available_bytes: u64,
}

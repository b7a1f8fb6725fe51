//! Finding models on the Hub: searches, what a repository holds, and whether a file fits this machine.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorInfo;

/// In which order repositories are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SearchSort {
    /// What many people look at now.
    #[default]
    Trending,
    /// Most downloads of the last 30 days.
    Downloads,
    /// Most likes.
    Likes,
    /// Made last.
    Newest,
}

/// What a model can do beside answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ModelCapability {
    /// Sees pictures.
    Vision,
    /// Calls tools.
    Tools,
    /// Thinks before it answers.
    Thinking,
    /// Turns texts into vectors.
    Embedding,
}

/// A search among repositories with GGUF files. Fields that are `None` or empty ask for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct SearchQuery {
    /// Words of a repository's name.
    pub text: String,
    /// Person or organisation that owns it.
    pub author: Option<String>,
    /// Family, such as `qwen3` or `gemma`: a part of the architecture's or the repository's name.
    pub family: Option<String>,
    /// Fewest weights.
    #[ts(type = "number | null")]
    pub min_parameters: Option<u64>,
    /// Most weights.
    #[ts(type = "number | null")]
    pub max_parameters: Option<u64>,
    /// A quantisation that it must have, such as `Q4_K_M`.
    pub quant: Option<String>,
    /// What it must be able to do.
    pub capabilities: Vec<ModelCapability>,
    /// Order.
    pub sort: SearchSort,
    /// Repositories wanted at a time; `None` is 30, at most 100.
    pub limit: Option<u32>,
    /// Where an earlier page ended: its `next`.
    pub next: Option<String>,
}

/// Whether people must ask before they may fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Gating {
    /// Anybody may.
    #[default]
    None,
    /// Whoever accepts the terms may at once.
    Automatic,
    /// The authors decide.
    Manual,
}

/// A repository that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FoundRepository {
    /// `owner/name`.
    pub repo: String,
    /// Downloads of the last 30 days.
    #[ts(type = "number")]
    pub downloads: u64,
    /// Likes.
    #[ts(type = "number")]
    pub likes: u64,
    /// When it was made, as in `2025-04-27T09:12:31.000Z`.
    pub created_at: Option<String>,
    /// When it was changed last.
    pub modified_at: Option<String>,
    /// Whether people must ask before they may fetch.
    pub gating: Gating,
    /// SPDX name of the licence, or the licence's own name.
    pub licence: Option<String>,
    /// `general.architecture`, where the Hub has read it.
    pub architecture: Option<String>,
    /// Number of weights, where the Hub has counted them.
    #[ts(type = "number | null")]
    pub parameters: Option<u64>,
    /// Tokens it was trained to attend to, where the Hub has read it.
    pub context_length: Option<u32>,
    /// The model that it was made of, `owner/name`.
    pub base_model: Option<String>,
    /// What it can do, by its tags, its chat template and its files.
    pub capabilities: Vec<ModelCapability>,
    /// Quantisations there are, smallest first as far as names say.
    pub quants: Vec<String>,
}

/// A page of what a search found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SearchPage {
    /// In the order that was asked for.
    pub repositories: Vec<FoundRepository>,
    /// To be given to [`SearchQuery::next`]; `None` when there is no more.
    pub next: Option<String>,
    /// Repositories that the Hub named; more than are here when some were left out on this machine.
    pub looked_at: u32,
    /// What was asked for that the Hub cannot choose by, so that it was chosen by here: `size`, `quant`, …
    pub chosen_here: Vec<String>,
}

/// A model file of a repository, all its pieces together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RepositoryFile {
    /// Path in the repository, of the first piece.
    pub file: String,
    /// Bytes of all pieces.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// Number of files.
    pub pieces: u32,
    /// SHA-256 in hex, of a model in one piece.
    pub sha256: Option<String>,
    /// By the name: `Q4_K_M`; `None` when it says nothing.
    pub quant: Option<String>,
}

/// Files of the same quantisation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct QuantGroup {
    /// `Q4_K_M`; empty for files whose names say nothing.
    pub quant: String,
    /// What to expect of it, in a few words.
    pub note: String,
    /// One for most repositories.
    pub files: Vec<RepositoryFile>,
}

/// What must be done before files can be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Gate {
    /// Who decides.
    pub gating: Gating,
    /// Where the terms are shown and accepted.
    pub url: String,
    /// What to do, in words.
    pub what_to_do: String,
}

/// What people write about a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ModelCard {
    /// Markdown of strangers, without its front matter.
    pub markdown: String,
    /// Whether the end was left out because there is too much of it.
    pub is_cut: bool,
}

/// What a repository holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Repository {
    /// What a search says of it.
    pub about: FoundRepository,
    /// The commit that was looked at.
    pub commit: Option<String>,
    /// Where the licence can be read.
    pub licence_url: Option<String>,
    /// Its page on the Hub.
    pub url: String,
    /// What must be done first; `None` when anybody may fetch.
    pub gate: Option<Gate>,
    /// Model files, smallest first.
    pub quants: Vec<QuantGroup>,
    /// Files that show pictures to the models (`mmproj`).
    pub projectors: Vec<RepositoryFile>,
    /// Small models that guess for the others.
    pub drafts: Vec<RepositoryFile>,
    /// Bytes of all GGUF files.
    #[ts(type = "number")]
    pub total_bytes: u64,
    /// `README.md`.
    pub card: Option<ModelCard>,
}

/// Whether a model runs here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum FitVerdict {
    /// All of it is in memory.
    Fits,
    /// A device computes most of it, the processor its experts.
    ExpertsOnCpu,
    /// Memory holds a part of its experts; the others are read from the disk when they are chosen.
    ExpertsFromDisk,
    /// There is too little memory.
    TooLarge,
    /// Lantern cannot run this kind of model.
    Unsupported,
}

/// What a model would take of this machine, planned from its header.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Fit {
    /// In a word.
    pub verdict: FitVerdict,
    /// In a sentence, with its numbers.
    pub summary: String,
    /// With one conversation that has filled its context, in bytes; of what is too large, what it would need at least.
    #[ts(type = "number")]
    pub needed_bytes: u64,
    /// What this machine has, what loaded models hold included.
    #[ts(type = "number")]
    pub available_bytes: u64,
    /// Of the needed bytes, weights.
    #[ts(type = "number")]
    pub weight_bytes: u64,
    /// Of the needed bytes, keys and values.
    #[ts(type = "number")]
    pub cache_bytes: u64,
    /// Of a model with experts that are read from the disk, the part of them that memory holds, from 0 to 1.
    pub experts_in_memory: Option<f32>,
    /// What a device would compute, in words.
    pub device: Option<String>,
    /// Tokens a conversation could have.
    pub context_length: u32,
    /// Tokens that were wanted.
    pub wanted_context_length: u32,
    /// What it can do, by its header.
    pub capabilities: Vec<ModelCapability>,
    /// Why it cannot be used, where it cannot.
    pub error: Option<ErrorInfo>,
}

/// A file of a repository with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FileFit {
    /// Path in the repository, of the first piece.
    pub file: String,
    /// By the name.
    pub quant: Option<String>,
    /// Whether it runs here; `None` when its header could not be read.
    pub fit: Option<Fit>,
    /// Why not.
    pub error: Option<ErrorInfo>,
}

/// The file to take, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RecommendedFile {
    /// Path in the repository, of the first piece.
    pub file: String,
    /// The reason, in a sentence.
    pub reason: String,
}

/// Verdicts for the files of a repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RepositoryFit {
    /// One for each model file, smallest first.
    pub files: Vec<FileFit>,
    /// The one to take; `None` when none fits.
    pub recommended: Option<RecommendedFile>,
}

/// A model of the catalogue, with what is known of it without the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CuratedModel {
    /// As in the catalogue.
    pub entry: crate::CatalogueEntry,
    /// Number of weights.
    #[ts(type = "number")]
    pub parameters: u64,
    /// What it can do.
    pub capabilities: Vec<ModelCapability>,
    /// Whether it runs here.
    pub fit: Fit,
}

//! Models on this machine, models that can be fetched, and downloads on their way.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorInfo;

/// Where a model's file came from, which decides what deleting it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ModelSource {
    /// In the shared Hugging Face cache.
    HubCache,
    /// A copy in Lantern's own data directory.
    Imported,
    /// Somebody else's file, used where it lies; never altered or deleted.
    InPlace,
}

/// Who keeps a model's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum PlaceOwner {
    /// The shared Hugging Face cache.
    HubCache,
    /// Lantern's own folder of copies.
    Lantern,
    /// A single file that was taken in where it lies.
    File,
    /// A folder that the user chose.
    Folder,
    /// LM Studio.
    LmStudio,
    /// Ollama.
    Ollama,
    /// Jan.
    Jan,
    /// GPT4All.
    Gpt4all,
}

/// One of the places where a model's bytes lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ModelPlace {
    /// The file; of a split model the first one.
    pub path: String,
    /// What deleting means here.
    pub source: ModelSource,
    /// Who keeps it.
    pub owner: PlaceOwner,
    /// What its owner calls it: a file's name, or `qwen3:8b`.
    pub name: String,
    /// `owner/name` on the Hub, as far as the place tells.
    pub repo: Option<String>,
    /// Commit of that repository, in hex.
    pub commit: Option<String>,
    /// SHA-256 in hex that the file's name or an earlier check tells.
    pub sha256: Option<String>,
    /// Whether these are the bytes of a place before this one (a link to them), so that they take no room of their own.
    pub is_link: bool,
}

/// A model file that can be loaded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct LibraryModel {
    /// Stable name for people and programs, from the file's name: `SmolLM2-135M-Instruct-Q4_1`.
    pub id: String,
    /// Names the content, wherever it lies and whatever it is called; empty when the file cannot be read. Notes and defaults
    /// belong to it.
    pub content_id: String,
    /// The file that is loaded: that of the first place.
    pub path: String,
    /// Where that came from.
    pub source: ModelSource,
    /// Everywhere these bytes lie; at least one place.
    pub places: Vec<ModelPlace>,
    /// The file that shows pictures to the model, where a place names one that does not lie beside the model.
    pub projector: Option<String>,
    /// `owner/name` on the Hub, when it came from there.
    pub repo: Option<String>,
    /// Bytes on disk.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// `general.architecture`; `None` when the file cannot be read (see `error`).
    pub architecture: Option<String>,
    /// The commonest tensor type, by bytes: `Q4_1`.
    pub quantisation: Option<String>,
    /// Tokens the model was trained to attend to.
    pub context_length: Option<u32>,
    /// Number of weights.
    #[ts(type = "number | null")]
    pub parameters: Option<u64>,
    /// Whether the file brings a chat template.
    pub has_chat_template: bool,
    /// How its authors want tokens chosen, as far as they say.
    pub recommended: Option<RecommendedSampling>,
    /// Why it cannot be used, when it cannot.
    pub error: Option<ErrorInfo>,
}

/// Who recommends a way of choosing tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum RecommendationSource {
    /// The model's file.
    File,
    /// What its authors publish for the family.
    Family,
}

/// How a model's authors want tokens chosen; what they don't state is `None`. The names are those of the settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
#[allow(missing_docs)]
pub struct RecommendedSampling {
    pub temperature: Option<f32>,
    pub top_k: Option<u32>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    /// Who says so.
    pub source: RecommendationSource,
}

impl RecommendedSampling {
    /// Whether anything is recommended at all.
    pub fn says_something(&self) -> bool {
        self.top_k.is_some()
            || [self.temperature, self.top_p, self.min_p, self.repeat_penalty].iter().any(Option::is_some)
    }
}

/// A model Lantern recommends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CatalogueEntry {
    /// Name for people.
    pub name: String,
    /// One sentence: what it is good for.
    pub description: String,
    /// `owner/name` on the Hub.
    pub repo: String,
    /// Path of the file in the repository.
    pub file: String,
    /// Bytes to fetch.
    #[ts(type = "number")]
    pub size_bytes: u64,
    /// SHA-256 in hex, when known beforehand.
    pub sha256: Option<String>,
    /// SPDX name of the licence, or the licence's own name.
    pub licence: String,
    /// Library id, when it is already here.
    pub installed: Option<String>,
}

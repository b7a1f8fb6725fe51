//! What changes while nobody asks: events for every open window, and the state they start from.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DownloadProgress, ErrorInfo, ModelUpdate, Settings};

/// Which model is in memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ModelState {
    /// None.
    Unloaded,
    /// On its way.
    Loading {
        /// Library id.
        model: String,
    },
    /// Ready to answer.
    Loaded {
        /// Library id.
        model: String,
        /// Tokens a conversation may hold.
        context_length: u32,
        /// Bytes of weights and KV cache.
        #[ts(type = "number")]
        memory_bytes: u64,
    },
    /// Could not be loaded.
    Failed {
        /// Library id.
        model: String,
        /// Why.
        error: ErrorInfo,
    },
}

/// Whether the endpoint listens, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct EndpointStatus {
    /// Whether it listens now.
    pub running: bool,
    /// What clients take as base URL, `http://127.0.0.1:11535/v1`; `None` while it does not listen.
    pub url: Option<String>,
    /// Why it does not listen although it should.
    pub error: Option<ErrorInfo>,
}

/// What a window needs to know when it opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AppStatus {
    /// Lantern's version.
    pub version: String,
    /// Where conversations and settings are kept.
    pub data_dir: String,
    /// Which model is in memory.
    pub model: ModelState,
    /// Whether the endpoint listens.
    pub endpoint: EndpointStatus,
    /// Things the user should know, such as a damaged database that was put aside.
    pub notices: Vec<ErrorInfo>,
}

/// Something changed. A slow listener may miss some; each names what to read again, or carries the latest value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum AppEvent {
    /// Conversations were added, renamed, answered or deleted.
    ConversationsChanged,
    /// Models were added or removed.
    LibraryChanged,
    /// Models have newer revisions, as the daily question at the Hub found.
    ModelUpdates {
        /// One for each model.
        updates: Vec<ModelUpdate>,
    },
    /// The check of a model's bytes moved on.
    ModelCheck {
        /// Library id.
        model: String,
        /// Bytes read.
        #[ts(type = "number")]
        done_bytes: u64,
        /// Bytes to read.
        #[ts(type = "number")]
        total_bytes: u64,
    },
    /// A download moved on.
    Download {
        /// Its latest state.
        progress: DownloadProgress,
    },
    /// A model was loaded, unloaded or failed.
    ModelChanged {
        /// The latest state.
        model: ModelState,
    },
    /// The endpoint started, stopped or failed.
    EndpointChanged {
        /// The latest state.
        endpoint: EndpointStatus,
    },
    /// Settings were changed.
    SettingsChanged {
        /// All of them.
        settings: Settings,
    },
    /// Servers were added or removed.
    RemotesChanged,
    /// Servers of tools were added or removed, or one of them is doing otherwise.
    ToolServersChanged,
    /// Keys of programs were made or revoked.
    ApiKeysChanged,
    /// The endpoint answered requests.
    ApiRequestsChanged,
    /// Folders that are searched were added, removed or read.
    KnowledgeChanged,
    /// Assistants were added, changed or deleted.
    AssistantsChanged,
    /// Prompts of the library were added, changed or deleted.
    PromptsChanged,
    /// Something the user should know.
    Notice {
        /// What.
        notice: ErrorInfo,
    },
}

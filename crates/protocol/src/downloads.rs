//! Downloads: what to fetch, how far it has come, and in which order.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorInfo;

/// A file to fetch from the Hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DownloadRequest {
    /// `owner/name` on the Hub.
    pub repo: String,
    /// Path of the file in the repository.
    pub file: String,
    /// Branch, tag or commit; `None` is `main`.
    pub revision: Option<String>,
}

/// How far a download has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum DownloadState {
    /// Waiting for its turn.
    Queued,
    /// Bytes are arriving.
    Running,
    /// A connection failed, or another program fetches the same file; `error` says which. It goes on by itself.
    Retrying,
    /// The hash is being checked.
    Verifying,
    /// Held by the user until resumed; what has arrived is kept.
    Paused,
    /// In the library.
    Done,
    /// Stopped by the user; what has arrived is kept for resuming.
    Cancelled,
    /// Given up; `error` says why. What has arrived is kept for resuming.
    Failed,
}

impl DownloadState {
    /// Whether nothing more will happen by itself or by resuming.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed)
    }
}

/// How far one file of a download has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FileProgress {
    /// Path in the repository.
    pub path: String,
    /// Bytes on disk.
    #[ts(type = "number")]
    pub received_bytes: u64,
    /// Bytes of the whole file; `None` until the server has said.
    #[ts(type = "number | null")]
    pub total_bytes: Option<u64>,
}

/// A snapshot of one download; a later one replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DownloadProgress {
    /// `repo/file@revision`.
    pub id: String,
    /// What is being fetched.
    pub request: DownloadRequest,
    /// How far it has come.
    pub state: DownloadState,
    /// Bytes on disk of all files, those of earlier sessions included.
    #[ts(type = "number")]
    pub received_bytes: u64,
    /// Bytes of all files; `None` until the server has said.
    #[ts(type = "number | null")]
    pub total_bytes: Option<u64>,
    /// Over the last few seconds.
    pub bytes_per_second: f64,
    /// Seconds until all bytes are here, if it goes on like this.
    pub eta_seconds: Option<u32>,
    /// Connections that fetch bytes now.
    pub connections: u32,
    /// The files, in the order in which they are fetched: pieces of a split model, a model and its projector.
    pub files: Vec<FileProgress>,
    /// Why it failed, or what the next try waits for.
    pub error: Option<ErrorInfo>,
}

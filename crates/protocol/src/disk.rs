//! What models take of the disk, what of it could be had back, and what was deleted and can still be restored.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::PlaceOwner;

/// What everything takes of the disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DiskUse {
    /// The largest first.
    pub models: Vec<ModelDiskUse>,
    /// By who keeps the files.
    pub owners: Vec<OwnerDiskUse>,
    /// What can be had back, one of each kind that there is something of.
    pub reclaimable: Vec<Reclaimable>,
    /// Bytes of all models, each file counted once.
    #[ts(type = "number")]
    pub total_bytes: u64,
    /// Bytes free on the disk of the shared cache, as far as the system tells.
    #[ts(type = "number | null")]
    pub free_bytes: Option<u64>,
}

/// What one model takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ModelDiskUse {
    /// Library id.
    pub id: String,
    /// Bytes at all places, links not counted.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Bytes of them that are copies of the same content.
    #[ts(type = "number")]
    pub duplicate_bytes: u64,
    /// Bytes that deleting the model gives back once the trash is emptied: those that no other program owns.
    #[ts(type = "number")]
    pub deletable_bytes: u64,
    /// Who keeps it.
    pub owners: Vec<PlaceOwner>,
}

/// What one keeper of files takes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct OwnerDiskUse {
    /// Who.
    pub owner: PlaceOwner,
    /// Models of theirs.
    pub models: u32,
    /// Bytes, links not counted.
    #[ts(type = "number")]
    pub bytes: u64,
}

/// Kinds of files that nobody needs any more, or that can be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ReclaimKind {
    /// Models that were deleted and can be restored until then.
    Trash,
    /// Downloads that nobody has gone on with for a week.
    Parts,
    /// Files in the shared cache that newer ones of the same name have replaced.
    OldRevisions,
    /// Contents in the shared cache that no file name leads to.
    OrphanBlobs,
    /// Weights as they lie in memory, kept so that models load faster.
    PackedCopies,
    /// Files made of folders of safetensors files.
    Converted,
    /// What was computed of conversations.
    Prefixes,
}

/// What can be had back of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Reclaimable {
    /// Which kind.
    pub kind: ReclaimKind,
    /// All of it.
    #[ts(type = "number")]
    pub bytes: u64,
    /// The files.
    pub paths: Vec<String>,
}

/// What removing a model did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RemovedModel {
    /// Names the removal, for taking it back.
    pub id: String,
    /// The model's library id.
    pub model: String,
    /// Bytes that went to the trash; the disk has them back when it is emptied.
    #[ts(type = "number")]
    pub bytes: u64,
    /// Files that stay, because others own or use them; the model is only no longer listed.
    pub kept: Vec<String>,
    /// When it was, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub removed_at: i64,
    /// When it goes for good, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub expires_at: i64,
}

/// A newer revision of a model's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ModelUpdate {
    /// Library id.
    pub model: String,
    /// `owner/name` on the Hub.
    pub repo: String,
    /// Path of the file in the repository.
    pub file: String,
    /// Commit that is here, where it is known.
    pub here: Option<String>,
    /// Commit that the repository has now.
    pub there: String,
    /// Bytes to fetch, where the Hub says.
    #[ts(type = "number | null")]
    pub size_bytes: Option<u64>,
}

/// What a check of a model's bytes found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct FileCheck {
    /// The file.
    pub path: String,
    /// How it stands.
    pub state: CheckState,
    /// SHA-256 in hex of the bytes; `None` when they could not be read.
    pub sha256: Option<String>,
    /// SHA-256 in hex that was expected, when one was known.
    pub expected: Option<String>,
    /// Who said so: `file name`, `hub` or `earlier check`.
    pub known_from: Option<String>,
}

/// How a checked file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum CheckState {
    /// The bytes are the expected ones.
    Right,
    /// They are not.
    Wrong,
    /// Nobody had said what they should be; from now on it is known.
    Recorded,
    /// They could not be read.
    Unreadable,
}

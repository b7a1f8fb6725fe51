//! Folders in which models are looked for.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ErrorInfo, PlaceOwner};

/// A folder in which models are looked for, or could be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct LibraryFolder {
    /// The folder.
    pub path: String,
    /// Whose it is.
    pub owner: PlaceOwner,
    /// Whether it was found without being named: the folder of a program that is known here.
    pub known: bool,
    /// Whether its models are in the library.
    pub used: bool,
    /// Models found in it; 0 while it is not used.
    pub models: u32,
    /// Why it cannot be read, when it cannot.
    pub error: Option<ErrorInfo>,
}

//! The library of prompts: texts with a name, to be put into a message.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A prompt. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SavedPrompt {
    /// UUID, version 7.
    pub id: String,
    /// By which it is found behind a `/`; no other has the same name.
    pub name: String,
    /// Its words. `{{name}}` and `{{name|default}}` are filled in before it is put into a message; they are never run.
    pub text: String,
    /// When it was made.
    #[ts(type = "number")]
    pub created_at: i64,
    /// When it was changed.
    #[ts(type = "number")]
    pub updated_at: i64,
}

//! What is needed of a conversation to show it at once.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ConversationView;

/// A conversation to be shown: of a long one the end of the shown branch, the rest of which is asked for afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Opening {
    /// As much as there is of it.
    pub view: ConversationView,
    /// Whether that is all of it.
    pub whole: bool,
}

//! What becomes of a conversation that outgrows its context: its own choice, and what its answers did not read.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::Overflow;

/// What an answer's model did not read as it stands. The messages are those of the answer's branch, from the first one
/// on; instructions among them are always read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AnswerSight {
    /// The answer.
    pub message_id: String,
    /// The last message for which a summary stood; `None` where there was none.
    pub summarised_to: Option<String>,
    /// That summary, as it was then.
    pub summary: Option<String>,
    /// The last message that was left out: those behind `summarised_to`, or from the first one on. `None` where all were read.
    pub dropped_to: Option<String>,
}

/// What the model would read of the shown branch if a short question came next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct NextSight {
    /// As of an answer.
    pub summarised_to: Option<String>,
    /// As of an answer.
    pub dropped_to: Option<String>,
    /// Whether the summary has yet to be written: that is the first thing the model does.
    pub summary_due: bool,
    /// Whether the question would be refused, because it does not fit and nothing may be left out.
    pub refused: bool,
    /// Tokens that a conversation may have here.
    pub context: u32,
}

/// What the context panel shows of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConversationContext {
    /// What is done when it does not fit; `None` follows the settings.
    pub overflow: Option<Overflow>,
    /// Of the answers that did not read everything, on all branches. Answers of before this was kept are not among them.
    pub sights: Vec<AnswerSight>,
    /// `None` where no model is in memory that could tell.
    pub next: Option<NextSight>,
}

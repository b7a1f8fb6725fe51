//! Two model files held against each other on this machine.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Which text both models read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum CompareText {
    /// A short text of several languages and of code that comes with Lantern.
    #[default]
    BuiltIn,
    /// The last messages of the person's conversations, their answers included.
    LastPrompts {
        /// How many prompts.
        count: u32,
    },
    /// This one.
    Given {
        /// In UTF-8.
        text: String,
    },
}

/// What to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CompareRequest {
    /// Library id of the model that the other is held against.
    pub a: String,
    /// Library id of the other.
    pub b: String,
    /// What both read.
    #[serde(default)]
    pub text: CompareText,
    /// About how long it may take; `None` is 150. Less of the text is read when that is short.
    #[serde(default)]
    pub seconds: Option<u32>,
}

/// A number and its standard error.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Measurement {
    /// The number.
    pub value: f64,
    /// One standard error.
    pub error: f64,
}

/// One of the two models.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ComparedModel {
    /// Library id.
    pub model: String,
    /// The weights' type or mix.
    pub quantisation: String,
    /// Size of the file.
    #[ts(type = "number")]
    pub file_bytes: u64,
    /// Seconds from nothing to a model that can be asked.
    pub load_seconds: f64,
    /// Speed of reading a prompt, in tokens per second.
    pub reading_tokens_per_second: f64,
    /// Speed of writing, in tokens per second.
    pub writing_tokens_per_second: f64,
    /// What it takes with one conversation of 8192 tokens that is full, by its plan.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// How well it predicts the text: the lower the better.
    pub perplexity: Measurement,
}

/// How two models compare.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Comparison {
    /// The model that the other is held against.
    pub a: ComparedModel,
    /// The other.
    pub b: ComparedModel,
    /// Change of the perplexity from `a` to `b`, in per cent.
    pub perplexity_change_percent: Measurement,
    /// Share of places at which both would go on with the same token, in per cent.
    pub same_top_percent: Measurement,
    /// How far `b`'s probabilities are from `a`'s: KL divergence in nats, over all tokens.
    pub divergence: Measurement,
    /// Tokens that were scored.
    pub scored_tokens: u32,
    /// Which text it was, in words.
    pub text: String,
    /// How long it took.
    pub seconds: f64,
    /// What the figures say, in a sentence or two.
    pub summary: String,
}

/// What a comparison is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum CompareStage {
    /// A model comes into memory.
    Loading,
    /// Its speed is measured.
    Speed,
    /// It reads the text.
    Reading,
}

/// How far a comparison is; a later one replaces it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct CompareProgress {
    /// Library id of the model that works.
    pub model: String,
    /// What it does.
    pub stage: CompareStage,
    /// How much of all is done, from 0 to 1; about.
    pub done: f32,
}

/// What a comparison tells while it runs. `done` or `failed` is the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum CompareEvent {
    /// It moved on.
    Progress {
        /// How far it is.
        progress: CompareProgress,
    },
    /// It is done.
    Done {
        /// The card.
        comparison: Box<Comparison>,
    },
    /// It came to nothing.
    Failed {
        /// Why.
        error: crate::ErrorInfo,
    },
}

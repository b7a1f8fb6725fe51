//! Receipts: what an answer followed from, exactly enough to have it again, and what came of having it again.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use ts_rs::TS;

use crate::ErrorInfo;

/// The form of receipts that this Lantern writes.
pub const RECEIPT_VERSION: u32 = 1;

/// What one message of a model followed from. An answer that called tools is several messages, each with a receipt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Receipt {
    /// [`RECEIPT_VERSION`] of whoever wrote it.
    pub version: u32,
    /// The message.
    pub message_id: String,
    /// What was recorded.
    #[serde(flatten)]
    pub facts: ReceiptFacts,
    /// Messages that the model did not see, for want of room.
    #[serde(default)]
    pub dropped: Option<Omitted>,
    /// Messages in whose place the model saw a summary.
    #[serde(default)]
    pub summarised: Option<Omitted>,
    /// Tools as the model was told of them, in OpenAI's form.
    #[serde(default)]
    #[ts(type = "unknown")]
    pub tools: Option<Value>,
    /// The prompt's tokens, without the parts of pictures. None for a model on a server.
    pub prompt: Vec<u32>,
    /// The answer's tokens, the one that ended it included.
    pub answer: Vec<u32>,
}

/// What a receipt says beside tokens and what stands in other messages' receipts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReceiptFacts {
    /// Library id of the model, or `NAME/model` of one on a server.
    pub model: String,
    /// When generating began, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub started_at: i64,
    /// How the answer ended.
    pub finish: ReceiptFinish,
    /// How tokens were chosen.
    pub sampling: ReceiptSampling,
    /// Whether the model had to call a tool.
    #[serde(default)]
    pub must_call: bool,
    /// The pictures of the prompt, in order.
    #[serde(default)]
    pub pictures: Vec<ReceiptPicture>,
    /// What computed it.
    pub by: ReceiptBy,
}

/// What computed an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ReceiptBy {
    /// This computer.
    Local {
        /// Files that had a part.
        files: Vec<ReceiptFile>,
        /// Names the content of the weights: a hash of the header and samples of every tensor.
        content_id: String,
        /// The engine and how it was set.
        engine: ReceiptEngine,
    },
    /// A server, of which no more is known.
    Remote {
        /// Its name, as the user calls it.
        server: String,
    },
}

/// The engine and how it was set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReceiptEngine {
    /// Lantern's version.
    pub version: String,
    /// The commit it was built from, with `+` behind it where files were changed; `None` for a build for development.
    pub commit: Option<String>,
    /// The processor's instructions in use: `avx2`.
    pub isa: String,
    /// Threads that computed. They change no number.
    pub threads: u32,
    /// What computed beside the CPU.
    pub device: String,
    /// Tokens that prompt and answer may have together.
    pub context_length: u32,
    /// How keys and values were kept: `f16`.
    pub kv_type: String,
    /// SHA-256 of the chat template, in hex; `None` for a model without one.
    pub template_sha256: Option<String>,
}

/// A file that had a part in an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReceiptFile {
    /// What it was for.
    pub part: ReceiptPart,
    /// Its name, without folders.
    pub name: String,
    /// Bytes.
    #[ts(type = "number")]
    pub bytes: u64,
    /// SHA-256 in hex; `None` until it was computed.
    pub sha256: Option<String>,
}

/// A part of what an answer follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ReceiptPart {
    /// The weights, or one piece of them.
    Weights,
    /// What shows pictures to the model.
    Projector,
    /// A smaller model that guessed. It changes no token.
    Draft,
    /// The chat template. It is in the prompt's tokens already.
    Template,
    /// Lantern's version.
    Version,
    /// Lantern's commit.
    Commit,
    /// The processor's instructions.
    Isa,
    /// What computes beside the CPU.
    Device,
    /// How keys and values are kept.
    KvType,
    /// Threads. They change no number.
    Threads,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ReceiptFinish {
    /// The model ended it.
    Stop,
    /// The model called tools.
    ToolCalls,
    /// The limit of tokens, or the context's end.
    Length,
    /// Somebody stopped it, or Lantern ended.
    Stopped,
    /// It failed.
    Failed,
}

/// How tokens were chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
#[allow(missing_docs)]
pub struct ReceiptSampling {
    pub temperature: f32,
    pub top_k: u32,
    pub top_p: f32,
    pub min_p: f32,
    pub repeat_penalty: f32,
    pub presence_penalty: f32,
    pub frequency_penalty: f32,
    pub repeat_last_n: u32,
    /// The seed that was given or drawn, as decimal digits: JavaScript's numbers do not have 64 bits. `None` where only a
    /// server knows.
    pub seed: Option<String>,
    /// The limit of the answer.
    pub max_tokens: Option<u32>,
}

/// A picture that the model saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReceiptPicture {
    /// It stands before this one of the prompt's tokens, counted from 0.
    pub before: u32,
    /// Of how many parts it is for the model.
    pub parts: u32,
    /// SHA-256 of its pixels, in hex.
    pub sha256: String,
}

/// Messages that the model did not see as they are: the oldest ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Omitted {
    /// How many.
    pub count: u32,
    /// The last of them.
    pub last_message_id: String,
}

/// The receipts of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct AnswerReceipts {
    /// One for each message of the model's, oldest first.
    pub receipts: Vec<Receipt>,
    /// What is to be known before a replay: that the model is not here any more, or is another one.
    pub notice: Option<ErrorInfo>,
}

/// What happens during a replay, in order: `loading` perhaps, any number of `reading` and `writing`, then exactly one of
/// `finished` and `failed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ReplayEvent {
    /// The model is being loaded.
    Loading {
        /// Library id.
        model: String,
    },
    /// The prompt is being read.
    Reading {
        /// Tokens read so far.
        done: u32,
        /// Of so many.
        total: u32,
    },
    /// The answer is being written.
    Writing {
        /// Tokens written so far.
        done: u32,
        /// The answer had so many.
        total: u32,
    },
    /// It is done.
    Finished {
        /// What came of it.
        verdict: ReplayVerdict,
    },
    /// It came to nothing, or was stopped.
    Failed {
        /// Why.
        error: ErrorInfo,
    },
}

/// What came of a replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReplayVerdict {
    /// Whether every token came again, and the same end.
    pub identical: bool,
    /// The first token that is another one, counted from 0; `None` where all are the same.
    pub differs_at: Option<u32>,
    /// Tokens that were written again.
    pub tokens: u32,
    /// The answer then, as its tokens spell it.
    pub then: String,
    /// The answer now.
    pub now: String,
    /// What is different now of what the receipt says.
    pub changes: Vec<ReceiptChange>,
}

/// Something that is not as the receipt says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ReceiptChange {
    /// What it is.
    pub part: ReceiptPart,
    /// Whether it can change an answer.
    pub matters: bool,
    /// As it was.
    pub then: String,
    /// As it is.
    pub now: String,
}

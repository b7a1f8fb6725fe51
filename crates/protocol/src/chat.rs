//! Conversations, their messages (a tree), and the events of an answer being written.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ErrorInfo, ToolCall, ToolRound};

/// A conversation without its messages. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Conversation {
    /// UUID, version 7: sorts by creation.
    pub id: String,
    /// Shown in the sidebar; made from the first message until the user renames it.
    pub title: String,
    /// Library id of the model that answers; `None` follows the default model.
    pub model: Option<String>,
    /// Replaces the system prompt of the settings when present.
    pub system_prompt: Option<String>,
    /// Tokens it may have; `None` takes what the settings say.
    pub context_length: Option<u32>,
    /// Whether what was computed of it is kept longer than of others, so that it goes on at once.
    pub pinned: bool,
    /// The last message of the branch that is shown; `None` while empty.
    pub leaf_id: Option<String>,
    /// When it began.
    #[ts(type = "number")]
    pub created_at: i64,
    /// When its latest message changed.
    #[ts(type = "number")]
    pub updated_at: i64,
    /// The folder it lies in.
    #[serde(default)]
    pub folder_id: Option<String>,
    /// Left out of the list and of searches unless they ask for it.
    #[serde(default)]
    pub archived: bool,
    /// Kept in memory only, and gone when it is closed.
    #[serde(default)]
    pub temporary: bool,
}

/// A row of the sidebar, with the matching passage when it came from a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConversationSummary {
    /// The conversation itself.
    pub conversation: Conversation,
    /// Plain text around the first match, the match between U+2068 and U+2069; `None` outside searches.
    pub snippet: Option<String>,
}

/// A conversation and every message of its tree, oldest first. The shown branch runs from `leaf_id` up through parents.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ConversationView {
    /// The conversation itself.
    pub conversation: Conversation,
    /// All branches' messages.
    pub messages: Vec<Message>,
    /// What the model reads in place of the beginning, where it no longer fits.
    pub summaries: Vec<Summary>,
}

/// What the model reads in place of a conversation's beginning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Summary {
    /// The last message that it is of; the others are those before that.
    pub message_id: String,
    /// As the model wrote it, or as the person edited it.
    pub text: String,
    /// Whether the person edited it: what the model writes afterwards stands behind it.
    #[serde(default)]
    pub edited: bool,
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Role {
    /// Instructions that stand before the conversation.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool.
    Tool,
}

impl Role {
    /// The name chat templates and the database use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum MessageStatus {
    /// Whole.
    Complete,
    /// Being written now.
    Streaming,
    /// The user stopped it; the text so far is kept.
    Stopped,
    /// The application ended while it was being written; the text so far is kept.
    Interrupted,
    /// It failed; `error` says why and the text so far is kept.
    Failed,
    /// It reached the limit of tokens.
    Truncated,
}

/// One node of a conversation's tree.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Message {
    /// UUID, version 7.
    pub id: String,
    /// The conversation it belongs to.
    pub conversation_id: String,
    /// The message it answers; `None` for the first. Messages with the same parent are alternatives.
    pub parent_id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// Markdown as written.
    pub content: String,
    /// How far it has come.
    pub status: MessageStatus,
    /// Library id of the model that wrote it; `None` for a person's words.
    pub model: Option<String>,
    /// Why it failed, when it did.
    pub error: Option<ErrorInfo>,
    /// What writing it took, once finished.
    pub stats: Option<GenerationStats>,
    /// When it was made, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub created_at: i64,
}

/// What one answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct GenerationStats {
    /// Tokens of the prompt, template included.
    pub prompt_tokens: u32,
    /// Of those, tokens found in the prefix cache.
    pub cached_tokens: u32,
    /// Tokens written.
    pub completion_tokens: u32,
    /// Seconds from the request to the first token.
    pub first_token_seconds: f64,
    /// Tokens written per second, the first one left out; 0 when there was at most one.
    pub tokens_per_second: f64,
    /// Older messages that did not fit and were left out of what the model saw.
    #[serde(default)]
    pub dropped_messages: u32,
    /// Older messages in whose place the model saw a summary.
    #[serde(default)]
    pub summarised_messages: u32,
}

/// A new message of the person, to be answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SendMessage {
    /// `None` starts a conversation.
    pub conversation_id: Option<String>,
    /// The message it follows; `None` means the end of the shown branch.
    pub parent_id: Option<String>,
    /// Markdown as typed; must hold more than white space.
    pub content: String,
    /// Library id of the model to answer with; `None` keeps the conversation's, or the default.
    pub model: Option<String>,
}

/// What happens while an answer is written, in order: `started`, any number of `loading`, at most one `sources`, one `summarising`, one
/// `summarised` and one `dropped`, any number of `queued`, `prefill` and `text`, then exactly one of `finished` and `failed`. Where tools are called,
/// `tool_call` and `round` come in between, and from `summarised` on all begins anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ChatEvent {
    /// Both messages are in the database.
    Started {
        /// The conversation, new or changed.
        conversation: Conversation,
        /// The person's message; `None` when an answer is regenerated.
        user_message: Option<Message>,
        /// The answer, still empty.
        assistant_message: Message,
    },
    /// The model is being loaded.
    Loading {
        /// Library id of the model.
        model: String,
    },
    /// The conversation no longer fits the context: the model writes a summary of its beginning.
    Summarising,
    /// The model answers with a summary in place of the oldest messages.
    Summarised {
        /// The messages that it is of, oldest first.
        message_ids: Vec<String>,
        /// What the model reads instead.
        text: String,
        /// Tokens of the whole prompt.
        tokens_before: u32,
        /// Tokens of the prompt with the summary.
        tokens_after: u32,
    },
    /// The conversation no longer fits the context: the model answers without its oldest messages.
    Dropped {
        /// The messages that are left out, oldest first.
        message_ids: Vec<String>,
        /// Tokens of the whole prompt.
        tokens_before: u32,
        /// Tokens of the prompt without them.
        tokens_after: u32,
    },
    /// What the model sees of files.
    Sources {
        /// As stored with the answer.
        sources: crate::AnswerSources,
    },
    /// Others are being answered first.
    Queued {
        /// How many stand before this one.
        position: u32,
    },
    /// The prompt is being read.
    Prefill {
        /// Tokens read so far, cached ones included.
        processed: u32,
        /// Tokens of the prompt.
        total: u32,
        /// Of those, tokens found in the prefix cache.
        cached: u32,
    },
    /// A piece of the answer; whole UTF-8 characters.
    Text {
        /// To be appended.
        text: String,
    },
    /// The model calls a tool, or a call came further.
    ToolCall {
        /// As stored.
        call: ToolCall,
    },
    /// All calls have ended, and the answer goes on in another message; what follows is about that one.
    Round {
        /// What was stored.
        round: ToolRound,
    },
    /// The answer is whole, stopped or cut at the token limit: see its status.
    Finished {
        /// As stored.
        message: Message,
    },
    /// The answer failed.
    Failed {
        /// As stored, with the text so far.
        message: Message,
        /// Why.
        error: ErrorInfo,
    },
}

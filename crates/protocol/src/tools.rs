//! Tools: the servers that have them, which of them a conversation may use, and what came of each call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{ErrorInfo, Message};

/// The name by which tools that Lantern brings along are a server's, too.
pub const BUILT_IN: &str = "lantern";

/// How a server of tools is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ToolTransport {
    /// A program of this computer, started without a shell.
    Command {
        /// Its name or path.
        command: String,
        /// Its arguments.
        args: Vec<String>,
        /// Variables it gets. Where servers are listed the values are empty: they may be keys.
        env: BTreeMap<String, String>,
        /// Where it runs; `None` is the user's home.
        folder: Option<String>,
    },
    /// A server over streamable HTTP.
    Http {
        /// Its address.
        url: String,
        /// Headers of each request. Where servers are listed the values are empty.
        headers: BTreeMap<String, String>,
    },
}

/// A server to be added. Adding it starts it: the user has seen what that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[ts(export)]
pub struct NewToolServer {
    /// What the user calls it.
    pub name: String,
    /// How it is reached.
    pub transport: ToolTransport,
}

/// How a server is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ToolServerState {
    /// Switched off, or not wanted yet.
    Off,
    /// On its way.
    Starting,
    /// Its tools can be called.
    Ready,
    /// The user has to sign in.
    SignIn,
    /// It does not work.
    Failed {
        /// Why.
        error: ErrorInfo,
        /// Whether it is started again by itself.
        retrying: bool,
    },
}

/// A server of tools, as the settings show it. Lantern's own tools are one, too, whose name is [`BUILT_IN`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ToolServerInfo {
    /// What the user calls it.
    pub name: String,
    /// How it is reached; `None` for Lantern's own.
    pub transport: Option<ToolTransport>,
    /// Whether the user has it switched on.
    pub enabled: bool,
    /// How it is doing.
    pub state: ToolServerState,
    /// Whether the user has signed in there.
    pub signed_in: bool,
    /// What can be called; of a server that is off, nothing.
    pub tools: Vec<ToolInfo>,
    /// Why some of what it offers cannot be used.
    pub left_out: Vec<String>,
    /// The last lines that its program wrote.
    pub written: Vec<String>,
}

/// A tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ToolInfo {
    /// By which its server knows it.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// What the model is told.
    pub description: String,
    /// The JSON schema of its arguments, as text.
    pub parameters: String,
    /// SHA-256 of all of this: a tool with another hash is another tool.
    pub hash: String,
    /// Whether its server says that it only reads.
    pub read_only: bool,
    /// Whether it may run without asking, in every conversation.
    pub always: bool,
}

/// A tool that a conversation may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ChosenTool {
    /// Its server.
    pub server: String,
    /// Its name there.
    pub tool: String,
    /// What it was when it was chosen, see [`ToolInfo::hash`]. One that has changed since is not offered to the model.
    pub hash: String,
}

/// The tools of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct ChosenTools {
    /// Those that the model is told of.
    pub tools: Vec<ChosenTool>,
    /// Whether each answer begins with a call: small models often do not think of it themselves.
    pub required: bool,
}

/// What the user says when a model wants to call a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ToolConsent {
    /// This call.
    Once,
    /// This tool, in this conversation.
    Chat,
    /// This tool, always.
    Always,
    /// No.
    Deny,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum ToolCallState {
    /// The user is asked whether it may run.
    Asking,
    /// It runs.
    Running,
    /// It has a result.
    Done,
    /// It failed; the result says why.
    Failed,
    /// The user said no.
    Denied,
    /// The user stopped the answer before it had a result.
    Stopped,
    /// Lantern ended before it had a result: whether it did what it was to do is not known.
    Interrupted,
    /// It was not run: the answer had as many rounds of calls as the settings allow, or Lantern ended while the user was asked.
    NotRun,
}

/// A call of a tool.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ToolCall {
    /// UUID, version 7.
    pub id: String,
    /// The answer in which the model called.
    pub message_id: String,
    /// As the model called it, which the result must name.
    pub call_id: String,
    /// Whose tool it is; empty if there is none of that name.
    pub server: String,
    /// By which its server knows it.
    pub tool: String,
    /// By which the model knows it.
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
    /// How far it has come.
    pub state: ToolCallState,
    /// What came of it.
    pub result: Option<ToolResult>,
    /// When the model called, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub created_at: i64,
    /// When it began to run.
    #[ts(type = "number | null")]
    pub started_at: Option<i64>,
    /// When it had its result.
    #[ts(type = "number | null")]
    pub ended_at: Option<i64>,
}

/// What came of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct ToolResult {
    /// What the model reads.
    pub text: String,
    /// The same as data, where the tool gives it: JSON, as text.
    pub structured: Option<String>,
    /// Pictures.
    pub images: Vec<ToolImage>,
}

/// A picture in a result.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ToolImage {
    /// Its kind, such as `image/png`.
    pub mime_type: String,
    /// The file in base64.
    pub data: String,
}

/// An answer goes on after its calls: their results, and the message that is now written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ToolRound {
    /// The message with the calls, as stored.
    pub answered: Message,
    /// The results, one for each call.
    pub results: Vec<Message>,
    /// Empty and `streaming`.
    pub assistant_message: Message,
}

/// Tools in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct ToolSettings {
    /// How often one answer may call tools and go on by itself, from 0 to 100.
    pub max_rounds: u32,
    /// Seconds that a call may take, from 1 to 3600.
    pub timeout_seconds: u32,
    /// The only folder whose files models may look into, after they asked; empty gives them none.
    pub folder: String,
}

impl Default for ToolSettings {
    fn default() -> Self {
        Self { max_rounds: 10, timeout_seconds: 120, folder: String::new() }
    }
}

//! Engines elsewhere: OpenAI-compatible servers that the user added, and what Lantern keeps secret for them and the Hub.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorInfo;

/// A server the user added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RemoteServer {
    /// What the user calls it; the first part of its models' ids.
    pub name: String,
    /// Its address, up to `/v1`.
    pub url: String,
    /// Whether it is sent a key.
    pub has_key: bool,
    /// How it did when it was asked last.
    pub health: RemoteHealth,
}

/// How a server did when it was asked for its models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "state", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum RemoteHealth {
    /// It was not asked yet.
    Unknown,
    /// It answered.
    Reachable {
        /// Milliseconds until its answer was here.
        latency_ms: u32,
        /// What it serves.
        models: Vec<RemoteModelInfo>,
    },
    /// It did not, or not as it should.
    Failing {
        /// Why.
        error: ErrorInfo,
    },
}

/// A model of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct RemoteModelInfo {
    /// `NAME/model`, by which it is asked for.
    pub id: String,
    /// Tokens that a conversation may hold, where the server tells.
    pub context_length: Option<u32>,
}

/// A server to be added.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export)]
pub struct NewRemoteServer {
    /// See [`RemoteServer::name`].
    pub name: String,
    /// See [`RemoteServer::url`].
    pub url: String,
    /// What it wants as bearer token, if anything.
    pub key: Option<String>,
}

/// Where keys and tokens are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum SecretStorage {
    /// The system's keyring.
    Keyring,
    /// A file in the data directory that only its owner can read, because there is no keyring.
    File,
}

/// Who gave the token that the Hub is asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum HubTokenSource {
    /// There is none.
    None,
    /// `HF_TOKEN` in the environment, which goes before all others.
    Environment,
    /// The user, in Lantern.
    Lantern,
    /// The file of Hugging Face's own tools.
    File,
}

/// What is told of secrets: never what they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct SecretsStatus {
    /// Where they are kept.
    pub secret_storage: SecretStorage,
    /// Whether the Hub gets a token, and who gave it.
    pub hub_token: HubTokenSource,
}

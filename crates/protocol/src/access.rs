//! Which programs may use the endpoint, and what they asked of it.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// A program's own key to the endpoint. The secret itself is told once, when it is made, and not kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ApiKey {
    /// Identifier.
    pub id: String,
    /// What the user calls the program.
    pub name: String,
    /// The secret's last characters, to tell keys apart.
    pub ends_with: String,
    /// Library ids of the models it may use; `None` allows all.
    pub models: Option<Vec<String>>,
    /// Requests it may make in a minute; `None` sets no limit.
    pub requests_per_minute: Option<u32>,
    /// Milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub created_at: i64,
    /// Milliseconds since the Unix epoch.
    #[ts(type = "number | null")]
    pub last_used_at: Option<i64>,
}

/// A key to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export)]
pub struct NewApiKey {
    /// See [`ApiKey::name`].
    pub name: String,
    /// See [`ApiKey::models`].
    pub models: Option<Vec<String>>,
    /// See [`ApiKey::requests_per_minute`].
    pub requests_per_minute: Option<u32>,
}

/// A key that was just made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct IssuedKey {
    /// What is kept of it.
    pub key: ApiKey,
    /// What the program sends as bearer token. Nobody can read it again.
    pub secret: String,
}

/// A request to the endpoint that was answered or refused.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct ApiRequest {
    /// When it came, in milliseconds since the Unix epoch.
    #[ts(type = "number")]
    pub at: i64,
    /// The name of the program's key; `None` for the endpoint's own key, and for who had none.
    pub program: Option<String>,
    /// HTTP method.
    pub method: String,
    /// Path, without a query.
    pub path: String,
    /// Library id of the model that answered.
    pub model: Option<String>,
    /// HTTP status.
    pub status: u16,
    /// The error's code, if it failed.
    pub error: Option<String>,
    /// Tokens read.
    pub prompt_tokens: Option<u32>,
    /// Tokens written.
    pub completion_tokens: Option<u32>,
    /// Milliseconds until its last byte was sent.
    pub duration_ms: u32,
}

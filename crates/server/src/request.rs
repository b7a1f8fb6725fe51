//! `POST /v1/chat/completions`: what a client may ask, checked at the edge.
//!
//! Follows OpenAI's reference for the chat completions object, with the sampling fields that llama.cpp's server made
//! customary (`top_k`, `min_p`, `repeat_penalty`). A field that would change the answer and that Lantern cannot honour
//! is refused by name, never ignored; fields that only describe the client (`user`, `metadata`, …) are ignored.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, StatusCode, header};
use lantern_engine::{ChatMessage, ContentPart, SamplingParams};
use lantern_protocol::{Overflow, Settings};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::ApiError;
use crate::images::ImageUrl;

/// A request's body, which is JSON only: a web form's `text/plain` must not pass, because browsers send it without asking first.
pub(crate) fn parse_json<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: &[u8],
    fields: &str,
) -> Result<T, ApiError> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/json") {
        return Err(ApiError::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "json_required",
            "The request's content type is not application/json.",
            "Send `Content-Type: application/json`.",
        ));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::new(
            StatusCode::BAD_REQUEST,
            "malformed_json",
            format!("The request cannot be read: {error}."),
            format!("Send a JSON object with {fields}."),
        )
    })
}

/// The request's body. Absent sampling fields take the values of Lantern's settings.
#[derive(Debug, Clone, Deserialize)]
pub struct ChatCompletionRequest {
    /// Library name, path or Hub id; empty or `default` takes the default model.
    #[serde(default)]
    pub model: String,
    /// The conversation so far; at least one message.
    pub messages: Vec<RequestMessage>,
    /// Whether to answer with server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// See [`StreamOptions`].
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Tokens the answer may have (the older name).
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Tokens the answer may have.
    #[serde(default)]
    pub max_completion_tokens: Option<u32>,
    /// From 0 (always the likeliest token) to 2.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Keeps the likeliest tokens up to this probability in sum.
    #[serde(default)]
    pub top_p: Option<f32>,
    /// Keeps the k likeliest tokens; 0 keeps all.
    #[serde(default)]
    pub top_k: Option<u32>,
    /// Drops tokens less likely than this share of the likeliest.
    #[serde(default)]
    pub min_p: Option<f32>,
    /// Divides the logits of recent tokens; 1 is off.
    #[serde(default)]
    pub repeat_penalty: Option<f32>,
    /// Subtracted once for a token already used.
    #[serde(default)]
    pub presence_penalty: Option<f32>,
    /// Subtracted for each use of a token.
    #[serde(default)]
    pub frequency_penalty: Option<f32>,
    /// The same seed gives the same answer.
    #[serde(default)]
    pub seed: Option<i64>,
    /// Texts that end the answer; they are not part of it.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Added to the logits, by token id.
    #[serde(default)]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// What happens when the messages do not fit the model's context; an extension of Lantern's. `error`, which is the
    /// default, refuses them with `context_length_exceeded`. `drop_oldest` leaves out the oldest turns (a question with its
    /// answer and its tools' results) until the rest has room for `max_tokens`, or for a quarter of the context where there
    /// is no limit; `system` messages and everything from the last `user` message on stay. The response then has a field
    /// `lantern` that says what was left out, in a stream in the first chunk. `summarise` puts a summary in their place that
    /// the model writes first, which takes its time; the field says of which messages. Other values are refused.
    #[serde(default)]
    pub overflow: Option<String>,
    /// Tokens that the messages and the answer may have together, at least 64; an extension of Lantern's. Absent, what
    /// the settings say. What the model was not made for, or memory has no room for, is not given.
    #[serde(default)]
    pub context_length: Option<u32>,
    /// Number of answers: only 1.
    #[serde(default)]
    pub n: Option<u32>,
    /// Not supported yet.
    #[serde(default)]
    pub tools: Option<Value>,
    /// Only `{"type": "text"}`.
    #[serde(default)]
    pub response_format: Option<Value>,
    /// Not supported yet.
    #[serde(default)]
    pub logprobs: Option<bool>,
}

/// What a stream carries besides the text.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct StreamOptions {
    /// One more chunk at the end, with no choices and the usage.
    #[serde(default)]
    pub include_usage: bool,
}

/// One stop text or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// A message of the conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct RequestMessage {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Text, or parts of which all are text.
    #[serde(default)]
    pub content: Option<Content>,
}

/// A message's content.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Plain.
    Text(String),
    /// In parts.
    Parts(Vec<Part>),
}

/// A part of a message's content.
#[derive(Debug, Clone, Deserialize)]
pub struct Part {
    /// `text` or `image_url`; others are refused.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text of a `text` part.
    #[serde(default)]
    pub text: Option<String>,
    /// The picture of an `image_url` part.
    #[serde(default)]
    pub image_url: Option<ImageUrl>,
}

/// A request whose every field is known to be usable.
#[derive(Debug)]
pub(crate) struct ValidRequest {
    pub model: Option<String>,
    pub messages: Vec<ChatMessage>,
    /// How many of the messages stand before the client's own.
    pub put_before: usize,
    /// `None` when the client did not say.
    pub overflow: Option<Overflow>,
    pub sampling: SamplingParams,
    pub max_tokens: Option<usize>,
    /// `None` when the client did not say.
    pub context_length: Option<u32>,
    pub stop: Vec<String>,
    pub stream: bool,
    pub include_usage: bool,
}

/// Longest list of stop texts, and longest stop text in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 1024;
/// Fewer tokens hold no conversation.
const LEAST_CONTEXT: u32 = 64;

impl ChatCompletionRequest {
    /// Checks every field; what is absent comes from the settings, the system prompt included.
    pub(crate) fn validate(self, settings: &Settings) -> Result<ValidRequest, ApiError> {
        self.refuse_unsupported()?;
        let defaults = &settings.sampling;
        let sampling = self.sampling(defaults)?;
        let max_tokens = self.max_completion_tokens.or(self.max_tokens);
        if max_tokens == Some(0) {
            return Err(
                ApiError::invalid("`max_tokens` is 0.", "Ask for at least 1 token.").with_param("max_tokens")
            );
        }
        if self.context_length.is_some_and(|tokens| tokens < LEAST_CONTEXT) {
            let next = format!("Ask for at least {LEAST_CONTEXT} tokens, or leave the field out.");
            return Err(
                ApiError::invalid("`context_length` is too small.", next).with_param("context_length")
            );
        }
        if self.messages.is_empty() {
            return Err(ApiError::invalid("`messages` is empty.", "Send at least one message.")
                .with_param("messages"));
        }
        let own = self.messages.len();
        let messages =
            self.messages.into_iter().enumerate().map(|(i, m)| m.validate(i)).collect::<Result<_, _>>()?;
        let messages = with_system_prompt(messages, &settings.system_prompt);
        Ok(ValidRequest {
            model: Some(self.model).filter(|m| !m.is_empty() && m != "default"),
            put_before: messages.len() - own,
            messages,
            overflow: self.overflow.as_deref().map(valid_overflow).transpose()?,
            sampling,
            max_tokens: max_tokens.or(defaults.max_tokens).map(|n| n as usize),
            context_length: self.context_length,
            stop: valid_stops(self.stop)?,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.unwrap_or_default().include_usage,
        })
    }

    fn refuse_unsupported(&self) -> Result<(), ApiError> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(ApiError::unsupported("n", "Only one answer a request is supported."));
        }
        if self.tools.as_ref().is_some_and(|t| t.as_array().is_none_or(|t| !t.is_empty())) {
            return Err(ApiError::unsupported("tools", "Tools are not supported yet."));
        }
        if self.logprobs == Some(true) {
            return Err(ApiError::unsupported("logprobs", "Log probabilities are not supported yet."));
        }
        match &self.response_format {
            Some(format) if format["type"] != "text" => {
                Err(ApiError::unsupported("response_format", "Only the text format is supported yet."))
            }
            _ => Ok(()),
        }
    }

    fn sampling(&self, defaults: &lantern_protocol::SamplingSettings) -> Result<SamplingParams, ApiError> {
        let params = SamplingParams {
            temperature: self.temperature.unwrap_or(defaults.temperature),
            top_k: self.top_k.unwrap_or(defaults.top_k),
            top_p: self.top_p.unwrap_or(defaults.top_p),
            min_p: self.min_p.unwrap_or(defaults.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(defaults.repeat_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(defaults.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(defaults.frequency_penalty),
            // A negative seed means "any" to some clients and a number to others: take its bits.
            seed: self.seed.map(|s| s as u64).or(defaults.seed.map(u64::from)),
            logit_bias: logit_bias(self.logit_bias.as_ref())?,
            ..SamplingParams::default()
        };
        params.validate().map_err(|error| {
            let next = "Change the field, or leave it out to take the value of Lantern's settings.";
            ApiError::invalid(error.to_string(), next)
        })?;
        Ok(params)
    }
}

impl RequestMessage {
    fn validate(self, index: usize) -> Result<ChatMessage, ApiError> {
        let role = match self.role.as_str() {
            "developer" => "system",
            role @ ("system" | "user" | "assistant" | "tool") => role,
            other => {
                return Err(ApiError::invalid(
                    format!(
                        "Message {index} has the unknown role `{}`.",
                        other.chars().take(40).collect::<String>()
                    ),
                    "Use system, developer, user, assistant or tool.",
                )
                .with_param("messages"));
            }
        };
        Ok(match self.content {
            None => ChatMessage::new(role, ""),
            Some(Content::Text(text)) => ChatMessage::new(role, text),
            Some(Content::Parts(parts)) => {
                let parts = parts.into_iter().map(Part::validate).collect::<Result<_, _>>()?;
                ChatMessage::of_parts(role, parts)
            }
        })
    }
}

impl Part {
    fn validate(self) -> Result<ContentPart, ApiError> {
        match (self.kind.as_str(), self.text, self.image_url) {
            ("text", Some(text), _) => Ok(ContentPart::Text(text)),
            ("image_url", _, Some(image)) => Ok(ContentPart::Picture(image.decode()?)),
            (kind, ..) => Err(ApiError::new(
                axum::http::StatusCode::BAD_REQUEST,
                "unsupported_content",
                format!(
                    "Content of the type `{}` is not supported.",
                    kind.chars().take(40).collect::<String>()
                ),
                "Send parts of the types text and image_url.",
            )
            .with_param("messages")),
        }
    }
}

/// Puts the settings' system prompt before a conversation that brings none.
fn with_system_prompt(mut messages: Vec<ChatMessage>, prompt: &str) -> Vec<ChatMessage> {
    if !prompt.trim().is_empty() && messages.iter().all(|m| m.role != "system") {
        messages.insert(0, ChatMessage::new("system", prompt));
    }
    messages
}

fn valid_overflow(name: &str) -> Result<Overflow, ApiError> {
    match name {
        "error" => Ok(Overflow::Error),
        "drop_oldest" => Ok(Overflow::DropOldest),
        "summarise" => Ok(Overflow::Summarise),
        other => {
            let other: String = other.chars().take(40).collect();
            Err(ApiError::invalid(
                format!("`overflow` is `{other}`, which is not known."),
                "Use `error`, `drop_oldest` or `summarise`, or leave the field out to get an error.",
            )
            .with_param("overflow"))
        }
    }
}

fn valid_stops(stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let stops = match stop {
        None => Vec::new(),
        Some(Stop::One(one)) => vec![one],
        Some(Stop::Many(many)) => many,
    };
    if stops.len() > MAX_STOPS || stops.iter().any(|s| s.is_empty() || s.len() > MAX_STOP_BYTES) {
        return Err(ApiError::invalid(
            format!(
                "`stop` has {} texts; it may have {MAX_STOPS}, each of 1 to {MAX_STOP_BYTES} bytes.",
                stops.len()
            ),
            "Send fewer or shorter stop texts.",
        )
        .with_param("stop"));
    }
    Ok(stops)
}

fn logit_bias(map: Option<&BTreeMap<String, f32>>) -> Result<Vec<(u32, f32)>, ApiError> {
    let parse = |(id, bias): (&String, &f32)| match id.parse() {
        Ok(id) => Ok((id, *bias)),
        Err(_) => {
            Err(ApiError::invalid("`logit_bias` has a key that is not a token id.", "Use token ids as keys.")
                .with_param("logit_bias"))
        }
    };
    map.into_iter().flatten().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn validate(body: Value) -> Result<ValidRequest, Value> {
        let request: ChatCompletionRequest = serde_json::from_value(body).expect("the body parses");
        request.validate(&Settings::default()).map_err(|e| e.body()["error"].clone())
    }

    #[test]
    fn absent_fields_take_the_settings() {
        let valid =
            validate(json!({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "top_p": 0.5}))
                .unwrap();
        assert_eq!((valid.sampling.temperature, valid.sampling.top_k, valid.sampling.top_p), (0.7, 40, 0.5));
        assert_eq!((valid.model.as_deref(), valid.stream, valid.max_tokens), (Some("m"), false, None));
    }

    #[test]
    fn the_system_prompt_of_the_settings_stands_in_for_a_missing_one() {
        let roles = |body: Value| {
            let messages = validate(body).unwrap().messages;
            messages.into_iter().map(|m| (m.role, m.content)).collect::<Vec<_>>()
        };
        let user = json!({"role": "user", "content": "Hi"});
        let without = roles(json!({"messages": [user]}));
        assert_eq!(without[0], ("system".into(), lantern_protocol::DEFAULT_SYSTEM_PROMPT.into()));
        let with = roles(json!({"messages": [{"role": "system", "content": "Own"}, user]}));
        assert_eq!((with.len(), with[0].1.as_str()), (2, "Own"));
    }

    #[test]
    fn parts_are_joined_and_developer_means_system() {
        let body = json!({"messages": [{"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]});
        let valid = validate(body).unwrap();
        assert_eq!((valid.messages[0].role.as_str(), valid.messages[0].content.as_str()), ("system", "ab"));
    }

    #[test]
    fn what_cannot_be_honoured_is_refused_by_name() {
        let with = |key: &str, value: Value| {
            let mut body = json!({"messages": [{"role": "user", "content": "Hi"}]});
            body[key] = value;
            validate(body).expect_err(key)
        };
        assert_eq!(with("n", json!(2))["param"], "n");
        assert_eq!(with("tools", json!([{}]))["param"], "tools");
        assert_eq!(with("logprobs", json!(true))["param"], "logprobs");
        assert_eq!(with("response_format", json!({"type": "json_object"}))["param"], "response_format");
        assert_eq!(with("max_tokens", json!(0))["code"], "invalid_request");
        assert_eq!(with("stop", json!([""]))["param"], "stop");
        let overflow = with("overflow", json!("shorten"));
        assert_eq!((&overflow["param"], &overflow["code"]), (&json!("overflow"), &json!("invalid_request")));
        assert!(overflow["message"].as_str().unwrap().contains("shorten"), "{overflow}");
        assert_eq!(with("temperature", json!(-1.0))["code"], "invalid_request");
        assert_eq!(with("logit_bias", json!({"x": 1.0}))["param"], "logit_bias");
        assert_eq!(with("messages", json!([]))["param"], "messages");
        assert_eq!(with("messages", json!([{"role": "king", "content": ""}]))["param"], "messages");
        let part = |part: Value| with("messages", json!([{"role": "user", "content": [part]}]));
        assert_eq!(part(json!({"type": "image_url"}))["code"], "unsupported_content");
        assert_eq!(part(json!({"type": "input_audio", "input_audio": {}}))["code"], "unsupported_content");
        let image = |url: &str| part(json!({"type": "image_url", "image_url": {"url": url}}));
        assert_eq!(image("data:image/png;base64,iVBORw0KGgo=")["code"], "bad_picture");
        assert_eq!(image("data:image/png;base64,?")["code"], "bad_picture");
        assert_eq!(image("file:///etc/passwd")["code"], "unsupported_picture_address");
    }
}

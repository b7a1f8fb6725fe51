//! What a client may ask for.

use lantern_engine::Constraint;
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::item::{InputContent, InputItem};
use crate::ApiError;
use crate::generate::fields::{self, Function, put, short};
use crate::generate::{Ask, new_id};
use crate::openai::chat::schema_shape;
use crate::openai::tools::{self, Choice, no_function};

/// The request's body.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct ResponseRequest {
    /// Library name; empty or `default` takes the default model.
    #[serde(default)]
    pub model: String,
    /// A text, or what was said and done so far.
    pub input: Input,
    /// What the model is told before all else; not carried over to responses that go on from this one.
    #[serde(default)]
    pub instructions: Option<String>,
    /// The response to go on from.
    #[serde(default)]
    pub previous_response_id: Option<String>,
    /// Whether the response is kept; it is by default.
    #[serde(default)]
    pub store: Option<bool>,
    /// Whether to answer with server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// Whether to answer at once and write the response meanwhile.
    #[serde(default)]
    pub background: Option<bool>,
    /// Tokens the response may have, thoughts included.
    #[serde(default)]
    pub max_output_tokens: Option<u32>,
    /// From 0 to 2.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Over 0, at most 1.
    #[serde(default)]
    pub top_p: Option<f32>,
    /// Keeps the k likeliest tokens; an extension of Lantern's.
    #[serde(default)]
    pub top_k: Option<u32>,
    /// The same seed gives the same answer; an extension of Lantern's.
    #[serde(default)]
    pub seed: Option<i64>,
    /// Functions that the model may call.
    #[serde(default)]
    pub tools: Option<Vec<FlatTool>>,
    /// Whether it may, must or must not.
    #[serde(default)]
    pub tool_choice: Option<Choice>,
    /// Whether one response may call several functions; it may by default.
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// What the text must look like.
    #[serde(default)]
    pub text: Option<TextOptions>,
    /// How much is to be thought.
    #[serde(default)]
    pub reasoning: Option<Reasoning>,
    /// `auto` leaves out the oldest turns of what does not fit, and says so in `lantern`; `disabled` refuses it.
    #[serde(default)]
    pub truncation: Option<String>,
    /// `message.output_text.logprobs` tells how likely tokens were; the rest says nothing here.
    #[serde(default)]
    pub include: Option<Vec<String>>,
    /// How many of the likeliest tokens to tell at each place, from 0 to 20.
    #[serde(default)]
    pub top_logprobs: Option<u32>,
    /// Kept with the response.
    #[serde(default)]
    pub metadata: Option<Map<String, Value>>,
    /// Not supported; use `previous_response_id`.
    #[serde(default)]
    conversation: Option<Value>,
    /// Not supported.
    #[serde(default)]
    prompt: Option<Value>,
}

/// What was said.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of items")]
pub(crate) enum Input {
    /// By the user, just now.
    Text(String),
    /// By all, so far.
    Items(Vec<InputItem>),
}

/// A tool; unlike in chat completions, its function is not in an object of its own.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct FlatTool {
    /// Only `function`.
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    parameters: Option<Value>,
    #[serde(default)]
    strict: Option<bool>,
}

/// What text must look like.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct TextOptions {
    /// Its form.
    #[serde(default)]
    pub format: Option<Format>,
}

/// A form.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Format {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

/// How much is to be thought.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Reasoning {
    /// `none`, `minimal`, `low`, `medium` or `high`.
    #[serde(default)]
    pub effort: Option<String>,
    /// Says nothing here: thoughts are told as they are.
    #[serde(default)]
    pub summary: Option<String>,
}

impl ResponseRequest {
    /// The request's own items, each with an id.
    pub(super) fn items(&self) -> Result<Vec<InputItem>, ApiError> {
        let items = match &self.input {
            Input::Text(text) => vec![InputItem::message("user", InputContent::Text(text.clone()))],
            Input::Items(items) => items.clone(),
        };
        if items.is_empty() {
            return Err(ApiError::invalid("input", "`input` is empty.", "Send a text or at least one item."));
        }
        let with_id = |item: InputItem| InputItem { id: item.id.or_else(|| Some(new_id("item_"))), ..item };
        Ok(items.into_iter().map(with_id).collect())
    }

    /// All but the conversation.
    pub(super) fn asked(&self, settings: &Settings) -> Result<(Ask, Option<Value>), ApiError> {
        self.refuse_unsupported()?;
        let mut ask = Ask::new(self.model.clone(), Vec::new(), settings);
        let sampling = &mut ask.sampling;
        put("temperature", &mut sampling.temperature, self.temperature, 0.0..=2.0)?;
        put("top_p", &mut sampling.top_p, self.top_p, f32::MIN_POSITIVE..=1.0)?;
        put("top_k", &mut sampling.top_k, self.top_k, 0..=u32::MAX)?;
        fields::seed(self.seed, sampling);
        ask.max_tokens = fields::limit("max_output_tokens", self.max_output_tokens)?.or(ask.max_tokens);
        ask.overflow = fields::overflow(None, self.truncation.as_deref())?;
        let effort = self.reasoning.as_ref().and_then(|reasoning| reasoning.effort.as_deref());
        fields::effort("reasoning.effort", effort, &mut ask.template_vars)?;
        let top = fields::within("top_logprobs", self.top_logprobs, 0..=20)?;
        let told = self.include.iter().flatten().any(|what| what == "message.output_text.logprobs");
        ask.logprobs = (told || top.is_some_and(|top| top > 0)).then(|| top.unwrap_or(0) as usize);
        if let Some(format) = self.text.as_ref().and_then(|text| text.format.as_ref()) {
            ask.constraint = format.constraint()?;
        }
        let tools = self.tools.iter().flatten().map(FlatTool::function).collect::<Result<_, _>>()?;
        let tools = fields::tools("tools", tools)?;
        ask.tool_choice = tools::chosen(self.tool_choice.clone(), tools.as_ref())?;
        ask.parallel_tool_calls = self.parallel_tool_calls.unwrap_or(true);
        Ok((ask, tools))
    }

    fn refuse_unsupported(&self) -> Result<(), ApiError> {
        if self.conversation.is_some() {
            return Err(ApiError::unsupported(
                "conversation",
                "Lantern keeps no conversations for programs.",
            ));
        }
        if self.prompt.is_some() {
            return Err(ApiError::unsupported("prompt", "Lantern keeps no prompts for programs."));
        }
        let (background, stream) = (self.background.unwrap_or(false), self.stream.unwrap_or(false));
        if background && stream {
            return Err(ApiError::unsupported("background", "What is streamed is not in the background."));
        }
        if background && self.store == Some(false) {
            return Err(ApiError::unsupported("background", "What is in the background must be stored."));
        }
        Ok(())
    }
}

impl FlatTool {
    fn function(&self) -> Result<Function, ApiError> {
        match (self.kind.as_str(), self.name.clone()) {
            ("function", Some(name)) => Ok(Function {
                name,
                description: self.description.clone(),
                parameters: self.parameters.clone(),
                strict: self.strict,
            }),
            (kind, _) => Err(no_function(kind)),
        }
    }
}

impl Format {
    /// Plain.
    pub(super) fn text() -> Self {
        Self { kind: "text".into(), name: None, schema: None, strict: None }
    }

    fn constraint(&self) -> Result<Option<Constraint>, ApiError> {
        match self.kind.as_str() {
            "text" => Ok(None),
            "json_object" => Ok(Some(Constraint::JsonObject)),
            "json_schema" => schema_shape("text.format", self.schema.clone()),
            other => Err(ApiError::invalid(
                "text.format",
                format!("`text.format` has the unknown type `{}`.", short(other)),
                "Use text, json_object or json_schema.",
            )),
        }
    }
}

//! What a client may ask for.

use std::collections::BTreeMap;

use lantern_engine::{ChatMessage, ToolChoice};
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::ApiError;
use crate::generate::Ask;
use crate::generate::fields::{self, Function, Stop, put, short};
use crate::generate::pictures::{Draft, DraftPart};
use crate::openai::{tools, unsupported_content};

/// The request's body.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct MessagesRequest {
    /// Library name; empty or `default` takes the default model.
    #[serde(default)]
    pub model: String,
    /// Tokens the answer may have, thoughts included.
    pub max_tokens: u32,
    /// The conversation.
    pub messages: Vec<InputMessage>,
    /// What the model is told before all else.
    #[serde(default)]
    pub system: Option<Content>,
    /// Whether to answer with server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// From 0 to 1.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Keeps the likeliest tokens up to this probability in sum; over 0, at most 1.
    #[serde(default)]
    pub top_p: Option<f32>,
    /// Keeps the k likeliest tokens.
    #[serde(default)]
    pub top_k: Option<u32>,
    /// Texts that end the answer.
    #[serde(default)]
    pub stop_sequences: Option<Vec<String>>,
    /// What the model may call.
    #[serde(default)]
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not.
    #[serde(default)]
    pub tool_choice: Option<Choice>,
    /// Whether the model is to think first.
    #[serde(default)]
    pub thinking: Option<Thinking>,
}

/// The body of a request that only asks for its length.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct CountRequest {
    /// Library name; empty or `default` takes the default model.
    #[serde(default)]
    model: String,
    /// The conversation.
    messages: Vec<InputMessage>,
    /// What the model is told before all else.
    #[serde(default)]
    system: Option<Content>,
    /// What the model may call.
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not.
    #[serde(default)]
    tool_choice: Option<Choice>,
    /// Whether the model is to think first.
    #[serde(default)]
    thinking: Option<Thinking>,
}

impl From<CountRequest> for MessagesRequest {
    fn from(request: CountRequest) -> Self {
        let CountRequest { model, messages, system, tools, tool_choice, thinking } = request;
        Self {
            model,
            max_tokens: 1,
            messages,
            system,
            stream: None,
            temperature: None,
            top_p: None,
            top_k: None,
            stop_sequences: None,
            tools,
            tool_choice,
            thinking,
        }
    }
}

/// A message.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct InputMessage {
    /// `user` or `assistant`.
    role: String,
    /// Its words, or blocks.
    content: Content,
}

/// Words or blocks.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of blocks")]
pub(crate) enum Content {
    /// Plain.
    Text(String),
    /// In blocks.
    Blocks(Vec<Block>),
}

/// A block: `text`, `image`, `tool_use`, `tool_result`, `thinking` or `redacted_thinking`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Block {
    /// Which of these.
    #[serde(rename = "type")]
    kind: String,
    /// Words.
    #[serde(default)]
    text: Option<String>,
    /// A picture.
    #[serde(default)]
    source: Option<Source>,
    /// The call's name, in a `tool_use`.
    #[serde(default)]
    id: Option<String>,
    /// The tool, in a `tool_use`.
    #[serde(default)]
    name: Option<String>,
    /// Its arguments.
    #[serde(default)]
    input: Option<Value>,
    /// The call that a `tool_result` answers.
    #[serde(default)]
    tool_use_id: Option<String>,
    /// What the tool answered.
    #[serde(default)]
    content: Option<Box<Content>>,
    /// Thoughts.
    #[serde(default)]
    thinking: Option<String>,
}

/// Where a picture is.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Source {
    /// `base64` or `url`.
    #[serde(rename = "type")]
    kind: String,
    /// The file in base64.
    #[serde(default)]
    data: Option<String>,
    /// Its address on the web.
    #[serde(default)]
    url: Option<String>,
}

/// A tool.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Tool {
    /// Only `custom`, or nothing.
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// What the model calls it by.
    name: String,
    /// What it is good for.
    #[serde(default)]
    description: Option<String>,
    /// A JSON schema of its arguments.
    #[serde(default)]
    input_schema: Option<Value>,
}

/// Whether tools may, must or must not be called.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Choice {
    /// `auto`, `any`, `none` or `tool`.
    #[serde(rename = "type")]
    kind: String,
    /// Which, for `tool`.
    #[serde(default)]
    name: Option<String>,
    /// Whether one answer may call no more than one.
    #[serde(default)]
    disable_parallel_tool_use: Option<bool>,
}

/// Whether to think.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Thinking {
    /// `enabled`, `adaptive` or `disabled`. A budget says nothing here.
    #[serde(rename = "type")]
    kind: String,
}

impl MessagesRequest {
    /// Checks every field; what is absent comes from the settings.
    pub(super) fn checked(self, settings: &Settings) -> Result<(Ask, Vec<Draft>, Option<Value>), ApiError> {
        let mut ask = Ask::new(self.model, Vec::new(), settings);
        let sampling = &mut ask.sampling;
        put("temperature", &mut sampling.temperature, self.temperature, 0.0..=1.0)?;
        put("top_p", &mut sampling.top_p, self.top_p, f32::MIN_POSITIVE..=1.0)?;
        put("top_k", &mut sampling.top_k, self.top_k, 0..=u32::MAX)?;
        ask.max_tokens = fields::limit("max_tokens", Some(self.max_tokens))?;
        ask.stop = fields::stops("stop_sequences", self.stop_sequences.map(Stop::Many))?;
        match self.thinking.as_ref().map(|thinking| thinking.kind.as_str()) {
            None => {}
            Some("enabled" | "adaptive") => fields::thinking(true, &mut ask.template_vars),
            Some("disabled") => fields::thinking(false, &mut ask.template_vars),
            Some(other) => {
                let message = format!("`thinking` has the unknown type `{}`.", short(other));
                return Err(ApiError::invalid(
                    "thinking.type",
                    message,
                    "Use enabled, adaptive or disabled.",
                ));
            }
        }
        let functions = self.tools.into_iter().flatten().map(Tool::function).collect::<Result<_, _>>()?;
        let tools = fields::tools("tools", functions)?;
        if let Some(choice) = self.tool_choice {
            ask.parallel_tool_calls = !choice.disable_parallel_tool_use.unwrap_or(false);
            ask.tool_choice = choice.chosen(tools.as_ref())?;
        }
        Ok((ask, drafts(self.system, self.messages)?, tools))
    }
}

impl Tool {
    fn function(self) -> Result<Function, ApiError> {
        if self.kind.as_deref().is_some_and(|kind| kind != "custom") {
            return Err(tools::no_function(self.kind.as_deref().unwrap_or("")));
        }
        let Self { name, description, input_schema: parameters, .. } = self;
        Ok(Function { name, description, parameters, strict: None })
    }
}

impl Choice {
    fn chosen(self, tools: Option<&Value>) -> Result<ToolChoice, ApiError> {
        let next = "Use auto, any, none, or tool with the name of one of the tools.";
        let invalid = |message: String| ApiError::invalid("tool_choice", message, next);
        let choice = match (self.kind.as_str(), self.name) {
            ("auto", _) => ToolChoice::Auto,
            ("any", _) => ToolChoice::Required,
            ("none", _) => ToolChoice::None,
            ("tool", Some(name)) => ToolChoice::Named(name),
            (other, _) => return Err(invalid(format!("`tool_choice` is `{}`.", short(other)))),
        };
        tools::check(&choice, tools).map_err(invalid)?;
        Ok(choice)
    }
}

fn drafts(system: Option<Content>, messages: Vec<InputMessage>) -> Result<Vec<Draft>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::invalid("messages", "`messages` is empty.", "Send at least one message."));
    }
    let mut called = BTreeMap::new();
    let mut drafts = Vec::new();
    if let Some(system) = system {
        drafts.push(Draft::new("system", words(system, "system")?));
    }
    for (index, message) in messages.into_iter().enumerate() {
        match message.role.as_str() {
            "assistant" => drafts.push(assistant(message.content, index, &mut called)?),
            "user" => user(message.content, index, &called, &mut drafts)?,
            "system" => drafts.push(Draft::new("system", words(message.content, "messages")?)),
            other => {
                let text = format!("Message {index} has the unknown role `{}`.", short(other));
                let next = "Use user or assistant; instructions go into `system`.";
                return Err(ApiError::invalid(format!("messages[{index}].role"), text, next));
            }
        }
    }
    Ok(drafts)
}

/// Words, thoughts and calls of one answer.
fn assistant(
    content: Content,
    index: usize,
    called: &mut BTreeMap<String, String>,
) -> Result<Draft, ApiError> {
    let mut draft = Draft::new("assistant", Vec::new());
    let (mut thoughts, mut calls) = (String::new(), Vec::new());
    for block in blocks(content) {
        match (block.kind.as_str(), block.text, block.thinking, block.id, block.name) {
            ("text", Some(text), ..) => draft.parts.push(DraftPart::Text(text)),
            ("thinking", _, Some(more), ..) => thoughts.push_str(&more),
            ("redacted_thinking", ..) => {}
            ("tool_use", _, _, Some(id), Some(name)) => {
                let arguments = block.input.unwrap_or_else(|| Value::Object(Map::new())).to_string();
                called.insert(id.clone(), name.clone());
                let function = json!({ "name": name, "arguments": arguments });
                calls.push(json!({ "id": id, "type": "function", "function": function }));
            }
            (kind, ..) => return Err(unsupported_content(kind, format!("messages[{index}].content"))),
        }
    }
    draft.message = ChatMessage {
        reasoning: (!thoughts.is_empty()).then_some(thoughts),
        tool_calls: (!calls.is_empty()).then_some(Value::Array(calls)),
        ..draft.message
    };
    Ok(draft)
}

/// Results of tools, which become messages of their own, and what the user says.
fn user(
    content: Content,
    index: usize,
    called: &BTreeMap<String, String>,
    drafts: &mut Vec<Draft>,
) -> Result<(), ApiError> {
    let mut said = Vec::new();
    for block in blocks(content) {
        if block.kind == "tool_result"
            && let Some(id) = block.tool_use_id
        {
            let parts =
                block.content.map_or_else(|| Ok(Vec::new()), |content| words(*content, "messages"))?;
            let mut draft = Draft::new("tool", parts);
            draft.message.name = called.get(&id).cloned();
            draft.message.tool_call_id = Some(id);
            drafts.push(draft);
        } else {
            said.push(block.part(&format!("messages[{index}].content"))?);
        }
    }
    if !said.is_empty() {
        drafts.push(Draft::new("user", said));
    }
    Ok(())
}

fn words(content: Content, param: &str) -> Result<Vec<DraftPart>, ApiError> {
    blocks(content).into_iter().map(|block| block.part(param)).collect()
}

fn blocks(content: Content) -> Vec<Block> {
    match content {
        Content::Blocks(blocks) => blocks,
        Content::Text(text) => vec![Block {
            kind: "text".into(),
            text: Some(text),
            source: None,
            id: None,
            name: None,
            input: None,
            tool_use_id: None,
            content: None,
            thinking: None,
        }],
    }
}

impl Block {
    fn part(self, param: &str) -> Result<DraftPart, ApiError> {
        let source = self.source.map(|source| (source.kind, source.data, source.url));
        match (self.kind.as_str(), self.text, source) {
            ("text", Some(text), _) => Ok(DraftPart::Text(text)),
            ("image", _, Some((kind, Some(data), _))) if kind == "base64" => Ok(DraftPart::Base64(data)),
            ("image", _, Some((kind, _, Some(url)))) if kind == "url" => Ok(DraftPart::Url(url)),
            (kind, ..) => Err(unsupported_content(kind, param.to_owned())),
        }
    }
}

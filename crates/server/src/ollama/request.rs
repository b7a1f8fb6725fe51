//! What a client may ask for.

use lantern_engine::ChatMessage;
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::options::{self, Options};
use super::plain;
use crate::ApiError;
use crate::generate::Ask;
use crate::generate::fields::short;
use crate::generate::pictures::{Draft, DraftPart};
use crate::openai::tools::{Tool, defined};

/// A conversation to go on with.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct ChatRequest {
    /// Library name.
    pub model: String,
    /// The conversation; without one, the model is only loaded.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// What the model may call.
    #[serde(default)]
    tools: Option<Vec<Tool>>,
    /// Whether to think first: a yes or no, or `low`, `medium` or `high`.
    #[serde(default)]
    think: Option<Value>,
    /// `json`, or a JSON schema.
    #[serde(default)]
    format: Option<Value>,
    /// How tokens are chosen.
    #[serde(default)]
    options: Option<Options>,
    /// Whether to answer line by line; by default it does.
    #[serde(default)]
    pub stream: Option<bool>,
    /// 0 takes the model out of memory after the answer; other times say nothing.
    #[serde(default)]
    pub keep_alive: Option<Value>,
}

/// A text to answer.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct GenerateRequest {
    /// Library name.
    pub model: String,
    /// The text; without one, the model is only loaded.
    #[serde(default)]
    pub prompt: String,
    /// What comes after the answer; for models that were made to fill in the middle.
    #[serde(default)]
    pub suffix: Option<String>,
    /// Pictures in base64.
    #[serde(default)]
    pub images: Option<Vec<String>>,
    /// What the model is told before all else.
    #[serde(default)]
    system: Option<String>,
    /// Whether the text is continued as it is, without a conversation around it.
    #[serde(default)]
    raw: Option<bool>,
    /// Whether to think first: a yes or no, or `low`, `medium` or `high`.
    #[serde(default)]
    think: Option<Value>,
    /// `json`, or a JSON schema.
    #[serde(default)]
    format: Option<Value>,
    /// How tokens are chosen.
    #[serde(default)]
    options: Option<Options>,
    /// Whether to answer line by line; by default it does.
    #[serde(default)]
    pub stream: Option<bool>,
    /// 0 takes the model out of memory after the answer; other times say nothing.
    #[serde(default)]
    pub keep_alive: Option<Value>,
    /// Not supported: the model's own template is used.
    #[serde(default)]
    template: Option<String>,
    /// Not supported: send the conversation to `/api/chat`.
    #[serde(default)]
    context: Option<Vec<i64>>,
}

/// A message.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Message {
    /// `system`, `user`, `assistant` or `tool`.
    role: String,
    /// Its words.
    #[serde(default)]
    content: Option<String>,
    /// What the assistant thought.
    #[serde(default)]
    thinking: Option<String>,
    /// Pictures in base64.
    #[serde(default)]
    images: Option<Vec<String>>,
    /// What the assistant called.
    #[serde(default)]
    tool_calls: Option<Vec<Called>>,
    /// Whose result a `tool` message is.
    #[serde(default, alias = "name")]
    tool_name: Option<String>,
    /// Which call it answers.
    #[serde(default)]
    tool_call_id: Option<String>,
}

/// A call.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct Called {
    /// Its name, if it has one.
    #[serde(default)]
    id: Option<String>,
    /// What is called.
    function: CalledFunction,
}

/// A function with its arguments.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct CalledFunction {
    name: String,
    #[serde(default)]
    arguments: Value,
}

impl ChatRequest {
    /// Checks every field; what is absent comes from the settings.
    pub(super) fn checked(
        self,
        model: String,
        settings: &Settings,
    ) -> Result<(Ask, Vec<Draft>, Option<Value>), ApiError> {
        let mut ask = Ask::new(model, Vec::new(), settings);
        self.options.unwrap_or_default().choose(&mut ask)?;
        ask.constraint = options::format(self.format)?;
        options::think(self.think, &mut ask)?;
        let messages = self.messages.into_iter().enumerate();
        let drafts = messages.map(|(index, message)| message.draft(index)).collect::<Result<_, _>>()?;
        Ok((ask, drafts, defined(self.tools)?))
    }
}

impl GenerateRequest {
    /// Checks every field. Gives the messages around the text, unless it is continued as it is.
    pub(super) fn checked(
        self,
        model: String,
        settings: &Settings,
    ) -> Result<(Ask, Option<Vec<Draft>>), ApiError> {
        if self.template.is_some_and(|template| !template.is_empty()) {
            return Err(ApiError::unsupported("template", "The model's own template is used."));
        }
        if self.context.is_some_and(|context| !context.is_empty()) {
            return Err(ApiError::unsupported("context", "`context` is not supported; use /api/chat."));
        }
        let mut ask = Ask::new(model, Vec::new(), settings);
        self.options.unwrap_or_default().choose(&mut ask)?;
        ask.constraint = options::format(self.format)?;
        options::think(self.think, &mut ask)?;
        if self.suffix.is_some() || self.raw.unwrap_or(false) {
            ask.prompts = plain(self.prompt);
            ask.suffix = self.suffix;
            return Ok((ask, None));
        }
        let system = self.system.filter(|system| !system.is_empty());
        let system = system.map(|system| Draft::new("system", vec![DraftPart::Text(system)]));
        let images = self.images.into_iter().flatten().map(DraftPart::Base64);
        let user = Draft::new("user", images.chain([DraftPart::Text(self.prompt)]).collect());
        Ok((ask, Some(system.into_iter().chain([user]).collect())))
    }
}

impl Message {
    fn draft(self, index: usize) -> Result<Draft, ApiError> {
        let role = self.role.as_str();
        if !["system", "user", "assistant", "tool"].contains(&role) {
            let message = format!("Message {index} has the unknown role `{}`.", short(role));
            let next = "Use system, user, assistant or tool.";
            return Err(ApiError::invalid(format!("messages[{index}].role"), message, next));
        }
        let images = self.images.into_iter().flatten().map(DraftPart::Base64);
        let text = self.content.map(DraftPart::Text);
        let call = |(at, call): (usize, Called)| {
            let id = call.id.unwrap_or_else(|| format!("call_{index}_{at}"));
            let function = json!({ "name": call.function.name, "arguments": call.function.arguments });
            json!({ "id": id, "type": "function", "function": function })
        };
        let calls = self.tool_calls.filter(|calls| !calls.is_empty());
        let message = ChatMessage {
            reasoning: self.thinking.filter(|thinking| !thinking.is_empty()),
            tool_calls: calls.map(|calls| calls.into_iter().enumerate().map(call).collect()),
            tool_call_id: self.tool_call_id,
            name: self.tool_name,
            ..ChatMessage::new(role, "")
        };
        Ok(Draft { message, parts: images.chain(text).collect() })
    }
}

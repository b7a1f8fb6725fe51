//! What a client may ask of chat completions, checked at the edge.

use std::collections::BTreeMap;

use lantern_engine::Constraint;
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::message::{RequestMessage, drafts};
use crate::ApiError;
use crate::generate::Ask;
use crate::generate::fields::{self, Stop, put};
use crate::generate::pictures::Draft;
use crate::openai::tools::{self, Choice, Tool};

/// The request's body. Absent sampling fields take the values of Lantern's settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct ChatCompletionRequest {
    /// Library name; empty or `default` takes the default model. A model that is not in memory is loaded.
    #[serde(default)]
    pub model: String,
    /// The conversation so far; at least one message.
    pub messages: Vec<RequestMessage>,
    /// Whether to answer with server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What a stream carries besides.
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
    /// Keeps the likeliest tokens up to this probability in sum; over 0, at most 1.
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
    /// Subtracted once for a token already used; from -2 to 2.
    #[serde(default)]
    pub presence_penalty: Option<f32>,
    /// Subtracted for each use of a token; from -2 to 2.
    #[serde(default)]
    pub frequency_penalty: Option<f32>,
    /// The same seed gives the same answer.
    #[serde(default)]
    pub seed: Option<i64>,
    /// Texts that end the answer; they are not part of it. At most 16.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Added to the logits, by token id; from -100, which bans a token, to 100.
    #[serde(default)]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Number of answers, from 1 to 8, each with a seed of its own.
    #[serde(default)]
    pub n: Option<u32>,
    /// Whether to tell how likely each token was.
    #[serde(default)]
    pub logprobs: Option<bool>,
    /// How many of the likeliest tokens to tell at each place, from 0 to 20; wants `logprobs`.
    #[serde(default)]
    pub top_logprobs: Option<u32>,
    /// What the answer must look like.
    #[serde(default)]
    pub response_format: Option<ResponseFormat>,
    /// A grammar in GBNF that the answer must follow; an extension of Lantern's.
    #[serde(default)]
    pub grammar: Option<String>,
    /// A regular expression that the whole answer must match; an extension of Lantern's.
    #[serde(default)]
    pub regex: Option<String>,
    /// A grammar in Lark's syntax that the answer must follow; an extension of Lantern's.
    #[serde(default)]
    pub lark: Option<String>,
    /// What the model may call.
    #[serde(default)]
    pub tools: Option<Vec<Tool>>,
    /// Whether it may, must or must not.
    #[serde(default)]
    pub tool_choice: Option<Choice>,
    /// Whether one answer may call several tools; they may by default.
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// `none`, `minimal`, `low`, `medium` or `high`, for models that think before they answer.
    #[serde(default)]
    pub reasoning_effort: Option<String>,
    /// Further variables for the model's chat template; an extension that other servers have too.
    #[serde(default)]
    pub chat_template_kwargs: Option<Map<String, Value>>,
    /// What happens when the messages do not fit the model's context; an extension of Lantern's. `error`, which is the
    /// default, refuses them with `context_length_exceeded`. `drop_oldest` leaves out the oldest turns (a question with its
    /// answer and its tools' results) until the rest has room for `max_tokens`, or for a quarter of the context where there
    /// is no limit; `system` messages and everything from the last `user` message on stay. The response then has a field
    /// `lantern` that says what was left out, in a stream in the first chunk. `summarise` puts a summary in their place that
    /// the model writes first, which takes its time; the field says of which messages. Other values are refused.
    #[serde(default)]
    pub overflow: Option<String>,
    /// `auto` is `"overflow": "drop_oldest"`; `disabled` refuses what does not fit.
    #[serde(default)]
    pub truncation: Option<String>,
    /// Tokens that the messages and the answer may have together, at least 64; an extension of Lantern's. Absent, what
    /// the settings say. What the model was not made for, or memory has no room for, is not given.
    #[serde(default)]
    pub context_length: Option<u32>,
    /// Not supported; use `tools`.
    #[serde(default)]
    functions: Option<Value>,
    /// Not supported; use `tool_choice`.
    #[serde(default)]
    function_call: Option<Value>,
    /// Only `["text"]`.
    #[serde(default)]
    modalities: Option<Vec<String>>,
    /// Not supported.
    #[serde(default)]
    audio: Option<Value>,
    /// Not supported.
    #[serde(default)]
    web_search_options: Option<Value>,
}

/// What a stream carries besides the text.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
pub(crate) struct StreamOptions {
    /// One more chunk at the end, with no choices and the usage.
    #[serde(default)]
    pub include_usage: Option<bool>,
}

/// What an answer must look like.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct ResponseFormat {
    /// `text`, `json_object` or `json_schema`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The schema of `json_schema`.
    #[serde(default)]
    pub json_schema: Option<NamedSchema>,
}

/// A schema with its name.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct NamedSchema {
    /// What clients call it.
    #[serde(default)]
    #[expect(dead_code, reason = "it says nothing to the model, and is here for the document")]
    pub name: Option<String>,
    /// The JSON schema.
    #[serde(default)]
    pub schema: Option<Value>,
    /// Answers always match the schema, whatever this says.
    #[serde(default)]
    #[expect(dead_code, reason = "it changes nothing, and is here for the document")]
    pub strict: Option<bool>,
}

/// A request that is whole but for its pictures.
pub(crate) struct Checked {
    pub ask: Ask,
    pub drafts: Vec<Draft>,
    pub tools: Option<Value>,
    pub stream: bool,
    pub include_usage: bool,
}

impl ChatCompletionRequest {
    /// Checks every field; what is absent comes from the settings.
    pub(crate) fn checked(self, settings: &Settings) -> Result<Checked, ApiError> {
        self.refuse_unsupported()?;
        let mut ask = Ask::new(self.model.clone(), Vec::new(), settings);
        self.choose(&mut ask)?;
        ask.constraint = self.shape()?;
        ask.logprobs = logprobs(self.logprobs, self.top_logprobs)?;
        fields::effort("reasoning_effort", self.reasoning_effort.as_deref(), &mut ask.template_vars)?;
        ask.template_vars.extend(self.chat_template_kwargs.unwrap_or_default());
        let tools = tools::defined(self.tools)?;
        ask.tool_choice = tools::chosen(self.tool_choice, tools.as_ref())?;
        ask.parallel_tool_calls = self.parallel_tool_calls.unwrap_or(true);
        ask.stop = fields::stops("stop", self.stop)?;
        Ok(Checked {
            ask,
            drafts: drafts(self.messages)?,
            tools,
            stream: self.stream.unwrap_or(false),
            include_usage: self.stream_options.and_then(|options| options.include_usage).unwrap_or(false),
        })
    }

    fn refuse_unsupported(&self) -> Result<(), ApiError> {
        let refuse = |param, asked: bool, message| match asked {
            true => Err(ApiError::unsupported(param, message)),
            false => Ok(()),
        };
        refuse("functions", self.functions.is_some(), "`functions` is not supported; send `tools`.")?;
        refuse("function_call", self.function_call.is_some(), "`function_call` is not supported.")?;
        refuse("audio", self.audio.is_some(), "Answers in sound are not supported.")?;
        refuse("web_search_options", self.web_search_options.is_some(), "Lantern does not search the web.")?;
        let texts = self.modalities.as_ref().is_none_or(|list| list.iter().all(|one| one == "text"));
        refuse("modalities", !texts, "Answers are text alone.")
    }

    /// How tokens are chosen, and how many.
    fn choose(&self, ask: &mut Ask) -> Result<(), ApiError> {
        let sampling = &mut ask.sampling;
        put("temperature", &mut sampling.temperature, self.temperature, 0.0..=2.0)?;
        put("top_p", &mut sampling.top_p, self.top_p, f32::MIN_POSITIVE..=1.0)?;
        put("top_k", &mut sampling.top_k, self.top_k, 0..=u32::MAX)?;
        put("min_p", &mut sampling.min_p, self.min_p, 0.0..=1.0)?;
        put("repeat_penalty", &mut sampling.repeat_penalty, self.repeat_penalty, 0.1..=10.0)?;
        put("presence_penalty", &mut sampling.presence_penalty, self.presence_penalty, -2.0..=2.0)?;
        put("frequency_penalty", &mut sampling.frequency_penalty, self.frequency_penalty, -2.0..=2.0)?;
        fields::seed(self.seed, sampling);
        sampling.logit_bias = fields::logit_bias(self.logit_bias.as_ref())?;
        let older = fields::limit("max_tokens", self.max_tokens)?;
        let limit = fields::limit("max_completion_tokens", self.max_completion_tokens)?.or(older);
        ask.max_tokens = limit.or(ask.max_tokens);
        ask.n = fields::answers(self.n)?;
        ask.context_length = fields::context_length("context_length", self.context_length)?;
        ask.overflow = fields::overflow(self.overflow.as_deref(), self.truncation.as_deref())?;
        Ok(())
    }

    /// What the answer must look like; one thing at a time.
    fn shape(&self) -> Result<Option<Constraint>, ApiError> {
        let format = match &self.response_format {
            Some(format) => format.shape()?,
            None => None,
        };
        let given = [
            format,
            self.grammar.clone().map(Constraint::Gbnf),
            self.regex.clone().map(Constraint::Regex),
            self.lark.clone().map(Constraint::Lark),
        ];
        let mut given = given.into_iter().flatten();
        let shape = given.next();
        if given.next().is_some() {
            return Err(ApiError::invalid(
                "response_format",
                "The answer's form is asked for in two ways.",
                "Send one of `response_format`, `grammar`, `regex` and `lark`.",
            ));
        }
        Ok(shape)
    }
}

impl ResponseFormat {
    fn shape(&self) -> Result<Option<Constraint>, ApiError> {
        match (self.kind.as_str(), &self.json_schema) {
            ("text", _) => Ok(None),
            ("json_object", _) => Ok(Some(Constraint::JsonObject)),
            ("json_schema", Some(NamedSchema { schema, .. })) => {
                schema_shape("response_format", schema.clone())
            }
            ("json_schema", None) => Err(ApiError::invalid(
                "response_format.json_schema",
                "`response_format` has no `json_schema`.",
                "Send {\"name\": …, \"schema\": …} in it.",
            )),
            (other, _) => Err(ApiError::invalid(
                "response_format.type",
                format!("`response_format` has the unknown type `{}`.", fields::short(other)),
                "Use text, json_object or json_schema.",
            )),
        }
    }
}

/// The shape that a schema describes; without one any object will do.
pub(crate) fn schema_shape(
    param: &'static str,
    schema: Option<Value>,
) -> Result<Option<Constraint>, ApiError> {
    match schema {
        None => Ok(Some(Constraint::JsonObject)),
        Some(schema @ (Value::Object(_) | Value::Bool(_))) => Ok(Some(Constraint::JsonSchema(schema))),
        Some(_) => Err(ApiError::invalid(param, "The schema is no JSON object.", "Send a JSON schema.")),
    }
}

/// How many likely tokens are to be told.
fn logprobs(wanted: Option<bool>, top: Option<u32>) -> Result<Option<usize>, ApiError> {
    let top = fields::within("top_logprobs", top, 0..=20)?;
    match (wanted.unwrap_or(false), top) {
        (false, Some(1..)) => Err(ApiError::invalid(
            "top_logprobs",
            "`top_logprobs` is asked for without `logprobs`.",
            "Send \"logprobs\": true too.",
        )),
        (false, _) => Ok(None),
        (true, top) => Ok(Some(top.unwrap_or(0) as usize)),
    }
}

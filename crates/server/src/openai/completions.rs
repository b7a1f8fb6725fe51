//! `POST /v1/completions`: text that goes on, without a conversation around it.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use lantern_engine::{Constraint, Prompt, TokenLogprob};
use lantern_protocol::Settings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::chat::{StreamOptions, finish_reason};
use super::logprobs::finite;
use super::usage::Usage;
use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields::{self, Stop, put};
use crate::generate::{Ask, Event, Frames, Run, Tokens, Whole, Writer, new_id, now, stream, whole};
use crate::server::Server;

/// Prompts that one request may have.
const MOST_PROMPTS: usize = 64;
/// Tokens of an answer whose request has no limit, as OpenAI's reference has it.
const DEFAULT_TOKENS: usize = 16;

/// The request's body. Absent sampling fields take the values of Lantern's settings.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct CompletionRequest {
    /// Library name; empty or `default` takes the default model.
    #[serde(default)]
    pub model: String,
    /// What to continue; special tokens may be spelt in it.
    pub prompt: CompletionPrompt,
    /// What comes after the answer; for models that were made to fill in the middle.
    #[serde(default)]
    pub suffix: Option<String>,
    /// Whether the answer begins with the prompt.
    #[serde(default)]
    pub echo: Option<bool>,
    /// Whether to answer with server-sent events.
    #[serde(default)]
    pub stream: Option<bool>,
    /// What a stream carries besides.
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Tokens an answer may have; 16 if nothing is said.
    #[serde(default)]
    pub max_tokens: Option<u32>,
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
    /// Texts that end an answer; they are not part of it. At most 16.
    #[serde(default)]
    pub stop: Option<Stop>,
    /// Added to the logits, by token id; from -100, which bans a token, to 100.
    #[serde(default)]
    pub logit_bias: Option<BTreeMap<String, f32>>,
    /// Number of answers to each prompt, from 1 to 8.
    #[serde(default)]
    pub n: Option<u32>,
    /// Only as many as `n`.
    #[serde(default)]
    pub best_of: Option<u32>,
    /// How many of the likeliest tokens to tell at each place, from 0 to 20.
    #[serde(default)]
    pub logprobs: Option<u32>,
    /// A grammar in GBNF that the answer must follow; an extension of Lantern's.
    #[serde(default)]
    pub grammar: Option<String>,
    /// A regular expression that the whole answer must match; an extension of Lantern's.
    #[serde(default)]
    pub regex: Option<String>,
    /// Tokens that prompt and answer may have together, at least 64; an extension of Lantern's.
    #[serde(default)]
    pub context_length: Option<u32>,
}

/// One text or several, written or as token ids.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a text, a list of texts, a list of token ids, or a list of such lists"
)]
pub(crate) enum CompletionPrompt {
    /// One.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// One, as tokens.
    Tokens(Vec<u32>),
    /// Several, as tokens.
    ManyTokens(Vec<Vec<u32>>),
}

/// An answer, or a piece of one.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Completion {
    id: String,
    object: &'static str,
    created: u64,
    model: String,
    choices: Vec<TextChoice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Debug, Clone, Serialize, JsonSchema)]
struct TextChoice {
    text: String,
    index: usize,
    logprobs: Option<TextLogprobs>,
    finish_reason: Option<&'static str>,
}

/// How likely tokens were, in the older form.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct TextLogprobs {
    tokens: Vec<String>,
    token_logprobs: Vec<f32>,
    top_logprobs: Vec<BTreeMap<String, f32>>,
    /// Where each token begins in the text, in characters.
    text_offset: Vec<usize>,
}

/// The handler.
pub(crate) async fn complete(
    server: Server,
    JsonBody(request): JsonBody<CompletionRequest>,
) -> Result<Response, ApiError> {
    let ask = request.checked(&server.settings_for(&request.model).await?)?;
    let base = Completion {
        id: new_id("cmpl-"),
        object: "text_completion",
        created: now(),
        model: String::new(),
        choices: Vec::new(),
        usage: None,
    };
    if request.stream.unwrap_or(false) {
        let include_usage = request.stream_options.and_then(|options| options.include_usage).unwrap_or(false);
        return stream(&server, ask, Texts { base, include_usage, written: Vec::new() }).await;
    }
    Ok(Json(completion(base, whole(&server, ask).await?)).into_response())
}

impl CompletionRequest {
    fn checked(&self, settings: &Settings) -> Result<Ask, ApiError> {
        let mut ask = Ask::new(self.model.clone(), self.prompts()?, settings);
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
        ask.max_tokens = Some(fields::limit("max_tokens", self.max_tokens)?.unwrap_or(DEFAULT_TOKENS));
        ask.n = fields::answers(self.n)?;
        if self.best_of.is_some_and(|best| best != self.n.unwrap_or(1)) {
            return Err(ApiError::unsupported("best_of", "Answers are not chosen from among others."));
        }
        ask.stop = fields::stops("stop", self.stop.clone())?;
        ask.context_length = fields::context_length("context_length", self.context_length)?;
        ask.logprobs = fields::within("logprobs", self.logprobs, 0..=20)?.map(|top| top as usize);
        ask.echo = self.echo.unwrap_or(false);
        if ask.echo && ask.logprobs.is_some() {
            return Err(ApiError::unsupported(
                "logprobs",
                "How likely a prompt is, is not told with `echo`.",
            ));
        }
        ask.suffix = self.suffix.clone().filter(|suffix| !suffix.is_empty());
        if ask.suffix.is_some()
            && !matches!(self.prompt, CompletionPrompt::Text(_) | CompletionPrompt::Texts(_))
        {
            return Err(ApiError::unsupported("suffix", "A suffix needs a prompt that is text."));
        }
        ask.constraint = match (self.grammar.clone(), self.regex.clone()) {
            (Some(_), Some(_)) => {
                let message = "The answer's form is asked for in two ways.";
                return Err(ApiError::invalid("regex", message, "Send `grammar` or `regex`."));
            }
            (grammar, regex) => grammar.map(Constraint::Gbnf).or(regex.map(Constraint::Regex)),
        };
        Ok(ask)
    }

    fn prompts(&self) -> Result<Vec<Prompt>, ApiError> {
        let prompts: Vec<Prompt> = match self.prompt.clone() {
            CompletionPrompt::Text(text) => vec![Prompt::Text(text)],
            CompletionPrompt::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
            CompletionPrompt::Tokens(ids) => vec![Prompt::Tokens(ids)],
            CompletionPrompt::ManyTokens(lists) => lists.into_iter().map(Prompt::Tokens).collect(),
        };
        if (1..=MOST_PROMPTS).contains(&prompts.len()) {
            return Ok(prompts);
        }
        let message = format!("`prompt` has {} texts; it may have 1 to {MOST_PROMPTS}.", prompts.len());
        Err(ApiError::invalid("prompt", message, "Send them in several requests."))
    }
}

fn completion(base: Completion, answer: Whole) -> Completion {
    let mut echoes = answer.echoes.into_iter();
    let choices = answer.choices.into_iter().enumerate().map(|(index, choice)| TextChoice {
        text: echoes.next().unwrap_or_default() + &choice.text,
        index,
        logprobs: TextLogprobs::of(&choice.logprobs, 0),
        finish_reason: Some(finish_reason(choice.reason)),
    });
    let (model, usage) = (answer.model, Some(answer.tokens.into()));
    Completion { model, choices: choices.collect(), usage, ..base }
}

/// The stream's writer.
struct Texts {
    base: Completion,
    include_usage: bool,
    /// Characters written, choice by choice.
    written: Vec<usize>,
}

impl Texts {
    fn write(&self, choice: TextChoice, out: &mut Frames) {
        out.data(&Completion { choices: vec![choice], ..self.base.clone() });
    }
}

impl Writer for Texts {
    fn open(&mut self, run: &Run, out: &mut Frames) {
        self.base.model.clone_from(&run.model);
        self.written = vec![0; run.choices];
        for (index, text) in run.echoes.iter().enumerate() {
            self.write(TextChoice { text: text.clone(), index, logprobs: None, finish_reason: None }, out);
        }
    }

    fn event(&mut self, index: usize, event: Event, out: &mut Frames) {
        match event {
            Event::Text { text, logprobs } => {
                let Some(written) = self.written.get_mut(index) else { return };
                let at = *written;
                *written += text.chars().count();
                let logprobs = TextLogprobs::of(&logprobs, at);
                self.write(TextChoice { text, index, logprobs, finish_reason: None }, out);
            }
            Event::Finished { reason, .. } => {
                let finish_reason = Some(finish_reason(reason));
                self.write(TextChoice { text: String::new(), index, logprobs: None, finish_reason }, out);
            }
            _ => {}
        }
    }

    fn close(&mut self, tokens: Tokens, out: &mut Frames) {
        if self.include_usage {
            out.data(&Completion { usage: Some(tokens.into()), ..self.base.clone() });
        }
        out.raw("[DONE]");
    }

    fn fail(&mut self, error: &ApiError, out: &mut Frames) {
        out.data(&error.body());
    }
}

impl TextLogprobs {
    /// `None` where nobody asked; `at` characters were written before.
    fn of(tokens: &[TokenLogprob], mut at: usize) -> Option<Self> {
        let mut all =
            Self { tokens: vec![], token_logprobs: vec![], top_logprobs: vec![], text_offset: vec![] };
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        for token in tokens {
            let spelt = text(&token.bytes);
            all.text_offset.push(at);
            at += spelt.chars().count();
            all.tokens.push(spelt);
            all.token_logprobs.push(finite(token.logprob));
            all.top_logprobs.push(token.top.iter().map(|t| (text(&t.bytes), finite(t.logprob))).collect());
        }
        (!tokens.is_empty()).then_some(all)
    }
}

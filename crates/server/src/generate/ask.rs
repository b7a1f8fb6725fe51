//! What a client wants, whatever protocol it speaks.

use axum::http::StatusCode;
use lantern_engine::{
    ChatMessage, Constraint, Engine, GenerateRequest, Priority, Prompt, SamplingParams, ToolChoice,
};
use lantern_protocol::{Overflow, Settings};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::middle;
use crate::ApiError;

/// A request whose every field is known to be usable.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    /// Library name; `None` takes the default model.
    pub model: Option<String>,
    /// Each is answered `n` times.
    pub prompts: Vec<Prompt>,
    /// How many of a conversation's messages stand before the client's own.
    pub put_before: usize,
    /// `None` when the client did not say.
    pub overflow: Option<Overflow>,
    /// `None` when the client did not say.
    pub context_length: Option<u32>,
    /// Answers to each prompt.
    pub n: usize,
    pub sampling: SamplingParams,
    pub max_tokens: Option<usize>,
    pub stop: Vec<String>,
    pub tool_choice: ToolChoice,
    pub parallel_tool_calls: bool,
    /// What the answer must look like.
    pub constraint: Option<Constraint>,
    /// Ends all answers.
    pub cancel: CancellationToken,
    /// How many likely tokens to name beside each one.
    pub logprobs: Option<usize>,
    /// Further variables for the model's chat template.
    pub template_vars: Map<String, Value>,
    /// What comes after the answers; for prompts that are text.
    pub suffix: Option<String>,
    /// Whether the prompts are to be told with the answers.
    pub echo: bool,
}

impl Ask {
    /// One answer to these prompts, with the sampling and the limit of the settings.
    pub(crate) fn new(model: String, prompts: Vec<Prompt>, settings: &Settings) -> Self {
        let defaults = &settings.sampling;
        Self {
            model: Some(model).filter(|name| !name.is_empty() && name != "default"),
            prompts,
            put_before: 0,
            overflow: None,
            context_length: None,
            n: 1,
            sampling: super::fields::of_settings(defaults),
            max_tokens: defaults.max_tokens.map(|tokens| tokens as usize),
            stop: Vec::new(),
            tool_choice: ToolChoice::default(),
            parallel_tool_calls: true,
            constraint: None,
            logprobs: None,
            template_vars: Map::new(),
            cancel: CancellationToken::new(),
            suffix: None,
            echo: false,
        }
    }

    /// The same for a conversation; the settings' system prompt stands before one that brings none.
    pub(crate) fn conversation(
        model: String,
        mut messages: Vec<ChatMessage>,
        tools: Option<Value>,
        settings: &Settings,
    ) -> Self {
        let prompt = &settings.system_prompt;
        let put_before =
            usize::from(!prompt.trim().is_empty() && messages.iter().all(|m| m.role != "system"));
        if put_before > 0 {
            messages.insert(0, ChatMessage::new("system", prompt));
        }
        let prompts = vec![Prompt::Messages { messages, tools }];
        Self { put_before, ..Self::new(model, prompts, settings) }
    }

    /// Whether old turns may go, or become a summary.
    pub(crate) fn may_shorten(&self) -> bool {
        matches!(self.overflow, Some(Overflow::DropOldest | Overflow::Summarise))
    }

    /// The requests to the engine, choice by choice.
    pub(crate) fn requests(
        &self,
        engine: Option<&Engine>,
        context_length: Option<usize>,
    ) -> Result<Vec<GenerateRequest>, ApiError> {
        let overflow = if self.may_shorten() {
            lantern_engine::Overflow::DropOldest
        } else {
            lantern_engine::Overflow::Error
        };
        let mut requests = Vec::new();
        for prompt in &self.prompts {
            let prompt = self.filled(engine, prompt)?;
            for choice in 0..self.n {
                requests.push(GenerateRequest {
                    sampling: self.sampling_of(choice),
                    max_tokens: self.max_tokens,
                    stop: self.stop.clone(),
                    priority: Priority::Api,
                    context_length,
                    overflow,
                    constraint: self.constraint.clone(),
                    logprobs: self.logprobs,
                    tool_choice: self.tool_choice.clone(),
                    parallel_tool_calls: self.parallel_tool_calls,
                    template_vars: self.template_vars.clone(),
                    ..GenerateRequest::new(prompt.clone())
                });
            }
        }
        Ok(requests)
    }

    /// The prompt as it is, or with what comes after the answer.
    fn filled(&self, engine: Option<&Engine>, prompt: &Prompt) -> Result<Prompt, ApiError> {
        match (&self.suffix, prompt) {
            (Some(after), Prompt::Text(before)) => {
                let engine = engine.ok_or_else(|| {
                    ApiError::new(
                        StatusCode::BAD_REQUEST,
                        "remote_unsupported",
                        "A remote engine cannot be asked to fill in the middle.",
                        "Leave `suffix` out, or choose a model on this computer.",
                    )
                    .with_param("suffix")
                })?;
                middle::prompt(engine.tokenizer(), before, after)
            }
            _ => Ok(prompt.clone()),
        }
    }

    /// What is told before each choice.
    pub(crate) fn echoes(&self, engine: Option<&Engine>) -> Vec<String> {
        let text = |prompt: &Prompt| match prompt {
            Prompt::Text(text) => text.clone(),
            Prompt::Tokens(ids) => engine.map(|engine| engine.tokenizer().decode(ids)).unwrap_or_default(),
            Prompt::Messages { .. } | Prompt::Rendered { .. } => String::new(),
        };
        let prompts = self.prompts.iter().filter(|_| self.echo);
        prompts.flat_map(|prompt| std::iter::repeat_n(text(prompt), self.n)).collect()
    }

    /// The first choice has the seed that was asked for, the others have seeds that follow from it.
    fn sampling_of(&self, choice: usize) -> SamplingParams {
        let offset = u64::try_from(choice).unwrap_or(u64::MAX).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let seed = self.sampling.seed.map(|seed| seed.wrapping_add(offset));
        SamplingParams { seed, ..self.sampling.clone() }
    }
}

//! What an answer must look like, and who reads it: a request's choice of tools and constraint in the model's own form.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::Engine;
use crate::error::EngineError;
use crate::generation::Output;
use crate::request::{GenerateRequest, Prompt};
use crate::text::output::GrammarOptions;
use crate::text::{Before, Constraint, Matching, ToolChoice, ToolSet};

/// Tokens at the end of a prompt that may have begun the answer: a thought, or a message's header.
const LOOK_BACK: usize = 24;

/// The form of one answer.
#[derive(Default)]
pub(super) struct AnswerForm {
    pub(super) matching: Option<Matching>,
    pub(super) output: Option<Output>,
}

impl Engine {
    /// The grammar and the parser for an answer to a prompt of these tokens.
    pub(super) fn answer_form(
        &self,
        request: &GenerateRequest,
        ids: &[u32],
    ) -> Result<AnswerForm, EngineError> {
        let last = ids.last().copied();
        let (Prompt::Messages { tools, .. } | Prompt::Rendered { tools, .. }) = &request.prompt else {
            return Ok(AnswerForm { matching: self.constraint_of(request, None, last)?, output: None });
        };
        let tools = Arc::new(tools.as_ref().map(ToolSet::from_json).unwrap_or_default());
        let end = self.spelt_end(ids);
        let matching = match &request.tool_choice {
            ToolChoice::Named(name) if tools.get(name).is_none() => {
                return Err(EngineError::UnknownTool(name.clone()));
            }
            ToolChoice::None => self.constraint_of(request, Some(&end), last)?,
            _ if tools.is_empty() => self.constraint_of(request, Some(&end), last)?,
            _ => self.calls_of(request, &tools, &end, last)?,
        };
        let seed = RandomState::new().hash_one(ids.len());
        let parser = self.format.parser(&tools, &request.tool_choice, &end, seed);
        let output = Output { format: self.format.clone(), parser: Box::new(parser) };
        Ok(AnswerForm { matching, output: Some(output) })
    }

    /// The end of a prompt, control tokens spelt out.
    fn spelt_end(&self, ids: &[u32]) -> String {
        let vocab_size = self.tokenizer.vocab_size();
        let end = ids[ids.len().saturating_sub(LOOK_BACK)..].iter().copied();
        let end: Vec<u32> = end.filter(|&id| (id as usize) < vocab_size).collect();
        self.tokenizer.decode(&end)
    }

    /// The request's constraint. In a conversation the model may think before it, where it does that.
    fn constraint_of(
        &self,
        request: &GenerateRequest,
        prompt_end: Option<&str>,
        last: Option<u32>,
    ) -> Result<Option<Matching>, EngineError> {
        let Some(constraint) = request.constraint.clone() else { return Ok(None) };
        let before = match (&request.constraint_after, prompt_end) {
            (Some(after), _) => Before::Until(after.clone()),
            (None, Some(end)) => self.format.constrained(end).map_or(Before::Nothing, Before::Lark),
            (None, None) => Before::Nothing,
        };
        Ok(Some(self.grammars.matching_behind(before, constraint, last)?))
    }

    /// A grammar for calls of tools. Schemas that cannot be kept are left out, for they are the tools' own affair.
    fn calls_of(
        &self,
        request: &GenerateRequest,
        tools: &ToolSet,
        prompt_end: &str,
        last: Option<u32>,
    ) -> Result<Option<Matching>, EngineError> {
        let (choice, parallel) = (&request.tool_choice, request.parallel_tool_calls);
        let has_body = request.constraint.is_some();
        let matching = |tools: &ToolSet| {
            let options = GrammarOptions { tools, choice, parallel, prompt_end, has_body };
            let Some(grammar) = self.format.grammar(&options) else { return Ok(None) };
            let (before, constraint) = match request.constraint.clone() {
                Some(constraint) => (Before::Lark(grammar), constraint),
                None => (Before::Nothing, Constraint::Lark(grammar)),
            };
            self.grammars.matching_behind(before, constraint, last).map(Some)
        };
        match matching(tools).or_else(|_| matching(&tools.without_schemas())) {
            Err(error) if *choice == ToolChoice::Auto && !has_body => {
                tracing::warn!(%error, "calls of tools are not held to their schemas");
                Ok(None)
            }
            matching => Ok(matching?),
        }
    }
}

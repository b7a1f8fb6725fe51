//! What an answer must look like, and who reads it: a request's choice of tools and constraint in the model's own form.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::Engine;
use crate::error::EngineError;
use crate::generation::Output;
use crate::request::{GenerateRequest, Prompt};
use crate::text::{Matching, ToolSet};

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
        let (last, after) = (ids.last().copied(), request.constraint_after.clone());
        let matching = |constraint| self.grammars.matching(constraint, after, last);
        let Prompt::Messages { tools, .. } = &request.prompt else {
            let matching = request.constraint.clone().map(matching).transpose()?;
            return Ok(AnswerForm { matching, output: None });
        };
        let tools = Arc::new(tools.as_ref().map(ToolSet::from_json).unwrap_or_default());
        let vocab_size = self.tokenizer.vocab_size();
        let end: Vec<u32> = ids[ids.len().saturating_sub(LOOK_BACK)..]
            .iter()
            .copied()
            .filter(|&id| (id as usize) < vocab_size)
            .collect();
        let end = self.tokenizer.decode(&end);
        let seed = RandomState::new().hash_one(ids.len());
        let parser = self.format.parser(&tools, &request.tool_choice, &end, seed);
        let output = Output { format: self.format.clone(), parser: Box::new(parser) };
        let matching = request.constraint.clone().map(matching).transpose()?;
        Ok(AnswerForm { matching, output: Some(output) })
    }
}

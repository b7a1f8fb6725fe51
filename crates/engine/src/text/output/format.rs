//! How a model writes thoughts and calls, from its chat template and its vocabulary.

use std::collections::HashMap;
use std::sync::Arc;

use super::family::{Family, Thinking};
use super::harmony::HarmonyParser;
use super::parser::{Machine, OutputParser};
use super::tagged::TaggedParser;
use super::{ToolChoice, ToolSet};
use crate::text::{ChatTemplate, Tokenizer};

/// The form of a model's answers; found once for each model.
///
/// The template decides on the family, because it tells the model how to call. The vocabulary decides which markers are
/// control tokens: such a marker counts only as its token, and text that merely spells it stays text. A marker that the
/// vocabulary has as text, even as one token, counts where it is spelt: a tokenizer would make that token of the spelling,
/// so models cannot tell them apart either.
#[derive(Debug, Clone, Default)]
pub struct OutputFormat {
    family: Family,
    thinking: Option<Thinking>,
    /// Markers by their tokens.
    tokens: HashMap<u32, &'static str>,
    as_tokens: Arc<[&'static str]>,
    /// Whether the template itself tells the model of tools.
    knows_tools: bool,
    /// Whether it writes the assistant's calls.
    renders_calls: bool,
    /// Whether it shows the markers of thoughts.
    thinks: bool,
}

impl OutputFormat {
    /// The format of a model with this template and vocabulary.
    pub fn of_model(template: &ChatTemplate, tokenizer: &Tokenizer) -> Self {
        Self::detect(&template.text(), |marker| tokenizer.control_id(marker))
    }

    /// As [`Self::of_model`], from a template's text and a function that knows which markers are control tokens.
    pub fn detect(template: &str, token: impl Fn(&'static str) -> Option<u32>) -> Self {
        let mut family = Family::of_template(template);
        let thinking = family.thinking();
        let (knows_tools, renders_calls) = (template.contains("tools"), template.contains("tool_calls"));
        // A template that can say nothing of tools is told in Lantern's own words.
        if !knows_tools && !renders_calls && family != Family::Harmony {
            family = Family::Generic;
        }
        let knows_tools = knows_tools && family != Family::Generic;
        let thinks = thinking.is_some_and(|thinking| template.contains(thinking.close));
        let of_thinking = thinking.iter().flat_map(|thinking| [thinking.open, thinking.close]);
        let tokens: HashMap<u32, &'static str> = family
            .markers()
            .into_iter()
            .chain(of_thinking)
            .filter_map(|marker| Some((token(marker)?, marker)))
            .collect();
        let as_tokens = tokens.values().copied().collect();
        Self { family, thinking, tokens, as_tokens, knows_tools, renders_calls, thinks }
    }

    /// The family's name, to be shown.
    pub fn name(&self) -> &'static str {
        self.family.name()
    }

    /// How calls are written.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether the model's template tells it of tools, so that nobody else has to.
    pub fn knows_tools(&self) -> bool {
        self.knows_tools
    }

    /// Whether the template writes the assistant's calls of earlier turns.
    pub(super) fn renders_calls(&self) -> bool {
        self.renders_calls
    }

    /// The spelling of a token that is one of the format's markers, for [`OutputParser::push_marker`].
    pub fn marker(&self, token: u32) -> Option<&'static str> {
        self.tokens.get(&token).copied()
    }

    /// The token of a marker, where it is one.
    pub(super) fn token(&self, marker: &str) -> Option<u32> {
        self.tokens.iter().find(|(_, spelling)| **spelling == marker).map(|(id, _)| *id)
    }

    /// The markers of thoughts, if the format has them; harmony has channels instead.
    pub(super) fn thinking(&self) -> Option<Thinking> {
        self.thinking
    }

    /// Whether the model was made to think before it answers, as far as its template shows.
    pub fn thinks(&self) -> bool {
        self.thinks || self.family == Family::Harmony
    }

    /// Whether a prompt with this end has opened a thought that the answer goes on with.
    pub fn thinks_after(&self, prompt_end: &str) -> bool {
        let end = prompt_end.trim_end();
        self.thinking.is_some_and(|thinking| {
            end.strip_suffix(thinking.label).is_some_and(|end| end.ends_with(thinking.open))
        })
    }

    /// A parser for one answer to a prompt that ends with `prompt_end` (some tokens, markers spelt out). Calls are looked for
    /// only where there are tools and the choice allows them; elsewhere what looks like one is content. Ids of calls follow
    /// from `seed`.
    pub fn parser(
        &self,
        tools: &Arc<ToolSet>,
        choice: &ToolChoice,
        prompt_end: &str,
        seed: u64,
    ) -> OutputParser {
        let calls = !tools.is_empty() && *choice != ToolChoice::None;
        let machine = match self.family {
            Family::Harmony => Machine::Harmony(HarmonyParser::new(calls, prompt_end)),
            family => Machine::Tagged(TaggedParser::new(
                self.thinking,
                calls.then_some(family),
                self.thinks_after(prompt_end),
            )),
        };
        OutputParser::new(machine, self.as_tokens.clone(), tools.clone(), seed)
    }
}

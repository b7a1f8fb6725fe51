//! Grammars for answers with calls of tools, in the notation of [`Constraint::Lark`](crate::text::Constraint::Lark).
//!
//! Text is free until a call begins; from there on only the form's own words, the tools' names, and arguments that match the
//! tool's schema can follow. Names of arguments come in the order of the schema (Gemma 4: of the alphabet, as its template
//! has them). Where values are plain text, schemas are kept as far as types and enumerations go.

mod calls;
mod harmony;
mod literals;

use serde_json::json;

use super::family::{Family, Thinking};
use super::{OutputFormat, Tool, ToolChoice, ToolSet};

/// What a grammar is made for.
#[derive(Debug, Clone, Copy)]
pub struct GrammarOptions<'a> {
    /// The tools.
    pub tools: &'a ToolSet,
    /// Which of them may or must be called.
    pub choice: &'a ToolChoice,
    /// Whether several may be called.
    pub parallel: bool,
    /// The end of the prompt, which may have opened a thought.
    pub prompt_end: &'a str,
    /// Text for the reader must match a grammar of its own, which the grammar names `@body`.
    pub has_body: bool,
}

impl OutputFormat {
    /// A grammar for a whole answer, as [`Constraint::Lark`](crate::text::Constraint::Lark) takes it. `None` where everything
    /// is allowed, and where a required call is of no tool.
    pub fn grammar(&self, options: &GrammarOptions<'_>) -> Option<String> {
        let tools = options.tools.iter().filter(|tool| match options.choice {
            ToolChoice::None => false,
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::Auto | ToolChoice::Required => true,
        });
        let tools: Vec<&Tool> = tools.collect();
        let mut lark = Lark::new(self);
        if tools.is_empty() {
            return self.constrained(options.prompt_end).filter(|_| options.has_body);
        }
        if self.family() == Family::Harmony {
            return lark.harmony(&tools, options);
        }
        let calls = lark.calls(&tools, options.parallel);
        let must = matches!(options.choice, ToolChoice::Required | ToolChoice::Named(_));
        let answer = match must {
            true => lark.must_call(&calls, options),
            false if options.has_body => {
                let called = lark.must_call(&calls, options);
                lark.rule("answer", &format!("{called} | @body"))
            }
            false => return Some(lark.free(&tools, &calls, options)),
        };
        let start = lark.behind_thought(&answer, options.prompt_end);
        Some(lark.finish(&start))
    }

    /// A grammar for an answer that must match another, named `@body`, after whatever the model thinks. `None` where it
    /// cannot think there.
    pub fn constrained(&self, prompt_end: &str) -> Option<String> {
        let mut lark = Lark::new(self);
        if self.family() == Family::Harmony {
            return lark.harmony_body(prompt_end);
        }
        if !self.may_think(prompt_end) && !self.thinks_after(prompt_end) {
            return None;
        }
        let start = lark.behind_thought("@body", prompt_end);
        Some(lark.finish(&start))
    }

    /// Whether the model may begin with a thought.
    fn may_think(&self, prompt_end: &str) -> bool {
        let is_over = |thinking: Thinking| prompt_end.trim_end().ends_with(thinking.close);
        self.thinks() && self.thinking().is_some_and(|thinking| !is_over(thinking))
    }
}

/// A grammar in the making.
pub(super) struct Lark<'f> {
    format: &'f OutputFormat,
    rules: Vec<String>,
}

/// Any text.
const TEXT: &str = "/(?s:.*)/";
/// Space between parts.
const SPACE: &str = "/[ \\n]{0,2}/";

impl<'f> Lark<'f> {
    fn new(format: &'f OutputFormat) -> Self {
        Self { format, rules: Vec::new() }
    }

    /// Adds a rule; gives its name.
    fn rule(&mut self, name: &str, body: &str) -> String {
        let name = format!("{name}_{}", self.rules.len());
        self.rules.push(format!("{name}: {body}"));
        name
    }

    /// The grammar that begins with `start`.
    fn finish(self, start: &str) -> String {
        std::iter::once(format!("start: {start}")).chain(self.rules).collect::<Vec<_>>().join("\n")
    }

    /// A marker, as a token or as text.
    fn marker(&self, marker: &str) -> String {
        self.format.token(marker).map_or_else(|| literal(marker), |id| format!("<[{id}]>"))
    }

    /// Any text up to a marker, and the marker.
    fn until(&mut self, marker: &str) -> String {
        self.until_text(marker, TEXT)
    }

    fn until_text(&mut self, marker: &str, text: &str) -> String {
        match self.format.token(marker) {
            Some(id) => self.rule("until", &format!("{text} <[{id}]>")),
            None => {
                let name = format!("until_{}", self.rules.len());
                self.rules.push(format!("{name}[suffix={}]: {text}", literal(marker)));
                name
            }
        }
    }

    /// `answer` behind the thought that the model may have or has begun.
    fn behind_thought(&mut self, answer: &str, prompt_end: &str) -> String {
        match self.thought(prompt_end) {
            Some(thought) if self.format.thinks_after(prompt_end) => format!("{thought} {SPACE} {answer}"),
            Some(thought) => format!("{thought} {SPACE} {answer} | {answer}"),
            None => answer.to_owned(),
        }
    }

    fn thought(&mut self, prompt_end: &str) -> Option<String> {
        let thinking = self.format.thinking()?;
        if self.format.thinks_after(prompt_end) {
            return Some(self.until(thinking.close));
        }
        let opened = match self.format.token(thinking.open) {
            Some(id) => format!("{SPACE} <[{id}]>"),
            None => format!("/[ \\n]{{0,2}}{}/", pattern(thinking.open)),
        };
        let thought = self.format.may_think(prompt_end).then(|| self.until(thinking.close))?;
        Some(self.rule("thought", &format!("{opened} {thought}")))
    }

    /// Calls and nothing else.
    fn must_call(&mut self, calls: &str, options: &GrammarOptions<'_>) -> String {
        let opener = self.opener();
        let call = self.rule("call", &format!("{SPACE} {opener} {calls}"));
        let repeats = options.parallel && !self.format.family().is_section();
        self.rule("calls", &format!("{call}{}", if repeats { "+" } else { "" }))
    }

    fn opener(&self) -> String {
        let family = self.format.family();
        let opener = family.openers().first().filter(|_| family != Family::Llama3);
        opener.map_or_else(|| "\"\"".to_owned(), |opener| self.marker(opener))
    }

    /// Text and calls as the model likes.
    fn free(mut self, tools: &[&Tool], calls: &str, options: &GrammarOptions<'_>) -> String {
        let family = self.format.family();
        let behind = match (family, options.parallel) {
            (Family::Llama3, _) | (_, false) => self.rule("end", SPACE),
            (_, true) => {
                let head = self.until(family.openers()[0]);
                self.rule("rest", &format!("({head} {calls})* {TEXT}"))
            }
        };
        let bare = if family.has_bare_calls() { self.bare(tools, options.parallel) } else { None };
        let begins_bare = bare.as_ref().map(|(begins, _)| begins.as_str());
        let bare_call = bare.as_ref().map(|(_, call)| call.as_str());
        let thought = self.thought(options.prompt_end);
        let thinks = self.format.thinks_after(options.prompt_end);
        let opens = self.format.thinking().filter(|thinking| self.format.token(thinking.open).is_none());
        // What begins with a thought must not pass as text, or calls in it would count.
        let opens = opens.filter(|_| thought.is_some() && !thinks).map(|thinking| begins(thinking.open));
        let others: Vec<&str> = opens.as_deref().into_iter().chain(begins_bare).collect();
        let start = self.fresh("FIRST", &others, calls, &behind, bare_call);
        let Some(thought) = thought else { return self.finish(&start) };
        let others: Vec<&str> = begins_bare.into_iter().collect();
        let after = self.fresh("AFTER", &others, calls, &behind, bare_call);
        let thought = format!("{thought} {after}");
        self.finish(&if thinks { thought } else { format!("{thought} | {start}") })
    }

    /// What stands at the beginning, or behind a thought: text that is none of `others`, up to a call or the end, or a call
    /// without a marker.
    fn fresh(
        &mut self,
        name: &str,
        others: &[&str],
        calls: &str,
        behind: &str,
        bare: Option<&str>,
    ) -> String {
        let not: String = others.iter().map(|other| format!(" & ~/{other}/")).collect();
        self.rules.push(format!("{name}: {TEXT}{not}"));
        let tail = self.rule("tail", name);
        let mut fresh = tail;
        if self.format.family() != Family::Llama3 {
            let head = self.until_text(self.format.family().openers()[0], name);
            fresh.push_str(&format!(" | {head} {calls} {behind}"));
        }
        if let Some(bare) = bare {
            fresh.push_str(&format!(" | {bare} {behind}"));
        }
        self.rule("fresh", &fresh)
    }

    /// Calls without a marker: how text begins that is one, and their rule.
    fn bare(&mut self, tools: &[&Tool], parallel: bool) -> Option<(String, String)> {
        let names: Vec<String> = tools.iter().map(|tool| pattern(&tool.name)).collect();
        let names = names.join("|");
        let begins = format!("\\s*(```(json)?\\s*)?\\{{\\s*\"name\"\\s*:\\s*\"({names})\"(?s:.*)");
        let separator = if self.format.family() == Family::Llama3 { "\"; \"" } else { "\"\\n\"" };
        let more = match parallel {
            true => format!("({separator} {})*", self.one_of(tools)),
            false => String::new(),
        };
        // Up to the arguments it must be one terminal: as long as text may go on, no shorter one ends.
        let calls: Vec<String> = tools.iter().map(|tool| self.bare_call(tool, &more)).collect();
        Some((begins, self.rule("bare", &calls.join(" | "))))
    }
}

/// What text looks like that begins with a marker.
fn begins(marker: &str) -> String {
    format!("\\s*{}(?s:.*)", pattern(marker))
}

/// A text in quotation marks.
pub(super) fn literal(text: &str) -> String {
    json!(text).to_string()
}

/// A text as a regular expression.
pub(super) fn pattern(text: &str) -> String {
    let sign = |c: char| match c.is_ascii_alphanumeric() || c == '_' {
        true => c.to_string(),
        false => format!("\\x{{{:x}}}", u32::from(c)),
    };
    text.chars().map(sign).collect()
}

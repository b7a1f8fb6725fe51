//! Constraints become grammars that are ready to run, once for each constraint.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use llguidance::api::{GrammarWithLexer, ParserLimits, TopLevelGrammar};
use llguidance::toktrie::InferenceCapabilities;
use llguidance::{Matcher, ParserFactory};
use serde_json::json;
use toktrie::SimpleVob;

use super::matching::{Matching, reason};
use super::{Constraint, GrammarError, gbnf, lark, schema, vocabulary};
use crate::text::Tokenizer;

/// Compiled grammars that are kept for requests with the same constraint.
const KEPT: usize = 16;
/// Bytes of a regular expression.
const LARGEST_REGEX: usize = 32 << 10;
/// Schemas in schemas are read by functions that call themselves.
const STACK: usize = 64 << 20;

/// The grammars of a model. Costs nothing before the first constrained request.
pub(crate) struct Grammars {
    tokenizer: Arc<Tokenizer>,
    factory: OnceLock<Result<ParserFactory, GrammarError>>,
    /// The last used is the last.
    compiled: Mutex<Vec<(Source, Matcher)>>,
}

/// What may stand in front of a constraint.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Before {
    #[default]
    Nothing,
    /// Anything up to the first time that this appears.
    Until(String),
    /// A grammar in Lark's notation that has the constraint as `@body`.
    Lark(String),
}

/// What a grammar is compiled from.
#[derive(Debug, Clone, PartialEq)]
struct Source {
    constraint: Constraint,
    before: Before,
    /// The answer's text begins with a space that is the encoder's own.
    space: bool,
}

impl Grammars {
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, factory: OnceLock::new(), compiled: Mutex::default() }
    }

    /// A constraint at the beginning of an answer, behind the prompt's last token. With `after`, it holds behind the first
    /// place where this stands.
    #[cfg(test)]
    pub(crate) fn matching(
        &self,
        constraint: Constraint,
        after: Option<String>,
        last_prompt_token: Option<u32>,
    ) -> Result<Matching, GrammarError> {
        self.matching_behind(after.map_or(Before::Nothing, Before::Until), constraint, last_prompt_token)
    }

    /// A constraint at the beginning of an answer, behind the prompt's last token and what may stand before it.
    pub(crate) fn matching_behind(
        &self,
        before: Before,
        constraint: Constraint,
        last_prompt_token: Option<u32>,
    ) -> Result<Matching, GrammarError> {
        let before = match before {
            Before::Until(after) if after.is_empty() => Before::Nothing,
            before => before,
        };
        let space = self.tokenizer.prefixes_space_after(last_prompt_token);
        let source = Source { constraint, before, space };
        let kept = |compiled: &mut Vec<(Source, Matcher)>| {
            let at = compiled.iter().position(|(of, _)| *of == source)?;
            let found = compiled.remove(at);
            let matcher = found.1.deep_clone();
            compiled.push(found);
            Some(matcher)
        };
        let lock = || self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(matcher) = kept(&mut lock()) {
            return Ok(Matching::new(matcher));
        }
        let matcher = self.on_a_deep_stack(&source)?;
        let mut compiled = lock();
        if compiled.len() >= KEPT {
            compiled.remove(0);
        }
        // None of them shares anything with another that may break.
        compiled.push((source, matcher.deep_clone()));
        Ok(Matching::new(matcher))
    }

    fn on_a_deep_stack(&self, source: &Source) -> Result<Matcher, GrammarError> {
        let failed = |what: String| GrammarError::Failed(what);
        std::thread::scope(|scope| {
            let builder = std::thread::Builder::new().name("lantern-grammar".into()).stack_size(STACK);
            let thread = builder
                .spawn_scoped(scope, || self.compile(source))
                .map_err(|error| failed(format!("no thread to compile it: {error}")))?;
            thread.join().unwrap_or_else(|_| Err(failed("compiling it panicked".into())))
        })
    }

    fn compile(&self, source: &Source) -> Result<Matcher, GrammarError> {
        let what = source.constraint.name();
        let refuse = |error: String| match &source.constraint {
            Constraint::JsonObject | Constraint::JsonSchema(_) => schema::refusal(&error),
            _ => GrammarError::Grammar { what, reason: error },
        };
        let grammar = self.grammar(source)?;
        let factory = self.factory.get_or_init(|| factory(&self.tokenizer)).as_ref().map_err(Clone::clone)?;
        let matcher = Matcher::new(factory.create_parser(grammar));
        if let Some(error) = matcher.get_error() {
            return Err(refuse(reason(&error)));
        }
        // The first masks show whether the vocabulary can write it, and whether it takes too much work.
        let mut trial = matcher.deep_clone();
        for _ in 0..2 {
            match trial.compute_mask() {
                // Where the vocabulary lacks a byte that must come, the mask means nothing.
                Ok(mask) if !takes_first(&mut trial, &mask) => {
                    return Err(GrammarError::Unspeakable { what });
                }
                Ok(_) => {}
                Err(_) if trial.stop_reason().is_ok() => return Err(GrammarError::Unspeakable { what }),
                Err(error) => return Err(refuse(reason(&error.to_string()))),
            }
            if trial.consume_ff_tokens().is_empty() || trial.is_stopped() {
                break;
            }
        }
        match trial.get_error() {
            Some(error) => Err(refuse(reason(&error))),
            None => Ok(matcher),
        }
    }

    fn grammar(&self, source: &Source) -> Result<TopLevelGrammar, GrammarError> {
        let body = self.body(&source.constraint)?;
        let is_lark = matches!(source.constraint, Constraint::Lark(_));
        let before = match &source.before {
            Before::Until(after) => self.free_until(after),
            Before::Lark(before) => lark::prepare(before, &self.tokenizer)?,
            Before::Nothing if source.space && !is_lark => "start: \" \" @body".to_owned(),
            Before::Nothing => return Ok(TopLevelGrammar::from_grammar(body)),
        };
        let body = GrammarWithLexer { name: Some("body".into()), ..body };
        Ok(TopLevelGrammar { grammars: vec![GrammarWithLexer::from_lark(before), body], max_tokens: None })
    }

    /// Free text up to the first time the marker appears, as a control token or as text, and the ends of lines behind it.
    fn free_until(&self, after: &str) -> String {
        let control = self.tokenizer.token_id(after).filter(|&id| self.tokenizer.is_special(id));
        let free = match control {
            Some(id) => format!("free: /(?s:.*)/ <[{id}]>"),
            None => format!("free[suffix={}]: /(?s:.*)/", json!(after)),
        };
        format!("start: free lines @body\nlines: /\\n{{0,2}}/\n{free}")
    }

    fn body(&self, constraint: &Constraint) -> Result<GrammarWithLexer, GrammarError> {
        Ok(match constraint {
            Constraint::JsonObject => {
                GrammarWithLexer::from_json_schema(schema::prepare(&json!({"type": "object"}))?)
            }
            Constraint::JsonSchema(schema) => GrammarWithLexer::from_json_schema(schema::prepare(schema)?),
            Constraint::Regex(regex) => {
                check_size("regular expression", regex, LARGEST_REGEX)?;
                // Its mark behind it would be taken for a part of it.
                let is_open = regex.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
                if is_open {
                    let reason = "it ends with a backslash".to_owned();
                    return Err(GrammarError::Grammar { what: "regular expression", reason });
                }
                match regex.is_empty() {
                    true => GrammarWithLexer::from_lark("start: \"\"".into()),
                    false => GrammarWithLexer::from_regex(regex),
                }
            }
            Constraint::Lark(grammar) => {
                GrammarWithLexer::from_lark(lark::prepare(grammar, &self.tokenizer)?)
            }
            Constraint::Gbnf(grammar) => {
                check_size("GBNF grammar", grammar, gbnf::LARGEST)?;
                let grammar = gbnf::to_lark(grammar)?;
                GrammarWithLexer::from_lark(lark::name_tokens(&grammar, &self.tokenizer)?)
            }
        })
    }
}

impl Constraint {
    /// Its kind, in words.
    fn name(&self) -> &'static str {
        match self {
            Self::JsonObject | Self::JsonSchema(_) => "JSON schema",
            Self::Regex(_) => "regular expression",
            Self::Lark(_) => "Lark grammar",
            Self::Gbnf(_) => "GBNF grammar",
        }
    }
}

/// Whether the first token of a mask may really come.
fn takes_first(matcher: &mut Matcher, mask: &SimpleVob) -> bool {
    let mut words = mask.as_slice().iter().zip(0u32..);
    let first = words.find(|(word, _)| **word != 0).map(|(word, at)| at * u32::BITS + word.trailing_zeros());
    // That the answer may end is said by the mask alone.
    let is_end = |token| matcher.tok_env().is_ok_and(|env| env.tok_trie().eos_tokens().contains(&token));
    match first {
        Some(token) if is_end(token) => true,
        Some(token) => matcher.validate_tokens(&[token]).is_ok_and(|valid| valid == 1),
        None => false,
    }
}

fn check_size(what: &'static str, text: &str, limit: usize) -> Result<(), GrammarError> {
    match text.len() {
        bytes if bytes > limit => Err(GrammarError::TooLarge { what, bytes, limit }),
        _ => Ok(()),
    }
}

/// What is shared by all grammars of a model: its vocabulary, and masks for the parts of it that JSON's strings consist of.
fn factory(tokenizer: &Arc<Tokenizer>) -> Result<ParserFactory, GrammarError> {
    let started = std::time::Instant::now();
    let mut factory = ParserFactory::new(
        &vocabulary::vocabulary(tokenizer),
        InferenceCapabilities { ff_tokens: true, ..InferenceCapabilities::default() },
        &llguidance::earley::SlicedBiasComputer::general_slices(),
    )
    .map_err(|error| GrammarError::Failed(error.to_string()))?;
    factory.quiet();
    *factory.limits_mut() = ParserLimits {
        // A state takes one or two kB, and a grammar has a few hundred.
        max_lexer_states: 30_000,
        verbose_errors: false,
        ..ParserLimits::default()
    };
    tracing::debug!(tokens = tokenizer.vocab_size(), took = ?started.elapsed(), "vocabulary ready for grammars");
    Ok(factory)
}

//! What the readers of calls have in common.

use super::feed::{Feed, Found};
use super::gemma4::GemmaCall;
use super::glm::GlmCall;
use super::json_call::JsonCalls;
use super::lfm2::{self, PythonCalls};
use super::mistral::MistralCall;
use super::qwen_xml::XmlCall;
use super::sections::SectionCalls;
use super::sink::Sink;

/// How far a reader came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// More text is needed.
    More,
    /// Something was done, and more can be.
    Next,
    /// All calls are read, up to the reading place.
    Done,
    /// This is no call. What was not committed is text.
    Failed,
}

/// A reader of one family's calls. It begins behind the marker that opens them, commits what it has sent, and never commits
/// what may turn out to be text.
#[derive(Debug)]
pub enum Calls {
    /// JSON, then perhaps a marker that closes.
    Json(JsonCalls, Option<&'static str>),
    /// What stands in a `<tool_call>` decides; a plain name only where the family writes one.
    Tag {
        /// Whether a name without JSON and tags may stand there.
        names: bool,
    },
    /// Tags for the function and its parameters.
    Xml(XmlCall),
    /// A name, then tags for keys and values.
    Glm(GlmCall),
    /// `name[ARGS]{…}`.
    Mistral(MistralCall),
    /// Sections and calls between markers.
    Sections(SectionCalls),
    /// Python's calls, or JSON in their place.
    Bracket,
    /// Python's calls.
    Python(PythonCalls),
    /// `call:name{…}`.
    Gemma(GemmaCall),
}

impl Calls {
    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match self {
            Self::Json(calls, close) => match calls.step(feed, sink) {
                Step::Done => closed(feed, *close),
                step => step,
            },
            Self::Tag { names } => {
                feed.skip_space();
                *self = match feed.rest().chars().next() {
                    None => return Step::More,
                    Some('{' | '[') => Self::Json(JsonCalls::new(), Some("</tool_call>")),
                    Some('<') => Self::Xml(XmlCall::new()),
                    Some(_) if *names => Self::Glm(GlmCall::new()),
                    Some(_) => return Step::Failed,
                };
                Step::Next
            }
            Self::Xml(call) => call.step(feed, sink),
            Self::Glm(call) => call.step(feed, sink),
            Self::Mistral(call) if call.is_new() => match sign(feed) {
                Err(step) => step,
                // The older form is a list of objects.
                Ok('[') => {
                    *self = Self::Json(JsonCalls::new(), None);
                    Step::Next
                }
                Ok(_) => call.step(feed, sink),
            },
            Self::Mistral(call) => call.step(feed, sink),
            Self::Sections(calls) => calls.step(feed, sink),
            Self::Bracket => {
                let Some(reader) = lfm2::reader(feed) else { return Step::More };
                *self = reader;
                Step::Next
            }
            Self::Python(calls) => calls.step(feed, sink),
            Self::Gemma(call) => call.step(feed, sink),
        }
    }
}

/// Reads the marker that closes, if there is one.
pub fn closed(feed: &mut Feed, close: Option<&'static str>) -> Step {
    let Some(close) = close else { return Step::Done };
    match feed.begins(close) {
        None => Step::More,
        Some(is_closed) => {
            feed.skip(if is_closed { close.len() } else { 0 });
            Step::Done
        }
    }
}

/// The longest name of a tool or an argument, in bytes.
const MAX_NAME: usize = 256;

/// Reads up to the first of some markers and over it; gives the text before and the marker. `Err` says `More` or `Failed`.
pub fn until(feed: &mut Feed, markers: &[&'static str]) -> Result<(String, &'static str), Step> {
    match feed.find(markers) {
        Found::At(at, marker) if at <= MAX_NAME => {
            let text = feed.rest()[..at].to_owned();
            feed.skip(at + marker.len());
            Ok((text, marker))
        }
        Found::Not(safe) if safe <= MAX_NAME && !feed.is_ended() => Err(Step::More),
        _ => Err(Step::Failed),
    }
}

/// A tool's name as it may be written, without the space around it.
pub fn tool_name(text: &str) -> Result<&str, Step> {
    let name = text.trim();
    let is_sign = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/');
    if !name.is_empty() && name.chars().all(is_sign) { Ok(name) } else { Err(Step::Failed) }
}

/// Reads the one of these tags that must stand here.
pub fn choose(feed: &mut Feed, tags: &[&'static str]) -> Result<&'static str, Step> {
    let mut is_open = false;
    for &tag in tags {
        match feed.begins(tag) {
            Some(true) => {
                feed.skip(tag.len());
                return Ok(tag);
            }
            begins => is_open |= begins.is_none(),
        }
    }
    Err(if is_open { Step::More } else { Step::Failed })
}

/// The sign behind the space that stands here; the reading place is in front of it.
pub fn sign(feed: &mut Feed) -> Result<char, Step> {
    feed.skip_space();
    feed.rest().chars().next().ok_or(Step::More)
}

/// Gives back what an attempt read that came to nothing.
pub fn attempt(feed: &mut Feed, read: impl FnOnce(&mut Feed) -> Result<Step, Step>) -> Step {
    let place = feed.place();
    read(feed).unwrap_or_else(|step| {
        feed.back_to(place);
        step
    })
}

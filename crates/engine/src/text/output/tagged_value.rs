//! The value of an argument between two tags, as plain text.

use super::arguments::Arguments;
use super::feed::{Feed, Found, SPACE};
use super::machine::Step;
use super::sink::Sink;

/// How a family writes values.
#[derive(Debug)]
pub struct ValueTags {
    /// Ends a value.
    pub close: &'static str,
    /// One of these stands behind a value, space aside: a value may spell the tag that ends it.
    pub next: &'static [&'static str],
    /// Whether a line break stands on both sides of a value.
    pub lines: bool,
}

/// A value on its way.
#[derive(Debug)]
pub struct TaggedValue {
    is_new: bool,
}

impl TaggedValue {
    /// Behind the tag that opens the value.
    pub fn new() -> Self {
        Self { is_new: true }
    }

    /// Reads on; `Done` behind the tag that ends the value.
    pub fn step(
        &mut self,
        tags: &ValueTags,
        arguments: &mut Arguments,
        feed: &mut Feed,
        sink: &mut Sink,
    ) -> Step {
        if self.is_new && tags.lines {
            match feed.rest().chars().next() {
                None => return Step::More,
                Some(first) => feed.skip(usize::from(first == '\n')),
            }
        }
        self.is_new = false;
        match feed.find(&[tags.close]) {
            Found::Not(safe) => {
                let text = &feed.rest()[..safe];
                let text = if tags.lines { text.strip_suffix('\n').unwrap_or(text) } else { text };
                let length = text.len();
                arguments.text(&feed.take(length), sink);
                Step::More
            }
            Found::At(at, close) => {
                match ends(&feed.rest()[at + close.len()..], tags.next, feed.is_ended()) {
                    None => Step::More,
                    Some(false) => {
                        arguments.text(&feed.take(at + close.len()), sink);
                        Step::Next
                    }
                    Some(true) => {
                        let text = feed.take(at);
                        let line = if tags.lines { text.strip_suffix('\n') } else { None };
                        arguments.text(line.unwrap_or(&text), sink);
                        arguments.end(sink);
                        feed.skip(close.len());
                        feed.commit();
                        Step::Done
                    }
                }
            }
        }
    }
}

/// Whether what stands behind a tag says that it has ended a value; `None` as long as that is open.
fn ends(behind: &str, next: &[&str], is_all: bool) -> Option<bool> {
    let behind = behind.trim_start_matches(SPACE);
    if next.iter().any(|next| behind.starts_with(next)) {
        return Some(true);
    }
    let is_open = next.iter().any(|next| next.starts_with(behind));
    if is_open && !is_all { None } else { Some(is_open && behind.is_empty()) }
}

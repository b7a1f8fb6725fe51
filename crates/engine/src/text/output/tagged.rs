//! Answers in which markers open what is not text: a thought at the beginning, calls anywhere.
//!
//! White space around thoughts and calls belongs to the form and not to the text.

use super::family::{Family, Thinking};
use super::feed::{Feed, Found, SPACE};
use super::json_call::JsonCalls;
use super::machine::{Calls, Step};
use super::sink::Sink;
use super::{MAX_HELD, MAX_SPACE};

/// Reads one answer.
#[derive(Debug)]
pub struct TaggedParser {
    thinking: Option<Thinking>,
    /// Whose calls are looked for.
    family: Option<Family>,
    state: State,
    /// Nothing but white space was seen since the beginning, a thought or a call.
    is_fresh: bool,
    /// White space that comes now belongs to no text.
    tidies: bool,
}

#[derive(Debug)]
enum State {
    Text,
    /// Behind the marker that opens a thought.
    Thought {
        is_new: bool,
    },
    /// In calls; `opener` bytes are text if there are none.
    Calls {
        calls: Calls,
        opener: usize,
        commits: usize,
    },
}

impl TaggedParser {
    /// Looks for calls only with a `family`. `thinks` if the prompt has opened a thought.
    pub fn new(thinking: Option<Thinking>, family: Option<Family>, thinks: bool) -> Self {
        // The prompt has written the label too.
        let is_new = thinking.is_some_and(|thinking| thinking.label.is_empty());
        let state = if thinks { State::Thought { is_new } } else { State::Text };
        Self { thinking, family, state, is_fresh: true, tidies: thinks }
    }

    /// Reads as far as can be told.
    pub fn run(&mut self, feed: &mut Feed, sink: &mut Sink) {
        while self.step(feed, sink) {}
    }

    fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        match &mut self.state {
            State::Text => self.text(feed, sink),
            State::Thought { is_new } => {
                let is_new = *is_new;
                self.thought(is_new, feed, sink)
            }
            State::Calls { calls, .. } => match calls.step(feed, sink) {
                Step::Next => true,
                Step::More if feed.is_ended() || feed.held() > MAX_HELD => self.no_call(feed, sink),
                Step::More => false,
                Step::Failed => self.no_call(feed, sink),
                Step::Done => {
                    feed.commit();
                    self.begin_text();
                    true
                }
            },
        }
    }

    fn begin_text(&mut self) {
        (self.state, self.is_fresh, self.tidies) = (State::Text, true, true);
    }

    /// What was taken for a call is text as far as it was not sent.
    fn no_call(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        let State::Calls { opener, commits, .. } = &self.state else { return false };
        let was_call = *commits != feed.commits();
        let opener = if was_call { 0 } else { *opener };
        sink.end();
        feed.rewind();
        (self.state, self.is_fresh, self.tidies) = (State::Text, false, was_call);
        sink.content(&feed.take(opener));
        true
    }

    fn text(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        if self.tidies {
            feed.skip_space();
            feed.commit();
        }
        if feed.rest().is_empty() {
            return false;
        }
        if let Some(more) = self.bare(feed) {
            return more;
        }
        let opens_thought = self.thinking.as_ref().filter(|_| self.is_fresh).map(|thinking| thinking.open);
        let openers = self.family.map_or(&[][..], Family::openers);
        let markers: Vec<&'static str> = openers.iter().copied().chain(opens_thought).collect();
        match feed.find(&markers) {
            Found::Not(safe) => {
                let text = &feed.rest()[..safe];
                let held = if feed.is_ended() || markers.is_empty() { 0 } else { trailing_space(text) };
                self.say(safe - held, feed, sink);
                false
            }
            Found::At(at, marker) => {
                let held = trailing_space(&feed.rest()[..at]);
                self.say(at - held, feed, sink);
                if Some(marker) != opens_thought {
                    feed.skip(held + marker.len());
                    self.begin_calls(held + marker.len(), Family::calls(self.family, marker), feed);
                } else if self.is_fresh {
                    feed.skip(held + marker.len());
                    feed.commit();
                    (self.state, self.tidies) = (State::Thought { is_new: true }, true);
                } else {
                    self.say(held + marker.len(), feed, sink);
                }
                true
            }
        }
    }

    /// Calls without a marker, perhaps fenced, where an answer begins; `None` if there cannot be any.
    fn bare(&mut self, feed: &mut Feed) -> Option<bool> {
        self.family.filter(|family| self.is_fresh && family.has_bare_calls())?;
        let text = feed.rest();
        let body = text.trim_start_matches(SPACE);
        let fenced = body.strip_prefix("```");
        let inner = fenced.map(|inside| inside.strip_prefix("json").unwrap_or(inside));
        let inner = inner.unwrap_or(body).trim_start_matches(SPACE);
        if inner.starts_with('{') {
            let (opener, close) = (text.len() - inner.len(), fenced.map(|_| "```"));
            feed.skip(opener);
            let calls = Calls::Json(JsonCalls::bare(), close);
            self.begin_calls(opener + 1, calls, feed);
            return Some(true);
        }
        let is_open = inner.is_empty() || "```json".starts_with(body);
        (is_open && !feed.is_ended() && text.len() <= MAX_SPACE).then_some(false)
    }

    fn begin_calls(&mut self, opener: usize, calls: Calls, feed: &Feed) {
        self.state = State::Calls { calls, opener, commits: feed.commits() };
    }

    fn say(&mut self, bytes: usize, feed: &mut Feed, sink: &mut Sink) {
        if bytes > 0 {
            sink.content(&feed.take(bytes));
            (self.is_fresh, self.tidies) = (false, false);
        }
    }

    fn thought(&mut self, is_new: bool, feed: &mut Feed, sink: &mut Sink) -> bool {
        let Some(thinking) = self.thinking else { return false };
        if is_new {
            // Some models open again what the prompt has opened.
            for marker in [thinking.open, thinking.label] {
                feed.skip_space();
                match feed.begins(marker) {
                    None => {
                        feed.rewind();
                        return false;
                    }
                    Some(is_there) => feed.skip(if is_there { marker.len() } else { 0 }),
                }
            }
            feed.commit();
            self.state = State::Thought { is_new: false };
        }
        if self.tidies {
            feed.skip_space();
            feed.commit();
        }
        let (length, end) = match feed.find(&[thinking.close]) {
            Found::At(at, marker) => (at, Some(marker)),
            Found::Not(safe) => (safe, None),
        };
        let keeps = feed.is_ended() && end.is_none();
        let held = if keeps { 0 } else { trailing_space(&feed.rest()[..length]) };
        if length > held {
            sink.reasoning(&feed.take(length - held));
            self.tidies = false;
        }
        if let Some(marker) = end {
            feed.skip(held + marker.len());
            feed.commit();
            self.begin_text();
        }
        end.is_some()
    }
}

/// Bytes of white space at the end of a text, as far as they may belong to the form.
fn trailing_space(text: &str) -> usize {
    (text.len() - text.trim_end_matches(SPACE).len()).min(MAX_SPACE)
}

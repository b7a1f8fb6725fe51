//! OpenAI's harmony: an answer is several messages, and the header of each says for whom it is.

use super::MAX_HELD;
use super::feed::{Feed, Found};
use super::json_call::arguments;
use super::json_scan::JsonScanner;
use super::machine::Step;
use super::sink::Sink;

const START: &str = "<|start|>";
const CHANNEL: &str = "<|channel|>";
const MESSAGE: &str = "<|message|>";
/// What may begin a header.
const OPENERS: [&str; 6] = [CHANNEL, START, MESSAGE, "assistant", " to=", "to="];
/// What ends a message. The last two begin the next.
const ENDS: [&str; 5] = ["<|end|>", "<|call|>", "<|return|>", START, CHANNEL];
/// All that may be tokens.
pub const MARKERS: [&str; 7] =
    ["<|end|>", "<|call|>", "<|return|>", START, CHANNEL, MESSAGE, "<|constrain|>"];
/// The longest header.
const MAX_HEADER: usize = 1024;

/// Reads one answer.
#[derive(Debug)]
pub struct HarmonyParser {
    /// What the prompt has of the first header.
    prefix: String,
    /// Whether calls are looked for.
    calls: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Header,
    /// In a message; the text is for the reader or, if not, a thought.
    Text {
        is_thought: bool,
    },
    /// In front of a call's arguments; the header is `header` bytes long and not committed.
    Call {
        name: String,
        header: usize,
    },
    Arguments(JsonScanner),
}

/// For whom a message is.
enum Reader {
    Person,
    Nobody,
    Tool(String),
}

impl HarmonyParser {
    /// Looks for calls if told. `prompt_end` is the end of the prompt, which may have begun the first message.
    pub fn new(calls: bool, prompt_end: &str) -> Self {
        let begun = prompt_end.rfind(START).map_or("", |at| &prompt_end[at + START.len()..]);
        let mut parser = Self { prefix: begun.to_owned(), calls, state: State::Header };
        if let Some((header, _)) = begun.split_once(MESSAGE) {
            let is_thought = matches!(reader(header), Reader::Nobody);
            parser.state = State::Text { is_thought };
            parser.prefix.clear();
        }
        parser
    }

    /// Reads as far as can be told.
    pub fn run(&mut self, feed: &mut Feed, sink: &mut Sink) {
        while self.step(feed, sink) {}
    }

    fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        match &mut self.state {
            State::Header => self.header(feed, sink),
            State::Text { is_thought } => {
                let is_thought = *is_thought;
                self.text(is_thought, feed, sink)
            }
            State::Call { .. } => self.call(feed, sink),
            State::Arguments(scanner) => match arguments(scanner, feed, sink) {
                Step::More if feed.is_ended() => {
                    sink.end();
                    false
                }
                Step::More => false,
                _ => {
                    sink.end();
                    self.state = State::Text { is_thought: false };
                    true
                }
            },
        }
    }

    fn header(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        if feed.rest().is_empty() {
            return false;
        }
        let openers = OPENERS.map(|opener| feed.begins(opener));
        let is_header = openers.contains(&Some(true));
        if !is_header && openers.contains(&None) {
            return false;
        }
        let at = match feed.find(&[MESSAGE]) {
            Found::At(at, _) if is_header => at,
            Found::Not(safe) if is_header && safe <= MAX_HEADER && !feed.is_ended() => return false,
            _ => {
                // What would begin a message begins none.
                let opener = OPENERS.iter().zip(openers).find(|(_, begins)| *begins == Some(true));
                sink.content(&feed.take(opener.map_or(0, |(opener, _)| opener.len())));
                self.state = State::Text { is_thought: false };
                return true;
            }
        };
        let header = format!("{}{}", std::mem::take(&mut self.prefix), &feed.rest()[..at]);
        let length = at + MESSAGE.len();
        let reader = reader(&header);
        if let (Reader::Tool(name), true) = (&reader, self.calls) {
            feed.skip(length);
            self.state = State::Call { name: name.clone(), header: length };
            return true;
        }
        if matches!(reader, Reader::Tool(_)) {
            sink.content(&feed.rest()[..length]);
        }
        feed.skip(length);
        feed.commit();
        self.state = State::Text { is_thought: matches!(reader, Reader::Nobody) };
        true
    }

    fn text(&mut self, is_thought: bool, feed: &mut Feed, sink: &mut Sink) -> bool {
        let (length, end) = match feed.find(&ENDS) {
            Found::At(at, marker) => (at, Some(marker)),
            Found::Not(safe) => (safe, None),
        };
        let text = feed.take(length);
        if is_thought {
            sink.reasoning(&text)
        } else {
            sink.content(&text)
        }
        let Some(end) = end else { return false };
        if end != START && end != CHANNEL {
            feed.skip(end.len());
            feed.commit();
        }
        self.state = State::Header;
        true
    }

    fn call(&mut self, feed: &mut Feed, sink: &mut Sink) -> bool {
        let State::Call { name, header } = &self.state else { return false };
        let header = *header;
        feed.skip_space();
        match feed.rest().chars().next() {
            None if !feed.is_ended() && feed.held() <= MAX_HELD => return false,
            Some('{') => {
                sink.start(name);
                feed.commit();
                self.state = State::Arguments(JsonScanner::new());
                return true;
            }
            // Without arguments.
            None if feed.is_ended() => {
                sink.start(name);
                sink.arguments("{}");
                sink.end();
                feed.commit();
                return false;
            }
            _ => {}
        }
        feed.rewind();
        sink.content(&feed.take(header));
        self.state = State::Text { is_thought: false };
        true
    }
}

/// Reads a header: a role, a channel and perhaps who is called.
fn reader(header: &str) -> Reader {
    let word = |at: usize| {
        let rest = header[at..].trim_start();
        let end = rest.find(|c: char| c.is_whitespace() || c == '<').unwrap_or(rest.len());
        &rest[..end]
    };
    let behind = |what: &str| header.rfind(what).map(|at| word(at + what.len()));
    match behind("to=") {
        Some(called) if called != "assistant" => match called.strip_prefix("functions.") {
            Some(name) if !name.is_empty() => return Reader::Tool(name.to_owned()),
            _ => {}
        },
        _ => {}
    }
    if behind(CHANNEL) == Some("analysis") { Reader::Nobody } else { Reader::Person }
}

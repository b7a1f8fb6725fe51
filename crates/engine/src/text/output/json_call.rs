//! Calls as JSON objects: `{"name": …, "arguments": {…}}`, one, several, or a list of them.
//!
//! In the usual order of fields arguments go out as they come. An object in any other order is read whole first.

use serde_json::Value as Json;

use super::feed::Feed;
use super::json_scan::{JsonScanner, Scan};
use super::machine::Step;
use super::sink::Sink;

/// The longest beginning of a call, up to its arguments.
const MAX_HEAD: usize = 512;

/// Reads calls up to the last one's end.
#[derive(Debug)]
pub struct JsonCalls {
    state: State,
    in_list: bool,
    /// There is no marker in front of the calls: only what names a tool is one.
    is_bare: bool,
}

#[derive(Debug)]
enum State {
    /// In front of a list or an object.
    Before,
    /// In front of an object.
    Object,
    /// In the arguments.
    Arguments(JsonScanner),
    /// Behind the arguments, in the object.
    Tail(JsonScanner),
    /// In an object that has to be read whole, with what was read.
    Whole(JsonScanner, String),
    /// Behind an object.
    After,
}

/// What a call's beginning says.
#[derive(Debug, PartialEq, Eq)]
enum Head {
    /// The tool, and where its arguments begin.
    Of(String, usize),
    /// Nobody can tell yet.
    Unfinished,
    /// Not in the usual order. Says whether the first field is one of a call's.
    Other(bool),
}

impl JsonCalls {
    /// Calls behind a marker.
    pub fn new() -> Self {
        Self { state: State::Before, in_list: false, is_bare: false }
    }

    /// Calls where an answer would stand.
    pub fn bare() -> Self {
        Self { is_bare: true, ..Self::new() }
    }

    /// Reads on. `Done` leaves the reading place behind the calls and the space that follows them.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Before => {
                feed.skip_space();
                match feed.rest().chars().next() {
                    None => return Step::More,
                    Some('[') => {
                        feed.skip(1);
                        self.in_list = true;
                        self.state = State::Object;
                    }
                    Some('{') => self.state = State::Object,
                    Some(_) => return Step::Failed,
                }
                Step::Next
            }
            State::Object => self.object(feed, sink),
            State::Arguments(scanner) => {
                let step = arguments(scanner, feed, sink);
                if step == Step::Next {
                    self.state = State::Tail(JsonScanner::inside_object());
                }
                step
            }
            State::Tail(scanner) => {
                let (scan, read) = scan(scanner, feed, &mut String::new());
                feed.skip(read);
                // The arguments were whole: small models forget the last brace.
                if scan == Scan::More {
                    return Step::More;
                }
                feed.commit();
                sink.end();
                self.state = State::After;
                Step::Next
            }
            State::Whole(..) => self.whole(feed, sink),
            State::After => self.after(feed),
        }
    }

    fn object(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        feed.skip_space();
        let is_known = |name: &str| !self.is_bare || sink.tools().get(name).is_some();
        match head(feed.rest()) {
            Head::Unfinished => Step::More,
            Head::Of(name, at) if is_known(&name) => {
                feed.skip(at);
                feed.commit();
                sink.start(&name);
                self.state = State::Arguments(JsonScanner::new());
                Step::Next
            }
            Head::Other(may_be_call) if may_be_call || !self.is_bare => {
                self.state = State::Whole(JsonScanner::new(), String::new());
                Step::Next
            }
            _ => Step::Failed,
        }
    }

    fn whole(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        let State::Whole(scanner, text) = &mut self.state else { return Step::Failed };
        let (scan, read) = scan(scanner, feed, text);
        feed.skip(read);
        match scan {
            Scan::More => return Step::More,
            Scan::Bad(_) => return Step::Failed,
            Scan::Done(_) => {}
        }
        let Some((name, arguments)) = serde_json::from_str(text).ok().and_then(|object| call(&object)) else {
            return Step::Failed;
        };
        if self.is_bare && sink.tools().get(&name).is_none() {
            return Step::Failed;
        }
        feed.commit();
        sink.start(&name);
        sink.arguments(&arguments);
        sink.end();
        self.state = State::After;
        Step::Next
    }

    fn after(&mut self, feed: &mut Feed) -> Step {
        feed.skip_space();
        match feed.rest().chars().next() {
            None if !feed.is_ended() => return Step::More,
            Some(',') if self.in_list => {
                feed.skip(1);
                self.state = State::Object;
            }
            Some(']') if self.in_list => {
                feed.skip(1);
                self.in_list = false;
            }
            Some(';') if !self.in_list => {
                feed.skip(1);
                self.state = State::Object;
            }
            Some('{') if !self.in_list => self.state = State::Object,
            _ => return Step::Done,
        }
        Step::Next
    }
}

/// Sends on an object of arguments; `Next` at its end.
pub fn arguments(scanner: &mut JsonScanner, feed: &mut Feed, sink: &mut Sink) -> Step {
    let mut out = String::new();
    let (scan, read) = scan(scanner, feed, &mut out);
    feed.skip(read);
    feed.commit();
    sink.arguments(&out);
    match scan {
        Scan::More => Step::More,
        Scan::Bad(_) => Step::Failed,
        Scan::Done(_) => Step::Next,
    }
}

/// Scans the rest of the feed; says how far, and how many bytes that were.
fn scan(scanner: &mut JsonScanner, feed: &Feed, out: &mut String) -> (Scan, usize) {
    let scan = scanner.scan(feed.rest(), out);
    let read = match scan {
        Scan::More => feed.rest().len(),
        Scan::Done(read) | Scan::Bad(read) => read,
    };
    (scan, read)
}

/// Reads `{"name": "…", "arguments": ` and whether an object follows.
fn head(text: &str) -> Head {
    let mut rest = Rest { text, at: 0 };
    match rest.head() {
        Some(head) => head,
        None if text.len() <= MAX_HEAD => Head::Unfinished,
        None => Head::Other(true),
    }
}

/// A place in a text that may end anywhere; `None` from its methods says that it did.
struct Rest<'t> {
    text: &'t str,
    at: usize,
}

impl Rest<'_> {
    fn head(&mut self) -> Option<Head> {
        if !self.sign('{')? {
            return Some(Head::Other(false));
        }
        let Some(field) = self.text()? else { return Some(Head::Other(false)) };
        let is_ours = ["name", "arguments", "parameters", "function", "type"].contains(&field.as_str());
        if field != "name" || !self.sign(':')? {
            return Some(Head::Other(is_ours));
        }
        let Some(name) = self.text()? else { return Some(Head::Other(true)) };
        if !self.sign(',')? {
            return Some(Head::Other(true));
        }
        let field = self.text()?;
        if !matches!(field.as_deref(), Some("arguments" | "parameters")) || !self.sign(':')? {
            return Some(Head::Other(true));
        }
        let is_object = self.sign('{')?;
        Some(if is_object { Head::Of(name, self.at - 1) } else { Head::Other(true) })
    }

    fn next(&mut self) -> Option<char> {
        let c = self.text[self.at..].chars().next()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// Skips space; whether `sign` follows.
    fn sign(&mut self, sign: char) -> Option<bool> {
        loop {
            match self.next()? {
                ' ' | '\n' | '\r' | '\t' => {}
                c => return Some(c == sign),
            }
        }
    }

    /// A string without line breaks.
    fn text(&mut self) -> Option<Option<String>> {
        if !self.sign('"')? {
            return Some(None);
        }
        let start = self.at - 1;
        loop {
            match self.next()? {
                '\\' => _ = self.next()?,
                '"' => return Some(serde_json::from_str(&self.text[start..self.at]).ok()),
                _ => {}
            }
        }
    }
}

/// The tool that an object calls, and the arguments.
fn call(object: &Json) -> Option<(String, String)> {
    let function = object.get("function");
    let object = function.filter(|function| function.is_object()).unwrap_or(object);
    let name = object.get("name").or(function)?.as_str()?;
    let arguments = match object.get("arguments").or_else(|| object.get("parameters")) {
        None | Some(Json::Null) => "{}".to_owned(),
        Some(arguments @ Json::Object(_)) => arguments.to_string(),
        // Some models put the JSON into a string, as the API does.
        Some(Json::String(text)) => {
            serde_json::from_str::<Json>(text).ok().filter(Json::is_object)?;
            text.clone()
        }
        Some(_) => return None,
    };
    Some((name.to_owned(), arguments))
}

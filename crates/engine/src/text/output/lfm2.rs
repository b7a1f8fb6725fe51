//! LFM2: calls as Python writes them, `[name(a=1, b="x"), …]`.

use super::feed::Feed;
use super::json_call::JsonCalls;
use super::json_scan::push_text;
use super::literal::{Dialect, Literal, Progress};
use super::machine::{Calls, Step, attempt, choose, closed, sign, tool_name, until};
use super::sink::Sink;

/// Opens the calls.
pub const OPEN: &str = "<|tool_call_start|>";
/// Ends them.
pub const CLOSE: &str = "<|tool_call_end|>";

/// Calls, behind the marker that opens them.
#[derive(Debug)]
pub struct PythonCalls {
    state: State,
    in_list: bool,
    tool: String,
    /// Arguments of the call so far.
    arguments: usize,
}

#[derive(Debug)]
enum State {
    Before,
    Name,
    Argument,
    Value(Literal),
    Behind,
    After,
    Close,
}

/// Which reader the calls need: some models write JSON between the markers. `None` as long as that is open.
pub fn reader(feed: &Feed) -> Option<Calls> {
    let rest = feed.rest().trim_start();
    let inner = rest.strip_prefix('[').unwrap_or(rest).trim_start();
    Some(match inner.chars().next()? {
        '{' => Calls::Json(JsonCalls::new(), Some(CLOSE)),
        _ => Calls::Python(PythonCalls {
            state: State::Before,
            in_list: false,
            tool: String::new(),
            arguments: 0,
        }),
    })
}

impl PythonCalls {
    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Before => attempt(feed, |feed| self.before(feed)),
            State::Name => attempt(feed, |feed| self.name(feed, sink)),
            State::Argument => attempt(feed, |feed| self.argument(feed, sink)),
            State::Value(literal) => {
                let mut json = String::new();
                let progress = literal.step(feed, &mut json);
                feed.commit();
                sink.arguments(&json);
                match progress {
                    Progress::More => Step::More,
                    Progress::Bad => Step::Failed,
                    Progress::Done => {
                        self.state = State::Behind;
                        Step::Next
                    }
                }
            }
            State::Behind => attempt(feed, |feed| self.behind(feed, sink)),
            State::After => attempt(feed, |feed| self.after(feed)),
            State::Close => {
                feed.skip_space();
                closed(feed, Some(CLOSE))
            }
        }
    }

    fn before(&mut self, feed: &mut Feed) -> Result<Step, Step> {
        self.in_list = sign(feed)? == '[';
        feed.skip(usize::from(self.in_list));
        self.state = State::Name;
        Ok(Step::Next)
    }

    fn name(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        let (name, _) = until(feed, &["("])?;
        tool_name(&name)?.clone_into(&mut self.tool);
        feed.commit();
        sink.start(&self.tool);
        self.arguments = 0;
        self.state = State::Argument;
        Ok(Step::Next)
    }

    /// In front of an argument, or of the call's end.
    fn argument(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        if sign(feed)? == ')' {
            return Ok(self.end(feed, sink));
        }
        let name = match argument_name(feed)? {
            Some(name) => name,
            // Without a name it is the next in the tool's own order.
            None => {
                let tool = sink.tools().get(&self.tool);
                tool.and_then(|tool| tool.arguments().nth(self.arguments)).cloned().ok_or(Step::Failed)?
            }
        };
        let mut json = String::from(if self.arguments == 0 { "{\"" } else { ", \"" });
        push_text(&mut json, &name);
        json.push_str("\": ");
        self.arguments += 1;
        sink.arguments(&json);
        feed.commit();
        self.state = State::Value(Literal::new(Dialect::Python));
        Ok(Step::Next)
    }

    /// Behind an argument.
    fn behind(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        match sign(feed)? {
            ',' => {
                feed.skip(1);
                feed.commit();
                self.state = State::Argument;
                Ok(Step::Next)
            }
            ')' => Ok(self.end(feed, sink)),
            _ => Err(Step::Failed),
        }
    }

    fn end(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        feed.skip(1);
        feed.commit();
        sink.arguments(if self.arguments == 0 { "{}" } else { "}" });
        sink.end();
        self.state = State::After;
        Step::Next
    }

    /// Behind a call.
    fn after(&mut self, feed: &mut Feed) -> Result<Step, Step> {
        feed.skip_space();
        let found = choose(feed, if self.in_list { &[",", "]"] } else { &[",", CLOSE] });
        match found {
            Ok(",") => self.state = State::Name,
            Ok("]") => self.state = State::Close,
            Ok(_) | Err(Step::Failed) => return Ok(Step::Done),
            Err(step) => return Err(step),
        }
        Ok(Step::Next)
    }
}

/// Reads `name=`, if that stands here.
fn argument_name(feed: &mut Feed) -> Result<Option<String>, Step> {
    let rest = feed.rest();
    let name = &rest[..rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())];
    let behind = rest[name.len()..].trim_start();
    match behind.chars().next() {
        None if !feed.is_ended() => Err(Step::More),
        Some('=') if !name.is_empty() => {
            let (name, length) = (name.to_owned(), rest.len() - behind.len() + 1);
            feed.skip(length);
            Ok(Some(name))
        }
        _ => Ok(None),
    }
}

//! Gemma 4: `call:name{key:value,…}`, with a quotation mark of its own.

use super::feed::Feed;
use super::literal::{Dialect, Literal, Progress};
use super::machine::{Step, attempt, choose, closed, tool_name, until};
use super::sink::Sink;

/// Opens a call.
pub const OPEN: &str = "<|tool_call>";
/// Ends it.
pub const CLOSE: &str = "<tool_call|>";

/// A call, behind the marker that opens it.
#[derive(Debug)]
pub struct GemmaCall {
    state: State,
}

#[derive(Debug)]
enum State {
    Name,
    Arguments(Literal),
    Close,
}

impl GemmaCall {
    /// In front of `call:`.
    pub fn new() -> Self {
        Self { state: State::Name }
    }

    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Name => attempt(feed, |feed| self.name(feed, sink)),
            State::Arguments(object) => {
                let mut json = String::new();
                let progress = object.step(feed, &mut json);
                feed.commit();
                sink.arguments(&json);
                match progress {
                    Progress::More => return Step::More,
                    Progress::Bad => return Step::Failed,
                    Progress::Done => {}
                }
                sink.end();
                self.state = State::Close;
                Step::Next
            }
            State::Close => {
                feed.skip_space();
                closed(feed, Some(CLOSE))
            }
        }
    }

    fn name(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        feed.skip_space();
        choose(feed, &["call:"])?;
        let (name, _) = until(feed, &["{"])?;
        let name = tool_name(&name)?;
        feed.back_to(feed.place() - 1);
        feed.commit();
        sink.start(name);
        self.state = State::Arguments(Literal::new(Dialect::Gemma));
        Ok(Step::Next)
    }
}

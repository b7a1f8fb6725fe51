//! GLM 4.5 and later: a name, then `<arg_key>` and `<arg_value>` in turn, with text for values.

use super::arguments::Arguments;
use super::feed::Feed;
use super::machine::{Step, attempt, choose, tool_name, until};
use super::sink::Sink;
use super::tagged_value::{TaggedValue, ValueTags};

const KEY: &str = "<arg_key>";
const CLOSE: &str = "</tool_call>";
const VALUE: ValueTags = ValueTags { close: "</arg_value>", next: &[KEY, CLOSE], lines: false };

/// A call, behind its `<tool_call>`.
#[derive(Debug)]
pub struct GlmCall {
    state: State,
    arguments: Arguments,
    tool: String,
}

#[derive(Debug)]
enum State {
    Name,
    Key,
    Value(TaggedValue),
}

impl GlmCall {
    /// In front of the name.
    pub fn new() -> Self {
        Self { state: State::Name, arguments: Arguments::default(), tool: String::new() }
    }

    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Name => attempt(feed, |feed| self.name(feed, sink)),
            State::Key => attempt(feed, |feed| self.key(feed, sink)),
            State::Value(value) => match value.step(&VALUE, &mut self.arguments, feed, sink) {
                Step::Done => {
                    self.state = State::Key;
                    Step::Next
                }
                step => step,
            },
        }
    }

    fn name(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        let (name, tag) = until(feed, &[KEY, CLOSE])?;
        tool_name(&name)?.clone_into(&mut self.tool);
        // The tag belongs to what follows.
        feed.back_to(feed.place() - tag.len());
        feed.commit();
        sink.start(&self.tool);
        self.state = State::Key;
        Ok(Step::Next)
    }

    fn key(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        feed.skip_space();
        if choose(feed, &[KEY, CLOSE])? == CLOSE {
            self.arguments.finish(sink);
            sink.end();
            feed.commit();
            return Ok(Step::Done);
        }
        let (name, _) = until(feed, &["</arg_key>"])?;
        feed.skip_space();
        choose(feed, &["<arg_value>"])?;
        let name = name.trim();
        self.arguments.begin(name, sink.tools().kinds(&self.tool, name), sink);
        self.state = State::Value(TaggedValue::new());
        feed.commit();
        Ok(Step::Next)
    }
}

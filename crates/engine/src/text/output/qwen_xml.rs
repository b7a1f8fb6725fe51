//! Qwen3-Coder and Qwen3.5: `<function=name>`, a `<parameter=…>` for each argument, and text for values.

use super::arguments::Arguments;
use super::feed::Feed;
use super::machine::{Step, attempt, choose, closed, tool_name, until};
use super::sink::Sink;
use super::tagged_value::{TaggedValue, ValueTags};

const FUNCTION: &str = "<function=";
const PARAMETER: &str = "<parameter=";
const END: &str = "</function>";
const CLOSE: &str = "</tool_call>";
const VALUE: ValueTags = ValueTags { close: "</parameter>", next: &[PARAMETER, END, CLOSE], lines: true };

/// A call, behind its `<tool_call>`.
#[derive(Debug)]
pub struct XmlCall {
    state: State,
    arguments: Arguments,
    tool: String,
}

#[derive(Debug)]
enum State {
    Function,
    Name,
    Parameters,
    Value(TaggedValue),
    Close,
}

impl XmlCall {
    /// In front of `<function=…>`.
    pub fn new() -> Self {
        Self { state: State::Function, arguments: Arguments::default(), tool: String::new() }
    }

    /// Behind `<function=`: some models leave the tag around it out.
    pub fn named() -> Self {
        Self { state: State::Name, ..Self::new() }
    }

    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Function => attempt(feed, |feed| {
                feed.skip_space();
                choose(feed, &[FUNCTION])?;
                self.name(feed, sink)
            }),
            State::Name => attempt(feed, |feed| self.name(feed, sink)),
            State::Parameters => attempt(feed, |feed| self.parameter(feed, sink)),
            State::Value(value) => match value.step(&VALUE, &mut self.arguments, feed, sink) {
                Step::Done => {
                    self.state = State::Parameters;
                    Step::Next
                }
                step => step,
            },
            State::Close => {
                feed.skip_space();
                closed(feed, Some(CLOSE))
            }
        }
    }

    fn name(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        let (name, _) = until(feed, &[">"])?;
        tool_name(&name)?.clone_into(&mut self.tool);
        feed.commit();
        sink.start(&self.tool);
        self.state = State::Parameters;
        Ok(Step::Next)
    }

    fn parameter(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        feed.skip_space();
        match choose(feed, &[PARAMETER, END, CLOSE])? {
            PARAMETER => {
                let (name, _) = until(feed, &[">"])?;
                let name = name.trim();
                self.arguments.begin(name, sink.tools().kinds(&self.tool, name), sink);
                self.state = State::Value(TaggedValue::new());
                feed.commit();
                Ok(Step::Next)
            }
            end => {
                self.arguments.finish(sink);
                sink.end();
                feed.commit();
                self.state = State::Close;
                Ok(if end == CLOSE { Step::Done } else { Step::Next })
            }
        }
    }
}

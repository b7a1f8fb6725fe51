//! Calls between markers, in a section between markers: DeepSeek's V3, R1 and V3.1, and Kimi K2.

use super::feed::Feed;
use super::json_call::arguments;
use super::json_scan::JsonScanner;
use super::machine::{Step, attempt, choose, sign, tool_name, until};
use super::sink::Sink;

/// A family's markers.
#[derive(Debug)]
pub struct SectionMarkers {
    /// Opens the section.
    pub open: &'static str,
    /// Ends it.
    pub close: &'static str,
    /// Opens a call.
    pub call: &'static str,
    /// Stands between a call's name and its arguments.
    pub separator: &'static str,
    /// Ends a call.
    pub end: &'static str,
}

/// DeepSeek. V3 and R1 write `function`, the separator, a name and fenced JSON; V3.1 writes a name, the separator and JSON.
pub const DEEPSEEK: SectionMarkers = SectionMarkers {
    open: "<｜tool▁calls▁begin｜>",
    close: "<｜tool▁calls▁end｜>",
    call: "<｜tool▁call▁begin｜>",
    separator: "<｜tool▁sep｜>",
    end: "<｜tool▁call▁end｜>",
};

/// Kimi K2, whose names are `functions.name:0`.
pub const KIMI: SectionMarkers = SectionMarkers {
    open: "<|tool_calls_section_begin|>",
    close: "<|tool_calls_section_end|>",
    call: "<|tool_call_begin|>",
    separator: "<|tool_call_argument_begin|>",
    end: "<|tool_call_end|>",
};

/// The calls of a section, behind the marker that opens it or its first call.
#[derive(Debug)]
pub struct SectionCalls {
    markers: &'static SectionMarkers,
    state: State,
    calls: usize,
}

#[derive(Debug)]
enum State {
    /// In front of a call, or of the section's end.
    Section,
    Head,
    Arguments(JsonScanner),
    Tail,
}

impl SectionCalls {
    /// Behind `opener`.
    pub fn new(markers: &'static SectionMarkers, opener: &str) -> Self {
        let state = if opener == markers.call { State::Head } else { State::Section };
        Self { markers, state, calls: 0 }
    }

    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        match &mut self.state {
            State::Section => attempt(feed, |feed| self.section(feed)),
            State::Head => attempt(feed, |feed| self.head(feed, sink)),
            State::Arguments(scanner) => {
                let step = arguments(scanner, feed, sink);
                if step == Step::Next {
                    sink.end();
                    self.calls += 1;
                    self.state = State::Tail;
                }
                step
            }
            State::Tail => attempt(feed, |feed| self.tail(feed)),
        }
    }

    fn section(&mut self, feed: &mut Feed) -> Result<Step, Step> {
        feed.skip_space();
        match choose(feed, &[self.markers.call, self.markers.close]) {
            Ok(marker) if marker == self.markers.close => Ok(Step::Done),
            Ok(_) => {
                self.state = State::Head;
                Ok(Step::Next)
            }
            Err(Step::Failed) if self.calls > 0 => Ok(Step::Done),
            Err(step) => Err(step),
        }
    }

    fn head(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        let (before, _) = until(feed, &[self.markers.separator])?;
        let name = match sign(feed)? {
            '{' => before,
            _ => fenced_name(&until(feed, &["{"])?.0)?,
        };
        let name = tool_name(&name)?;
        // Only Kimi's names have these; a tool's own name comes first.
        let plain =
            name.strip_prefix("functions.").and_then(|rest| rest.rsplit_once(':')).map(|(name, _)| name);
        let name = plain.filter(|_| sink.tools().get(name).is_none()).unwrap_or(name);
        if !feed.rest().starts_with('{') {
            feed.back_to(feed.place() - 1);
        }
        feed.commit();
        sink.start(name);
        self.state = State::Arguments(JsonScanner::new());
        Ok(Step::Next)
    }

    fn tail(&mut self, feed: &mut Feed) -> Result<Step, Step> {
        feed.skip_space();
        match choose(feed, &["```", self.markers.end]) {
            Ok("```") => Ok(Step::Next),
            Err(Step::More) => Err(Step::More),
            _ => {
                self.state = State::Section;
                Ok(Step::Next)
            }
        }
    }
}

/// The name in front of a fence for JSON.
fn fenced_name(text: &str) -> Result<String, Step> {
    let (name, fence) = text.split_once('\n').ok_or(Step::Failed)?;
    match fence.trim() {
        "" | "```" | "```json" => Ok(name.to_owned()),
        _ => Err(Step::Failed),
    }
}

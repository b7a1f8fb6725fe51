//! Mistral since its eleventh tokenizer: `name[ARGS]{…}`, with `[CALL_ID]` between them for a while.

use super::feed::Feed;
use super::json_call::arguments;
use super::json_scan::JsonScanner;
use super::machine::{Step, attempt, sign, tool_name, until};
use super::sink::Sink;

/// A call, behind its `[TOOL_CALLS]`.
#[derive(Debug)]
pub struct MistralCall {
    json: Option<JsonScanner>,
}

impl MistralCall {
    /// In front of the name.
    pub fn new() -> Self {
        Self { json: None }
    }

    /// Whether nothing was read yet.
    pub fn is_new(&self) -> bool {
        self.json.is_none()
    }

    /// Reads on.
    pub fn step(&mut self, feed: &mut Feed, sink: &mut Sink) -> Step {
        let Some(scanner) = &mut self.json else { return attempt(feed, |feed| self.head(feed, sink)) };
        match arguments(scanner, feed, sink) {
            Step::Next => {
                sink.end();
                Step::Done
            }
            step => step,
        }
    }

    fn head(&mut self, feed: &mut Feed, sink: &mut Sink) -> Result<Step, Step> {
        let (name, marker) = until(feed, &["[ARGS]", "[CALL_ID]", "{"])?;
        let name = tool_name(&name)?;
        match marker {
            "[CALL_ID]" => _ = until(feed, &["[ARGS]"])?,
            "{" => feed.back_to(feed.place() - 1),
            _ => {}
        }
        if sign(feed)? != '{' {
            return Err(Step::Failed);
        }
        feed.commit();
        sink.start(name);
        self.json = Some(JsonScanner::new());
        Ok(Step::Next)
    }
}

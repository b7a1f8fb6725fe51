//! Harmony's messages: thoughts first, then a call or words for the reader.

use super::{GrammarOptions, Lark, TEXT, literal};
use crate::text::output::{Tool, ToolChoice};

impl Lark<'_> {
    /// An answer with tools. `None` where the prompt has begun a message itself.
    pub(super) fn harmony(mut self, tools: &[&Tool], options: &GrammarOptions<'_>) -> Option<String> {
        let calls: Vec<String> = tools.iter().map(|tool| self.harmony_call(tool)).collect();
        let call = self.rule("call", &calls.join(" | "));
        let must = matches!(options.choice, ToolChoice::Required | ToolChoice::Named(_));
        let mut last = vec![call];
        if !must {
            let body = if options.has_body { "@body" } else { TEXT };
            last.push(self.message("final", body));
        }
        let last = self.rule("last", &last.join(" | "));
        self.harmony_answer(&last, options.prompt_end)
    }

    /// An answer that must match `@body`.
    pub(super) fn harmony_body(self, prompt_end: &str) -> Option<String> {
        let last = self.message("final", "@body");
        self.harmony_answer(&last, prompt_end)
    }

    fn harmony_answer(mut self, last: &str, prompt_end: &str) -> Option<String> {
        if !prompt_end.trim_end().ends_with("<|start|>assistant") {
            return None;
        }
        let between = format!("{} {} \"assistant\"", self.marker("<|end|>"), self.marker("<|start|>"));
        let channels = ["analysis", "commentary"].map(|channel| self.message(channel, TEXT));
        let before = self.rule("before", &format!("({}) {between}", channels.join(" | ")));
        Some(self.finish(&format!("{before}* {last}")))
    }

    fn message(&self, channel: &str, body: &str) -> String {
        let [open, message] = ["<|channel|>", "<|message|>"].map(|marker| self.marker(marker));
        format!("{open} {} {message} {body}", literal(channel))
    }

    fn harmony_call(&mut self, tool: &Tool) -> String {
        let [channel, message, constrain] =
            ["<|channel|>", "<|message|>", "<|constrain|>"].map(|marker| self.marker(marker));
        let name = &tool.name;
        let behind = literal(&format!("commentary to=functions.{name} "));
        let before = literal(&format!(" to=functions.{name}"));
        format!(
            "({channel} {behind} {constrain}? \"json\" | {before} {channel} \"commentary \" {constrain}? \"json\") \
             {message} %json {}",
            tool.parameters
        )
    }
}

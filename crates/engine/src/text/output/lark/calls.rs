//! What stands between a call's opening marker and the next.

use serde_json::{Value as Json, json};

use super::{Lark, TEXT, literal, pattern};
use crate::text::output::family::Family;
use crate::text::output::literal::Dialect;
use crate::text::output::sections::{DEEPSEEK, KIMI, SectionMarkers};
use crate::text::output::{Tool, gemma4, lfm2};

impl Lark<'_> {
    /// What follows the opening marker, for one of the tools.
    pub(super) fn calls(&mut self, tools: &[&Tool], parallel: bool) -> String {
        let family = self.format.family();
        let one = self.one_of(tools);
        let list = |separator: &str| match parallel {
            true => format!("{one} ({separator} {one})*"),
            false => one.clone(),
        };
        let body = match family {
            Family::Hermes | Family::Generic => {
                format!("\"\\n\" {one} \"\\n\" {}", self.marker("</tool_call>"))
            }
            Family::QwenXml => format!("\"\\n\" {one} \"\\n\" {}", self.marker("</tool_call>")),
            Family::Glm => format!("{one} {}", self.marker("</tool_call>")),
            Family::Gemma4 => format!("\"call:\" {one} {}", self.marker(gemma4::CLOSE)),
            Family::Llama3 => list("\"; \""),
            Family::MistralList => format!("/ ?/ \"[\" {} \"]\"", list("\", \"")),
            Family::List => format!("\"[\" {} \"]\"", list("\", \"")),
            Family::Lfm2 => format!("\"[\" {} \"]\" {}", list("\", \""), self.marker(lfm2::CLOSE)),
            Family::DeepSeek => self.section(&DEEPSEEK, &list("\"\\n\"")),
            Family::DeepSeek31 => self.section(&DEEPSEEK, &list("\"\"")),
            Family::Kimi => self.section(&KIMI, &list("\"\"")),
            Family::MistralArgs | Family::Harmony => one,
        };
        self.rule("body", &body)
    }

    /// A call of one of the tools.
    pub(super) fn one_of(&mut self, tools: &[&Tool]) -> String {
        let family = self.format.family();
        let each: Vec<String> = tools.iter().map(|tool| self.call(tool, family)).collect();
        self.rule("one", &each.join(" | "))
    }

    /// A call as JSON alone, with what may follow it, or in a fence.
    pub(super) fn bare_call(&self, tool: &Tool, more: &str) -> String {
        let field = if self.format.family() == Family::Llama3 { "parameters" } else { "arguments" };
        let head = pattern(&format!("{{\"name\": {}, \"{field}\": ", json!(tool.name)));
        let json = format!("%json {} \"}}\"", tool.parameters);
        let begin = |fence: &str| format!("/[ \\n]{{0,2}}{fence}{head}/ {json}");
        format!("{} {more} | {} \"\\n```\"", begin(""), begin("```json\\n"))
    }

    fn section(&self, markers: &SectionMarkers, calls: &str) -> String {
        format!("{calls} {}", self.marker(markers.close))
    }

    /// One tool's call.
    fn call(&mut self, tool: &Tool, family: Family) -> String {
        let name = &tool.name;
        let arguments = format!("%json {}", tool.parameters);
        match family {
            Family::QwenXml => self.xml(tool),
            Family::Glm => self.glm(tool),
            Family::Gemma4 => {
                let object = self.object(tool, &tool.parameters, Dialect::Gemma);
                format!("{} {object}", literal(name))
            }
            Family::Lfm2 => {
                let arguments = self.keywords(tool);
                format!("{} {arguments} \")\"", literal(&format!("{name}(")))
            }
            Family::MistralArgs => {
                let id = match self.format.token("[CALL_ID]") {
                    Some(token) => format!("(<[{token}]> /[a-zA-Z0-9]{{9}}/)?"),
                    None => String::new(),
                };
                format!("{} {id} {} {arguments}", literal(name), self.marker("[ARGS]"))
            }
            Family::DeepSeek => {
                let SectionMarkers { call, separator, end, .. } = &DEEPSEEK;
                let [call, separator, end] = [call, separator, end].map(|marker| self.marker(marker));
                let head = literal(&format!("{name}\n```json\n"));
                format!("{call} \"function\" {separator} {head} {arguments} \"\\n```\" {end}")
            }
            Family::DeepSeek31 => {
                let SectionMarkers { call, separator, end, .. } = &DEEPSEEK;
                let [call, separator, end] = [call, separator, end].map(|marker| self.marker(marker));
                format!("{call} {} {separator} {arguments} {end}", literal(name))
            }
            Family::Kimi => {
                let SectionMarkers { call, separator, end, .. } = &KIMI;
                let [call, separator, end] = [call, separator, end].map(|marker| self.marker(marker));
                let head = literal(&format!("functions.{name}:"));
                format!("{call} {head} /[0-9]+/ {separator} {arguments} {end}")
            }
            Family::Llama3 => object(name, "parameters", &arguments),
            _ => object(name, "arguments", &arguments),
        }
    }

    fn xml(&mut self, tool: &Tool) -> String {
        let mut call = literal(&format!("<function={}>\n", tool.name));
        for name in tool.arguments() {
            let value = self.plain(tool, name, "\n</parameter>\n");
            let argument = format!("{} {value}", literal(&format!("<parameter={name}>\n")));
            call.push_str(&if tool.requires(name) {
                format!(" {argument}")
            } else {
                format!(" ({argument})?")
            });
        }
        format!("{call} \"</function>\"")
    }

    fn glm(&mut self, tool: &Tool) -> String {
        let tags = ["<arg_key>", "</arg_key>", "<arg_value>"].map(|tag| self.marker(tag));
        let mut call = literal(&format!("{}\n", tool.name));
        for name in tool.arguments() {
            let value = self.plain(tool, name, "</arg_value>");
            let [open, close, value_open] = &tags;
            let argument = format!("{open} {} {close} \"\\n\" {value_open} {value} \"\\n\"", literal(name));
            call.push_str(&if tool.requires(name) {
                format!(" {argument}")
            } else {
                format!(" ({argument})?")
            });
        }
        call
    }

    /// A value as plain text, and what ends it.
    fn plain(&mut self, tool: &Tool, argument: &str, close: &str) -> String {
        let kinds = tool.kinds(argument);
        if kinds.text || kinds == Default::default() {
            let words = tool.schema(argument).and_then(|schema| schema.get("enum")).and_then(Json::as_array);
            let words: Option<Vec<&str>> = words.and_then(|words| words.iter().map(Json::as_str).collect());
            return match words.filter(|words| !words.is_empty()) {
                Some(words) => {
                    let words: Vec<String> = words.into_iter().map(literal).collect();
                    format!("({}) {}", words.join(" | "), self.marker(close))
                }
                None => self.until_text(close, TEXT),
            };
        }
        format!("%json {} {}", tool.whole_schema(argument), self.marker(close))
    }
}

fn object(name: &str, field: &str, arguments: &str) -> String {
    let head = literal(&format!("{{\"name\": {}, \"{field}\": ", json!(name)));
    format!("{head} {arguments} \"}}\"")
}

//! Conversations with tools, as templates can take them.
//!
//! Templates differ in what they put up with: some know no tools at all, some take one call in a message, and Mistral's want
//! ids of nine letters and digits.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Value as Json, json};

use super::family::{Family, Thinking};
use super::sections::{DEEPSEEK, SectionMarkers};
use super::{OutputFormat, lfm2};
use crate::text::ChatMessage;

const BEFORE: &str = "\
# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
";
const AFTER: &str = "\
</tools>

For each function call, answer with the function's name and its arguments, a JSON object, in this form:
";

impl OutputFormat {
    /// The messages as the model's template can take them.
    pub fn prepare<'m>(&self, messages: &'m [ChatMessage], tools: Option<&Json>) -> Cow<'m, [ChatMessage]> {
        let is_used = messages.iter().any(|message| message.tool_calls.is_some() || message.role == "tool");
        let mut made = match self.family() {
            _ if !is_used => Cow::Borrowed(messages),
            Family::Generic => Cow::Owned(without_tool_role(messages)),
            family if !self.renders_calls() => {
                let as_text = |message: &ChatMessage| with_calls_as_text(message.clone(), family);
                Cow::Owned(messages.iter().map(as_text).collect())
            }
            Family::MistralList | Family::MistralArgs => {
                Cow::Owned(messages.iter().cloned().map(with_short_ids).collect())
            }
            Family::Harmony | Family::Llama3 => Cow::Owned(one_call_each(messages)),
            _ => Cow::Borrowed(messages),
        };
        let tools = tools.and_then(Json::as_array).filter(|tools| !tools.is_empty() && !self.knows_tools());
        if self.thinking() != Some(Thinking::TAGS) && made.iter().any(has_thought) {
            made.to_mut().iter_mut().for_each(take_thought);
        }
        if let Some(tools) = tools {
            tell(made.to_mut(), tools, self.family());
        }
        made
    }
}

/// Whether an answer was stored with its thought in front, in tags.
fn has_thought(message: &ChatMessage) -> bool {
    message.role == "assistant" && message.content.trim_start().starts_with(Thinking::TAGS.open)
}

/// Takes such a thought out of the text, for models that have never seen the tags.
fn take_thought(message: &mut ChatMessage) {
    let Thinking { open, close, .. } = Thinking::TAGS;
    if !has_thought(message) {
        return;
    }
    let text = message.content.trim_start();
    let Some((thought, rest)) = text[open.len()..].split_once(close) else { return };
    let (thought, rest) = (thought.trim().to_owned(), rest.trim_start().to_owned());
    if message.tool_calls.is_none() {
        message.reasoning.get_or_insert(thought);
    }
    message.content = rest;
}

/// Tells the model of the tools, in the system message.
fn tell(messages: &mut Vec<ChatMessage>, tools: &[Json], family: Family) {
    let list: String = tools.iter().map(|tool| format!("{tool}\n")).collect();
    let example = written("\"<function-name>\"", "<args-json-object>", family);
    let words = format!("{BEFORE}{list}{AFTER}{example}");
    match messages.first_mut().filter(|first| first.role == "system") {
        Some(system) => system.content = format!("{}\n\n{words}", system.content),
        None => messages.insert(0, ChatMessage::new("system", words)),
    }
}

/// Calls as text, and results as the user's words: the template knows neither.
fn without_tool_role(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let mut made: Vec<ChatMessage> = Vec::with_capacity(messages.len());
    for message in messages {
        if message.role != "tool" {
            made.push(with_calls_as_text(message.clone(), Family::Generic));
            continue;
        }
        let result = format!("<tool_response>\n{}\n</tool_response>", message.content);
        let is_result =
            |last: &&mut ChatMessage| last.role == "user" && last.content.ends_with("</tool_response>");
        match made.last_mut().filter(is_result) {
            Some(last) => last.content = format!("{}\n{result}", last.content),
            None => made.push(ChatMessage::new("user", result)),
        }
    }
    made
}

fn with_calls_as_text(mut message: ChatMessage, family: Family) -> ChatMessage {
    let calls = message.tool_calls.take();
    for call in calls.iter().filter_map(Json::as_array).flatten() {
        let function = call.get("function").unwrap_or(call);
        let arguments = function.get("arguments").cloned().unwrap_or_else(|| json!({}));
        let arguments = arguments.as_str().map_or_else(|| arguments.to_string(), str::to_owned);
        let name = function.get("name").cloned().unwrap_or_default().to_string();
        if !message.content.is_empty() {
            message.content.push('\n');
        }
        message.content.push_str(&written(&name, &arguments, family));
    }
    message
}

/// A call as a family writes it, or as its reader takes it too. The name is in its quotes.
fn written(name: &str, arguments: &str, family: Family) -> String {
    let object = format!("{{\"name\": {name}, \"arguments\": {arguments}}}");
    match family {
        Family::List => format!("<|tool_call|>[{object}]"),
        Family::Lfm2 => format!("{}[{object}]{}", lfm2::OPEN, lfm2::CLOSE),
        Family::DeepSeek | Family::DeepSeek31 => {
            let SectionMarkers { open, close, call, separator, end } = &DEEPSEEK;
            let bare = name.trim_matches('"');
            match family {
                Family::DeepSeek31 => format!("{open}{call}{bare}{separator}{arguments}{end}{close}"),
                _ => format!("{open}{call}function{separator}{bare}\n```json\n{arguments}\n```{end}{close}"),
            }
        }
        _ => format!("<tool_call>\n{object}\n</tool_call>"),
    }
}

/// Ids of nine letters and digits, the same for a call and its result.
fn with_short_ids(mut message: ChatMessage) -> ChatMessage {
    for call in message.tool_calls.iter_mut().filter_map(Json::as_array_mut).flatten() {
        if let Some(Json::String(id)) = call.get_mut("id") {
            *id = short(id);
        }
    }
    message.tool_call_id = message.tool_call_id.as_deref().map(short);
    message
}

fn short(id: &str) -> String {
    if id.len() == 9 && id.chars().all(|c| c.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    format!("{:09x}", hasher.finish() & 0xF_FFFF_FFFF)
}

/// Several calls in a message become messages of one call, each with its result behind it.
fn one_call_each(messages: &[ChatMessage]) -> Vec<ChatMessage> {
    let mut split = Vec::with_capacity(messages.len());
    let mut rest = messages;
    while let Some((message, behind)) = rest.split_first() {
        let calls = message.tool_calls.as_ref().and_then(Json::as_array).filter(|calls| calls.len() > 1);
        let Some(calls) = calls else {
            split.push(message.clone());
            rest = behind;
            continue;
        };
        let results = behind.iter().take_while(|message| message.role == "tool").count();
        let (results, behind) = behind.split_at(results);
        let mut left: Vec<&ChatMessage> = results.iter().collect();
        for (at, call) in calls.iter().enumerate() {
            let whole = if at == 0 { message.clone() } else { ChatMessage::new("assistant", "") };
            split.push(ChatMessage { tool_calls: Some(json!([call])), ..whole });
            let id = call.get("id").and_then(Json::as_str);
            let own = left.iter().position(|result| id.is_some() && result.tool_call_id.as_deref() == id);
            let last = at + 1 == calls.len();
            match own {
                Some(own) => split.push(left.remove(own).clone()),
                None if !last && !left.is_empty() => split.push(left.remove(0).clone()),
                None => {}
            }
        }
        split.extend(left.into_iter().cloned());
        rest = behind;
    }
    split
}

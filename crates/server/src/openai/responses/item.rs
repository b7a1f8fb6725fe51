//! Items: what was said, thought, called and answered, one after the other.

use std::collections::BTreeMap;

use lantern_engine::ChatMessage;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ApiError;
use crate::generate::fields::short;
use crate::generate::pictures::{Draft, DraftPart};
use crate::openai::chat::unsupported_content;

/// Something that a request brings: a `message`, a `function_call`, a `function_call_output` or `reasoning`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct InputItem {
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Which of these; a `message` if nothing is said.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Whose message it is: `system`, `developer`, `user` or `assistant`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// A message's words, or thoughts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<InputContent>,
    /// Which call it is, or is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// The function that is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<String>,
    /// What a function answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<InputContent>,
    /// Thoughts in short.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Vec<InputPart>>,
    /// How far it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
}

/// Words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of parts")]
pub(crate) enum InputContent {
    /// Plain.
    Text(String),
    /// In parts.
    Parts(Vec<InputPart>),
}

/// A part.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct InputPart {
    /// `input_text`, `output_text`, `reasoning_text`, `summary_text`, `refusal` or `input_image`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Words of a refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// A picture, as a data URL or an address on the web.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
}

impl InputItem {
    /// A message.
    pub(super) fn message(role: &str, content: InputContent) -> Self {
        Self {
            kind: Some("message".into()),
            role: Some(role.into()),
            content: Some(content),
            ..Self::default()
        }
    }
}

/// The conversation that items are, behind its instructions.
pub(super) fn drafts<'a>(
    instructions: Option<&str>,
    items: impl Iterator<Item = &'a InputItem>,
) -> Result<Vec<Draft>, ApiError> {
    let mut conversation = Conversation::default();
    if let Some(instructions) = instructions {
        conversation.drafts.push(Draft::new("system", vec![DraftPart::Text(instructions.into())]));
    }
    for item in items {
        conversation.add(item)?;
    }
    if let Some(thoughts) = conversation.thoughts.take() {
        conversation.assistant().message.reasoning = Some(thoughts);
    }
    Ok(conversation.drafts)
}

/// Items on their way to messages: thoughts, words and calls of one answer become one message.
#[derive(Default)]
struct Conversation {
    drafts: Vec<Draft>,
    /// For the answer that follows.
    thoughts: Option<String>,
    /// Names of functions by their calls' ids.
    called: BTreeMap<String, String>,
}

impl Conversation {
    fn add(&mut self, item: &InputItem) -> Result<(), ApiError> {
        let kind = item.kind.as_deref().unwrap_or("message");
        match (kind, item.role.as_deref(), &item.call_id) {
            ("message", Some("assistant"), _) => {
                let parts = parts(item.content.as_ref())?;
                let draft = Draft::new("assistant", parts);
                self.drafts.push(draft);
                self.think();
            }
            ("message", Some(role @ ("system" | "developer" | "user")), _) => {
                let role = if role == "developer" { "system" } else { role };
                self.drafts.push(Draft::new(role, parts(item.content.as_ref())?));
            }
            ("function_call", _, Some(id)) => self.call(id, item),
            ("function_call_output", _, Some(id)) => {
                let mut draft = Draft::new("tool", parts(item.output.as_ref())?);
                draft.message.tool_call_id = Some(id.clone());
                draft.message.name = self.called.get(id).cloned();
                self.drafts.push(draft);
            }
            ("reasoning", ..) => {
                let summary = item.summary.clone().map(InputContent::Parts);
                let content = item.content.as_ref().or(summary.as_ref());
                self.thoughts = Some(words(parts(content)?));
            }
            (kind, role, _) => {
                let role = role.map_or(String::new(), |role| format!(" and the role `{}`", short(role)));
                let message = format!("An item of the type `{}`{role} cannot be used.", short(kind));
                let next = "Send messages, function_call, function_call_output (with call_id) and reasoning.";
                return Err(ApiError::invalid("input", message, next));
            }
        }
        Ok(())
    }

    /// Calls belong to the assistant's words before them, if there are any.
    fn call(&mut self, id: &str, item: &InputItem) {
        let name = item.name.clone().unwrap_or_default();
        let arguments = item.arguments.clone().unwrap_or_default();
        self.called.insert(id.to_owned(), name.clone());
        let call = json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
        let message = &mut self.assistant().message;
        match &mut message.tool_calls {
            Some(Value::Array(calls)) => calls.push(call),
            calls => *calls = Some(json!([call])),
        }
        self.think();
    }

    /// The assistant's message at the end, which may have to be begun.
    fn assistant(&mut self) -> &mut Draft {
        let goes_on = self.drafts.last().is_some_and(|last| last.message.role == "assistant");
        if !goes_on {
            self.drafts.push(Draft { message: ChatMessage::new("assistant", ""), parts: Vec::new() });
        }
        let last = self.drafts.len() - 1;
        &mut self.drafts[last]
    }

    fn think(&mut self) {
        if let Some(thoughts) = self.thoughts.take() {
            self.assistant().message.reasoning = Some(thoughts);
        }
    }
}

fn parts(content: Option<&InputContent>) -> Result<Vec<DraftPart>, ApiError> {
    let part = |part: &InputPart| match (part.kind.as_str(), &part.text, &part.image_url, &part.refusal) {
        ("input_text" | "output_text" | "text" | "reasoning_text" | "summary_text", Some(text), ..)
        | ("refusal", _, _, Some(text)) => Ok(DraftPart::Text(text.clone())),
        ("input_image", _, Some(url), _) => Ok(DraftPart::Url(url.clone())),
        (kind, ..) => Err(unsupported_content(kind, "input".into())),
    };
    match content {
        None => Ok(Vec::new()),
        Some(InputContent::Text(text)) => Ok(vec![DraftPart::Text(text.clone())]),
        Some(InputContent::Parts(list)) => list.iter().map(part).collect(),
    }
}

fn words(parts: Vec<DraftPart>) -> String {
    let text = |part: DraftPart| match part {
        DraftPart::Text(text) => text,
        _ => String::new(),
    };
    parts.into_iter().map(text).collect()
}

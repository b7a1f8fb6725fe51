//! One message of a conversation, as templates see it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::picture::Picture;

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum ContentPart {
    /// Words.
    Text(String),
    /// A picture.
    Picture(Picture),
}

/// A message; `role` and `content` are always there, the rest where it applies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatMessage {
    /// `system`, `user`, `assistant`, `tool` or what the model's template knows besides.
    pub role: String,
    /// The text.
    pub content: String,
    /// A list of content parts (`[{"type": "text", …}]`) that stands in for `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parts: Option<Json>,
    /// The pictures of `parts`, in order.
    #[serde(skip)]
    pub pictures: Vec<Picture>,
    /// The assistant's reasoning before its answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// The assistant's tool calls in OpenAI's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Json>,
    /// The call that a tool's message answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// The tool's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl ChatMessage {
    /// A message of text alone.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into(), ..Self::default() }
    }

    /// A message of words and pictures. Words alone are a message of text.
    pub fn of_parts(role: impl Into<String>, parts: Vec<ContentPart>) -> Self {
        let (mut content, mut list, mut pictures) = (String::new(), Vec::new(), Vec::new());
        for part in parts {
            match part {
                ContentPart::Text(text) => {
                    content.push_str(&text);
                    list.push(json!({"type": "text", "text": text}));
                }
                ContentPart::Picture(picture) => {
                    pictures.push(picture);
                    list.push(json!({"type": "image"}));
                }
            }
        }
        let parts = (!pictures.is_empty()).then_some(Json::Array(list));
        Self { parts, pictures, ..Self::new(role, content) }
    }

    /// Puts words before all others.
    pub(crate) fn prepend(&mut self, words: &str) {
        self.content.insert_str(0, words);
        if let Some(Json::Array(parts)) = &mut self.parts {
            parts.insert(0, json!({"type": "text", "text": words}));
        }
    }

    /// The mapping that templates read.
    pub(crate) fn to_json(&self) -> Json {
        let mut map = Map::new();
        map.insert("role".into(), self.role.as_str().into());
        map.insert("content".into(), self.parts.clone().unwrap_or_else(|| self.content.as_str().into()));
        if let Some(reasoning) = &self.reasoning {
            map.insert("reasoning_content".into(), reasoning.as_str().into());
        }
        if let Some(calls) = &self.tool_calls {
            map.insert("tool_calls".into(), calls.clone());
        }
        if let Some(name) = &self.name {
            map.insert("name".into(), name.as_str().into());
        }
        if let Some(id) = &self.tool_call_id {
            map.insert("tool_call_id".into(), id.as_str().into());
        }
        as_templates_expect(Json::Object(map))
    }
}

/// A message in the API's form as templates expect it: reasoning goes by both names in use, and a tool call's arguments
/// are an object where the API's JSON string holds one.
pub(crate) fn as_templates_expect(mut message: Json) -> Json {
    let Some(map) = message.as_object_mut() else { return message };
    if let Some(reasoning) = map.get("reasoning_content").cloned()
        && !map.contains_key("thinking")
    {
        map.insert("thinking".into(), reasoning);
    }
    if let Some(calls) = map.get_mut("tool_calls") {
        parse_arguments(calls);
    }
    message
}

fn parse_arguments(calls: &mut Json) {
    for call in calls.as_array_mut().into_iter().flatten() {
        let arguments = match call.get_mut("function") {
            Some(function) => function.get_mut("arguments"),
            None => call.get_mut("arguments"),
        };
        if let Some(arguments) = arguments
            && let Some(Ok(parsed @ Json::Object(_))) = arguments.as_str().map(serde_json::from_str)
        {
            *arguments = parsed;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_objects_where_they_hold_one() {
        let message = ChatMessage {
            tool_calls: Some(serde_json::json!([
                {"function": {"name": "f", "arguments": "{\"a\": [1, 2]}"}},
                {"function": {"name": "g", "arguments": "no json"}},
                {"function": {"name": "h", "arguments": {"b": 1}}},
            ])),
            ..ChatMessage::new("assistant", "")
        };
        let json = message.to_json();
        let arguments = |i: usize| json["tool_calls"][i]["function"]["arguments"].clone();
        assert_eq!(arguments(0), serde_json::json!({"a": [1, 2]}));
        assert_eq!(arguments(1), "no json");
        assert_eq!(arguments(2), serde_json::json!({"b": 1}));
    }
}

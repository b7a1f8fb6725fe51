//! A conversation as OpenAI's protocol writes it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_engine::{ChatMessage, EngineError, Picture};
use serde_json::{Map, Value, json};

use crate::{Kind, RemoteError};

/// All messages.
pub(crate) fn written(messages: &[ChatMessage], kind: Kind) -> Result<Vec<Value>, RemoteError> {
    messages.iter().map(|message| one(message, kind)).collect()
}

fn one(message: &ChatMessage, kind: Kind) -> Result<Value, RemoteError> {
    let calls = message.tool_calls.as_ref().and_then(Value::as_array).filter(|calls| !calls.is_empty());
    let mut map = Map::new();
    map.insert("role".into(), json!(message.role));
    let content = match (&message.parts, calls) {
        (Some(parts), _) => with_pictures(parts, &message.pictures)?,
        (None, Some(_)) if message.content.is_empty() => Value::Null,
        (None, _) => json!(message.content),
    };
    map.insert("content".into(), content);
    if let Some(calls) = calls {
        map.insert("tool_calls".into(), calls.iter().enumerate().map(call).collect());
    }
    if let Some(id) = &message.tool_call_id {
        map.insert("tool_call_id".into(), json!(id));
    }
    if let Some(name) = &message.name {
        map.insert("name".into(), json!(name));
    }
    // OpenAI's own protocol has no place for it, and clouds refuse what they do not know.
    if let Some(reasoning) = message.reasoning.as_ref().filter(|_| kind != Kind::Other) {
        let field = if kind == Kind::Vllm { "reasoning" } else { "reasoning_content" };
        map.insert(field.into(), json!(reasoning));
    }
    Ok(Value::Object(map))
}

/// Parts with the pictures in their places, as data URLs.
fn with_pictures(parts: &Value, pictures: &[Picture]) -> Result<Value, RemoteError> {
    let (mut parts, mut pictures) = (parts.clone(), pictures.iter());
    for part in parts.as_array_mut().into_iter().flatten().filter(|part| part["type"] == "image") {
        let Some(picture) = pictures.next() else { break };
        let file =
            picture.file().map_err(|error: EngineError| RemoteError::Picture { why: error.to_string() })?;
        let url = format!("data:{};base64,{}", file.media_type, STANDARD.encode(&file.bytes));
        *part = json!({"type": "image_url", "image_url": {"url": url}});
    }
    Ok(parts)
}

/// A call as templates may have it (arguments an object, no id) in the protocol's form.
fn call((index, call): (usize, &Value)) -> Value {
    let function = call.get("function").unwrap_or(call);
    let arguments = match function.get("arguments") {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => "{}".into(),
    };
    let id = call.get("id").and_then(Value::as_str).map_or_else(|| format!("call_{index}"), str::to_owned);
    json!({
        "id": id,
        "type": "function",
        "function": {"name": function.get("name").cloned().unwrap_or_default(), "arguments": arguments},
    })
}

/// The tools, asking vLLM to hold the arguments to their schemas.
pub(crate) fn tools(tools: &Value, kind: Kind) -> Value {
    let mut tools = tools.clone();
    for tool in tools.as_array_mut().into_iter().flatten() {
        if tool.get("function").is_none() {
            *tool = json!({"type": "function", "function": tool.take()});
        }
        if kind == Kind::Vllm
            && let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut)
        {
            function.insert("strict".into(), json!(true));
        }
    }
    tools
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_their_results_keep_their_ids() {
        let asked = ChatMessage {
            tool_calls: Some(json!([{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}])),
            reasoning: Some("hm".into()),
            ..ChatMessage::new("assistant", "")
        };
        let told = ChatMessage { tool_call_id: Some("a".into()), ..ChatMessage::new("tool", "2") };
        let written = written(&[asked, told], Kind::Other).unwrap();
        assert_eq!(
            json!(written),
            json!([
                {"role": "assistant", "content": null, "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}}
                ]},
                {"role": "tool", "content": "2", "tool_call_id": "a"},
            ])
        );
    }

    #[test]
    fn only_vllm_hears_of_strict_tools() {
        let list = json!([{"type": "function", "function": {"name": "f"}}, {"name": "g"}]);
        assert_eq!(tools(&list, Kind::Vllm)[1]["function"], json!({"name": "g", "strict": true}));
        assert_eq!(tools(&list, Kind::Other)[0], list[0]);
    }
}

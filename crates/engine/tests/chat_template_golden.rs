//! Chat templates of well-known models against what the reference implementation renders.

use lantern_engine::{ChatMessage, ChatTemplate, TemplateError, TemplateOptions};
use serde_json::Value as Json;

fn message(json: &Json) -> ChatMessage {
    let text = |key: &str| json[key].as_str().map(str::to_owned);
    ChatMessage {
        role: text("role").unwrap(),
        content: text("content").unwrap_or_default(),
        parts: json["content"].is_array().then(|| json["content"].clone()),
        reasoning: text("reasoning_content"),
        tool_calls: json.get("tool_calls").cloned(),
        tool_call_id: text("tool_call_id"),
        name: text("name"),
        ..ChatMessage::default()
    }
}

#[test]
fn every_conversation_renders_as_the_reference_does() {
    let path = lantern_golden::path("chat_templates.json");
    let golden: Json = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert!(cases.len() > 200, "only {} cases", cases.len());
    for case in cases {
        let template = &golden["templates"][case["template"].as_str().unwrap()];
        let conversation = &golden["conversations"][case["conversation"].as_str().unwrap()];
        let label = format!("{} with {}", case["template"], case["conversation"]);
        let text = |key: &str| template[key].as_str().unwrap();
        let chat = ChatTemplate::from_source(text("template"), text("bos_token"), text("eos_token"));
        let messages: Vec<ChatMessage> =
            conversation["messages"].as_array().unwrap().iter().map(message).collect();
        let options = TemplateOptions {
            add_generation_prompt: conversation["add_generation_prompt"].as_bool().unwrap_or(true),
            tools: conversation.get("tools").cloned(),
            now: Some(golden["now"].as_str().unwrap().parse().unwrap()),
            variables: conversation["kwargs"].as_object().cloned().unwrap_or_default(),
        };
        let rendered = chat.unwrap_or_else(|error| panic!("{label}: {error}")).render(&messages, &options);
        match case["error"].as_str() {
            None => assert_eq!(rendered.as_deref(), Ok(case["expected"].as_str().unwrap()), "{label}"),
            Some(expected) => match rendered {
                Err(TemplateError::Refused { message, .. }) => assert_eq!(message, expected, "{label}"),
                other => panic!("{label} should refuse with {expected:?}, not give {other:?}"),
            },
        }
    }
}

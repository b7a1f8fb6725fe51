//! What a chat template writes for the assistant's calls is read back as the same calls.

use std::sync::Arc;

use lantern_engine::{
    ChatMessage, ChatTemplate, OutputEvent, OutputFormat, TemplateOptions, ToolChoice, ToolSet,
};
use serde_json::{Value as Json, json};

/// Families of templates that write calls. The others are told of tools in Lantern's words, or have no calls.
const FORMATS: &[(&str, &str)] = &[
    ("Qwen-Qwen2.5-7B-Instruct", "hermes"),
    ("Qwen-Qwen3-0.6B", "hermes"),
    ("Qwen3.5-4B", "qwen-xml"),
    ("Qwen3-Coder", "qwen-xml"),
    ("google-gemma-4-31B-it", "gemma4"),
    ("mistralai-Mistral-Nemo-Instruct-2407", "mistral-list"),
    ("Mistral-Small-3.2-24B-Instruct-2506", "mistral-args"),
    ("openai-gpt-oss-120b", "harmony"),
    ("ibm-granite-granite-3.3-2B-Instruct", "tool-call-list"),
    ("ibm-granite-granite-4.0", "hermes"),
    ("HuggingFaceTB-SmolLM3-3B", "generic"),
    ("microsoft-Phi-3.5-mini-instruct", "generic"),
    ("deepseek-ai-DeepSeek-R1-Distill-Qwen-32B", "deepseek"),
    ("GLM-4.6", "glm"),
    ("SmolLM2-135M-Instruct-gguf", "generic"),
    ("Qwen2.5-Coder-0.5B-Instruct-gguf", "hermes"),
];

fn golden() -> Json {
    let path = lantern_golden::path("chat_templates.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the templates")).expect("they are JSON")
}

fn tools() -> Json {
    let properties = json!({
        "text": {"type": "string"}, "count": {"type": "integer"}, "flag": {"type": "boolean"},
        "list": {"type": "array", "items": {"type": "string"}},
        "place": {"type": "object", "properties": {"x": {"type": "number"}, "name": {"type": "string"}}},
    });
    json!([
        {"type": "function", "function": {"name": "store", "description": "Stores.",
            "parameters": {"type": "object", "properties": properties, "required": ["text"]}}},
        {"type": "function", "function": {"name": "now", "description": "The time.",
            "parameters": {"type": "object", "properties": {}}}},
    ])
}

fn calls() -> Vec<Json> {
    vec![
        json!({"text": "Grüße, \"世界\" 😀 {x}", "count": -3, "flag": true, "list": ["a", "b, c"], "place": {"x": 1.5, "name": "Zürich"}}),
        json!({"text": "two\n  lines\tand </b> <i>, `code`", "list": []}),
        json!({"text": "1", "flag": false}),
        json!({"text": "", "count": 0}),
    ]
}

struct Model {
    template: ChatTemplate,
    format: OutputFormat,
}

impl Model {
    /// What the template adds for an assistant's message behind a question.
    fn written(&self, message: &ChatMessage) -> String {
        let tools = tools();
        let render = |messages: &[ChatMessage], add_generation_prompt| {
            let messages = self.format.prepare(messages, Some(&tools));
            let tools = self.format.knows_tools().then(|| tools.clone());
            let options = TemplateOptions { add_generation_prompt, tools, ..TemplateOptions::default() };
            self.template.render(&messages, &options).expect("it renders")
        };
        let question = ChatMessage::new("user", "Go on.");
        let before = render(std::slice::from_ref(&question), false);
        let whole = render(&[question, message.clone()], false);
        let same = before.chars().zip(whole.chars()).take_while(|(a, b)| a == b);
        whole[same.map(|(c, _)| c.len_utf8()).sum::<usize>()..].to_owned()
    }

    fn read(&self, text: &str) -> Vec<(String, Json)> {
        let tools = Arc::new(ToolSet::from_json(&tools()));
        let end = if self.format.name() == "harmony" { "<|start|>assistant" } else { "" };
        let mut parser = self.format.parser(&tools, &ToolChoice::Auto, end, 3);
        let mut calls: Vec<(String, String)> = Vec::new();
        for event in parser.push_text(text).into_iter().chain(parser.finish()) {
            match event {
                OutputEvent::ToolCallStart { name, .. } => calls.push((name, String::new())),
                OutputEvent::ToolArguments { text, .. } => {
                    calls.last_mut().expect("a call").1.push_str(&text)
                }
                _ => {}
            }
        }
        let json = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        calls.into_iter().map(|(name, arguments)| (name, json(&arguments))).collect()
    }
}

fn message(calls: &[(&str, &Json)]) -> ChatMessage {
    let call = |(at, (name, arguments)): (usize, &(&str, &Json))| {
        json!({"id": format!("call_{at}"), "type": "function",
            "function": {"name": name, "arguments": arguments.to_string()}})
    };
    let calls: Json = calls.iter().enumerate().map(call).collect();
    ChatMessage { tool_calls: Some(calls), ..ChatMessage::new("assistant", "") }
}

#[test]
fn what_templates_write_is_read_back() {
    let golden = golden();
    let templates = golden["templates"].as_object().expect("templates");
    assert_eq!(templates.len(), FORMATS.len(), "every template has its line here");
    for (name, format) in FORMATS {
        let of = &templates[*name];
        let text = |key: &str| of[key].as_str().unwrap_or_default();
        let template = ChatTemplate::from_source(text("template"), text("bos_token"), text("eos_token"))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let model = Model { format: OutputFormat::detect(&template.text(), |_| None), template };
        assert_eq!(model.format.name(), *format, "{name}");
        for arguments in calls() {
            let written = model.written(&message(&[("store", &arguments)]));
            assert_eq!(model.read(&written), [("store".to_owned(), arguments)], "{name} wrote {written:?}");
        }
        let (first, second) = (json!({}), json!({"text": "x"}));
        let written = model.written(&message(&[("now", &first), ("store", &second)]));
        let both = [("now".to_owned(), first), ("store".to_owned(), second)];
        assert_eq!(model.read(&written), both, "{name} wrote {written:?}");
    }
}

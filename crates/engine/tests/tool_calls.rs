//! Calls of tools from models with random weights, through the engine: they write noise, so whatever is right about a call is
//! the grammar's doing, and whatever is read of it the parser's.

use lantern_engine::{
    ChatMessage, Constraint, Engine, EngineError, EngineOptions, FinishReason, GenerateRequest,
    GenerationEvent, Prompt, SamplingParams, ToolChoice,
};
use serde_json::{Value, json};

const MODELS: [&str; 5] = [
    "qwen3-Q8_0.gguf",
    "gemma4_dense-Q8_0.gguf",
    "lfm2-Q8_0.gguf",
    "gptoss-MXFP4.gguf",
    "llama_untied-Q8_0.gguf",
];

fn engine(model: &str) -> Engine {
    let path = lantern_golden::path("models").join(model);
    Engine::load(&path, EngineOptions { threads: 2, ..EngineOptions::default() })
        .expect("the golden model loads")
}

fn request(seed: u64, tool_choice: ToolChoice) -> GenerateRequest {
    let properties = json!({
        "count": {"type": "integer", "minimum": 0, "maximum": 99},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "deep": {"type": "boolean"},
    });
    let parameters = json!({
        "type": "object", "properties": properties, "required": ["count", "unit"], "additionalProperties": false,
    });
    let tools = json!([
        {"type": "function", "function": {"name": "measure", "description": "", "parameters": parameters}},
        {"type": "function", "function": {"name": "now", "description": "", "parameters": {"type": "object", "properties": {}, "additionalProperties": false}}},
    ]);
    let messages = vec![ChatMessage::new("user", "Go on.")];
    GenerateRequest {
        sampling: SamplingParams {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: Some(seed),
            ..SamplingParams::default()
        },
        max_tokens: Some(1500),
        tool_choice,
        parallel_tool_calls: false,
        ..GenerateRequest::new(Prompt::Messages { messages, tools: Some(tools) })
    }
}

#[derive(Debug, Default)]
struct Answer {
    text: String,
    calls: Vec<(String, String)>,
    tokens: usize,
    reason: Option<FinishReason>,
    counted: usize,
}

fn say(engine: &Engine, request: GenerateRequest) -> Answer {
    let mut stream = engine.generate(request).expect("accepted");
    let mut answer = Answer::default();
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { text, tokens, .. } => {
                answer.text.push_str(&text);
                answer.tokens += tokens.len();
            }
            GenerationEvent::Reasoning { tokens, .. } => answer.tokens += tokens.len(),
            GenerationEvent::ToolCall { index, name, .. } => {
                assert_eq!(index, answer.calls.len());
                answer.calls.push((name, String::new()));
            }
            GenerationEvent::ToolArguments { index, text, tokens } => {
                answer.calls[index].1.push_str(&text);
                answer.tokens += tokens.len();
            }
            GenerationEvent::Finished { reason, usage, .. } => {
                (answer.reason, answer.counted) = (Some(reason), usage.completion_tokens);
            }
            GenerationEvent::Failed(error) => panic!("{error}"),
            GenerationEvent::Queued { .. } | GenerationEvent::Prefill { .. } => {}
        }
    }
    answer
}

#[test]
fn required_calls_come_and_match_their_schema() {
    for model in MODELS {
        let engine = engine(model);
        let mut called = 0;
        for seed in 0..6 {
            let choice =
                if seed % 2 == 0 { ToolChoice::Required } else { ToolChoice::Named("measure".into()) };
            let answer = say(&engine, request(seed, choice.clone()));
            let format = engine.output_format().name();
            let what = format!("{model} ({format}), {choice:?}, seed {seed}: {answer:?}");
            assert_eq!(answer.tokens, answer.counted, "every token is in an event: {what}");
            if answer.reason == Some(FinishReason::Length) && answer.calls.is_empty() {
                continue; // Noise thinks on and on where it may.
            }
            assert_eq!(answer.reason, Some(FinishReason::ToolCalls), "{what}");
            let [(name, arguments)] = &answer.calls[..] else { panic!("one call: {what}") };
            let arguments: Value =
                serde_json::from_str(arguments).unwrap_or_else(|error| panic!("{error}: {what}"));
            called += 1;
            if name == "measure" {
                assert!(arguments["count"].as_u64().is_some_and(|count| count <= 99), "{what}");
                assert!(arguments["unit"] == "C" || arguments["unit"] == "F", "{what}");
            } else {
                assert_eq!((name.as_str(), &arguments), ("now", &json!({})), "{what}");
                assert_eq!(choice, ToolChoice::Required, "{what}");
            }
        }
        assert!(called > 0, "{model} ({}) called", engine.output_format().name());
    }
}

#[test]
fn without_a_choice_nothing_is_a_call() {
    let engine = engine(MODELS[0]);
    let answer = say(&engine, GenerateRequest { max_tokens: Some(40), ..request(1, ToolChoice::None) });
    assert!(answer.calls.is_empty(), "{answer:?}");
    assert_eq!(answer.tokens, answer.counted);
    let unknown = engine.generate(request(1, ToolChoice::Named("missing".into()))).map(|_| ());
    assert!(matches!(unknown, Err(EngineError::UnknownTool(name)) if name == "missing"));
}

#[test]
fn an_answer_may_be_a_call_or_match_a_schema() {
    let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": false});
    for model in MODELS {
        let engine = engine(model);
        for seed in 0..4 {
            let constraint = Some(Constraint::JsonSchema(schema.clone()));
            let answer = say(&engine, GenerateRequest { constraint, ..request(seed, ToolChoice::Auto) });
            let said: Result<Value, _> = serde_json::from_str(answer.text.trim());
            let fits = said.is_ok_and(|said| said["ok"].is_boolean());
            let is_cut = answer.reason == Some(FinishReason::Length);
            assert!(fits != (answer.calls.len() == 1) || is_cut, "{model}, seed {seed}: {answer:?}");
        }
    }
}

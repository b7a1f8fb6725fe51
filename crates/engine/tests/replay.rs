//! The same answer again, from what the engine says it followed from: warm and cold, with guesses and without, held to a
//! grammar and with pictures.

use lantern_engine::{
    ChatMessage, Constraint, Engine, EngineOptions, FinishReason, GenerateRequest, GenerationEvent,
    GenerationStream, Inputs, Prompt, SamplingParams, ToolChoice,
};
use serde_json::{Value, json};

const MODELS: [&str; 5] = [
    "llama_untied-Q8_0.gguf",
    "qwen3-Q8_0.gguf",
    "gemma4_dense-Q8_0.gguf",
    "lfm2-Q8_0.gguf",
    "qwen35_dense_mtp-F32.gguf",
];

fn engine(model: &str, options: EngineOptions) -> Engine {
    let path = lantern_golden::path("models").join(model);
    Engine::load(&path, EngineOptions { threads: 2, ..options }).expect("the golden model loads")
}

fn tools() -> Value {
    let parameters = json!({
        "type": "object", "properties": {"unit": {"type": "string", "enum": ["C", "F"]}},
        "required": ["unit"], "additionalProperties": false,
    });
    json!([{"type": "function", "function": {"name": "measure", "description": "", "parameters": parameters}}])
}

/// A conversation at temperature 1, without a seed of its own.
fn request(words: &str, tools: Option<Value>) -> GenerateRequest {
    let messages = vec![ChatMessage::new("system", "Be odd."), ChatMessage::new("user", words)];
    GenerateRequest {
        sampling: SamplingParams { temperature: 1.0, top_k: 0, top_p: 1.0, min_p: 0.0, ..Default::default() },
        max_tokens: Some(120),
        ..GenerateRequest::new(Prompt::Messages { messages, tools })
    }
}

/// The same request, from what the first one became.
fn again(request: &GenerateRequest, inputs: &Inputs) -> GenerateRequest {
    let Prompt::Messages { tools, .. } = &request.prompt else { panic!("a conversation") };
    let prompt =
        Prompt::Rendered { tokens: inputs.tokens.clone(), pictures: Vec::new(), tools: tools.clone() };
    let sampling = SamplingParams { seed: Some(inputs.seed), ..request.sampling.clone() };
    let context_length = Some(inputs.context_length);
    GenerateRequest { prompt, sampling, context_length, ..request.clone() }
}

fn outcome(mut stream: GenerationStream) -> (Vec<u32>, String, FinishReason) {
    let (mut all, mut said) = (Vec::new(), String::new());
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { text, tokens, .. }
            | GenerationEvent::Reasoning { text, tokens }
            | GenerationEvent::ToolArguments { text, tokens, .. } => {
                said.push_str(&text);
                all.extend(tokens);
            }
            GenerationEvent::Finished { reason, .. } => return (all, said, reason),
            GenerationEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("a stream ends with its end");
}

fn run(engine: &Engine, request: GenerateRequest) -> (Inputs, (Vec<u32>, String, FinishReason)) {
    let stream = engine.generate(request).expect("accepted");
    let inputs = stream.inputs().expect("an engine's stream has inputs").clone();
    (inputs, outcome(stream))
}

#[test]
fn the_tokens_of_a_prompt_are_those_of_its_text() {
    for model in MODELS {
        let engine = engine(model, EngineOptions::default());
        let request = GenerateRequest { max_tokens: Some(1), ..request("Count on.", Some(tools())) };
        let expected = engine.prompt_ids(request.prompt.clone()).expect("it renders");
        let (inputs, _) = run(&engine, request.clone());
        assert_eq!(inputs.tokens, expected, "{model}");
        assert_eq!(engine.prompt_ids(again(&request, &inputs).prompt).unwrap(), expected, "{model}");
    }
}

#[test]
fn an_answer_comes_again_warm_cold_and_without_guesses() {
    for model in MODELS {
        let first = engine(model, EngineOptions::default());
        let request = request("Count on, and on, and on, and on, and on.", None);
        let (inputs, answer) = run(&first, request.clone());
        assert!(!answer.0.is_empty(), "{model}");
        let (warm_inputs, warm) = run(&first, again(&request, &inputs));
        assert_eq!((&warm_inputs, &warm), (&inputs, &answer), "{model}, warm");
        let other = run(&first, request.clone());
        assert_ne!(other.0.seed, inputs.seed, "{model}: seeds are drawn");
        assert_ne!(other.1.0, answer.0, "{model}: another seed gives another answer");
        for options in [
            EngineOptions::default(),
            EngineOptions { guess: false, ..EngineOptions::default() },
            EngineOptions { step_tokens: 7, context_length: Some(1024), ..EngineOptions::default() },
        ] {
            let what = format!("{model}, cold, {options:?}");
            assert_eq!(run(&engine(model, options), again(&request, &inputs)).1, answer, "{what}");
        }
    }
}

#[test]
fn a_call_that_had_to_come_comes_again() {
    for model in MODELS {
        let first = engine(model, EngineOptions::default());
        let request = GenerateRequest {
            tool_choice: ToolChoice::Required,
            parallel_tool_calls: false,
            max_tokens: Some(600),
            ..request("Go on.", Some(tools()))
        };
        let (inputs, answer) = run(&first, request.clone());
        assert_eq!(run(&first, again(&request, &inputs)).1, answer, "{model}, warm");
        let cold = engine(model, EngineOptions { guess: false, ..EngineOptions::default() });
        assert_eq!(run(&cold, again(&request, &inputs)).1, answer, "{model}, cold");
    }
}

#[test]
fn an_answer_of_a_schema_comes_again() {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}, "ok": {"type": "boolean"}},
        "required": ["n", "ok"], "additionalProperties": false});
    let first = engine(MODELS[0], EngineOptions::default());
    let constraint = Some(Constraint::JsonSchema(schema));
    let request = GenerateRequest { constraint, ..request("Go on.", None) };
    let (inputs, answer) = run(&first, request.clone());
    let cold = engine(MODELS[0], EngineOptions { guess: false, ..EngineOptions::default() });
    for engine in [&first, &cold] {
        assert_eq!(run(engine, again(&request, &inputs)).1, answer);
    }
}

#[test]
fn a_seed_that_was_given_is_kept_and_unknown_tokens_are_refused() {
    let engine = engine(MODELS[0], EngineOptions::default());
    let mut request = request("Go on.", None);
    request.sampling.seed = Some(u64::MAX);
    request.context_length = Some(300);
    let (inputs, _) = run(&engine, request);
    assert_eq!((inputs.seed, inputs.context_length), (u64::MAX, 300));
    let prompt = Prompt::Rendered { tokens: vec![1 << 31], pictures: Vec::new(), tools: None };
    let error = engine.generate(GenerateRequest::new(prompt)).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), "unknown_token");
}

//! Constraints made to hang, to crash or to eat memory: each is refused or used, and the engine goes on.
#![cfg(target_os = "linux")]

use lantern_engine::{
    Constraint, Engine, EngineOptions, GenerateRequest, GenerationEvent, Prompt, rss_bytes,
};
use serde_json::{Value, json};

fn hostile() -> Vec<Constraint> {
    let properties = |count: usize| -> Value {
        (0..count).map(|i| (format!("p{i}"), json!({"type": "string"}))).collect()
    };
    let mut nested = json!({"type": "string"});
    (0..20)
        .for_each(|_| nested = json!({"anyOf": [nested, {"type": "null"}], "allOf": [{"type": "string"}]}));
    let mut doubled = json!({"type": "string", "maxLength": 3});
    (0..14).for_each(|_| doubled = json!({"type": "object", "properties": {"a": doubled, "b": doubled}}));
    let mut deep = json!({});
    (0..120).for_each(|_| deep = json!({"items": deep}));
    let chain = |rules: usize| -> String {
        (0..rules).map(|i| format!("r{i} ::= r{} r{}\n", i + 1, i + 1)).collect()
    };
    let closed =
        |count| json!({"type": "object", "properties": properties(count), "additionalProperties": false});
    let counted = |count| json!({"allOf": [closed(count), {"minProperties": 1, "additionalProperties": false}], "type": "object"});
    vec![
        Constraint::Regex("((((a{0,1000}){0,1000}){0,1000}){0,1000}){0,1000}".into()),
        Constraint::Regex("(a|b)*a(a|b){200}".into()),
        Constraint::Regex("(".repeat(30_000)),
        Constraint::Regex("a".repeat(40_000)),
        Constraint::Regex(r"(\w{1,500}\s){1,500}".into()),
        Constraint::Regex("\u{e4}\\".into()),
        Constraint::Lark(format!("start: {}\"a\"{}", "(".repeat(5000), ")".repeat(5000))),
        Constraint::Lark("start: start start | \"a\"".into()),
        Constraint::Lark("start: start".into()),
        Constraint::Lark(format!("start: {}", "\"a\"? ".repeat(5_000))),
        Constraint::Lark("start: <[999999999999]>".into()),
        Constraint::Lark("start: \"a\"~1000000..2000000".into()),
        Constraint::Lark("%json".into()),
        Constraint::Lark("start: %lark { start: \"a\" ".into()),
        Constraint::Gbnf(format!("root ::= r0\n{}r40 ::= [a-z]\n", chain(40))),
        Constraint::Gbnf(format!("root ::= r0\n{}r9000 ::= root?\n", chain(9000))),
        Constraint::Gbnf("root ::= root root | root".into()),
        Constraint::JsonSchema(closed(2000)),
        Constraint::JsonSchema(counted(2000)),
        Constraint::JsonSchema(counted(60)),
        Constraint::JsonSchema(json!({"type": "array", "minItems": 1_000_000_000u64})),
        Constraint::JsonSchema(json!({"type": "array", "maxItems": 1_000_000_000u64})),
        Constraint::JsonSchema(json!({"type": "string", "minLength": 1_000_000_000u64})),
        Constraint::JsonSchema(json!({"type": "string", "maxLength": u64::MAX})),
        Constraint::JsonSchema(json!({"type": "string", "pattern": "^(a+)+$", "maxLength": 100_000})),
        Constraint::JsonSchema(json!({"type": "string", "pattern": "(.*a){30}b", "minLength": 500})),
        Constraint::JsonSchema(json!({"$ref": "#"})),
        Constraint::JsonSchema(json!({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})),
        Constraint::JsonSchema(json!({"allOf": [{"$ref": "#"}], "type": "object"})),
        Constraint::JsonSchema(json!({"type": "integer", "multipleOf": 1e-300})),
        Constraint::JsonSchema(json!({"type": "integer", "multipleOf": 7_919_777_777u64})),
        Constraint::JsonSchema(json!({"type": "number", "minimum": -1e308, "maximum": 1e308})),
        Constraint::JsonSchema(json!({"type": "integer", "minimum": i64::MIN, "maximum": u64::MAX})),
        Constraint::JsonSchema(json!({"enum": (0..20_000).map(|i| format!("value{i}")).collect::<Vec<_>>()})),
        Constraint::JsonSchema(nested),
        Constraint::JsonSchema(doubled),
        Constraint::JsonSchema(deep),
        Constraint::JsonSchema(json!({"type": ["string", 5]})),
        Constraint::JsonSchema(json!({"properties": 5, "type": "object"})),
        Constraint::JsonSchema(json!({"type": "é".repeat(300)})),
    ]
}

#[test]
fn none_of_them_hangs_or_takes_the_memory() {
    let path = lantern_golden::path("models/qwen3-Q8_0.gguf");
    let engine = Engine::load(&path, EngineOptions { threads: 2, ..EngineOptions::default() });
    let engine = engine.expect("the golden model loads");
    for constraint in hostile() {
        let words: String = format!("{constraint:?}").chars().take(70).collect();
        let request = GenerateRequest {
            constraint: Some(constraint),
            max_tokens: Some(8),
            ..GenerateRequest::new(Prompt::Tokens(vec![100, 101, 102]))
        };
        let started = std::time::Instant::now();
        let mut came = match engine.generate(request) {
            Err(error) => format!("{}: {error}", error.code()),
            Ok(mut stream) => {
                let mut end = String::new();
                while let Some(event) = stream.blocking_next() {
                    if let GenerationEvent::Text { text, .. } = &event {
                        end.push_str(text);
                    }
                    if let GenerationEvent::Failed(error) = &event {
                        end = format!("{}: {error}", error.code());
                    }
                }
                end
            }
        };
        came = came.chars().take(160).collect();
        // Shown when the test fails, and with --nocapture.
        println!("{:?} {words} -> {came}", started.elapsed());
        let rss = rss_bytes().unwrap_or(0);
        assert!(rss < 1 << 30, "{words}: the process has {} MB", rss >> 20);
    }
    let plain = GenerateRequest { max_tokens: Some(5), ..GenerateRequest::new(Prompt::Tokens(vec![100])) };
    let mut stream = engine.generate(plain).expect("accepted");
    while let Some(event) = stream.blocking_next() {
        assert!(!matches!(event, GenerationEvent::Failed(_)), "{event:?}");
    }
}

//! Answers with a constraint, from models with random weights: they write noise, so whatever is right about an answer is the
//! constraint's doing.

#[path = "support/schemas.rs"]
mod schemas;

use lantern_engine::{
    Constraint, Engine, EngineError, EngineOptions, FinishReason, GenerateRequest, GenerationEvent,
    GenerationStream, Prompt, SamplingParams, TokenLogprob,
};
use serde_json::{Value, json};

/// One of each kind of vocabulary: byte-level with several ways to cut text, SentencePiece with and without a space in front,
/// characters by rank; and of each way to look back (everything, windows, states).
const MODELS: [&str; 8] = [
    "llama_untied-Q8_0.gguf",
    "qwen3-Q8_0.gguf",
    "gemma3-Q8_0.gguf",
    "gemma4_dense-Q8_0.gguf",
    "mistral-Q4_0.gguf",
    "lfm2-Q8_0.gguf",
    "gptoss-MXFP4.gguf",
    "qwen35_dense-Q8_0.gguf",
];

fn engine(model: &str, options: EngineOptions) -> Engine {
    let path = lantern_golden::path("models").join(model);
    Engine::load(&path, EngineOptions { threads: 2, ..options }).expect("the golden model loads")
}

fn noise(constraint: Constraint, seed: u64) -> GenerateRequest {
    GenerateRequest {
        sampling: SamplingParams {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: Some(seed),
            ..SamplingParams::default()
        },
        constraint: Some(constraint),
        max_tokens: Some(1900),
        ..GenerateRequest::new(prompt(seed))
    }
}

/// As [`noise`], and never the end of its own accord.
fn endless(engine: &Engine, constraint: Constraint, seed: u64) -> GenerateRequest {
    let mut request = noise(constraint, seed);
    let ends = engine.tokenizer().eog_ids().iter();
    request.sampling.logit_bias = ends.map(|&id| (id, f32::NEG_INFINITY)).collect();
    request
}

fn prompt(seed: u64) -> Prompt {
    Prompt::Tokens(
        (0..20 + seed as u32 % 30).map(|index| 100 + (seed as u32 * 131 + index * 37) % 300).collect(),
    )
}

#[derive(Debug, PartialEq)]
struct Answer {
    text: String,
    tokens: Vec<u32>,
    logprobs: Vec<TokenLogprob>,
    reason: Option<FinishReason>,
}

fn read(mut stream: GenerationStream) -> Result<Answer, EngineError> {
    let mut answer = Answer { text: String::new(), tokens: Vec::new(), logprobs: Vec::new(), reason: None };
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { text, tokens, logprobs } => {
                answer.text.push_str(&text);
                answer.tokens.extend(tokens);
                answer.logprobs.extend(logprobs);
            }
            GenerationEvent::Finished { reason, .. } => answer.reason = Some(reason),
            GenerationEvent::Failed(error) => return Err(error),
            // Where the answer is in the queue, and what only conversations have.
            _ => {}
        }
    }
    Ok(answer)
}

fn say(engine: &Engine, request: GenerateRequest) -> Answer {
    read(engine.generate(request).expect("accepted")).expect("finished")
}

#[test]
fn answers_match_200_random_schemas() {
    const EACH: u64 = 25;
    for (at, model) in (0u64..).zip(MODELS) {
        let engine = engine(model, EngineOptions::default());
        let schemas: Vec<Value> = (0..EACH)
            .map(|index| schemas::schema(&mut schemas::Random::new(1 + at * EACH + index)))
            .collect();
        let streams: Vec<_> = (0u64..)
            .zip(&schemas)
            .map(|(seed, schema)| {
                let stream = engine.generate(noise(Constraint::JsonSchema(schema.clone()), seed));
                stream.unwrap_or_else(|error| panic!("{error}: {schema}"))
            })
            .collect();
        for (schema, stream) in schemas.iter().zip(streams) {
            let answer = read(stream).unwrap_or_else(|error| panic!("{model}: {error}: {schema}"));
            assert_eq!(answer.reason, Some(FinishReason::Stop), "{model}: {} for {schema}", answer.text);
            let found: Value = serde_json::from_str(&answer.text)
                .unwrap_or_else(|error| panic!("{model}: {error}: {}", answer.text));
            let validator = jsonschema::options().should_validate_formats(true).build(schema);
            let validator = validator.unwrap_or_else(|error| panic!("{error}: {schema}"));
            let errors: Vec<String> = validator.iter_errors(&found).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{model}: {errors:?} in {found} for {schema}");
        }
    }
}

#[test]
fn any_object_is_one() {
    for model in MODELS {
        let engine = engine(model, EngineOptions::default());
        let mut whole = 0;
        for seed in 0..4 {
            let answer = say(&engine, noise(Constraint::JsonObject, seed));
            if answer.reason == Some(FinishReason::Stop) {
                whole += 1;
                // Noise writes numbers that no type holds; they are numbers all the same.
                let found: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&answer.text);
                assert!(found.is_ok() && answer.text.starts_with('{'), "{model}: {}", answer.text);
            }
        }
        assert!(whole > 0, "{model}: some object ends within 1900 tokens of noise");
    }
}

#[test]
fn expressions_and_grammars_hold() {
    for model in MODELS {
        let engine = engine(model, EngineOptions::default());
        let date = say(&engine, noise(Constraint::Regex("[0-9]{4}-[01][0-9]-[0-3][0-9]".into()), 1));
        assert!(date.text.len() == 10 && date.text.as_bytes()[4] == b'-', "{model}: {:?}", date.text);
        let spaced = say(&engine, noise(Constraint::Regex(" a {1,3}b".into()), 2));
        assert!(spaced.text.starts_with(" a ") && spaced.text.ends_with('b'), "{model}: {:?}", spaced.text);
        let gbnf = "root ::= \"(\" root \")\" root | \"x\"\n";
        let answer = say(&engine, noise(Constraint::Gbnf(gbnf.into()), 3));
        let depth = |text: &str| text.matches('(').count() == text.matches(')').count();
        assert!(answer.reason != Some(FinishReason::Stop) || depth(&answer.text), "{model}: {}", answer.text);
        let lark = "start: \"call \" %json {\"type\": \"object\", \"properties\": {\"n\": {\"type\": \"integer\", \
                    \"minimum\": 0, \"maximum\": 99}}, \"required\": [\"n\"], \"additionalProperties\": false} \"!\"";
        let answer = say(&engine, noise(Constraint::Lark(lark.into()), 4));
        let text = answer.text.trim_start();
        let inside = text.strip_prefix("call ").and_then(|text| text.strip_suffix('!'));
        let inside = inside.unwrap_or_else(|| panic!("{model}: {:?}", answer.text));
        assert!(serde_json::from_str::<Value>(inside).is_ok(), "{model}: {inside}");
    }
}

/// A schema with much that is forced and something that is not.
fn person() -> Constraint {
    Constraint::JsonSchema(json!({
        "type": "object",
        "properties": {
            "first_name": {"type": "string", "minLength": 1, "maxLength": 8},
            "last_name_of_the_person": {"type": "string", "maxLength": 8},
            "address": {
                "type": "object",
                "properties": {"street_number": {"type": "integer", "minimum": 1, "maximum": 9999}},
                "required": ["street_number"],
                "additionalProperties": false,
            },
        },
        "required": ["first_name", "last_name_of_the_person", "address"],
        "additionalProperties": false,
    }))
}

#[test]
fn guesses_and_forced_tokens_change_nothing() {
    // The last one has a head that guesses too.
    for model in MODELS.into_iter().chain(["qwen35_dense_mtp-F32.gguf"]) {
        let plain = engine(model, EngineOptions { guess: false, ..EngineOptions::default() });
        let guessing = engine(model, EngineOptions::default());
        for seed in 0..4 {
            let hot = noise(person(), seed);
            let greedy = GenerateRequest { sampling: SamplingParams::greedy(), ..hot.clone() };
            for request in [hot, greedy] {
                assert_eq!(say(&guessing, request.clone()), say(&plain, request), "{model}, {seed}");
            }
        }
        let (with, without) = (guessing.stats(), plain.stats());
        assert!(with.forced_tokens > 20, "{model}: {with:?}");
        assert!(with.steps < without.steps, "{model}: {} steps, {} without", with.steps, without.steps);
        assert_eq!(without.forced_tokens, 0);
    }
}

#[test]
fn eight_at_once_write_what_each_writes_alone() {
    for model in MODELS {
        let alone = engine(model, EngineOptions::default());
        let request = |seed: u64| {
            let constraint = match seed % 3 {
                0 => Some(person()),
                1 => Some(Constraint::JsonSchema(schemas::schema(&mut schemas::Random::new(seed)))),
                _ => None,
            };
            GenerateRequest { constraint, max_tokens: Some(120), ..noise(Constraint::JsonObject, seed) }
        };
        let expected: Vec<_> = (0..8).map(|seed| say(&alone, request(seed))).collect();
        // Small steps, so that some read while others write.
        let together = engine(model, EngineOptions { step_tokens: 40, ..EngineOptions::default() });
        let streams: Vec<_> =
            (0..8).map(|seed| together.generate(request(seed)).expect("accepted")).collect();
        let found: Vec<_> = streams.into_iter().map(|stream| read(stream).expect("finished")).collect();
        assert_eq!(found, expected, "{model}");
    }
}

#[test]
fn who_gives_way_goes_on_where_it_was() {
    let request = |seed| GenerateRequest { max_tokens: Some(150), ..noise(any_list(), seed) };
    let alone = engine(MODELS[0], EngineOptions { context_length: Some(256), ..EngineOptions::default() });
    let expected: Vec<_> = (0..6).map(|seed| say(&alone, request(seed))).collect();
    // Room for about three of them: the others wait or are begun anew.
    let kv_bytes = Some(280_000);
    let few =
        EngineOptions { max_sequences: 6, context_length: Some(256), kv_bytes, ..EngineOptions::default() };
    let crowded = engine(MODELS[0], few);
    let streams: Vec<_> = (0..6).map(|seed| crowded.generate(request(seed)).expect("accepted")).collect();
    let found: Vec<_> = streams.into_iter().map(|stream| read(stream).expect("finished")).collect();
    assert_eq!(found, expected);
    assert!(crowded.stats().preemptions > 0, "{:?}", crowded.stats());
}

/// A list that noise does not end soon.
fn any_list() -> Constraint {
    let item = json!({"type": "object", "properties": {"number_of_it": {"type": "integer", "maximum": 99, "minimum": 0}},
                      "required": ["number_of_it"], "additionalProperties": false});
    Constraint::JsonSchema(json!({"type": "array", "items": item, "minItems": 40}))
}

#[test]
fn a_constraint_waits_for_its_marker() {
    // "ab" is text in every vocabulary; noise meets it soon.
    for model in MODELS {
        let engine = engine(model, EngineOptions::default());
        let mut met = 0;
        for seed in 0..3 {
            let schema = json!({"enum": ["yes", "no"]});
            let request = GenerateRequest {
                constraint_after: Some("e".into()),
                ..noise(Constraint::JsonSchema(schema), seed)
            };
            let answer = say(&engine, request);
            if answer.reason != Some(FinishReason::Stop) {
                continue;
            }
            met += 1;
            let (_, rest) = answer.text.split_once('e').expect("the marker is in the text");
            assert!(
                ["\"yes\"", "\"no\""].contains(&rest.trim_start_matches('\n')),
                "{model}: {:?}",
                answer.text
            );
        }
        assert!(met > 0, "{model}: noise has an e in it");
    }
}

#[test]
fn free_text_goes_on_until_something_begins() {
    // Behind every e stands an exclamation mark, and nothing else is said about the text.
    let lark = "start: (head \"!\")* tail\nhead[lazy]: /(?s:.*)e/\ntail: /(?s:.*)/";
    for model in MODELS {
        let engine = engine(model, EngineOptions::default());
        let request = endless(&engine, Constraint::Lark(lark.into()), 5);
        let request = GenerateRequest { max_tokens: Some(400), ..request };
        let answer = say(&engine, request);
        let behind: Vec<&str> = answer.text.split('e').skip(1).collect();
        assert!(!behind.is_empty(), "{model}: noise has an e in it");
        for (at, text) in behind.iter().enumerate() {
            let is_cut = at + 1 == behind.len() && text.is_empty();
            assert!(text.starts_with('!') || is_cut, "{model}: {}", answer.text);
        }
    }
}

#[test]
fn guesses_that_a_grammar_forbids_change_nothing() {
    // What is guessed from this prompt is forbidden as often as not.
    let prompt: Vec<u32> = (100..120).collect::<Vec<u32>>().repeat(6);
    let digits = "[0-9]{1,3}(, [0-9]{1,3}){20,40}";
    for model in MODELS {
        let plain = engine(model, EngineOptions { guess: false, ..EngineOptions::default() });
        let guessing = engine(model, EngineOptions::default());
        for constraint in [Constraint::Regex(digits.into()), Constraint::Regex("(ab|ba| )*".into())] {
            let request = GenerateRequest {
                sampling: SamplingParams::greedy(),
                max_tokens: Some(150),
                prompt: Prompt::Tokens(prompt.clone()),
                ..noise(constraint, 1)
            };
            assert_eq!(say(&guessing, request.clone()), say(&plain, request), "{model}");
        }
    }
}

#[test]
fn a_grammar_that_fails_fails_alone() {
    let engine = engine(MODELS[1], EngineOptions::default());
    let good = noise(person(), 7);
    let alone = say(&engine, good.clone());
    // Too much work, and only once it runs.
    let many = "((((a{0,1000}){0,1000}){0,1000}){0,1000}){0,1000}";
    let bad = endless(&engine, Constraint::Regex(many.into()), 1);
    let streams = [good.clone(), bad, good].map(|request| engine.generate(request).expect("accepted"));
    let [first, broken, last] = streams.map(read);
    // The library ends some of these where they may end instead of failing: what was written is allowed all the same.
    match broken {
        Err(error) => assert_eq!(error.code(), "grammar_failed"),
        Ok(answer) => assert!(answer.text.chars().all(|c| c == 'a'), "{answer:?}"),
    }
    assert_eq!(first.expect("finished"), alone);
    assert_eq!(last.expect("finished"), alone);
}

#[test]
fn a_control_token_by_name_stands_where_the_grammar_wants_it() {
    let engine = engine("qwen3-Q8_0.gguf", EngineOptions::default());
    let start = engine.tokenizer().token_id("<|im_start|>").expect("the vocabulary has it");
    let end = engine.tokenizer().token_id("<|im_end|>").expect("the vocabulary has it");
    let lark = "start: /[a-z]{2,5}/ <|im_start|> \"tool\" <|im_end|>";
    let answer = say(&engine, noise(Constraint::Lark(lark.into()), 1));
    let at = answer.tokens.iter().position(|&token| token == start).expect("it was written");
    assert_eq!(answer.tokens.last(), Some(&end));
    assert_eq!(answer.reason, Some(FinishReason::Stop));
    assert!(at > 0 && answer.text.ends_with("tool"), "{answer:?}");
    let marker = GenerateRequest {
        constraint_after: Some("<|im_start|>".into()),
        ..noise(Constraint::Regex("done".into()), 2)
    };
    let answer = say(&engine, marker);
    assert!(answer.reason != Some(FinishReason::Stop) || answer.text.ends_with("done"), "{answer:?}");
    assert!(answer.tokens.contains(&start));
}

#[test]
fn what_cuts_an_answer_off_is_told() {
    let engine = engine(MODELS[0], EngineOptions::default());
    let short = GenerateRequest { max_tokens: Some(4), ..noise(person(), 1) };
    assert_eq!(say(&engine, short).reason, Some(FinishReason::Length));
    let stopped = GenerateRequest { stop: vec!["last_name".into()], ..noise(person(), 1) };
    let answer = say(&engine, stopped);
    assert_eq!(answer.reason, Some(FinishReason::Stop));
    assert!(answer.text.starts_with("{\"first_name\": \"") && !answer.text.contains("last_name"));
}

#[test]
fn refused_constraints_have_a_code_and_a_next_step() {
    let engine = engine(MODELS[0], EngineOptions::default());
    let code = |request: GenerateRequest| match engine.generate(request) {
        Err(error) => {
            assert!(!error.next_step().is_empty() && error.to_string().len() < 2000, "{error}");
            error.code()
        }
        Ok(_) => panic!("it is accepted"),
    };
    assert_eq!(code(noise(Constraint::JsonSchema(json!({"not": {}})), 1)), "invalid_schema");
    assert_eq!(code(noise(Constraint::Regex("(".into()), 1)), "invalid_grammar");
    assert_eq!(code(noise(Constraint::Gbnf("root = x".into()), 1)), "invalid_grammar");
    assert_eq!(code(GenerateRequest { logprobs: Some(21), ..noise(person(), 1) }), "invalid_logprobs");
}

#[test]
fn logprobs_are_those_of_the_model_and_line_up_with_tokens() {
    let engine =
        engine(MODELS[1], EngineOptions { kv_type: lantern_engine::KvType::F32, ..EngineOptions::default() });
    for constraint in [None, Some(person())] {
        let request = GenerateRequest {
            logprobs: Some(5),
            constraint,
            max_tokens: Some(40),
            stop: vec!["zzz".into()],
            sampling: SamplingParams { logit_bias: vec![(7, -50.0)], ..noise(person(), 3).sampling },
            ..noise(person(), 3)
        };
        let Prompt::Tokens(mut ids) = request.prompt.clone() else { panic!("tokens") };
        let answer = say(&engine, request.clone());
        assert_eq!(say(&engine, GenerateRequest { logprobs: None, ..request }).tokens, answer.tokens);
        let chosen: Vec<u32> = answer.logprobs.iter().map(|record| record.token).collect();
        assert_eq!(chosen, answer.tokens);
        let first = ids.len() - 1;
        ids.extend(&answer.tokens);
        let all = engine.logits(&ids).expect("logits");
        let vocab = engine.info().vocab_size;
        for (at, record) in answer.logprobs.iter().enumerate() {
            let row = &all[(first + at) * vocab..][..vocab];
            let sum: f64 = row.iter().map(|&logit| f64::from(logit).exp()).sum();
            let expected = row[record.token as usize] - sum.ln() as f32;
            assert!((record.logprob - expected).abs() < 1e-2, "{at}: {} for {expected}", record.logprob);
            assert_eq!(record.bytes, engine.tokenizer().token_bytes(record.token));
            assert_eq!(record.top.len(), 5);
            assert!(record.top.is_sorted_by(|a, b| a.logprob >= b.logprob));
        }
    }
}

//! The whole engine on a tiny real file: the same tokens alone, together, cached, preempted and after a crash.

use std::path::PathBuf;

use std::time::Duration;

use lantern_gguf::{Array, GgufWriter, Value};
use lantern_models::{ForwardBatch, KvCache, KvType, ModelConfig, ModelError};

use super::*;
use crate::request::{FinishReason, GenerationEvent, Priority, Timings, Usage};
use crate::text::{ChatMessage, SamplingParams, TemplateSource};

#[path = "context_tests.rs"]
mod contexts;
#[path = "disk_damage_tests.rs"]
mod damage;
#[path = "disk_tests.rs"]
mod disk;
#[path = "draft_tests.rs"]
mod drafts;
#[path = "expert_memory_tests.rs"]
mod experts;
#[path = "guess_tests.rs"]
mod guesses;
#[path = "overflow_tests.rs"]
mod overflow;
#[path = "pin_tests.rs"]
mod pins;
#[path = "state_tests.rs"]
mod states;
#[path = "window_tests.rs"]
mod windows;

fn golden(path: &str) -> PathBuf {
    lantern_golden::path(path)
}

fn model_path() -> PathBuf {
    golden("models/llama_untied-Q8_0.gguf")
}

fn options() -> EngineOptions {
    EngineOptions { threads: 2, ..EngineOptions::default() }
}

fn engine(options: EngineOptions) -> Engine {
    Engine::load(&model_path(), options).expect("the golden model loads")
}

/// An engine whose model is wrapped by the test.
fn engine_with(options: EngineOptions, wrap: impl FnOnce(Box<dyn CausalLm>) -> Box<dyn CausalLm>) -> Engine {
    let mut parts = Parts::load(&model_path(), &options).expect("the golden model loads");
    parts.model = wrap(parts.model);
    Engine::start(parts, &options).expect("the engine starts")
}

/// Always the likeliest token, and never the end: answers have the length that a test counts on.
fn greedy(prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    let never = (507..512).map(|control| (control, f32::NEG_INFINITY)).collect();
    GenerateRequest {
        sampling: SamplingParams { logit_bias: never, ..SamplingParams::greedy() },
        max_tokens: Some(max_tokens),
        ..GenerateRequest::new(Prompt::Tokens(prompt.to_vec()))
    }
}

/// A prompt of ordinary tokens, another one for every seed.
fn prompt(seed: u32, len: u32) -> Vec<u32> {
    (0..len).map(|index| (seed * 131 + index * 37 + index * index) % 500).collect()
}

#[derive(Debug)]
struct Answer {
    text: String,
    tokens: Vec<u32>,
    reason: FinishReason,
    usage: Usage,
    timings: Timings,
    /// Everything that came before the first text.
    before: Vec<GenerationEvent>,
}

fn outcome(mut stream: GenerationStream) -> Result<Answer, EngineError> {
    let (mut text, mut tokens, mut before) = (String::new(), Vec::new(), Vec::new());
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { text: piece, tokens: more, .. } => {
                text.push_str(&piece);
                tokens.extend(more);
            }
            GenerationEvent::Finished { reason, usage, timings, .. } => {
                assert!(stream.blocking_next().is_none(), "nothing follows the end");
                return Ok(Answer { text, tokens, reason, usage, timings, before });
            }
            GenerationEvent::Failed(error) => return Err(error),
            other => before.push(other),
        }
    }
    panic!("a stream ends with Finished or Failed");
}

fn answer(engine: &Engine, request: GenerateRequest) -> Answer {
    outcome(engine.generate(request).expect("accepted")).expect("finished")
}

/// Always the likeliest token of those that do not end the answer.
fn endless(engine: &Engine, prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    let tokenizer = engine.tokenizer();
    let never = (0..512).filter(|&id| tokenizer.is_eog(id)).map(|id| (id, f32::NEG_INFINITY)).collect();
    GenerateRequest {
        sampling: SamplingParams { logit_bias: never, ..SamplingParams::greedy() },
        ..greedy(prompt, max_tokens)
    }
}

fn say(engine: &Engine, prompt: &[u32], max_tokens: usize) -> Answer {
    answer(engine, endless(engine, prompt, max_tokens))
}

fn wait_until(engine: &Engine, what: &str, condition: impl Fn(EngineStats) -> bool) {
    for _ in 0..2000 {
        if condition(engine.stats()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within ten seconds: {what}; {:?}", engine.stats());
}

#[test]
fn greedy_tokens_are_the_manifest_s() {
    let manifest = std::fs::read(golden("manifest.json")).expect("the manifest is there");
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).expect("the manifest is JSON");
    let ids = |entry: &serde_json::Value, key: &str| -> Vec<u32> {
        entry[key].as_array().expect("an array").iter().map(|id| id.as_u64().expect("an id") as u32).collect()
    };
    for file in ["models/llama_untied-Q8_0.gguf", "models/llama_untied-F32.gguf"] {
        let entries = manifest.as_array().expect("a list");
        let entry = entries.iter().find(|entry| entry["file"] == file).expect("listed");
        let (prompt, expected) = (ids(entry, "prompt_ids"), ids(entry, "greedy_ids"));
        let engine = Engine::load(&golden(file), EngineOptions { kv_type: KvType::F32, ..options() });
        let engine = engine.expect("the golden model loads");
        let answer = answer(&engine, greedy(&prompt, expected.len()));
        assert_eq!(answer.tokens, expected, "{file}");
        assert_eq!(answer.reason, FinishReason::Length);
        assert_eq!(answer.usage.prompt_tokens, 48);
        assert_eq!(answer.usage.completion_tokens, 24);
    }
}

#[test]
fn four_at_once_write_what_each_writes_alone() {
    let prompts = [prompt(1, 7), prompt(2, 40), prompt(3, 150), prompt(4, 33)];
    let alone: Vec<_> =
        prompts.iter().map(|prompt| answer(&engine(options()), greedy(prompt, 40)).tokens).collect();
    // Small steps: prompts are read in chunks while others already decode.
    let together = engine(EngineOptions { step_tokens: 19, ..options() });
    let streams: Vec<_> =
        prompts.iter().map(|p| together.generate(greedy(p, 40)).expect("accepted")).collect();
    for (stream, alone) in streams.into_iter().zip(&alone) {
        assert_eq!(outcome(stream).expect("finished").tokens, *alone);
    }
    assert!(together.stats().steps < 4 * 40, "they were computed together, not one after the other");
}

#[test]
fn a_cached_prefix_is_reported_and_changes_no_token() {
    let engine = engine(options());
    let first = answer(&engine, greedy(&prompt(5, 100), 20));
    assert_eq!(first.usage.cached_tokens, 0);
    let again = answer(&engine, greedy(&prompt(5, 100), 20));
    assert_eq!(again.usage.cached_tokens, 96, "three full blocks of 32");
    assert_eq!(again.tokens, first.tokens);
    assert!(
        matches!(again.before[0], GenerationEvent::Prefill { processed: 96, total: 100, cached: 96 }),
        "{:?}",
        again.before
    );

    // The next turn: the prompt, the answer, and something new.
    let mut turn = prompt(5, 100);
    turn.extend(&first.tokens);
    turn.extend(prompt(6, 30));
    let warm = answer(&engine, greedy(&turn, 20));
    assert_eq!(warm.usage.cached_tokens, 96);
    let cold = answer(&self::engine(options()), greedy(&turn, 20));
    assert_eq!(cold.usage.cached_tokens, 0);
    assert_eq!(warm.tokens, cold.tokens);
    assert_eq!(engine.stats().cached_tokens, 192);
}

#[test]
fn what_the_model_wrote_is_cached_too() {
    let engine = engine(options());
    let first = answer(&engine, greedy(&prompt(7, 20), 60));
    let mut turn = prompt(7, 20);
    turn.extend(&first.tokens);
    turn.push(17);
    let second = answer(&engine, greedy(&turn, 5));
    assert_eq!(second.usage.cached_tokens, 64, "20 + 60 tokens, of which 79 were computed: two blocks");
}

#[test]
fn preempted_answers_go_on_as_if_nothing_happened() {
    let small = EngineOptions { context_length: Some(128), kv_bytes: Some(128 * 384), ..options() };
    let prompts = [prompt(8, 20), prompt(9, 20), prompt(10, 20)];
    let alone: Vec<_> =
        prompts.iter().map(|p| answer(&engine(options()), greedy(p, 80))).map(|a| a.tokens).collect();
    // Slow enough for all three to be there before the first one ends.
    let engine = engine_with(small, |model| Box::new(Slow { model }));
    assert_eq!(engine.stats().blocks_total, 4, "room for one context only");
    let streams: Vec<_> = prompts.iter().map(|p| engine.generate(greedy(p, 80)).expect("accepted")).collect();
    for (stream, alone) in streams.into_iter().zip(&alone) {
        assert_eq!(outcome(stream).expect("finished").tokens, *alone);
    }
    assert!(engine.stats().preemptions > 0, "100 tokens each do not fit side by side into 128");
    assert_eq!(engine.stats().blocks_used, 0);
}

#[test]
fn a_dropped_stream_frees_its_blocks_within_a_step() {
    let engine = engine_with(options(), |model| Box::new(Slow { model }));
    let mut stream = engine.generate(greedy(&prompt(11, 40), 1500)).expect("accepted");
    while !matches!(stream.blocking_next(), Some(GenerationEvent::Text { .. })) {}
    assert!(engine.stats().blocks_used >= 2);
    let before = engine.stats().steps;
    drop(stream);
    wait_until(&engine, "all blocks are free", |stats| stats.blocks_used == 0 && stats.running == 0);
    let steps = engine.stats().steps - before;
    assert!(steps <= 3, "freed after {steps} steps (one may be running and one be noted late)");
}

#[test]
fn a_cancelled_answer_ends_with_its_counts() {
    let engine = engine_with(options(), |model| Box::new(Slow { model }));
    let mut stream = engine.generate(greedy(&prompt(11, 40), 1500)).expect("accepted");
    while !matches!(stream.blocking_next(), Some(GenerationEvent::Text { .. })) {}
    stream.cancel();
    let answer = outcome(stream).expect("finished");
    assert_eq!(answer.reason, FinishReason::Cancelled);
    assert!((1..1500).contains(&answer.usage.completion_tokens));
    assert_eq!(engine.stats().blocks_used, 0);
}

#[test]
fn waiting_requests_hear_their_position_and_a_chat_goes_first() {
    let one = EngineOptions { max_sequences: 1, ..options() };
    let engine = engine_with(one, |model| Box::new(Slow { model }));
    let mut first = engine.generate(greedy(&prompt(12, 20), 60)).expect("accepted");
    while !matches!(first.blocking_next(), Some(GenerationEvent::Text { .. })) {}
    let second = engine.generate(greedy(&prompt(13, 20), 3)).expect("accepted");
    let third = engine.generate(greedy(&prompt(14, 20), 3)).expect("accepted");
    let chat = GenerateRequest { priority: Priority::Chat, ..greedy(&prompt(15, 20), 3) };
    let chat = outcome(engine.generate(chat).expect("accepted")).expect("finished");
    assert!(chat.timings.queue < Duration::from_millis(500), "{:?}", chat.timings);
    let first = outcome(first).expect("the preempted one finishes too");
    assert_eq!(first.reason, FinishReason::Length);
    outcome(second).expect("finished");
    let third = outcome(third).expect("finished");
    let positions: Vec<_> = third
        .before
        .iter()
        .filter_map(|event| match event {
            GenerationEvent::Queued { position } => Some(*position),
            _ => None,
        })
        .collect();
    assert!(positions.len() >= 2 && positions.last() == Some(&0), "it moves up to the head: {positions:?}");
    assert!(third.timings.queue > Duration::ZERO);
}

#[test]
fn a_prompt_that_fills_the_context_is_refused_with_numbers() {
    let engine = engine(EngineOptions { context_length: Some(64), ..options() });
    let error = engine.generate(greedy(&prompt(16, 64), 1)).expect_err("no room for an answer");
    assert!(
        matches!(error, EngineError::ContextOverflow { prompt: 64, max_tokens: Some(1), context: 64 }),
        "{error:?}"
    );
    let answer = answer(&engine, greedy(&prompt(16, 48), 1000));
    assert_eq!(answer.reason, FinishReason::Length);
    assert_eq!(answer.usage.completion_tokens, 16, "the answer ends where the context does");
}

#[test]
fn bad_requests_are_refused_before_anything_runs() {
    let engine = engine(options());
    let code = |request| engine.generate(request).expect_err("refused").code();
    assert_eq!(code(greedy(&[], 1)), "empty_prompt");
    assert_eq!(code(greedy(&[1, 512], 1)), "unknown_token");
    let mut request = greedy(&[1], 1);
    request.sampling.temperature = -1.0;
    assert_eq!(code(request), "invalid_sampling");
    let none = EngineOptions { max_sequences: 0, ..options() };
    assert_eq!(Engine::load(&model_path(), none).err().map(|e| e.code()), Some("invalid_options"));
}

#[test]
fn a_model_that_does_not_fit_is_refused_with_numbers() {
    let error = Engine::load(&model_path(), EngineOptions { memory_limit: Some(1 << 20), ..options() });
    let Err(error) = error else { panic!("one megabyte is not enough") };
    assert_eq!(error.code(), "model_too_large");
    assert!(error.to_string().contains("1.0 MB"), "the limit is named: {error}");
    assert!(!error.next_step().is_empty());
}

#[test]
fn stop_strings_end_the_text_before_them() {
    let engine = engine(options());
    let request = greedy(&prompt(17, 30), 60);
    let whole = answer(&engine, request.clone());
    let middle: String = whole.text.chars().skip(whole.text.chars().count() / 2).take(5).collect();
    let at = whole.text.find(&middle).expect("it comes from there");
    let stopped = answer(&engine, GenerateRequest { stop: vec!["\u{1}never".into(), middle], ..request });
    assert_eq!(stopped.reason, FinishReason::Stop);
    assert_eq!(stopped.text, whole.text[..at]);
    assert!(stopped.usage.completion_tokens < whole.usage.completion_tokens);
}

#[test]
fn a_panic_fails_its_own_sequence_and_the_others_go_on() {
    const POISON: u32 = 333;
    let reference = answer(&engine(options()), greedy(&prompt(18, 40), 30)).tokens;
    let engine = engine_with(options(), |model| Box::new(Panicking { model, token: POISON }));
    let mut poisoned = prompt(19, 40);
    poisoned[20] = POISON;
    let good = engine.generate(greedy(&prompt(18, 40), 30)).expect("accepted");
    let bad = engine.generate(greedy(&poisoned, 30)).expect("accepted");
    let error = outcome(bad).expect_err("it panics");
    assert_eq!(error.code(), "step_panicked");
    assert!(error.to_string().contains("poisoned"), "{error}");
    assert_eq!(outcome(good).expect("not its fault").tokens, reference);
    assert_eq!(answer(&engine, greedy(&prompt(18, 40), 30)).tokens, reference, "the engine goes on");
    assert_eq!(engine.stats().blocks_used, 0);
}

#[test]
fn logits_do_not_depend_on_the_chunks_and_agree_with_greedy() {
    let whole = engine(EngineOptions { kv_type: KvType::F32, ..options() });
    let chunked = engine(EngineOptions { step_tokens: 7, ..options() });
    let mut ids = prompt(20, 50);
    ids.extend(answer(&whole, greedy(&ids, 10)).tokens);
    let logits = whole.logits(&ids).expect("computed");
    assert_eq!(logits.len(), 60 * 512);
    assert_eq!(logits, chunked.logits(&ids).expect("computed"), "bit for bit");
    let rows: Vec<&[f32]> = logits.chunks(512).collect();
    for position in 49..59 {
        let best = (0..512).max_by(|&a, &b| rows[position][a].total_cmp(&rows[position][b]));
        assert_eq!(best, Some(ids[position + 1] as usize), "position {position}");
    }
    assert_eq!(whole.logits(&[]).expect_err("nothing to compute").code(), "empty_prompt");
}

#[test]
fn a_dropped_engine_ends_its_streams_and_its_thread() {
    let engine = engine_with(options(), |model| Box::new(Slow { model }));
    let stream = engine.generate(greedy(&prompt(21, 20), 1500)).expect("accepted");
    drop(engine);
    assert_eq!(outcome(stream).expect_err("the engine is gone").code(), "engine_stopped");
}

#[tokio::test]
async fn streams_work_in_an_async_runtime() {
    let engine = engine(options());
    let mut stream = engine.generate(greedy(&prompt(22, 20), 10)).expect("accepted");
    assert_eq!(stream.prompt_tokens(), 20);
    let mut tokens = 0;
    while let Some(event) = stream.next().await {
        match event {
            GenerationEvent::Text { tokens: more, .. } => tokens += more.len(),
            GenerationEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    assert_eq!(tokens, 10);
}

#[test]
fn the_engine_is_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Engine>();
    let info = engine(options()).info().clone();
    assert_eq!((info.architecture.as_str(), info.quantisation.as_str()), ("llama", "Q8_0"));
    assert_eq!((info.vocab_size, info.context_length), (512, 2048));
    assert_eq!(info.fingerprint.len(), 64);
    let other = Engine::load(&golden("models/llama_untied-Q4_0.gguf"), options()).expect("loads");
    assert_ne!(other.info().fingerprint, info.fingerprint);
}

#[test]
fn a_bench_of_the_tiny_model_reports_every_figure() {
    use crate::bench::{self, BenchOptions};
    let options = BenchOptions {
        prompt: 64,
        generate: 8,
        threads: 2,
        repetitions: 3,
        depths: vec![0, 16],
        kv_type: KvType::F32,
        packed_copies: None,
        warm_up: true,
        ..BenchOptions::default()
    };
    let report = bench::run(&model_path(), &options).expect("it runs");
    assert_eq!(report.speeds.iter().map(|speed| speed.depth).collect::<Vec<_>>(), [0, 16]);
    for speed in &report.speeds {
        assert_eq!((speed.prefill_samples.len(), speed.decode_samples.len()), (3, 3));
        assert!(speed.prefill_tokens_per_second > 0.0 && speed.decode_tokens_per_second > 0.0);
    }
    assert_eq!(report.prefill_tokens_per_second, report.speeds[0].prefill_tokens_per_second);
    assert!(report.first_token_seconds.is_some_and(|seconds| seconds > report.load_seconds));

    let cold = BenchOptions { prompt: 0, depths: vec![], warm_up: false, ..options };
    let report = bench::run(&model_path(), &cold).expect("it runs");
    assert_eq!((report.speeds.len(), report.speeds[0].prefill_samples.len()), (1, 0));
    assert_eq!((report.prefill_tokens_per_second, report.first_token_seconds), (0.0, None));
    let json = serde_json::to_string(&report).expect("a report becomes JSON");
    let back: bench::BenchReport = serde_json::from_str(&json).expect("and comes back");
    assert_eq!(back.options.kv_type, KvType::F32);
}

/// Takes its time, so that something happens in the meantime.
struct Slow {
    model: Box<dyn CausalLm>,
}

impl CausalLm for Slow {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        std::thread::sleep(Duration::from_millis(5));
        self.model.forward(batch, kv, logits)
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.model.accept_guesses(batch, kv)
    }
}

/// Panics when it sees a certain token.
struct Panicking {
    model: Box<dyn CausalLm>,
    token: u32,
}

impl CausalLm for Panicking {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        assert!(!batch.tokens.contains(&self.token), "token {} is poisoned", self.token);
        self.model.forward(batch, kv, logits)
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.model.accept_guesses(batch, kv)
    }
}

#[test]
fn a_template_without_a_system_role_still_hears_the_system_prompt() {
    let template = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system role') }}{% endif %}\
                    [{{ m.role }}]{{ m.content }}{% endfor %}";
    let engine = with_template("llama_untied-Q8_0", template);
    let messages = |list: &[(&str, &str)]| Prompt::Messages {
        messages: list.iter().map(|(role, content)| ChatMessage::new(*role, *content)).collect(),
        tools: None,
    };
    let prompt_tokens = |prompt: Prompt| {
        let request = GenerateRequest { max_tokens: Some(1), ..GenerateRequest::new(prompt) };
        let mut stream = engine.generate(request).expect("accepted");
        loop {
            match stream.blocking_next().expect("the stream ends with an event") {
                GenerationEvent::Finished { usage, .. } => return usage.prompt_tokens,
                GenerationEvent::Failed(error) => panic!("{error}"),
                _ => {}
            }
        }
    };
    let folded = prompt_tokens(messages(&[("system", "Be brief."), ("user", "Hi")]));
    assert_eq!(folded, prompt_tokens(messages(&[("user", "Be brief.\n\nHi")])));
    let refused = engine.generate(GenerateRequest::new(messages(&[("user", "Hi"), ("system", "Late")])));
    assert!(refused.is_err(), "a system message further down is not moved");
}

#[test]
fn a_model_without_a_working_template_still_continues_text() {
    let messages = || Prompt::Messages { messages: vec![ChatMessage::new("user", "Hi")], tools: None };
    let replaced = with_template("qwen2-Q8_0", "{% if %}");
    assert_eq!(replaced.info().template, Some(TemplateSource::Replaced("chatml")));
    assert!(replaced.info().template_fault.is_some(), "the fault is told");
    assert!(replaced.prompt_ids(messages()).is_ok(), "its family's template stands in");

    let refused = changed("mistral-Q4_0", |writer| {
        // Without one of its tokens the vocabulary shows no family.
        let tokens = writer.metadata.strings("tokenizer.ggml.tokens").expect("a vocabulary");
        let tokens = tokens.iter().map(|token| token.replace("<|assistant|>", "<|nobody|>")).collect();
        writer.metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
        writer.metadata.set("tokenizer.chat_template", Value::String("{% if %}".into()));
    });
    assert_eq!((refused.info().template, refused.chat_template().is_err()), (None, true));
    let error = refused.prompt_ids(messages()).expect_err("no template, no chat");
    assert_eq!(error.code(), "template_error");
    assert!(error.to_string().contains("line 1"), "{error}");
    assert!(refused.prompt_ids(Prompt::Text("Hi".into())).is_ok(), "text needs no template");
}

/// A golden model whose chat template is this one.
fn with_template(name: &str, template: &str) -> Engine {
    changed(name, |writer| writer.metadata.set("tokenizer.chat_template", Value::String(template.into())))
}

/// A golden model after a change to its file.
fn changed(name: &str, change: impl FnOnce(&mut GgufWriter)) -> Engine {
    let file = GgufFile::open(&golden(&format!("models/{name}.gguf"))).expect("the golden model opens");
    let mut writer = GgufWriter::copy_of(&file).expect("a copy");
    change(&mut writer);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, writer.finish()).expect("written");
    Engine::load(&path, EngineOptions { threads: 1, ..EngineOptions::default() }).expect("it loads")
}

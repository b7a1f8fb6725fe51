//! Guesses that take computing, by a head or a smaller model, change how long an answer takes and nothing else.

use std::collections::HashMap;
use std::sync::Mutex;

use lantern_models::Predictor;

use super::*;

const WITH_HEAD: &str = "qwen35_dense_mtp-F32.gguf";
/// Models with what predicts further tokens for them: a head in the file, and an assistant beside it.
const PREDICTED: [(&str, Option<&str>); 2] =
    [(WITH_HEAD, None), ("gemma4_assisted-F32.gguf", Some("gemma4_assisted_assistant-F32.gguf"))];

/// What a head said: the position, the token that came next, and the likeliest one behind it.
type Said = Arc<Mutex<Vec<(u32, u32, u32)>>>;

/// A model that says what its head says. What steps take is supposed: right guesses pay.
struct Steady {
    model: Box<dyn CausalLm>,
    /// Whether what comes next follows from the token alone, which the head knows: a round of 396 tokens.
    by_rule: bool,
    said: Said,
}

impl Steady {
    fn rule(&self, logits: &mut [f32], tokens: impl Iterator<Item = u32>) {
        for (token, logits) in tokens.zip(logits.chunks_exact_mut(512)) {
            if self.by_rule {
                logits[(token * 5 + 1) as usize % 397] = 1000.0;
            }
        }
    }
}

impl CausalLm for Steady {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        self.model.forward(batch, kv, logits)?;
        let row = |&row: &u32| (batch.tokens[row as usize], batch.positions[row as usize]);
        // Now and then something else comes.
        let rows: Vec<_> = batch.logit_rows.iter().map(row).collect();
        let mut at = 0;
        for (token, position) in rows {
            if position % 23 != 0 {
                self.rule(&mut logits[at..at + 512], std::iter::once(token));
            }
            at += 512;
        }
        Ok(())
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.model.accept_guesses(batch, kv)
    }

    fn predicts(&self) -> Option<Predictor> {
        self.model.predicts()
    }

    fn predict(
        &self,
        batch: &ForwardBatch,
        hidden: &[u32],
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        self.model.predict(batch, hidden, kv, logits)?;
        let row = |&row: &u32| (batch.tokens[row as usize], batch.positions[row as usize] + 1);
        self.rule(logits, batch.logit_rows.iter().map(|row| batch.tokens[*row as usize]));
        let mut said = self.said.lock().unwrap();
        for ((token, position), logits) in batch.logit_rows.iter().map(row).zip(logits.chunks_exact(512)) {
            let best = (0..512).max_by(|&a, &b| logits[a].total_cmp(&logits[b])).unwrap();
            said.push((position - 1, token, best as u32));
        }
        Ok(())
    }
}

/// An engine on a golden model.
fn steady(file: &str, options: EngineOptions, by_rule: bool) -> (Engine, Said) {
    let mut parts = Parts::load(&golden("models").join(file), &options).expect("the golden model loads");
    let said = Said::default();
    parts.model = Box::new(Steady { model: parts.model, by_rule, said: said.clone() });
    parts.costs = StepCosts::fixed();
    (Engine::start(parts, &options).expect("the engine starts"), said)
}

fn plain(file: &str, by_rule: bool) -> Engine {
    steady(file, EngineOptions { guess: false, ..options() }, by_rule).0
}

/// An engine whose model has something that predicts further tokens.
fn predicted(
    (file, assistant): (&str, Option<&str>),
    options: EngineOptions,
    by_rule: bool,
) -> (Engine, Said) {
    let draft = assistant.map(|file| golden("models").join(file));
    steady(file, EngineOptions { draft, ..options }, by_rule)
}

#[test]
fn a_head_s_right_guesses_save_steps() {
    for with in PREDICTED {
        let plain = plain(with.0, true);
        let (engine, said) = predicted(with, EngineOptions { step_tokens: 48, ..options() }, true);
        for seed in 0..3 {
            // The second time, and the next turn, go on from the prefix cache.
            let mut question = prompt(seed, 70);
            for (turn, most) in [60, 60, 40].into_iter().enumerate() {
                let expected = say(&plain, &question, most).tokens;
                let before = engine.stats().guessed_tokens;
                assert_eq!(say(&engine, &question, most).tokens, expected, "{with:?}, {seed}");
                let guessed = engine.stats().guessed_tokens - before;
                assert!(guessed > most as u64 / 2, "{with:?}, {seed}: {guessed} of {most}");
                if turn == 1 {
                    question.extend(expected);
                    question.extend(prompt(seed + 90, 11));
                }
            }
        }
        assert!(said.lock().unwrap().len() > 100, "{with:?}");
        assert!(engine.stats().cached_tokens > 100, "{with:?}");
    }
}

#[test]
fn chance_takes_the_same_way_beside_a_head() {
    let hot = |engine: &Engine| {
        let request = GenerateRequest {
            sampling: SamplingParams { temperature: 0.9, seed: Some(11), ..SamplingParams::default() },
            ..greedy(&prompt(3, 40), 60)
        };
        answer(engine, request).tokens
    };
    for with in PREDICTED {
        for by_rule in [true, false] {
            let (engine, _) = predicted(with, options(), by_rule);
            assert_eq!(hot(&engine), hot(&plain(with.0, by_rule)), "{with:?}");
        }
    }
}

#[test]
fn several_with_a_head_beside_each_other_give_way() {
    for (file, assistant) in PREDICTED {
        let plain = plain(file, true);
        let prompts: Vec<_> = (0..5).map(|seed| prompt(seed, 20 + 30 * seed)).collect();
        let expected: Vec<_> = prompts.iter().map(|prompt| say(&plain, prompt, 50).tokens).collect();
        let draft = assistant.map(|file| golden("models").join(file));
        let few = EngineOptions { max_sequences: 5, step_tokens: 33, draft, ..options() };
        let mut parts = Parts::load(&golden("models").join(file), &few).expect("the golden model loads");
        parts.model = Box::new(Steady { model: parts.model, by_rule: true, said: Said::default() });
        parts.costs = StepCosts::fixed();
        // Room for about three of them where layers see everything.
        parts.plan.n_blocks[0] = 14;
        let engine = Engine::start(parts, &few).expect("the engine starts");
        let streams: Vec<_> =
            prompts.iter().map(|p| engine.generate(endless(&engine, p, 50)).expect("accepted")).collect();
        // One of them is not waited for.
        drop(engine.generate(endless(&engine, &prompt(9, 40), 50)).expect("accepted"));
        let found: Vec<_> =
            streams.into_iter().map(|stream| outcome(stream).expect("finished").tokens).collect();
        assert_eq!(found, expected, "{file}");
        assert!(engine.stats().guessed_tokens > 50, "{file}: {:?}", engine.stats());
        wait_until(&engine, "nothing is held afterwards", |stats| stats.blocks_used == 0);
    }
}

/// The golden prompt and answer of a case.
fn golden_ids(name: &str) -> (Vec<u32>, Vec<u32>) {
    let manifest = std::fs::read_to_string(golden("manifest.json")).expect("part of the repository");
    let cases: serde_json::Value = serde_json::from_str(&manifest).expect("a list of cases");
    let case = cases.as_array().expect("a list").iter().find(|case| case["name"] == name);
    let ids = |key: &str| serde_json::from_value(case.expect("the case")[key].clone()).expect("token ids");
    (ids("prompt_ids"), ids("greedy_ids"))
}

/// The likeliest token behind some positions, by the independent computation, and its lead.
fn golden_guesses(name: &str) -> HashMap<usize, (u32, f32)> {
    let path = golden(&format!("mtp/{name}-F32.safetensors"));
    let bytes = std::fs::read(path).expect("part of the repository");
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).expect("a header");
    let data = |name: &str| {
        let offset = |at: usize| json[name]["data_offsets"][at].as_u64().expect("an offset") as usize;
        &bytes[8 + header + offset(0)..8 + header + offset(1)]
    };
    let floats = data("first").as_chunks::<4>().0.iter().map(|&raw| f32::from_le_bytes(raw));
    let rows: Vec<Vec<f32>> = floats.collect::<Vec<_>>().chunks_exact(512).map(<[f32]>::to_vec).collect();
    let positions = data("positions").as_chunks::<8>().0.iter().map(|&raw| i64::from_le_bytes(raw) as usize);
    let positions: Vec<usize> = positions.collect();
    let best_two = |row: &Vec<f32>| {
        let mut order: Vec<usize> = (0..512).collect();
        order.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        (order[0] as u32, row[order[0]] - row[order[1]])
    };
    // A head's are those behind every token, an assistant's those behind the positions.
    let all: Vec<usize> = (0..rows.len()).collect();
    let positions = if positions.len() == rows.len() { positions } else { all };
    positions.into_iter().zip(rows.iter().map(best_two)).collect()
}

#[test]
fn they_guess_what_an_independent_computation_of_them_does() {
    for (name, with) in ["qwen35_dense_mtp", "gemma4_assisted"].into_iter().zip(PREDICTED) {
        let ((question, expected), golden) = (golden_ids(name), golden_guesses(name));
        let ids = [question.clone(), expected.clone()].concat();
        for step_tokens in [512, 7] {
            let options = EngineOptions { kv_type: KvType::F32, step_tokens, ..options() };
            let (engine, said) = predicted(with, options, false);
            let request = GenerateRequest {
                sampling: SamplingParams::greedy(),
                max_tokens: Some(24),
                ..GenerateRequest::new(Prompt::Tokens(question.clone()))
            };
            let found = answer(&engine, request).tokens;
            assert_eq!(found[..], expected[..found.len()], "{name}");
            let said = said.lock().unwrap();
            let mut compared = 0;
            for &(position, token, best) in said.iter() {
                let position = position as usize;
                // Where it went on over a guess of its own, which was wrong, there is nothing to compare with.
                let known = golden.get(&position).filter(|(_, lead)| *lead > 0.01);
                let Some((guess, _)) = known.filter(|_| ids.get(position + 1) == Some(&token)) else {
                    continue;
                };
                assert_eq!(best, *guess, "{name}, behind position {position}");
                compared += 1;
            }
            assert!(compared >= 3, "{name}: {compared} of {said:?}");
        }
    }
}

#[test]
fn a_head_that_is_always_wrong_is_soon_left_alone() {
    let (engine, said) = steady(WITH_HEAD, options(), false);
    let plain = plain(WITH_HEAD, false);
    let question = prompt(5, 40);
    let mut guesses = Vec::new();
    for most in [60, 150] {
        said.lock().unwrap().clear();
        assert_eq!(say(&engine, &question, most).tokens, say(&plain, &question, most).tokens);
        guesses.push(said.lock().unwrap().len());
    }
    assert!(0 < guesses[0], "it was tried");
    assert!(guesses[1] < 50, "{guesses:?} guesses for 60 and 150 tokens");
}

/// Models and drafts with the same tokens: layers that see everything, with windows, and with states of each kind.
const DRAFTS: [(&str, &str); 4] = [
    ("llama_untied-Q8_0.gguf", "llama_untied-Q8_0.gguf"),
    ("gemma3-Q8_0.gguf", "gemma3-Q8_0.gguf"),
    ("qwen35_dense-Q8_0.gguf", "qwen35_dense-Q8_0.gguf"),
    ("lfm2-Q8_0.gguf", "lfm2-Q8_0.gguf"),
];

fn with_draft(draft: &str, options: EngineOptions) -> EngineOptions {
    EngineOptions { draft: Some(golden("models").join(draft)), ..options }
}

#[test]
fn a_draft_model_that_is_right_saves_steps() {
    for (file, draft) in DRAFTS {
        let plain = plain(file, false);
        let (engine, _) =
            steady(file, with_draft(draft, EngineOptions { step_tokens: 48, ..options() }), false);
        for seed in 0..2 {
            let mut question = prompt(seed, 100);
            for most in [50, 30] {
                let expected = say(&plain, &question, most).tokens;
                let before = engine.stats().guessed_tokens;
                assert_eq!(say(&engine, &question, most).tokens, expected, "{file}, {seed}");
                let guessed = engine.stats().guessed_tokens - before;
                assert!(guessed > most as u64 / 3, "{file}, {seed}: {guessed} of {most}");
                question.extend(expected);
                question.extend(prompt(seed + 70, 9));
            }
        }
    }
}

#[test]
fn several_follow_a_draft_model_and_give_way() {
    for (file, draft) in DRAFTS {
        let plain = plain(file, false);
        let prompts: Vec<_> = (0..4).map(|seed| prompt(seed + 20, 20 + 30 * seed)).collect();
        let expected: Vec<_> = prompts.iter().map(|prompt| say(&plain, prompt, 40).tokens).collect();
        // Room for the longest of them, and hardly more, in either cache.
        let few =
            with_draft(draft, EngineOptions { max_sequences: 4, context_length: Some(200), ..options() });
        let (engine, _) = steady(file, few, false);
        let streams: Vec<_> =
            prompts.iter().map(|p| engine.generate(endless(&engine, p, 40)).expect("accepted")).collect();
        drop(engine.generate(endless(&engine, &prompt(9, 40), 50)).expect("accepted"));
        let found: Vec<_> =
            streams.into_iter().map(|stream| outcome(stream).expect("finished").tokens).collect();
        assert_eq!(found, expected, "{file}");
        assert!(engine.stats().guessed_tokens > 20, "{file}: {:?}", engine.stats());
        wait_until(&engine, "nothing is held afterwards", |stats| stats.blocks_used == 0);
    }
}

#[test]
fn a_draft_model_that_is_wrong_changes_nothing() {
    // The same tokens, other weights.
    let (file, draft) = ("qwen3-Q8_0.gguf", "qwen2-Q8_0.gguf");
    let (engine, _) = steady(file, with_draft(draft, options()), false);
    let plain = plain(file, false);
    for seed in 0..2 {
        assert_eq!(say(&engine, &prompt(seed, 50), 60).tokens, say(&plain, &prompt(seed, 50), 60).tokens);
    }
}

#[test]
fn a_draft_model_is_charged_and_must_have_the_same_tokens() {
    let path = golden("models/qwen3-Q8_0.gguf");
    let drafted = with_draft("qwen2-Q8_0.gguf", options());
    let (alone, both) =
        (Engine::plan(&path, &options()).expect("it fits"), Engine::plan(&path, &drafted).expect("both fit"));
    let weights = std::fs::metadata(golden("models/qwen2-Q8_0.gguf")).expect("a file").len();
    assert_eq!(alone.draft_bytes, 0);
    assert!(both.draft_bytes > weights / 2, "{}", both.draft_bytes);
    assert!(both.total_bytes() >= both.draft_bytes + both.weight_bytes + both.scratch_bytes);
    let info = Engine::load(&path, drafted.clone()).expect("loads").info().clone();
    assert!(info.memory_bytes > both.draft_bytes + both.weight_bytes);

    // As much as the model takes alone, and a little more, is not enough for both.
    let least = EngineOptions { context_length: Some(512), max_sequences: 1, ..options() };
    let needed = Engine::plan(&path, &least).expect("it fits").total_bytes();
    let limited = EngineOptions { memory_limit: Some(needed), ..least.clone() };
    Engine::plan(&path, &limited).expect("it fits exactly");
    let refusal = Engine::plan(&path, &with_draft("qwen2-Q8_0.gguf", limited.clone()));
    assert!(refusal.map_or(true, |plan| plan.total_bytes() <= needed), "never more than the limit");

    let other = with_draft("gemma3-Q8_0.gguf", options());
    let error = Engine::load(&path, other.clone()).err().expect("other tokens");
    assert_eq!(error.code(), "draft_vocabulary");
    assert!(error.to_string().contains("gemma3-Q8_0.gguf cannot guess for this model"), "{error}");
    assert_eq!(Engine::plan(&path, &other).err().map(|error| error.code()), Some("draft_vocabulary"));
    let off = EngineOptions { guess: false, ..other };
    Engine::load(&path, off).expect("nobody guesses, so nobody must fit");
    let assisted = with_draft("gemma4_assisted_assistant-F32.gguf", options());
    let plan = Engine::plan(&golden("models/gemma4_assisted-F32.gguf"), &assisted).expect("both fit");
    assert!(plan.draft_bytes > 200_000, "{}", plan.draft_bytes);
    let error =
        Engine::load(&golden("models/gemma4_dense-Q8_0.gguf"), assisted).err().expect("another model's");
    assert!(["wrong_assistant", "draft_vocabulary"].contains(&error.code()), "{error}");
    let missing = EngineOptions { draft: Some(golden("models/no-such-file.gguf")), ..options() };
    assert!(Engine::load(&path, missing).is_err());
}

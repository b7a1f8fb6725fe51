//! Guesses change how long an answer takes and nothing else.

use super::*;

/// A model whose passes all take the same time, so that guesses always pay; and which now and then goes round in circles, so
/// that they are right.
struct Even(Box<dyn CausalLm>);

impl CausalLm for Even {
    fn config(&self) -> &ModelConfig {
        self.0.config()
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        std::thread::sleep(Duration::from_millis(2));
        self.0.forward(batch, kv, logits)?;
        for (&row, logits) in batch.logit_rows.iter().zip(logits.chunks_exact_mut(self.0.config().vocab_size))
        {
            let (token, position) = (batch.tokens[row as usize], batch.positions[row as usize]);
            if position % 61 != 0 {
                logits[(token as usize * 7 + 3) % 40] = 1000.0;
            }
        }
        Ok(())
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.0.accept_guesses(batch, kv)
    }
}

fn even(options: EngineOptions) -> Engine {
    engine_with(options, |model| Box::new(Even(model)))
}

/// A prompt that says the same a few times over.
fn repeating(seed: u32) -> Vec<u32> {
    prompt(seed, 20).repeat(4)
}

#[test]
fn guessed_answers_are_the_same_and_take_fewer_steps() {
    let plain = even(EngineOptions { guess: false, ..options() });
    let engine = even(options());
    for seed in 0..6 {
        let question = repeating(seed);
        let expected = say(&plain, &question, 200);
        let before = engine.stats();
        let answer = say(&engine, &question, 200);
        assert_eq!((answer.tokens, answer.text), (expected.tokens, expected.text));
        assert_eq!(answer.usage.completion_tokens, 200);
        wait_until(&engine, "the figures of the last step", |stats| {
            stats.sampled_tokens - before.sampled_tokens == 200
        });
        let after = engine.stats();
        let (steps, guessed) = (after.steps - before.steps, after.guessed_tokens - before.guessed_tokens);
        assert!(steps <= 201 - guessed, "{steps} steps, {guessed} guessed");
    }
    assert!(engine.stats().guessed_tokens > 600, "{:?}", engine.stats());
    assert_eq!(plain.stats().guessed_tokens, 0);
}

#[test]
fn chance_takes_the_same_way_with_guesses() {
    let hot = |engine: &Engine| {
        let request = GenerateRequest {
            sampling: SamplingParams { temperature: 0.9, seed: Some(11), ..SamplingParams::default() },
            ..greedy(&repeating(3), 150)
        };
        answer(engine, request).tokens
    };
    assert_eq!(hot(&even(options())), hot(&even(EngineOptions { guess: false, ..options() })));
}

#[test]
fn several_guess_beside_each_other_and_give_way() {
    let plain = even(EngineOptions { guess: false, ..options() });
    let expected: Vec<_> = (0..6).map(|seed| say(&plain, &repeating(seed), 120).tokens).collect();
    // Room for three of them: the others wait or are begun anew.
    let kv_bytes = Some(plain.info().kv_bytes * 600 / (8192 * 2));
    let engine = even(EngineOptions { max_sequences: 6, context_length: Some(256), kv_bytes, ..options() });
    let streams: Vec<_> = (0..6)
        .map(|seed| engine.generate(endless(&engine, &repeating(seed), 120)).expect("accepted"))
        .collect();
    let found: Vec<_> = streams.into_iter().map(|stream| outcome(stream).expect("finished").tokens).collect();
    assert_eq!(found, expected);
    assert!(engine.stats().guessed_tokens > 0);
    assert_eq!(engine.stats().blocks_used, 0, "nothing is held afterwards");
}

#[test]
fn answers_end_where_they_would_have_ended() {
    let plain = even(EngineOptions { guess: false, ..options() });
    let engine = even(options());
    for most in [1, 2, 7, 33, 64] {
        let question = repeating(1);
        let (a, b) = (say(&plain, &question, most), say(&engine, &question, most));
        assert_eq!((a.tokens, a.reason), (b.tokens, b.reason), "{most}");
    }
    // A context that is full in the middle of a guess.
    let short = EngineOptions { context_length: Some(100), ..options() };
    let (a, b) = (
        say(&even(EngineOptions { guess: false, ..short.clone() }), &repeating(2), 500),
        say(&even(short), &repeating(2), 500),
    );
    assert_eq!((a.tokens, a.reason), (b.tokens, b.reason));
    assert_eq!(a.reason, FinishReason::Length);
}

/// An engine on a golden model whose passes all take the same time.
fn even_golden(file: &str, options: EngineOptions) -> Engine {
    let mut parts = Parts::load(&golden("models").join(file), &options).expect("the golden model loads");
    parts.model = Box::new(Even(parts.model));
    Engine::start(parts, &options).expect("the engine starts")
}

#[test]
fn windows_and_guesses_get_along() {
    let load = |guess| even_golden("gemma3-Q8_0.gguf", EngineOptions { guess, ..options() });
    let (plain, guessing) = (load(false), load(true));
    for seed in 0..3 {
        let question = repeating(seed);
        assert_eq!(say(&guessing, &question, 150).tokens, say(&plain, &question, 150).tokens);
    }
    assert!(guessing.stats().guessed_tokens > 0);
}

/// One of each kind of layer with a state: the gated delta rule, short convolutions, Mamba-2.
const STATES: [&str; 3] = ["qwen35_dense-Q8_0.gguf", "lfm2-Q8_0.gguf", "granitehybrid-F32.gguf"];

#[test]
fn states_go_back_to_before_wrong_guesses() {
    for file in STATES {
        let load = |guess| even_golden(file, EngineOptions { guess, ..options() });
        let (plain, guessing) = (load(false), load(true));
        for seed in 0..3 {
            // The second time from what the first one left in the prefix cache.
            for most in [150, 60] {
                let question = repeating(seed);
                let expected = say(&plain, &question, most).tokens;
                assert_eq!(say(&guessing, &question, most).tokens, expected, "{file}, {seed}");
                let mut next = [question, expected].concat();
                next.extend(prompt(seed + 50, 5));
                let expected = say(&plain, &next, 40).tokens;
                let warm = say(&guessing, &next, 40);
                assert!(warm.usage.cached_tokens > 96, "{file}: {}", warm.usage.cached_tokens);
                assert_eq!(warm.tokens, expected, "{file}, {seed}: behind what was guessed");
            }
        }
        assert!(guessing.stats().guessed_tokens > 200, "{file}: {:?}", guessing.stats());
    }
}

#[test]
fn several_with_states_guess_beside_each_other_and_give_way() {
    for file in STATES {
        let plain = even_golden(file, EngineOptions { guess: false, ..options() });
        let expected: Vec<_> = (0..5).map(|seed| say(&plain, &repeating(seed), 100).tokens).collect();
        // Room for about three of them where layers see everything, and small steps.
        let few = EngineOptions { max_sequences: 5, step_tokens: 50, ..options() };
        let mut parts = Parts::load(&golden("models").join(file), &few).expect("the golden model loads");
        parts.model = Box::new(Even(parts.model));
        parts.plan.n_blocks = vec![20, 5 * 3 + 8];
        let engine = Engine::start(parts, &few).expect("the engine starts");
        let streams: Vec<_> = (0..5)
            .map(|seed| engine.generate(endless(&engine, &repeating(seed), 100)).expect("accepted"))
            .collect();
        // One of them is not waited for.
        drop(engine.generate(endless(&engine, &repeating(9), 100)).expect("accepted"));
        let found: Vec<_> =
            streams.into_iter().map(|stream| outcome(stream).expect("finished").tokens).collect();
        assert_eq!(found, expected, "{file}");
        assert!(engine.stats().guessed_tokens > 0, "{file}");
        wait_until(&engine, "nothing is held afterwards", |stats| stats.blocks_used == 0);
    }
}

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

#[test]
fn windows_and_guesses_get_along() {
    let path = golden("models/gemma3-Q8_0.gguf");
    let load = |guess| {
        let options = EngineOptions { guess, ..options() };
        let mut parts = Parts::load(&path, &options).expect("the golden model loads");
        parts.model = Box::new(Even(parts.model));
        Engine::start(parts, &options).expect("the engine starts")
    };
    let (plain, guessing) = (load(false), load(true));
    for seed in 0..3 {
        let question = repeating(seed);
        assert_eq!(say(&guessing, &question, 150).tokens, say(&plain, &question, 150).tokens);
    }
    assert!(guessing.stats().guessed_tokens > 0);
}

#[test]
fn states_are_never_guessed_over() {
    let path = golden("models/qwen35_dense-Q8_0.gguf");
    let engine = Engine::load(&path, options()).expect("the golden model loads");
    say(&engine, &repeating(0), 100);
    assert_eq!(engine.stats().guessed_tokens, 0);
}

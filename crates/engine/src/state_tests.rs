//! The whole engine on tiny models whose layers, but for one, keep a state: an answer that goes on from a snapshot is the
//! one that nobody ever interrupted.

use lantern_models::Reach;

use super::*;
use crate::prefix_disk::DiskCacheOptions;

/// One of each kind of layer with a state: the gated delta rule, short convolutions, Mamba-2.
const FILES: [&str; 3] = ["qwen35_dense-Q8_0.gguf", "lfm2-Q8_0.gguf", "granitehybrid-F32.gguf"];

/// An engine on a golden model, with so many blocks for attention and states, or as many as are planned.
fn hybrid(file: &str, options: EngineOptions, blocks: Option<[usize; 2]>) -> Engine {
    let path = golden("models").join(file);
    let mut parts = Parts::load(&path, &options).expect("the golden model loads");
    assert_eq!(parts.model.config().kv_layout.groups(), [Reach::All, Reach::State], "{file}");
    parts.plan.n_blocks = blocks.map_or(parts.plan.n_blocks, Vec::from);
    Engine::start(parts, &options).expect("the engine starts")
}

/// What an engine answers that never saw anything else.
fn cold(file: &str, prompt: &[u32], max_tokens: usize) -> Vec<u32> {
    let answer = say(&hybrid(file, options(), None), prompt, max_tokens);
    assert_eq!(answer.usage.cached_tokens, 0);
    answer.tokens
}

#[test]
fn the_next_turn_goes_on_from_a_snapshot() {
    for file in FILES {
        let engine = hybrid(file, EngineOptions { step_tokens: 64, ..options() }, None);
        let mut turn = prompt(60, 200);
        let mut cached = Vec::new();
        for more in 0..4 {
            let warm = say(&engine, &turn, 50);
            assert_eq!(warm.tokens, cold(file, &turn, 50), "{file}, turn {more}");
            cached.push(warm.usage.cached_tokens);
            turn.extend(&warm.tokens);
            turn.extend(prompt(61 + more, 30));
        }
        // Behind each block of 32 that was written token by token; all but the last of 250, 330 and 410 tokens were.
        assert_eq!(cached, [0, 224, 320, 384], "{file}");
    }
}

#[test]
fn the_same_prompt_is_read_once() {
    for file in FILES {
        let engine = hybrid(file, EngineOptions { step_tokens: 512, ..options() }, None);
        let question = prompt(70, 150);
        let expected = cold(file, &question, 10);
        assert_eq!(say(&engine, &question, 10).tokens, expected, "{file}");
        let again = say(&engine, &question, 10);
        assert_eq!((again.usage.cached_tokens, again.tokens), (128, expected), "{file}");
        let mut branch = question[..140].to_vec();
        branch.extend(prompt(71, 20));
        let warm = say(&engine, &branch, 10);
        assert_eq!(warm.usage.cached_tokens, 128, "{file}: both begin with the same four blocks");
        assert_eq!(warm.tokens, cold(file, &branch, 10), "{file}");
        let early = say(&engine, &question[..100], 10);
        assert_eq!(
            early.usage.cached_tokens, 0,
            "{file}: one step left no snapshot before its last full block"
        );
        assert_eq!(early.tokens, cold(file, &question[..100], 10), "{file}");
    }
}

#[test]
fn several_at_once_have_states_of_their_own() {
    let prompts = [prompt(72, 7), prompt(73, 90), prompt(74, 150), prompt(75, 33)];
    for file in FILES {
        // As many states as four sequences need, and small steps: prompts are read while others write.
        let few = EngineOptions { max_sequences: 4, step_tokens: 19, ..options() };
        let engine = hybrid(file, few, Some([64, 12]));
        let streams: Vec<_> =
            prompts.iter().map(|p| engine.generate(endless(&engine, p, 40)).expect("accepted")).collect();
        for (stream, prompt) in streams.into_iter().zip(&prompts) {
            assert_eq!(outcome(stream).expect("finished").tokens, cold(file, prompt, 40), "{file}");
        }
        assert_eq!((engine.stats().preemptions, engine.stats().blocks_used), (0, 0), "{file}");
    }
}

#[test]
fn preempted_answers_are_read_again_from_where_a_snapshot_is() {
    for file in FILES {
        // Room for one of three where layers see everything.
        let options = EngineOptions { context_length: Some(128), ..options() };
        let engine = hybrid(file, options, Some([4, 32]));
        let prompts = [prompt(76, 20), prompt(77, 20), prompt(78, 20)];
        let streams: Vec<_> =
            prompts.iter().map(|p| engine.generate(endless(&engine, p, 80)).expect("accepted")).collect();
        for (stream, prompt) in streams.into_iter().zip(&prompts) {
            assert_eq!(outcome(stream).expect("finished").tokens, cold(file, prompt, 80), "{file}");
        }
        assert_eq!(engine.stats().blocks_used, 0);
    }
}

#[test]
fn logits_do_not_depend_on_the_steps() {
    for file in FILES {
        let ids = prompt(79, 300);
        let whole = hybrid(file, options(), None).logits(&ids).expect("computed");
        let small = hybrid(file, EngineOptions { step_tokens: 40, ..options() }, None);
        assert_eq!(small.logits(&ids).expect("computed"), whole, "{file}");
    }
}

/// A conversation with long instructions, as agents have them, and a question.
fn agent(question: &str) -> GenerateRequest {
    let rules: String = (0..60).map(|rule| format!("Rule {rule} says something else. ")).collect();
    let messages = vec![ChatMessage::new("system", rules), ChatMessage::new("user", question)];
    GenerateRequest { prompt: Prompt::Messages { messages, tools: None }, ..greedy(&[], 8) }
}

/// What an engine without a past answers, and one with this past and so much of it in its cache.
fn second_question(file: &str, options: EngineOptions, between: u32) -> (Answer, Answer) {
    let load = |options| Engine::load(&golden("models").join(file), options).expect("the golden model loads");
    let engine = load(options);
    answer(&engine, agent("What is the first of them?"));
    for seed in 0..between {
        say(&engine, &prompt(90 + seed, 200), 100);
    }
    let cold = load(super::options());
    [&cold, &engine].map(|engine| answer(engine, agent("And how many are there?"))).into()
}

#[test]
fn different_questions_share_the_instructions_before_them() {
    for file in [&FILES[..], &["gemma3-Q8_0.gguf"]].concat() {
        let (cold, warm) = second_question(file, options(), 3);
        let (prompt, there) = (warm.usage.prompt_tokens, warm.usage.cached_tokens);
        assert!(there > 500 && there + 100 > prompt, "{file}: {there} of {prompt}");
        assert_eq!((cold.usage.cached_tokens, &cold.tokens), (0, &warm.tokens), "{file}");

        let disk = tempfile::tempdir().expect("a folder");
        let cached = DiskCacheOptions { folder: disk.path().into(), quota_bytes: 1 << 30 };
        let kept = || EngineOptions { prefix_disk: Some(cached.clone()), ..options() };
        second_question(file, kept(), 0);
        // A later program finds it on the disk.
        let later = Engine::load(&golden("models").join(file), kept()).expect("the golden model loads");
        let third = answer(&later, agent("Which one is the best?"));
        assert_eq!(third.usage.cached_tokens, there, "{file}: from the disk");
    }
}

#[test]
fn a_long_prompt_can_be_left_in_its_middle() {
    let (file, long) = (FILES[2], prompt(95, 9000));
    let long_enough = || EngineOptions { context_length: Some(10_000), ..options() };
    let engine = hybrid(file, long_enough(), None);
    say(&engine, &long, 4);
    let mut branch = long[..4200].to_vec();
    branch.extend(prompt(96, 50));
    let warm = say(&engine, &branch, 8);
    assert_eq!(warm.usage.cached_tokens, 4096, "two marks of 2048 tokens");
    assert_eq!(warm.tokens, say(&hybrid(file, long_enough(), None), &branch, 8).tokens);
}

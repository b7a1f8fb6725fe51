//! The whole engine on a tiny model whose layers, but for one, see 16 tokens: how many blocks they hold, and that nobody
//! can tell by the answers.

use std::sync::atomic::{AtomicUsize, Ordering};

use lantern_models::{GONE, Reach};

use super::*;

/// An engine on the golden gemma3 model with so many blocks for the layer that sees everything and for the others.
fn sliding_engine(options: EngineOptions, blocks: Option<[usize; 2]>) -> Engine {
    watched_engine(options, blocks, &Arc::default())
}

/// As [`sliding_engine`]; `most` becomes the most blocks that a step knew for windows.
fn watched_engine(options: EngineOptions, blocks: Option<[usize; 2]>, most: &Arc<AtomicUsize>) -> Engine {
    let path = golden("models/gemma3-Q8_0.gguf");
    let mut parts = Parts::load(&path, &options).expect("the golden model loads");
    assert_eq!(parts.model.config().kv_layout.groups(), [Reach::All, Reach::Window(16)]);
    parts.plan.n_blocks = blocks.map_or(parts.plan.n_blocks, Vec::from);
    parts.model = Box::new(Watched { model: parts.model, most: most.clone() });
    Engine::start(parts, &options).expect("the engine starts")
}

/// Counts the blocks of windows that are not gone.
struct Watched {
    model: Box<dyn CausalLm>,
    most: Arc<AtomicUsize>,
}

impl CausalLm for Watched {
    fn config(&self) -> &ModelConfig {
        self.model.config()
    }

    fn forward(
        &self,
        batch: &ForwardBatch,
        kv: &mut KvCache,
        logits: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let known = batch.groups[1].block_tables.iter().filter(|block| **block != GONE).count();
        self.most.fetch_max(known, Ordering::SeqCst);
        self.model.forward(batch, kv, logits)
    }

    fn accept_guesses(&self, batch: &ForwardBatch, kv: &mut KvCache) -> Result<(), ModelError> {
        self.model.accept_guesses(batch, kv)
    }
}

/// What an engine with room for everything answers that never saw anything else.
fn cold(prompt: &[u32], max_tokens: usize) -> Vec<u32> {
    let answer = say(&sliding_engine(options(), Some([64, 64])), prompt, max_tokens);
    assert_eq!(answer.usage.cached_tokens, 0);
    answer.tokens
}

#[test]
fn a_long_conversation_holds_a_window_only() {
    let one = EngineOptions { max_sequences: 1, step_tokens: 64, ..options() };
    let most = Arc::default();
    // A step of 64 tokens lies in two blocks, the fifteen before it in another. The conversation is 29 blocks long.
    let engine = watched_engine(one, Some([29, 3]), &most);
    let tokens = say(&engine, &prompt(30, 700), 210).tokens;
    assert_eq!(tokens.len(), 210);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(engine.stats().preemptions, 0);
    assert_eq!(tokens, cold(&prompt(30, 700), 210));
    assert_eq!((engine.stats().blocks_total, engine.stats().blocks_used), (32, 0));
}

#[test]
fn the_plan_gives_windows_to_as_many_as_may_run() {
    let few = EngineOptions { max_sequences: 3, step_tokens: 20, ..options() };
    let least = {
        let plan = Parts::load(&golden("models/gemma3-Q8_0.gguf"), &few).expect("loads").plan;
        // Two blocks that fifteen tokens touch and one to begin, twice for each, and one for a step.
        assert_eq!((plan.n_blocks[1], plan.max_sequences), (2 * 3 * 3 + 1, 3));
        [plan.n_blocks[0], 3 * 3 + 1]
    };
    let prompts = [prompt(31, 90), prompt(32, 41), prompt(33, 150)];
    let engine = sliding_engine(few, Some(least));
    let streams: Vec<_> = prompts
        .iter()
        .map(|prompt| engine.generate(endless(&engine, prompt, 60)).expect("accepted"))
        .collect();
    for (stream, prompt) in streams.into_iter().zip(&prompts) {
        assert_eq!(outcome(stream).expect("finished").tokens, cold(prompt, 60));
    }
    assert_eq!(engine.stats().preemptions, 0, "nobody had to give way");
}

#[test]
fn the_next_turn_finds_the_window_before_it() {
    // As many blocks for windows as one sequence needs.
    let engine = sliding_engine(EngineOptions { step_tokens: 64, ..options() }, Some([64, 5]));
    let mut turn = prompt(34, 200);
    let mut cached = Vec::new();
    for more in 0..4 {
        let warm = say(&engine, &turn, 50);
        assert_eq!(warm.tokens, cold(&turn, 50), "turn {more}");
        cached.push(warm.usage.cached_tokens);
        turn.extend(&warm.tokens);
        turn.extend(prompt(35 + more, 30));
    }
    // All but the last of 250, 330 and 410 tokens were computed, in blocks of 32.
    assert_eq!(cached, [0, 224, 320, 384]);
}

#[test]
fn a_prefix_that_lost_its_window_is_computed_again() {
    let engine = sliding_engine(EngineOptions { step_tokens: 64, ..options() }, Some([64, 6]));
    let (first, other) = (prompt(40, 150), prompt(41, 150));
    let expected = cold(&first, 20);
    assert_eq!(say(&engine, &first, 20).tokens, expected);
    assert_eq!(say(&engine, &first, 20).usage.cached_tokens, 128);
    say(&engine, &other, 20);
    let again = say(&engine, &first, 20);
    assert_eq!(again.usage.cached_tokens, 0, "the other one took the blocks of its window");
    assert_eq!(again.tokens, expected);
    let warm = say(&engine, &first, 20);
    assert_eq!((warm.usage.cached_tokens, warm.tokens), (128, expected));
}

#[test]
fn a_prefix_that_lost_its_end_is_used_as_far_as_it_goes() {
    // 170 tokens take six blocks where layers see everything; here there are eight.
    let engine = sliding_engine(options(), Some([8, 64]));
    let first = prompt(42, 150);
    let expected = cold(&first, 20);
    assert_eq!(say(&engine, &first, 20).tokens, expected);
    say(&engine, &prompt(43, 150), 20);
    let again = say(&engine, &first, 20);
    assert_eq!(again.usage.cached_tokens, 64, "the other one took the last three of its five full blocks");
    assert_eq!(again.tokens, expected);
}

#[test]
fn a_branch_starts_where_the_conversations_part() {
    let engine = sliding_engine(options(), None);
    let trunk = prompt(44, 300);
    say(&engine, &trunk, 40);
    let mut branch = trunk[..170].to_vec();
    branch.extend(prompt(45, 60));
    let warm = say(&engine, &branch, 30);
    assert_eq!(warm.usage.cached_tokens, 160, "five blocks of 32 are the same");
    assert_eq!(warm.tokens, cold(&branch, 30));
}

#[test]
fn preempted_answers_find_their_windows_again() {
    // Room for one of three where layers see everything.
    let options = EngineOptions { context_length: Some(128), ..options() };
    let mut parts = Parts::load(&golden("models/gemma3-Q8_0.gguf"), &options).expect("loads");
    (parts.plan.n_blocks, parts.plan.reaches) = (vec![4, 12], vec![Reach::All, Reach::Window(16)]);
    parts.model = Box::new(Slow { model: parts.model });
    let engine = Engine::start(parts, &options).expect("the engine starts");
    let prompts = [prompt(46, 20), prompt(47, 20), prompt(48, 20)];
    let streams: Vec<_> =
        prompts.iter().map(|p| engine.generate(endless(&engine, p, 80)).expect("accepted")).collect();
    for (stream, prompt) in streams.into_iter().zip(&prompts) {
        assert_eq!(outcome(stream).expect("finished").tokens, cold(prompt, 80));
    }
    assert!(engine.stats().preemptions > 0, "100 tokens each do not fit side by side into 128");
    assert_eq!(engine.stats().blocks_used, 0);
}

#[test]
fn a_short_context_is_kept_whole() {
    let engine = sliding_engine(EngineOptions { context_length: Some(128), ..options() }, None);
    assert_eq!(engine.stats().blocks_total, 2 * 4 * 4, "four contexts for both kinds of layers");
    let first = say(&engine, &prompt(50, 70), 40);
    let again = say(&engine, &prompt(50, 70), 40);
    assert_eq!((again.usage.cached_tokens, &again.tokens), (64, &first.tokens));
    assert_eq!(first.tokens, cold(&prompt(50, 70), 40));
}

#[test]
fn logits_of_a_long_text_need_a_window_only() {
    let engine = sliding_engine(options(), None);
    let small_steps = sliding_engine(EngineOptions { step_tokens: 40, ..options() }, None);
    let ids = prompt(49, 400);
    assert_eq!(engine.logits(&ids).expect("computed"), small_steps.logits(&ids).expect("computed"));
}

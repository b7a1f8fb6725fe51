//! Contexts of different lengths on the same weights.

use super::*;
use crate::ledger::{HostMemory, Ledger};

fn small() -> EngineOptions {
    EngineOptions { context_length: Some(256), ..options() }
}

fn limited(context: usize, prompt: &[u32], max_tokens: usize) -> GenerateRequest {
    GenerateRequest { context_length: Some(context), ..greedy(prompt, max_tokens) }
}

#[test]
fn a_request_has_no_more_than_its_own_context() {
    let engine = engine(small());
    let refused = engine.generate(limited(100, &prompt(1, 100), 5)).map(|_| ()).expect_err("too long");
    assert!(matches!(refused, EngineError::ContextOverflow { prompt: 100, context: 100, .. }), "{refused}");
    let answer = answer(&engine, limited(100, &prompt(1, 90), 1000));
    assert_eq!((answer.reason, answer.tokens.len()), (FinishReason::Length, 10));
    let whole = engine.generate(limited(1 << 30, &prompt(1, 256), 5)).map(|_| ()).expect_err("too long");
    assert!(matches!(whole, EngineError::ContextOverflow { prompt: 256, context: 256, .. }), "{whole}");
}

#[test]
fn a_conversation_loses_turns_for_the_sake_of_its_own_context() {
    let engine = engine(EngineOptions { context_length: Some(2048), ..options() });
    let turns = ["user", "assistant"].into_iter().cycle().take(21);
    let words = "and so it went on and on, and nobody knew why";
    let messages: Vec<ChatMessage> = turns.map(|role| ChatMessage::new(role, words)).collect();
    let request = |context| GenerateRequest {
        overflow: Overflow::DropOldest,
        context_length: Some(context),
        max_tokens: Some(4),
        ..GenerateRequest::new(Prompt::Messages { messages: messages.clone(), tools: None })
    };
    let whole = engine.generate(request(2048)).expect("fits").prompt_tokens();
    let cut = engine.generate(request(whole / 2)).expect("fits without its oldest turns");
    assert!(cut.dropped().is_some() && cut.prompt_tokens() < whole / 2, "{:?}", cut.dropped());
}

#[test]
fn a_cache_grows_under_sequences_that_run_and_prefixes_that_are_kept() {
    for file in ["models/llama_untied-Q8_0.gguf", "models/gemma3-Q8_0.gguf", "models/qwen35_dense-Q8_0.gguf"]
    {
        let load = |context| {
            let options = EngineOptions { context_length: Some(context), max_sequences: 2, ..options() };
            Engine::load(&golden(file), options).expect("the golden model loads")
        };
        let cold = load(1024);
        let (long, story) = (prompt(3, 700), prompt(4, 120));
        let expected = [say(&cold, &story, 100).tokens, say(&load(1024), &long, 20).tokens];

        let engine = load(512);
        say(&engine, &prompt(5, 200), 4);
        let stream = engine.generate(endless(&engine, &story, 100)).expect("accepted");
        wait_until(&engine, "it runs", |stats| stats.sampled_tokens > 10);
        assert_eq!(engine.grow_context(1024).expect("there is memory"), Growth::Room(1024), "{file}");
        assert!(say(&engine, &prompt(5, 200), 4).usage.cached_tokens > 0, "{file}: the prefix is kept");
        assert_eq!(outcome(stream).expect("it goes on").tokens, expected[0], "{file}: while it ran");
        assert_eq!(say(&engine, &long, 20).tokens, expected[1], "{file}: longer than before");
        assert_eq!(engine.grow_context(100).expect("less"), Growth::Room(1024), "{file}: it never shrinks");
    }
}

#[test]
fn a_cache_grows_as_far_as_the_books_allow_and_is_charged() {
    let books =
        |bytes| Ledger::with(Some(bytes), || HostMemory { available: u64::MAX, ..HostMemory::default() });
    let wide = books(1 << 40);
    let plan = |context: u32, ledger: &Ledger| {
        let options = EngineOptions { context_length: Some(context), ledger: ledger.clone(), ..options() };
        Engine::plan(&model_path(), &options).expect("fits")
    };
    let (short, long) = (plan(512, &wide), plan(2048, &wide));
    let ledger = books(long.total_bytes());
    let load = |ledger: &Ledger| {
        let options = EngineOptions { context_length: Some(512), ledger: ledger.clone(), ..options() };
        engine(options)
    };
    let roomy = load(&ledger);
    assert_eq!((ledger.charged(), roomy.memory_bytes()), (short.total_bytes(), short.total_bytes()));
    assert_eq!(roomy.grow_context(1 << 20).expect("there is memory"), Growth::Room(2048));
    assert!(ledger.charged() > short.total_bytes() && ledger.charged() <= long.total_bytes());
    drop(roomy);
    assert_eq!(ledger.charged(), 0);

    let tight = books(short.total_bytes() - short.kv_bytes / 2);
    let cramped = load(&tight);
    assert_eq!(cramped.context_length(), 512);
    assert_eq!(cramped.grow_context(2048).expect("no error"), Growth::Room(512), "nothing is left");
    assert!(tight.charged() <= short.total_bytes());
    assert_eq!(say(&cramped, &prompt(6, 300), 4).tokens, say(&engine(options()), &prompt(6, 300), 4).tokens);
}

#[test]
fn an_engine_that_nobody_uses_gives_back_what_it_has_beyond_the_least() {
    for file in ["models/llama_untied-Q8_0.gguf", "models/qwen35_dense-Q8_0.gguf"] {
        let ledger =
            Ledger::with(Some(1 << 40), || HostMemory { available: u64::MAX, ..HostMemory::default() });
        let options = EngineOptions { context_length: Some(256), ledger: ledger.clone(), ..options() };
        let engine = Engine::load(&golden(file), options).expect("the golden model loads");
        let (loaded, expected) = (ledger.charged(), say(&engine, &prompt(7, 150), 20).tokens);
        engine.grow_context(1024).expect("there is memory");
        for seed in 30..40 {
            say(&engine, &prompt(seed, 300), 4);
        }
        let stream = engine.generate(endless(&engine, &prompt(8, 50), 900)).expect("accepted");
        wait_until(&engine, "it runs", |stats| stats.running == 1);
        assert!(!engine.shrink_context(), "{file}: it is in use");
        drop(stream);
        wait_until(&engine, "it ends", |stats| stats.running == 0);
        assert!(engine.shrink_context(), "{file}");
        assert!(ledger.charged() < loaded, "{file}: {} of {loaded}", ledger.charged());
        assert_eq!((engine.memory_bytes(), engine.context_length()), (ledger.charged(), 256), "{file}");
        assert!(!engine.shrink_context(), "{file}: there is no more");
        assert_eq!(say(&engine, &prompt(7, 150), 20).tokens, expected, "{file}");
        let refused = engine.generate(greedy(&prompt(9, 300), 4)).map(|_| ()).expect_err("too long");
        assert_eq!(refused.code(), "context_overflow", "{file}");
        assert_eq!(engine.grow_context(512).expect("there is memory"), Growth::Room(512), "{file}");
        assert_eq!(say(&engine, &prompt(7, 150), 20).tokens, expected, "{file}");
    }
}

#[test]
fn where_other_numbers_would_be_computed_the_model_is_loaded_anew() {
    let options = EngineOptions { context_length: Some(64), ..options() };
    let engine = Engine::load(&golden("models/phi3_longrope-F32.gguf"), options).expect("it loads");
    assert_eq!(engine.grow_context(128).expect("no error"), Growth::Reload);
}

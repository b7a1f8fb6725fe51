//! Prefixes of owners that are pinned, in memory.

use super::*;

fn ask(engine: &Engine, owner: &str, seed: u32) -> usize {
    let request = GenerateRequest { owner: Some(owner.into()), ..greedy(&prompt(seed, 200), 4) };
    answer(engine, request).usage.cached_tokens
}

#[test]
fn a_pinned_conversation_is_the_last_that_memory_forgets() {
    for pinned in [false, true] {
        let engine = engine(EngineOptions { context_length: Some(256), ..options() });
        ask(&engine, "mine", 1);
        engine.pin_prefixes("mine", pinned);
        for seed in 2..10 {
            ask(&engine, "others", seed);
        }
        assert_eq!(ask(&engine, "mine", 1) > 0, pinned, "pinned: {pinned}");
        // What is pinned does not stand in the way of what runs.
        let long = GenerateRequest { owner: Some("others".into()), ..greedy(&prompt(20, 250), 4) };
        let four: Vec<_> = (0..4).map(|_| engine.generate(long.clone()).expect("accepted")).collect();
        four.into_iter().for_each(|stream| drop(outcome(stream).expect("finished")));
        engine.pin_prefixes("mine", false);
        for seed in 2..10 {
            ask(&engine, "others", seed);
        }
        assert_eq!(ask(&engine, "mine", 1), 0, "nobody pins it any more");
    }
}

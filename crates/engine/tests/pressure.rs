//! When other programs need memory, caches shrink, and nobody gets another answer for it.
#![cfg(target_os = "linux")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lantern_engine::{
    DiskCacheOptions, Engine, EngineOptions, GenerateRequest, GenerationEvent, HostMemory, KvType, Ledger,
    Prompt, SamplingParams,
};

/// Pages of this process in memory, in bytes.
fn rss() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has it");
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * 4096
}

/// Tokens of the greedy answer, and how many of the prompt were there already.
fn say(engine: &Engine, seed: u32) -> (Vec<u32>, usize) {
    let prompt = (0..1900).map(|index| (seed * 131 + index * 37 + index * index) % 500).collect();
    let request = GenerateRequest {
        sampling: SamplingParams::greedy(),
        max_tokens: Some(8),
        ..GenerateRequest::new(Prompt::Tokens(prompt))
    };
    let mut stream = engine.generate(request).expect("accepted");
    let mut all = Vec::new();
    while let Some(event) = stream.blocking_next() {
        match event {
            GenerationEvent::Text { tokens, .. } => all.extend(tokens),
            GenerationEvent::Finished { usage, .. } => return (all, usage.cached_tokens),
            GenerationEvent::Failed(error) => panic!("{error}"),
            _ => {}
        }
    }
    panic!("no end");
}

#[test]
fn caches_shrink_under_pressure_and_answers_stay_the_same() {
    let low = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&low);
    let ledger = Ledger::with(None, move || HostMemory {
        available: if seen.load(Ordering::Relaxed) { 1 << 20 } else { 1 << 40 },
        held: 0,
        reserve: 1 << 30,
    });
    let folder = tempfile::tempdir().expect("a folder");
    let disk = DiskCacheOptions { folder: folder.path().into(), quota_bytes: 1 << 30 };
    let options = EngineOptions {
        threads: 2,
        kv_type: KvType::F32,
        prefix_disk: Some(disk),
        ledger,
        ..EngineOptions::default()
    };
    let model = lantern_golden::path("models/llama_untied-Q8_0.gguf");
    let engine = Engine::load(&model, options).expect("the golden model loads");
    let first: Vec<_> = (0..4).map(|seed| say(&engine, seed).0).collect();
    engine.save_prefixes();
    let (full, kept) = (rss(), engine.stats().blocks_cached);
    assert!(kept > 200, "{kept} blocks");
    let cache = engine.info().kv_bytes * kept as u64 / engine.stats().blocks_total as u64;

    low.store(true, Ordering::Relaxed);
    let start = Instant::now();
    while engine.stats().blocks_cached > 0 {
        assert!(start.elapsed() < Duration::from_secs(60), "nothing was given back: {:?}", engine.stats());
        std::thread::sleep(Duration::from_millis(50));
    }
    // The figures are told when the memory has gone back.
    let left = rss();
    assert!(full.saturating_sub(left) > cache / 2, "{full} bytes became {left}, the cache had {cache}");

    for (seed, tokens) in (0..).zip(&first) {
        let (again, cached) = say(&engine, seed);
        assert_eq!(&again, tokens, "another answer to prompt {seed}");
        assert!(cached > 1800, "the disk had {cached} tokens of prompt {seed}");
    }
    let (other, _) = say(&engine, 9);
    low.store(false, Ordering::Relaxed);
    assert_eq!(say(&engine, 9).0, other);
}

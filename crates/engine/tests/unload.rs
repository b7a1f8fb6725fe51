//! Dropping an engine gives everything back. A process of its own, because it counts the process's threads and
//! memory.
#![cfg(target_os = "linux")]

use lantern_engine::text::SamplingParams;
use lantern_engine::{Engine, EngineOptions, GenerateRequest, GenerationEvent, Prompt};

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

fn load_ask_and_drop() {
    let path = lantern_golden::path("models/llama_untied-Q8_0.gguf");
    let options = EngineOptions { threads: 2, ..EngineOptions::default() };
    let engine = Engine::load(&path, options).expect("the golden model loads");
    let request = GenerateRequest {
        sampling: SamplingParams::greedy(),
        max_tokens: Some(500),
        ..GenerateRequest::new(Prompt::Tokens((0..1000).map(|id| id % 500).collect()))
    };
    let mut stream = engine.generate(request).expect("accepted");
    while let Some(event) = stream.blocking_next() {
        if let GenerationEvent::Failed(error) = event {
            panic!("{error}");
        }
    }
}

fn maps_of_models() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    maps.lines().filter(|line| line.ends_with(".gguf")).count()
}

#[test]
fn dropping_an_engine_returns_to_the_baseline() {
    // Once before measuring: allocators and lazily built tables keep what they took.
    load_ask_and_drop();
    let (threads, memory) = (status("Threads:"), status("VmRSS:"));
    for _ in 0..10 {
        load_ask_and_drop();
    }
    assert_eq!(status("Threads:"), threads, "no thread outlives its engine");
    assert_eq!(maps_of_models(), 0, "no file stays mapped");
    let grown = status("VmRSS:").saturating_sub(memory);
    assert!(grown < 4096, "ten loads left {grown} kB behind; one cache alone is 3000 kB");
}

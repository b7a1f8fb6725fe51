//! Models whose experts are not all in memory: the same numbers, from a file that is read as it goes.

use super::*;
use crate::bench::{self, BenchOptions};
use crate::expert_memory::{ExpertDemand, ExpertMemory};

/// The experts' bytes of a golden model, and the least memory for them.
fn demand(path: &Path) -> ExpertDemand {
    let file = GgufFile::open(path).expect("the golden model is part of the repository");
    let config = registry::config(&file).expect("it is supported");
    let demand = ExpertDemand::of(&file, &config, &options(), None).expect("nothing was asked for");
    demand.expect("it has experts")
}

fn load(path: &Path, expert_memory: Option<u64>, step_tokens: usize) -> Engine {
    let options = EngineOptions { expert_memory, step_tokens, gpu_layers: Some(0), ..options() };
    Engine::load(path, options).expect("the golden model loads")
}

#[test]
fn the_least_memory_gives_the_same_logits() {
    for name in [
        "qwen3moe-Q8_0",
        "qwen3moe-Q4_0",
        "qwen3moe-MXFP4_MOE",
        "qwen3moe_k256-Q4_K_M",
        "gemma4_moe-Q8_0",
        "qwen35moe-Q8_0",
    ] {
        let path = golden(&format!("models/{name}.gguf"));
        let ExpertDemand { total, least, .. } = demand(&path);
        assert!(least < total, "{name}: {least} of {total}");
        let ids: Vec<u32> = (0..60).map(|i| (i * 37 + 11) % 500).collect();
        let whole = load(&path, None, 512);
        let expected = whole.logits(&ids).expect("it computes");
        assert_eq!(whole.stats().expert_uses, 0, "{name}: nothing is counted where all experts are kept");
        for step_tokens in [512, 7, 1] {
            let engine = load(&path, Some(least), step_tokens);
            for round in ["cold", "warm"] {
                let logits = engine.logits(&ids).expect("it computes");
                assert!(logits == expected, "{name}: {round}, in steps of {step_tokens}");
            }
            let EngineStats { expert_uses, expert_hits, expert_read_bytes, .. } = engine.stats();
            assert!(0 < expert_hits && expert_hits < expert_uses, "{name}: {expert_hits} of {expert_uses}");
            assert!(expert_read_bytes > 0 || step_tokens == 512, "{name}");
        }
    }
}

#[test]
fn answers_are_the_same_and_all_of_the_experts_is_as_ever() {
    let path = golden("models/qwen3moe-Q8_0.gguf");
    let ExpertDemand { total, least, .. } = demand(&path);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let answer = |engine: &Engine| {
        let request = GenerateRequest {
            sampling: SamplingParams::greedy(),
            max_tokens: Some(20),
            ..GenerateRequest::new(Prompt::Tokens((1..40).collect()))
        };
        let mut stream = engine.generate(request).expect("it is accepted");
        runtime.block_on(async {
            let mut text = String::new();
            while let Some(event) = stream.next().await {
                match event {
                    GenerationEvent::Text { text: piece, .. } => text.push_str(&piece),
                    GenerationEvent::Failed(error) => panic!("{error}"),
                    _ => {}
                }
            }
            text
        })
    };
    let expected = answer(&load(&path, None, 512));
    assert_eq!(answer(&load(&path, Some(least), 512)), expected);
    let whole = load(&path, Some(total), 512);
    assert_eq!(answer(&whole), expected);
    assert_eq!(whole.stats().expert_uses, 0, "it is loaded as if nothing had been asked for");
}

#[test]
fn a_plan_says_what_stays_in_the_file() {
    let path = golden("models/qwen3moe-Q8_0.gguf");
    let ExpertDemand { total, least, .. } = demand(&path);
    // Two of eight experts twice and four more are all of a layer, of which there are two.
    assert_eq!((total, least), (2 * 3 * 8 * 64 * 68, 3 * 8 * 64 * 68));
    let plan = |expert_memory| {
        let options = EngineOptions { expert_memory, gpu_layers: Some(0), ..options() };
        Engine::plan(&path, &options)
    };
    let (whole, part) = (plan(None).expect("it fits"), plan(Some(least)).expect("it fits"));
    assert_eq!(whole.experts, Some(ExpertMemory { total_bytes: total, memory_bytes: total }));
    assert_eq!(part.experts, Some(ExpertMemory { total_bytes: total, memory_bytes: least }));
    assert_eq!(whole.total_bytes() - part.total_bytes(), total - least);
    let error = plan(Some(least - 1)).expect_err("too little");
    assert_eq!(error.code(), "invalid_options");
    assert!(error.to_string().contains("at least 104 kB"), "{error}");
    let dense = Engine::plan(&model_path(), &EngineOptions { expert_memory: Some(1), ..options() });
    assert_eq!(dense.expect("a model without experts").experts, None);
}

#[test]
fn a_bench_reports_how_often_experts_were_there() {
    let path = golden("models/qwen3moe-Q8_0.gguf");
    let least = demand(&path).least;
    let options = BenchOptions {
        prompt: 16,
        generate: 8,
        threads: 2,
        repetitions: 2,
        gpu_layers: Some(0),
        expert_memory: Some(least),
        ..BenchOptions::default()
    };
    let report = bench::run(&path, &options).expect("it runs");
    let writing = report.speeds[0].decode_experts.expect("not all of them are in memory");
    // Three matrices of two experts in two layers, for eight tokens twice.
    assert_eq!((writing.uses, writing.total_bytes), (3 * 2 * 2 * 8 * 2, 2 * writing.memory_bytes));
    assert_eq!(writing.hit_rate, writing.hits as f64 / writing.uses as f64);
    assert_eq!(writing.read_bytes, (writing.uses - writing.hits) * 64 * 68);
    assert!(report.experts.is_some_and(|all| all.uses > writing.uses));
    let report = bench::run(&path, &BenchOptions { expert_memory: None, ..options }).expect("it runs");
    assert!(report.experts.is_none() && report.speeds[0].decode_experts.is_none());
}

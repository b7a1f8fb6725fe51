//! `lantern plan`: what a model would take of memory, and whether that is true.

mod support;

use serde_json::Value;
use support::{Home, golden};

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

fn plan(model: &str, extra: &[&str]) -> Value {
    let (home, model) = (Home::new(), golden(model));
    let mut args = vec!["plan", &model, "--json", "--gpu-layers", "0"];
    args.extend(extra);
    home.run(&args).good().json()
}

#[test]
fn the_parts_are_the_whole() {
    let report = plan("qwen2-Q8_0.gguf", &["--context", "512"]);
    let plan = &report["plan"];
    let parts = ["weight", "cache", "tokenizer", "activation", "logit", "transfer", "picture", "program"];
    let sum: u64 = parts.iter().map(|part| number(plan, &format!("{part}_bytes"))).sum();
    assert_eq!(number(plan, "total_bytes"), sum);
    assert_eq!(
        number(plan, "cache_bytes") / number(plan, "cache_blocks") * 16,
        number(plan, "one_conversation_cache_bytes")
    );
    assert!(number(plan, "one_conversation_bytes") < sum && sum < number(&report, "available_bytes"));
    assert_eq!(report["refused"], Value::Null);
}

#[test]
fn a_longer_context_takes_more_cache_and_the_same_weights() {
    let [short, long] =
        ["256", "512"].map(|context| plan("qwen3-Q8_0.gguf", &["--context", context])["plan"].clone());
    assert_eq!(2 * number(&short, "cache_bytes"), number(&long, "cache_bytes"));
    assert_eq!(
        2 * number(&short, "one_conversation_cache_bytes"),
        number(&long, "one_conversation_cache_bytes")
    );
    assert_eq!(number(&short, "weight_bytes"), number(&long, "weight_bytes"));
    assert_eq!((number(&long, "context_length"), number(&long, "block_tokens")), (512, 32));
}

#[test]
fn people_are_told_each_part_and_what_leaves_memory_first() {
    let home = Home::new();
    let (model, other) = (golden("gemma3-Q8_0.gguf"), golden("qwen2-Q8_0.gguf"));
    let told =
        home.run(&["plan", &model, "--context", "256", "--loaded", &other, "--gpu-layers", "0"]).good().out;
    for name in [
        "weights",
        "cache",
        "tokenizer",
        "activations",
        "program",
        "one conversation",
        "at most",
        "available",
    ] {
        assert!(told.lines().any(|line| line.starts_with(name)), "no {name} in {told}");
    }
    assert!(told.contains("blocks of 32 tokens"), "{told}");
    let dropped = told.lines().find(|line| line.starts_with("dropped first")).expect("the other one");
    assert!(dropped.contains("qwen2-Q8_0.gguf"), "{dropped}");
    home.run(&["plan", "no-such-model"]).failed("model_not_found");
}

#[test]
#[cfg(target_os = "linux")]
fn the_peak_is_measured() {
    let report = plan("qwen2-Q8_0.gguf", &["--context", "256", "--measure"]);
    let measured = &report["measured"];
    assert!(number(measured, "loaded_bytes") <= number(measured, "peak_bytes"));
    assert_eq!(number(measured, "planned_bytes"), number(&report["plan"], "one_conversation_bytes"));
    // A model of 200 kB is nothing beside the program, whose code is not all used: only what is far off is wrong.
    let ratio = measured["ratio"].as_f64().unwrap();
    assert!((0.8..2.0).contains(&ratio), "{report}");
}

#[test]
fn experts_that_stay_in_the_file_are_not_counted() {
    let model = "qwen3moe-Q8_0.gguf";
    let [whole, part] =
        [&[][..], &["--expert-memory", "120kB"]].map(|extra| plan(model, extra)["plan"].clone());
    assert_eq!(number(&whole, "expert_bytes"), number(&whole, "expert_memory_bytes"));
    assert_eq!(number(&part, "expert_memory_bytes"), 120_000);
    assert_eq!(
        number(&whole, "total_bytes") - number(&part, "total_bytes"),
        number(&whole, "expert_bytes") - 120_000
    );
    let (home, model) = (Home::new(), golden(model));
    let told = home.run(&["plan", &model, "--expert-memory", "120kB", "--gpu-layers", "0"]).good().out;
    let weights = told.lines().find(|line| line.starts_with("weights")).expect("a line");
    assert!(
        weights.contains("experts 120.0 kB of 208.9 kB in memory, others are read when chosen"),
        "{weights}"
    );
    home.run(&["plan", &model, "--expert-memory", "1kB", "--gpu-layers", "0"]).failed("invalid_options");
}

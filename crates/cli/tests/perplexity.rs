//! `lantern perplexity` with a tiny model of random weights.

mod support;

use support::{Home, golden};

/// English words, a few hundred tokens of them.
fn text(home: &Home) -> String {
    let words = ["the lamp ", "was lit, ", "and its oil ", "lasted; ", "nobody ", "knew why. ", "Then\n"];
    let text: String = (0..300).map(|at| words[at * at % 13 % words.len()]).collect();
    home.file("text", text.as_bytes())
}

#[test]
fn perplexity_tells_figures_and_what_caches_cost() {
    let home = Home::new();
    let (model, text) = (golden("gemma3_k256-Q4_K_M.gguf"), text(&home));
    let args = ["perplexity", "--model", &model, "--file", &text, "--context", "64", "-t", "2"];
    let args = [&args[..], &["--kv-type", "f16,q8_0,q4_0", "--chunks", "3"]].concat();
    let done = home.run(&[&args[..], &["--json"]].concat()).good();
    let report = done.json();
    assert_eq!((&report["windows"], &report["scored_tokens"]), (&3.into(), &93.into()), "{report}");
    let runs = report["runs"].as_array().expect("a list");
    let names: Vec<_> = runs.iter().map(|run| run["kv_type"].as_str().expect("a name")).collect();
    assert_eq!(names, ["f16", "q8_0", "q4_0"]);
    // Random weights know nothing of English; yet no more tokens than the vocabulary has are to be chosen from.
    let perplexity = runs[0]["perplexity"]["value"].as_f64().expect("a number");
    assert!((20.0..50_000.0).contains(&perplexity), "{report}");
    assert!(runs[0]["change"].is_null() && runs[2]["change"]["divergence"]["value"].as_f64() > Some(0.0));
    assert!(done.err.contains("window 3 of 3"), "no progress: {}", done.err);

    let told = home.run(&args).good().out;
    for words in ["perplexity", "change, %", "KL divergence", "q4_0", "93 tokens scored, in 3 windows of 64"]
    {
        assert!(told.contains(words), "no {words} in {told}");
    }
    assert!(told.contains(&format!("{perplexity:.4} ± ")), "the same figure again: {told}");
}

#[test]
fn what_cannot_be_measured_is_told() {
    let home = Home::new();
    let (model, text) = (golden("qwen2-Q8_0.gguf"), text(&home));
    let with = |file: &str, more: &[&str]| {
        home.run(&[&["perplexity", "--model", &model, "--file", file], more].concat())
    };
    with("/nowhere/text", &[]).failed("io_error");
    with(&home.file("latin", b"caf\xe9"), &[]).failed("io_error");
    with(&home.file("short", b"a few words"), &[]).failed("text_too_short");
    let error = with(&text, &["--context", "4096"]).failed("invalid_options").err;
    assert!(error.contains("4096") && error.contains("2048"), "{error}");
    let error = with(&text, &["--context", "64", "--kv-type", "q8_0"]).failed("unsupported_kv_type").err;
    assert!(error.contains("multiple of 32") && error.contains("f16"), "{error}");
    assert_eq!(with(&text, &["--kv-type", "f16,f8"]).code, Some(2));
}

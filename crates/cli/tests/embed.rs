//! `lantern embed`, with tiny models of random weights.

mod support;

use serde_json::{Value, json};
use support::{Home, golden};

fn vectors(out: &str) -> Vec<Vec<f64>> {
    out.lines().map(|line| serde_json::from_str(line).expect("a list of numbers in each line")).collect()
}

#[test]
fn each_text_becomes_a_line_and_the_same_by_jsonl() {
    let home = Home::new();
    for model in
        ["bert-F32.gguf", "nomic_bert-F32.gguf", "gemma_embedding-F32.gguf", "qwen3_embedding-F32.gguf"]
    {
        let model = golden(model);
        let lines = home.run(&["embed", "--model", &model, "the first text", "and another"]).good();
        let found = vectors(&lines.out);
        assert_eq!(found.len(), 2, "{}", lines.out);
        for vector in &found {
            let length: f64 = vector.iter().map(|x| x * x).sum();
            assert!(vector.len() == 32 && (length - 1.0).abs() < 1e-5, "{model}: {length}");
        }
        assert_ne!(found[0], found[1], "{model}");
        let questions = "{\"text\": \"and another\"}\n{\"words\": 3}\n{\"text\": \"the first text\"}\n";
        let answers = home.pipe(&["embed", "-m", &model, "--jsonl"], questions).good();
        let answers: Vec<Value> =
            answers.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers[0]["embedding"], json!(found[1]), "{model}");
        assert!(answers[1]["error"].is_string(), "{}", answers[1]);
        assert_eq!(answers[2]["embedding"], json!(found[0]), "{model}");
        assert!(answers[2]["tokens"].as_u64() > Some(1), "{}", answers[2]);
    }
}

#[test]
fn models_are_told_apart() {
    let home = Home::new();
    let (chat, bert) = (golden("qwen2-Q8_0.gguf"), golden("bert-F32.gguf"));
    home.run(&["embed", "-m", &chat, "a text"]).failed("no_embedding_model");
    home.run(&["run", &bert, "a prompt"]).failed("embedding_model");
    home.run(&["embed", "-m", &bert, "--dimensions", "33", "a text"]).failed("invalid_options");
    let short = home.run(&["embed", "-m", &bert, "--dimensions", "5", "a text"]).good();
    assert_eq!(vectors(&short.out)[0].len(), 5);
}

#[test]
fn inspect_says_what_vectors_a_model_makes() {
    let home = Home::new();
    let shown = home.run(&["inspect", &golden("gemma_embedding-F32.gguf")]).good().out;
    assert!(shown.contains("32 numbers for each text, from the mean of all tokens"), "{shown}");
    let no_problem = |line: &str| line.starts_with("problems") && line.ends_with("none");
    assert!(shown.lines().any(no_problem) && !shown.contains("chat template"), "{shown}");
    let report: Value =
        serde_json::from_str(&home.run(&["inspect", "--json", &golden("bert_cls-F32.gguf")]).good().out)
            .unwrap();
    assert_eq!(report["vectors"], json!({"dimensions": 32, "pooling": "the first token"}));
}

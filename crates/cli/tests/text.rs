//! `lantern tokenize` and `lantern template` against the golden tokenizers and chat templates, through the very commands.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};
use support::{Home, golden};

fn golden_file(name: &str) -> PathBuf {
    lantern_golden::path(name)
}

fn read(path: &Path) -> Json {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Asks a command all these lines; gives as many answers.
fn ask(args: &[&str], questions: &[Json]) -> Vec<Json> {
    let lines: Vec<String> = questions.iter().map(Json::to_string).collect();
    let done = Home::new().pipe(args, &(lines.join("\n") + "\n")).good();
    let answers: Vec<Json> = done.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), questions.len(), "{args:?}: one answer for each line");
    answers
}

#[test]
fn every_golden_text_becomes_its_ids_and_text_again() {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(golden_file("tokenizers")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    assert_eq!(paths.len(), 14, "golden vocabularies");
    for path in paths {
        let cases = read(&path)["cases"].as_array().unwrap().clone();
        let model = path.with_extension("gguf").to_str().unwrap().to_owned();
        let answers = ask(&["tokenize", "--model", &model, "--jsonl"], &cases);
        for (case, answer) in cases.iter().zip(answers) {
            let right = answer["ids"] == case["ids"] || answer["ids"] == case["hf_ids"];
            assert!(right, "{model}: {case} gives {answer}");
            // The other reference may tidy spaces before punctuation.
            let same = answer["decoded"] == case["decoded"] || answer["decoded"] == case["text"];
            assert!(same || answer["ids"] == case["hf_ids"], "{model}: {case} is decoded as {answer}");
        }
    }
}

#[test]
fn every_golden_conversation_becomes_its_text() {
    let golden = read(&golden_file("chat_templates.json"));
    let cases = golden["cases"].as_array().unwrap();
    let question = |case: &Json| {
        let template = &golden["templates"][case["template"].as_str().unwrap()];
        let conversation = &golden["conversations"][case["conversation"].as_str().unwrap()];
        json!({
            "template": template["template"], "bos_token": template["bos_token"], "eos_token": template["eos_token"],
            "messages": conversation["messages"], "tools": conversation["tools"], "kwargs": conversation["kwargs"],
            "add_generation_prompt": conversation["add_generation_prompt"].as_bool().unwrap_or(true),
            "now": golden["now"],
        })
    };
    let questions: Vec<Json> = cases.iter().map(question).collect();
    for (case, answer) in cases.iter().zip(ask(&["template", "--jsonl"], &questions)) {
        let label = format!("{} with {}", case["template"], case["conversation"]);
        assert_eq!(answer["text"], case["expected"], "{label}: {answer}");
        assert_eq!(answer["error"], case["error"], "{label}: {answer}");
    }
}

#[test]
fn a_line_that_fails_is_answered_and_the_next_one_read() {
    let model = golden("qwen2-Q4_0.gguf");
    let home = Home::new();
    let lines = "no json\n\n{\"text\": 1}\n{\"text\": \"a\\u2028b\"}\n";
    let done = home.pipe(&["tokenize", "--model", &model, "--jsonl"], lines).good();
    let answers: Vec<&str> = done.out.lines().collect();
    assert_eq!(answers.len(), 3, "the empty line is skipped: {}", done.out);
    assert!(
        answers[..2].iter().all(|answer| answer.starts_with("{\"error\":\"not such a line: ")),
        "{answers:?}"
    );
    assert!(answers[2].contains("\"decoded\":\"a\\u2028b\""), "nothing in it may end the line: {answers:?}");

    let answers = ask(
        &["template", "--jsonl"],
        &[
            json!({"messages": []}),
            json!({"template": "{% if %}", "messages": []}),
            json!({"template": "{{ strftime_now('%d') }}", "messages": [], "now": "tomorrow"}),
            json!({"template": "{{ raise_exception('No.') }}", "messages": []}),
            json!({"template": "{{ x }}{{ eos_token }}", "eos_token": "!", "messages": [], "kwargs": {"x": 7}}),
        ],
    );
    let errors = ["--model", "line 1", "`now` is not a date", "No."];
    for (answer, words) in answers.iter().zip(errors) {
        assert!(answer["error"].as_str().is_some_and(|error| error.contains(words)), "{words} in {answer}");
    }
    assert_eq!(answers[4], json!({"text": "7!"}));
}

#[test]
fn a_text_and_a_models_own_template_can_be_looked_at() {
    let home = Home::new();
    let model = golden("qwen2-Q4_0.gguf");
    let out = home.run(&["tokenize", "--model", &model, "--parse-special", "Hi<|im_end|>"]).good().out;
    assert!(out.contains("\"<|im_end|>\" (control)"), "{out}");
    assert_eq!(home.run(&["tokenize", "--model", &model]).code, Some(2), "a text or --jsonl is needed");
    let answer = ask(
        &["template", "--jsonl", "--model", &model],
        &[json!({"messages": [{"role": "user", "content": "Hi"}]})],
    );
    assert!(answer[0]["text"].as_str().is_some_and(|text| text.contains("Hi")), "{answer:?}");
}

#[test]
fn inspect_tells_what_is_recommended_ignored_and_replaced() {
    let home = Home::new();
    let file = lantern_gguf::GgufFile::open(Path::new(&golden("gemma3-Q4_0.gguf"))).unwrap();
    let mut writer = lantern_gguf::GgufWriter::copy_of(&file).unwrap();
    writer.metadata.set("gemma3.rope.scaling.finetuned", lantern_gguf::Value::Bool(true));
    writer.metadata.set("tokenizer.chat_template", lantern_gguf::Value::String("{% if %}".into()));
    let model = home.file("changed.gguf", &writer.finish());
    let report = home.run(&["inspect", &model, "--json"]).good().json();
    assert_eq!(report["ignored_keys"], json!(["gemma3.rope.scaling.finetuned"]), "{report}");
    let recommended = &report["recommended"];
    assert_eq!((&recommended["topK"], &recommended["source"]), (&json!(64), &json!("family")), "{report}");
    let problem = report["problems"].to_string();
    assert!(problem.contains("template_error") && problem.contains("line 1"), "{problem}");
    let told = home.run(&["inspect", &model]).good().out;
    for words in ["temperature 1, top-k 64, top-p 0.95", "say its authors", "rope.scaling.finetuned"] {
        assert!(told.contains(words), "no {words} in {told}");
    }
}

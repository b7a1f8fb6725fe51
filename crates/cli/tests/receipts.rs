//! `lantern receipt`: an answer's receipt as a file, and the answer again from it.

mod support;

use std::fs;

use lantern_protocol::{SamplingSettings, SettingsPatch};
use serde_json::Value;
use support::{Home, golden};

/// A model of random weights would talk until its context is full.
fn limit_answers(home: &Home) {
    let sampling = SamplingSettings { temperature: 1.0, max_tokens: Some(20), ..SamplingSettings::default() };
    let patch = SettingsPatch { sampling: Some(sampling), ..SettingsPatch::default() };
    home.with_app(async |app| app.update_settings(patch).await.unwrap());
}

#[test]
fn an_answer_comes_again_from_its_file_and_from_its_message() {
    let home = Home::new();
    home.run(&["import", &golden("llama_untied-Q8_0.gguf")]).good();
    limit_answers(&home);
    home.pipe(&["chat", "llama_untied-Q8_0"], "Say something.\nAnd more.\n").good();
    let all = home.dir.path().join("all.json").to_str().unwrap().to_owned();
    home.run(&["export", &all]).good();
    let all: Value = serde_json::from_str(&fs::read_to_string(&all).unwrap()).unwrap();
    let record = &all["conversations"][0];
    assert_eq!(record["tables"]["receipts"].as_array().unwrap().len(), 2, "the export carries them");
    let id = record["conversation"]["id"].as_str().unwrap();

    let shown = home.run(&["receipt", "show", id]).good();
    let receipts = shown.json();
    let receipt = &receipts[0];
    assert_eq!(receipt["by"]["type"], "local");
    assert!(receipt["prompt"].as_array().unwrap().len() > 20, "{receipt}");
    let file = home.file("receipt.json", shown.out.as_bytes());
    let same = home.run(&["receipt", "replay", &file]).good().json();
    assert_eq!((&same[0]["identical"], &same[0]["differsAt"]), (&Value::Bool(true), &Value::Null));
    let message = receipt["messageId"].as_str().unwrap();
    assert_eq!(home.run(&["receipt", "show", id, message]).good().json()[0]["answer"], receipt["answer"]);
    home.run(&["receipt", "replay", message]).good();

    // A single receipt, of another answer.
    let mut other = receipt.clone();
    other["answer"][3] = Value::from(receipt["answer"][3].as_u64().unwrap() ^ 1);
    let file = home.file("other.json", other.to_string().as_bytes());
    let done = home.run(&["receipt", "replay", &file]);
    assert_eq!(done.code, Some(1));
    assert!(!done.err.contains("error["), "another answer is no error: {}", done.err);
    assert_eq!(
        (&done.json()[0]["identical"], &done.json()[0]["differsAt"]),
        (&Value::Bool(false), &Value::from(3))
    );
}

#[test]
fn what_is_no_receipt_is_an_error() {
    let home = Home::new();
    for (name, text) in [("a.json", "[]"), ("b.json", "{\"version\": 1}"), ("c.json", ""), ("d.json", "[[[[")]
    {
        let file = home.file(name, text.as_bytes());
        home.run(&["receipt", "replay", &file]).failed("receipt_damaged");
    }
    home.run(&["receipt", "replay", "nobody"]).failed("message_not_found");
    home.run(&["receipt", "show", "nobody"]).failed("conversation_not_found");
}

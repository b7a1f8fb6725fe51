//! `lantern quantize`, and folders of safetensors files as models.

mod support;

use std::fs;

use lantern_gguf::{GgmlType, GgufFile};
use support::{Home, golden};

fn folder(name: &str) -> String {
    lantern_golden::path("hf").join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_written_with_another_type() {
    let home = Home::new();
    let out = home.data().join("out.gguf");
    fs::create_dir_all(home.data()).unwrap();
    let path = out.to_str().unwrap();
    let done = home.run(&["quantize", &golden("qwen2-F32.gguf"), path, "--type", "Q8_0"]).good();
    assert!(done.out.contains("out.gguf") && done.out.contains("relative error 0.00"), "{}", done.out);
    assert!(done.err.contains("blk.0.attn_q.weight Q8_0 0.00"), "{}", done.err);
    let file = GgufFile::open(&out).unwrap();
    assert_eq!(file.tensor("blk.0.attn_q.weight").unwrap().ty(), Ok(GgmlType::Q8_0));
    home.run(&["quantize", &golden("qwen2-F32.gguf"), path, "--type", "Q6_K"]).failed("file_exists");
    home.run(&["quantize", path, path, "--type", "Q6_K", "--force"]).failed("same_file");
    home.run(&["quantize", &golden("qwen2-F32.gguf"), path, "--type", "Q6_K", "--force"]).good();
    assert_eq!(home.run(&["quantize", "x", path, "--type", "Q9"]).code, Some(2));
    home.run(&["quantize", "/no/such/file.gguf", path, "--type", "Q8_0", "--force"]).failed("file_not_found");
}

#[test]
fn a_folder_is_a_model() {
    let home = Home::new();
    let model = folder("qwen3");
    let out = home.data().join("logits.safetensors");
    let logits =
        |model: &str| home.run(&["logits", "-m", model, "--ids", "3,20,37", "-o", out.to_str().unwrap()]);
    fs::create_dir_all(home.data()).unwrap();
    let first = logits(&model).good();
    assert!(first.err.contains("3 × 512 logits"), "{}", first.err);
    let kept = fs::read(&out).unwrap();
    logits(&format!("{model}:Q8_0")).good();
    assert_ne!(fs::read(&out).unwrap(), kept, "quantised weights give other numbers");
    let files: Vec<_> = fs::read_dir(home.data().join("converted")).unwrap().flatten().collect();
    assert_eq!(files.iter().filter(|file| file.path().extension().is_some_and(|e| e == "gguf")).count(), 2);
    let report = home.run(&["inspect", &model, "--json"]).good().json();
    assert_eq!((&report["architecture"], &report["name"]), (&"qwen3".into(), &"qwen3".into()));
    assert_eq!(report["problems"], serde_json::json!([]));
    assert_eq!(home.run(&["import", &model]).good().out, "qwen3\n");
    assert_eq!(home.run(&["list", "--json"]).good().json()[0]["quantisation"], "BF16");
    for model in ["qwen3", &model] {
        let written = home.run(&["run", model, "Hello", "--max-tokens", "3", "--temp", "0"]).good();
        assert!(!written.out.is_empty());
    }
    home.run(&["rm", "qwen3"]).good();
    let written = home.run(&["run", &model, "Hello", "--max-tokens", "3", "--temp", "0"]).good();
    assert!(!written.out.is_empty());
}

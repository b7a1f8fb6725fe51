//! Folders as Hugging Face keeps models become files that give the authors' logits and token ids (see
//! `tests/golden/tools/make_hf.py`).

use std::fs;
use std::path::{Path, PathBuf};

use lantern_convert::{ConvertedFolders, FileType, HfFolder, convert, is_model_folder};
use lantern_engine::Tokenizer;
use lantern_gguf::{GgmlType, GgufFile};
use lantern_models::{Compute, Device, ForwardBatch, KvCache, KvType, registry};
use serde_json::Value;

const FOLDERS: [&str; 6] = ["llama", "qwen2", "qwen3", "qwen3_fp8", "qwen3moe", "gemma3"];

fn folder(name: &str) -> PathBuf {
    lantern_golden::path("hf").join(name)
}

fn expected(name: &str) -> Value {
    serde_json::from_slice(&fs::read(folder(name).join("expected.json")).unwrap()).unwrap()
}

fn numbers(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

fn expected_logits(name: &str) -> Vec<f32> {
    let bytes = fs::read(folder(name).join("expected.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = tensors.tensor("logits").unwrap().data().to_vec();
    data.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect()
}

fn converted(name: &str, file_type: FileType, to: &Path) -> GgufFile {
    let source = HfFolder::open(&folder(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let path = to.join(format!("{name}-{}.gguf", file_type.name()));
    convert(&source, &path, file_type, 2, |_| ()).unwrap_or_else(|error| panic!("{name}: {error}"));
    GgufFile::open(&path).unwrap()
}

fn logits(file: &GgufFile, ids: &[u32]) -> Vec<f32> {
    let name = file.path().display();
    let model =
        registry::load_with(file, Compute::kernels(2)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let layout = &model.config().kv_layout;
    let blocks = vec![2; layout.groups().len()];
    let mut kv = KvCache::new(layout, &blocks, 16, KvType::F32, &Device::Cpu).unwrap();
    let mut batch = ForwardBatch::default();
    let table = [0u32, 1];
    batch.push(ids, 0, blocks.iter().map(|_| &table[..]), 16);
    batch.logit_rows.extend(0..ids.len() as u32);
    let mut logits = Vec::new();
    model.forward(&batch, &mut kv, &mut logits).unwrap();
    logits
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_authors_logits_come_out() {
    let to = tempfile::tempdir().unwrap();
    for name in FOLDERS {
        let (ids, want) = (numbers(&expected(name)["ids"]), expected_logits(name));
        let spread = want.iter().fold(0f32, |top, v| top.max(v.abs()));
        let got = logits(&converted(name, FileType::F32, to.path()), &ids);
        let error = largest_difference(&got, &want);
        println!("{name}: {error:.1e} of {spread:.1}");
        assert!(error < 1e-4 * spread, "{name} in 32 bits: {error} of {spread}");
        // As they are: eight-bit floats with scales are rounded once more, to sixteen bits; the others lose nothing.
        let kept = converted(name, FileType::Keep, to.path());
        let q = &kept.tensor("blk.0.attn_q.weight").unwrap();
        assert_eq!(q.ty(), Ok(GgmlType::BF16), "{name}");
        let error = largest_difference(&logits(&kept, &ids), &want);
        let limit = if name == "qwen3_fp8" { 2e-2 } else { 1e-4 };
        assert!(error < limit * spread, "{name} as it is: {error} of {spread}");
        let error = largest_difference(&logits(&converted(name, FileType::Q8_0, to.path()), &ids), &want);
        println!("{name} in Q8_0: {error:.1e}");
        let limit = if name == "qwen3moe" { 1.0 } else { 0.1 };
        assert!(error > 0.0 && error < limit * spread, "{name} in 8 bits: {error} of {spread}");
    }
}

#[test]
fn the_authors_token_ids_come_out() {
    let to = tempfile::tempdir().unwrap();
    for name in FOLDERS {
        let file = converted(name, FileType::Keep, to.path());
        let tokenizer = Tokenizer::from_gguf(&file).unwrap_or_else(|error| panic!("{name}: {error}"));
        for case in expected(name)["texts"].as_array().unwrap() {
            let text = case["text"].as_str().unwrap();
            assert_eq!(
                tokenizer.encode(text, true, true).unwrap(),
                numbers(&case["ids"]),
                "{name}: {text:?}"
            );
        }
        let template = file.metadata().str("tokenizer.chat_template").unwrap();
        assert!(template.contains("messages"), "{name}: {template}");
    }
}

#[test]
fn a_folder_is_converted_once_and_again_when_it_has_changed() {
    let home = tempfile::tempdir().unwrap();
    let (model, kept) = (home.path().join("model"), ConvertedFolders::at(home.path().join("converted")));
    fs::create_dir(&model).unwrap();
    for entry in fs::read_dir(folder("qwen2")).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, model.join(path.file_name().unwrap())).unwrap();
    }
    assert!(is_model_folder(&model) && !is_model_folder(home.path()));
    let get = |file_type| {
        let mut written = 0;
        let path = kept.get(&model, file_type, 1, |_| written += 1).unwrap();
        (path, written)
    };
    let (first, written) = get(FileType::Keep);
    assert!(written > 20, "{written} tensors");
    assert_eq!(get(FileType::Keep), (first.clone(), 0), "it was there");
    let (quantised, _) = get(FileType::Q8_0);
    std::thread::sleep(std::time::Duration::from_millis(20));
    fs::write(model.join("tokenizer_config.json"), "{}").unwrap();
    let (second, written) = get(FileType::Keep);
    assert!(written > 20 && second != first && !first.exists(), "the older file is gone");
    assert!(quantised.exists(), "a file of another type stays");
}

/// Each change makes a folder that must be refused, for the reason beside it.
#[test]
fn folders_that_cannot_be_right_are_refused() {
    let refused = |name: &str, file: &str, change: &dyn Fn(String) -> String| {
        let home = tempfile::tempdir().unwrap();
        for entry in fs::read_dir(folder(name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, home.path().join(path.file_name().unwrap())).unwrap();
        }
        let path = home.path().join(file);
        fs::write(&path, change(fs::read_to_string(&path).unwrap())).unwrap();
        match HfFolder::open(home.path()) {
            Ok(_) => panic!("{name} with another {file} must be refused"),
            Err(error) => {
                assert!(!error.next_step().is_empty());
                format!("{}: {error}", error.code())
            }
        }
    };
    let with = |from: &'static str, to: &'static str| {
        move |text: String| {
            assert!(text.contains(from), "{from:?} is not in: {text}");
            text.replace(from, to)
        }
    };
    for (name, file, from, to, reason) in [
        ("qwen2", "config.json", "Qwen2ForCausalLM", "MambaForCausalLM", "unknown_architecture"),
        (
            "qwen2",
            "config.json",
            "\"silu\"",
            "\"relu\"",
            "unsupported_setting: this model sets hidden_act to \"relu\"",
        ),
        ("llama", "config.json", "\"llama3\"", "\"dynamic\"", "unsupported_setting"),
        (
            "gemma3",
            "config.json",
            "\"query_pre_attn_scalar\": 16",
            "\"query_pre_attn_scalar\": 32",
            "query_pre_attn_scalar",
        ),
        (
            "qwen3moe",
            "config.json",
            "\"norm_topk_prob\": true",
            "\"norm_topk_prob\": false",
            "norm_topk_prob",
        ),
        ("qwen3", "config.json", "Qwen3ForCausalLM", "Qwen2ForCausalLM", "unused_tensors"),
        ("qwen2", "tokenizer.json", "\"BPE\"", "\"WordLevel\"", "unsupported_tokenizer"),
        ("qwen2", "tokenizer.json", "\\\\p{N}", "\\\\p{N}+", "way of cutting text is not known"),
        ("gpt_oss", "config.json", "\"truncate\": false", "\"truncate\": true", "rope_scaling"),
        ("gpt_oss", "config.json", "\"sliding_attention\"", "\"full_attention\"", "layer_types"),
        (
            "qwen3_5",
            "config.json",
            "\"linear_num_value_heads\": 4",
            "\"linear_num_value_heads\": 3",
            "does not fit the sizes",
        ),
        ("deepseek_v2", "config.json", "\"v_head_dim\": 10", "\"v_head_dim\": 11", "does not fit the sizes"),
        ("deepseek_v3", "config.json", "\"mscale\": 1.0", "\"mscale\": 0.5", "rope_scaling"),
        ("granitehybrid", "config.json", "\"nope\"", "\"rope\"", "position_embedding_type"),
        (
            "qwen2_moe",
            "config.json",
            "\"norm_topk_prob\": false",
            "\"norm_topk_prob\": true",
            "norm_topk_prob",
        ),
        (
            "smollm3",
            "config.json",
            "\"no_rope_layer_interval\": 4",
            "\"no_rope_layer_interval\": 3",
            "no_rope",
        ),
        ("nemotron_h", "config.json", "\"M-*M\"", "\"M-EM\"", "hybrid_override_pattern"),
        ("llama", "model.safetensors.index.json", "model-00002-of", "../model-00002-of", "bad_model_folder"),
        ("llama", "model.safetensors.index.json", "model-00002-of", "model-00003-of", "file_not_found"),
    ] {
        let error = refused(name, file, &with(from, to));
        assert!(error.contains(reason), "{name}, {from} → {to}: {error}");
    }
    let error = refused("qwen2", "config.json", &|text| text[..20].to_owned());
    assert!(error.contains("bad_model_folder"), "{error}");
}

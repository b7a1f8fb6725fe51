//! Checkpoints as families publish theirs become what llama.cpp's converter makes of them, tensor for tensor, and give the
//! authors' logits (see `tests/golden/tools/make_hf_families.py`).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lantern_convert::{FileType, HfFolder, Source, convert};
use lantern_engine::Tokenizer;
use lantern_gguf::{Array, GgmlType, GgufFile, Value as Key, dequantize};
use lantern_models::{Compute, Device, ForwardBatch, KvCache, KvType, registry};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hyper-parameters that only tell what is so where nothing is said.
const USUAL: [(&str, f64); 4] = [
    ("expert_count", 0.0),
    ("expert_used_count", 0.0),
    ("expert_group_count", 1.0),
    ("expert_group_used_count", 1.0),
];

struct Case {
    name: String,
    expected: Value,
}

fn golden() -> PathBuf {
    lantern_golden::path("hf")
}

/// Every folder with tensors to compare.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for entry in fs::read_dir(golden()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let expected = fs::read(golden().join(&name).join("expected.json")).unwrap();
        let expected: Value = serde_json::from_slice(&expected).unwrap();
        if expected["tensors"].is_object() {
            cases.push(Case { name, expected });
        }
    }
    assert!(cases.len() >= 37, "{}", cases.len());
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

impl Case {
    fn converted(&self, file_type: FileType, to: &Path) -> GgufFile {
        let name = &self.name;
        let source = HfFolder::open(&golden().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let path = to.join(format!("{name}-{}.gguf", file_type.name()));
        convert(&source, &path, file_type, 2, |_| ()).unwrap_or_else(|error| panic!("{name}: {error}"));
        GgufFile::open(&path).unwrap()
    }

    fn ids(&self) -> Vec<u32> {
        ids(&self.expected["ids"])
    }

    /// Of the last positions.
    fn logits(&self) -> Vec<f32> {
        let bytes = fs::read(golden().join(&self.name).join("expected.safetensors")).unwrap();
        let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
        let data = tensors.tensor("logits").unwrap().data().to_vec();
        data.as_chunks::<4>().0.iter().map(|raw| f32::from_le_bytes(*raw)).collect()
    }
}

fn ids(list: &Value) -> Vec<u32> {
    list.as_array().unwrap().iter().map(|id| id.as_u64().unwrap() as u32).collect()
}

/// A hyper-parameter as JSON has it.
fn as_json(key: &Key) -> Value {
    match key {
        Key::U32(n) => (*n).into(),
        Key::F32(x) => f64::from(*x).into(),
        Key::Bool(flag) => (*flag).into(),
        Key::String(text) => text.as_str().into(),
        Key::Array(Array::I32(list)) => list.clone().into(),
        Key::Array(Array::Bool(list)) => list.clone().into(),
        // JSON has no infinities; Python writes them all the same.
        Key::Array(Array::F32(list)) => {
            list.iter().map(|x| if x.is_finite() { f64::from(*x).into() } else { Value::Null }).collect()
        }
        other => panic!("{other:?}"),
    }
}

/// Numbers may be spelt as floats or not, and one for all layers as a list.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Array(ours), Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        }
        (one, Value::Array(all)) if one.is_number() => all.iter().all(|other| same(one, other)),
        (a, b) if a.is_number() => a.as_f64().map(|x| x as f32) == b.as_f64().map(|x| x as f32),
        (a, b) => a == b,
    }
}

#[test]
fn every_tensor_is_the_reference_converters() {
    let to = tempfile::tempdir().unwrap();
    for case in cases() {
        let file = case.converted(FileType::F32, to.path());
        let mut ours = BTreeMap::new();
        for (name, tensor) in file.tensors() {
            let mut values = vec![0f32; tensor.elements() as usize];
            dequantize(tensor.ty().unwrap(), &file.bytes(tensor).unwrap(), &mut values).unwrap();
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let hash: String = Sha256::digest(&bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            ours.insert(name.clone(), serde_json::json!([tensor.shape, hash]));
        }
        let theirs = case.expected["tensors"].as_object().unwrap();
        let differ: Vec<_> =
            theirs.iter().filter(|(name, tensor)| ours.get(*name) != Some(*tensor)).collect();
        let more: Vec<_> = ours.keys().filter(|name| !theirs.contains_key(*name)).collect();
        assert!(differ.is_empty() && more.is_empty(), "{}: {differ:?}, and {more:?}", case.name);
    }
}

#[test]
fn every_hyper_parameter_is_the_reference_converters() {
    let to = tempfile::tempdir().unwrap();
    for case in cases() {
        let file = case.converted(FileType::Keep, to.path());
        let name = &case.name;
        assert_eq!(file.architecture().unwrap(), case.expected["architecture"], "{name}");
        for (key, theirs) in case.expected["keys"].as_object().unwrap() {
            let usual =
                USUAL.iter().any(|(end, value)| key.ends_with(end) && theirs.as_f64() == Some(*value));
            match file.metadata().get(key) {
                Some(ours) => {
                    assert!(same(&as_json(ours), theirs), "{name}: {key} is {ours:?}, not {theirs}")
                }
                None => assert!(usual, "{name}: {key} is missing; it is {theirs}"),
            }
        }
    }
}

#[test]
fn the_authors_logits_come_out() {
    let to = tempfile::tempdir().unwrap();
    for case in cases() {
        let want = case.logits();
        for file_type in [FileType::F32, FileType::Keep, FileType::Q8_0] {
            let file = case.converted(file_type, to.path());
            let all = logits(&file, &case.ids());
            let got = &all[all.len() - want.len()..];
            let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{} as {}: {error:.1e}", case.name, file_type.name());
            // Quantised weights multiply inputs of eight bits; and where two experts are nearly equal, a token may go
            // to the other one.
            let quantised = file.tensors().values().any(|tensor| tensor.ty().unwrap().is_quantised());
            let limit = if file_type == FileType::Q8_0 {
                8.0
            } else if quantised {
                0.3
            } else {
                2e-3
            };
            assert!(error < limit, "{} as {}: {error}", case.name, file_type.name());
        }
    }
}

fn logits(file: &GgufFile, ids: &[u32]) -> Vec<f32> {
    let name = file.path().display();
    // As many tokens as the cache has room for.
    let split = lantern_models::Split::from(Compute::kernels(2)).for_context(32);
    let model = registry::load_with(file, split).unwrap_or_else(|error| panic!("{name}: {error}"));
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

#[test]
fn the_authors_token_ids_come_out() {
    let to = tempfile::tempdir().unwrap();
    for case in cases() {
        let file = case.converted(FileType::Keep, to.path());
        let tokenizer = Tokenizer::from_gguf(&file).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        for text in case.expected["texts"].as_array().unwrap() {
            let (words, want) = (text["text"].as_str().unwrap(), ids(&text["ids"]));
            assert_eq!(tokenizer.encode(words, true, true).unwrap(), want, "{}: {words:?}", case.name);
        }
    }
}

#[test]
fn four_bit_experts_keep_their_bits() {
    let to = tempfile::tempdir().unwrap();
    let case = cases().into_iter().find(|case| case.name == "gpt_oss").unwrap();
    let file = case.converted(FileType::Keep, to.path());
    for part in ["gate", "up", "down"] {
        let tensor = file.tensor(&format!("blk.0.ffn_{part}_exps.weight")).unwrap();
        assert_eq!(tensor.ty(), Ok(GgmlType::MXFP4), "{part}");
    }
}

/// What belongs to eyes, ears and predictions that nobody uses is left out, and counted.
#[test]
fn other_parts_are_left_out_and_counted() {
    for (name, parts) in
        [("qwen3_5", 1), ("gemma3n", 2), ("gemma4", 2), ("deepseek_v3", 2), ("ernie4_5_moe", 1)]
    {
        let folder = HfFolder::open(&golden().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(folder.left_out(), parts, "{name}");
    }
}

/// What `transformers` calls `rope_parameters` since its fifth version was `rope_theta`, `rope_scaling` and others before.
#[test]
fn older_spellings_of_rotary_embeddings_say_the_same() {
    const NEVER_SO: [&str; 4] = ["qwen3_5", "qwen3_5_moe", "gemma4", "ministral3"];
    let to = tempfile::tempdir().unwrap();
    let mut seen = 0;
    for case in cases().into_iter().filter(|case| !NEVER_SO.contains(&&*case.name)) {
        let folder = to.path().join(&case.name);
        fs::create_dir(&folder).unwrap();
        for entry in fs::read_dir(golden().join(&case.name)).unwrap() {
            let path = entry.unwrap().path();
            fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
        }
        let path = folder.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let text = if config["text_config"].is_object() { &mut config["text_config"] } else { &mut config };
        let settings = text.as_object_mut().unwrap();
        // Nested by kind of layer with a share that is turned: Gemma 4's, which were never spelt otherwise.
        let Some(mut rope) = settings.remove("rope_parameters") else { continue };
        if rope["full_attention"]["partial_rotary_factor"].is_number() {
            continue;
        }
        if rope["full_attention"].is_object() {
            settings.insert("rope_local_base_freq".into(), rope["sliding_attention"]["rope_theta"].clone());
            rope = rope["full_attention"].take();
        }
        for key in ["rope_theta", "partial_rotary_factor"] {
            if !rope[key].is_null() {
                settings.insert(key.into(), rope[key].take());
            }
        }
        let kind = rope["rope_type"].take();
        rope["type"] = kind.clone();
        settings.insert("rope_scaling".into(), if kind == "default" { Value::Null } else { rope });
        fs::write(&path, config.to_string()).unwrap();
        let older = HfFolder::open(&folder).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let newer = HfFolder::open(&golden().join(&case.name)).unwrap();
        let keys = |folder: &HfFolder| {
            let all = folder.metadata().iter().filter(|(key, _)| !key.starts_with("tokenizer."));
            all.map(|(key, value)| format!("{key} {value:?}")).collect::<Vec<_>>()
        };
        assert_eq!(keys(&older), keys(&newer), "{}", case.name);
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
}

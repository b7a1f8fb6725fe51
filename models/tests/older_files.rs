//! Files from older converters, which have in one matrix what newer files have in several, compute the same.

mod common;

use std::path::Path;

use common::{golden, logits};
use lantern_gguf::quantize::quantize;
use lantern_gguf::{GgmlType, GgufFile, GgufWriter, Value, dequantize};
use lantern_models::{Compute, Device, registry};

/// A tensor as rows of numbers.
fn rows(file: &GgufFile, name: &str) -> Vec<Vec<f32>> {
    let tensor = file.tensor(name).unwrap_or_else(|| panic!("{name} is there"));
    let mut values = vec![0.0; tensor.elements() as usize];
    dequantize(tensor.ty().unwrap(), &file.bytes(tensor).unwrap(), &mut values).unwrap();
    values.chunks_exact(tensor.shape[0] as usize).map(<[f32]>::to_vec).collect()
}

fn set(writer: &mut GgufWriter, name: &str, ty: GgmlType, rows: &[Vec<f32>]) {
    let values = rows.concat();
    let mut bytes = vec![0; ty.row_bytes(values.len()).unwrap()];
    quantize(ty, &values, &mut bytes).unwrap();
    writer.tensor(name, &[rows[0].len() as u64, rows.len() as u64], ty.id(), bytes);
}

fn saved(writer: &GgufWriter, folder: &Path, name: &str) -> GgufFile {
    let path = folder.join(name);
    std::fs::write(&path, writer.finish()).unwrap();
    GgufFile::open(&path).unwrap()
}

fn all_logits(file: &GgufFile, compute: Compute) -> Vec<f32> {
    let name = file.path().display();
    let model = registry::load_with(file, compute).unwrap_or_else(|error| panic!("{name}: {error}"));
    logits(&*model).concat()
}

/// The largest difference between two models, by kernels and by candle's operations.
fn apart(new: &GgufFile, old: &GgufFile) -> f32 {
    let by = |compute: fn() -> Compute| {
        let pairs = all_logits(new, compute()).into_iter().zip(all_logits(old, compute()));
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    };
    by(|| Compute::kernels(2)).max(by(|| Compute::tensors(Device::Cpu)))
}

/// DeepSeek files from before 2025: `attn_kv_b` makes keys and values, which are as wide as they say.
fn one_matrix_of_keys_and_values(file: &GgufFile, ty: GgmlType) -> GgufWriter {
    let mut writer = GgufWriter::copy_of(file).unwrap();
    let number = |key: &str| file.metadata().u32(&format!("deepseek2.{key}")).unwrap();
    for (old, new) in [("key_length", "key_length_mla"), ("value_length", "value_length_mla")] {
        let value = number(&format!("attention.{new}"));
        writer.metadata.set(format!("deepseek2.attention.{old}"), Value::U32(value));
        writer.metadata.remove(&format!("deepseek2.attention.{new}"));
    }
    let heads = number("attention.head_count");
    writer.metadata.set("deepseek2.attention.head_count_kv", Value::U32(heads));
    for layer in 0..number("block_count") {
        let name = |part: &str| format!("blk.{layer}.attn_{part}_b.weight");
        let (keys, values) = (rows(file, &name("k")), rows(file, &name("v")));
        let (latent, of_value) = (values[0].len(), values.len() / heads as usize);
        let head = |head: usize| {
            let keys = &keys[head * latent..][..latent];
            let turned = (0..keys[0].len()).map(|i| keys.iter().map(|row| row[i]).collect::<Vec<f32>>());
            turned.chain(values[head * of_value..][..of_value].to_vec()).collect::<Vec<_>>()
        };
        set(&mut writer, &name("kv"), ty, &(0..heads as usize).flat_map(head).collect::<Vec<_>>());
        writer.remove_tensor(&name("k"));
        writer.remove_tensor(&name("v"));
    }
    writer
}

#[test]
fn keys_and_values_from_one_matrix_are_those_from_two() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["deepseek2_lite-F32.gguf", "deepseek2-F32.gguf", "deepseek3-F32.gguf"] {
        let new = golden(name);
        let old = saved(&one_matrix_of_keys_and_values(&new, GgmlType::F32), folder.path(), name);
        assert_eq!(apart(&new, &old), 0.0, "{name}");
        // Some files have it both ways.
        let mut both = one_matrix_of_keys_and_values(&new, GgmlType::F32);
        let before = GgufWriter::copy_of(&new).unwrap();
        both.metadata = before.metadata.clone();
        for layer in 0..new.metadata().u32("deepseek2.block_count").unwrap() {
            for part in ["k", "v"] {
                let tensor = new.tensor(&format!("blk.{layer}.attn_{part}_b.weight")).unwrap();
                both.tensor(&tensor.name, &tensor.shape, tensor.type_id, new.bytes(tensor).unwrap().to_vec());
            }
        }
        assert_eq!(apart(&new, &saved(&both, folder.path(), name)), 0.0, "{name}");
        // Turning a matrix loses nothing in sixteen bits.
        for ty in [GgmlType::F16, GgmlType::BF16] {
            let mut apart_already = GgufWriter::copy_of(&new).unwrap();
            for tensor in
                new.tensors().values().filter(|t| t.name.contains("attn_k_b") || t.name.contains("attn_v_b"))
            {
                let values = rows(&new, &tensor.name).concat();
                let mut bytes = vec![0; ty.row_bytes(values.len()).unwrap()];
                quantize(ty, &values, &mut bytes).unwrap();
                apart_already.tensor(&tensor.name, &tensor.shape, ty.id(), bytes);
            }
            let new = saved(&apart_already, folder.path(), &format!("new-{name}"));
            let old = saved(&one_matrix_of_keys_and_values(&golden(name), ty), folder.path(), name);
            assert_eq!(apart(&new, &old), 0.0, "{name} in {ty:?}");
        }
    }
}

#[test]
fn a_matrix_of_another_shape_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = one_matrix_of_keys_and_values(&golden("deepseek2-F32.gguf"), GgmlType::F32);
    set(&mut writer, "blk.1.attn_kv_b.weight", GgmlType::F32, &vec![vec![0.0; 16]; 9]);
    let file = saved(&writer, folder.path(), "short.gguf");
    let error = registry::load_with(&file, Compute::kernels(1)).err().expect("too few rows");
    assert!(error.to_string().contains("blk.1.attn_kv_b.weight"), "{error}");
}

/// Qwen3-Next files of its first converter: `ssm_in` makes for each head of keys its query, key, values and gates.
#[test]
fn linear_attention_from_one_matrix_is_that_from_two() {
    let folder = tempfile::tempdir().unwrap();
    let new = golden("qwen3next-F32.gguf");
    let mut writer = GgufWriter::copy_of(&new).unwrap();
    let number = |key: &str| new.metadata().u32(&format!("qwen3next.ssm.{key}")).unwrap() as usize;
    let (heads, key_dim) = (number("group_count"), number("state_size"));
    let values = number("inner_size") / heads;
    let linear: Vec<String> =
        new.tensors().keys().filter(|name| name.ends_with("attn_qkv.weight")).cloned().collect();
    assert!(linear.len() > 1);
    for name in linear {
        let gate_name = name.replace("attn_qkv", "attn_gate");
        let (qkv, gate) = (rows(&new, &name), rows(&new, &gate_name));
        let head = |head: usize| {
            let keys = |first: usize| &qkv[first * heads * key_dim + head * key_dim..][..key_dim];
            let of_values = &qkv[2 * heads * key_dim + head * values..][..values];
            [keys(0), keys(1), of_values, &gate[head * values..][..values]].concat()
        };
        let all: Vec<Vec<f32>> = (0..heads).flat_map(head).collect();
        set(&mut writer, &name.replace("attn_qkv", "ssm_in"), GgmlType::F32, &all);
        writer.remove_tensor(&name);
        writer.remove_tensor(&gate_name);
    }
    let old = saved(&writer, folder.path(), "qwen3next.gguf");
    assert_eq!(apart(&new, &old), 0.0);
}

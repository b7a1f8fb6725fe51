//! What files say about rotary embeddings and windows, beyond what the golden models say: two ways of saying the same give
//! the same bits.

mod common;

use common::{TOKENS, golden, logits};
use lantern_gguf::{GgufFile, GgufWriter, Value};
use lantern_models::{Compute, Split, registry};

/// Logits of a golden model after `change`, loaded for so many tokens.
fn changed(name: &str, context: usize, change: impl FnOnce(&mut GgufWriter, &str)) -> Vec<Vec<f32>> {
    let file = golden(name);
    let mut writer = GgufWriter::copy_of(&file).unwrap();
    change(&mut writer, file.architecture().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    std::fs::write(&path, writer.finish()).unwrap();
    let file = GgufFile::open(&path).unwrap();
    let split = Split::from(Compute::kernels(1)).for_context(context);
    logits(&*registry::load_with(&file, split).unwrap())
}

/// With some more keys.
fn with_keys(name: &str, keys: &[(&str, Value)]) -> Vec<Vec<f32>> {
    changed(name, 2048, |writer, architecture| {
        for (key, value) in keys {
            writer.metadata.set(format!("{architecture}.{key}"), value.clone());
        }
    })
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const LLAMA: &str = "llama_tied-F32.gguf";

#[test]
fn short_contexts_have_the_short_factors() {
    let name = "phi3_longrope-F32.gguf";
    let (short, long) = (changed(name, 32, |_, _| ()), changed(name, 33, |_, _| ()));
    assert_ne!(short, long, "the original context has 32 tokens");
    assert_eq!(long, changed(name, 2048, |_, _| ()));
    let factors: Vec<f32> = (0..8).map(|i| 1.0 + 0.02 * i as f32).collect();
    let only_short = |writer: &mut GgufWriter, _: &str| {
        writer.tensor("rope_factors_long.weight", &[8], 0, floats(&factors));
    };
    assert_eq!(short, changed(name, 2048, only_short));
}

#[test]
fn a_linear_factor_may_be_said_in_three_ways() {
    let linear =
        [("rope.scaling.type", Value::String("linear".into())), ("rope.scaling.factor", Value::F32(2.0))];
    let linear = with_keys(LLAMA, &linear);
    assert_ne!(linear, with_keys(LLAMA, &[]));
    assert_eq!(linear, with_keys(LLAMA, &[("rope.scale_linear", Value::F32(2.0))]));
    let by_tensor = changed(LLAMA, 2048, |writer, _| {
        writer.tensor("rope_freqs.weight", &[8], 0, floats(&[2.0; 8]));
    });
    assert_eq!(linear, by_tensor);
}

#[test]
fn a_magnitude_of_its_own_takes_the_place_of_yarns() {
    let with = |more: &[(&str, Value)]| {
        let yarn = [
            ("rope.scaling.type", Value::String("yarn".into())),
            ("rope.scaling.factor", Value::F32(4.0)),
            ("rope.scaling.original_context_length", Value::U32(16)),
        ];
        with_keys(LLAMA, &[&yarn, more].concat())
    };
    let usual = with(&[]);
    let magnitude = 1.0 + 0.1 * 4f32.ln();
    assert_eq!(usual, with(&[("rope.scaling.yarn_attn_factor", Value::F32(magnitude))]));
    let none = with(&[("rope.scaling.yarn_attn_factor", Value::F32(1.0))]);
    assert_ne!(usual, none);
    assert_eq!(none, with(&[("rope.scaling.yarn_log_multiplier", Value::F32(1.0))]), "all of it is undone");
}

#[test]
fn every_layer_of_phi_has_the_files_window() {
    let name = "phi3-F32.gguf";
    let whole = with_keys(name, &[]);
    let window = with_keys(name, &[("attention.sliding_window", Value::U32(8))]);
    assert_eq!(whole[..8], window[..8]);
    assert!((8..TOKENS).all(|position| whole[position] != window[position]));
    assert_eq!(whole, with_keys(name, &[("attention.sliding_window", Value::U32(2048))]), "nobody leaves it");
}

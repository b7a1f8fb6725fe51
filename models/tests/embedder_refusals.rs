//! Embedding models that are almost right: each is refused with an error that names what is wrong.

use lantern_gguf::{GgufFile, GgufWriter, Value};
use lantern_models::{Compute, ModelError, embedders, registry};

/// Loads a golden model after `change`.
fn load_changed(name: &str, change: impl FnOnce(&mut GgufWriter)) -> Result<(), ModelError> {
    let path = lantern_golden::path("models").join(name);
    let mut writer = GgufWriter::copy_of(&GgufFile::open(&path).expect("a golden model")).unwrap();
    change(&mut writer);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    std::fs::write(&path, writer.finish()).unwrap();
    embedders::load(&GgufFile::open(&path)?, Compute::kernels(1)).map(|_| ())
}

fn with_key(name: &str, key: &str, value: Value) -> Result<(), ModelError> {
    load_changed(name, |writer| writer.metadata.set(key, value))
}

#[track_caller]
fn assert_refused(result: Result<(), ModelError>, code: &str, words: &str) {
    let error = result.expect_err("this file must be refused");
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in: {error}");
    assert!(!error.next_step().is_empty());
}

#[test]
fn unchanged_copies_load() {
    for name in ["bert", "nomic_bert", "gemma_embedding", "qwen3_embedding"] {
        load_changed(&format!("{name}-F32.gguf"), |_| ()).unwrap();
    }
}

#[test]
fn kinds_of_pooling_that_are_not_known_are_refused() {
    for (kind, words) in [(0, "it is 0;"), (4, "it is 4;"), (u32::MAX, "1 (mean), 2 (first) and 3 (last)")] {
        let refused = with_key("bert-F32.gguf", "bert.pooling_type", Value::U32(kind));
        assert_refused(refused, "bad_hyper_parameter", words);
    }
}

#[test]
fn what_would_compute_something_else_is_refused() {
    let causal = with_key("bert-F32.gguf", "bert.attention.causal", Value::Bool(true));
    assert_refused(causal, "bad_hyper_parameter", "bert.attention.causal");
    let unknown = with_key("nomic_bert-F32.gguf", "nomic-bert.attention.alibi_bias", Value::F32(8.0));
    assert_refused(unknown, "unknown_hyper_parameter", "nomic-bert.attention.alibi_bias");
    // A layer for vectors of another width than those that are pooled.
    let dense = with_key("gemma_embedding-F32.gguf", "gemma-embedding.dense_3_feat_in", Value::U32(40));
    assert!(dense.is_err(), "vectors of 48 do not fit a layer for 40");
    let window =
        with_key("gemma_embedding-F32.gguf", "gemma-embedding.attention.sliding_window", Value::U32(0));
    assert_refused(window, "bad_hyper_parameter", "sliding_window");
    let positions = with_key("bert-F32.gguf", "bert.context_length", Value::U32(97));
    assert_refused(positions, "wrong_tensor_shape", "position_embd.weight");
}

#[test]
fn a_model_that_makes_vectors_is_not_loaded_to_chat() {
    let path = lantern_golden::path("models/qwen3_embedding-F32.gguf");
    let file = GgufFile::open(&path).unwrap();
    let Err(error) = registry::load_with(&file, Compute::kernels(1)) else { panic!("it writes no answers") };
    assert_eq!(error.code(), "embedding_model", "{error}");
}

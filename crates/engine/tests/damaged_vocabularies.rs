//! Vocabularies that are almost right: each is refused with an error that names what is wrong.

use lantern_engine::{Tokenizer, TokenizerError};
use lantern_gguf::{Array, GgufFile, Metadata, Value};

fn metadata(vocabulary: &str) -> Metadata {
    let folder = lantern_golden::path("tokenizers");
    GgufFile::open(&folder.join(format!("{vocabulary}.gguf"))).unwrap().metadata().clone()
}

/// What a golden vocabulary is refused with after one key has been changed, or removed.
#[track_caller]
fn refused(vocabulary: &str, key: &str, value: Option<Value>) -> TokenizerError {
    let mut metadata = metadata(vocabulary);
    let key = format!("tokenizer.ggml.{key}");
    match value {
        Some(value) => metadata.set(key, value),
        None => assert!(metadata.remove(&key).is_some(), "the golden vocabulary has {key}"),
    }
    let error = Tokenizer::from_metadata(&metadata).expect_err("this vocabulary must be refused");
    assert!(!error.next_step().is_empty());
    error
}

#[track_caller]
fn assert_refused(vocabulary: &str, key: &str, value: Option<Value>, code: &str, words: &str) {
    let error = refused(vocabulary, key, value);
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{words:?} is not in: {error}");
}

const ALL: [&str; 5] = ["tiny-qwen2", "tiny-spm-llama", "tiny-gemma4", "tiny-unigram", "tiny-wordpiece"];

#[test]
fn lists_of_another_length_are_refused_with_both_lengths() {
    for name in ALL {
        Tokenizer::from_metadata(&metadata(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let kinds = Value::Array(Array::I32(vec![1; 7]));
        assert_refused(
            name,
            "token_type",
            Some(kinds),
            "invalid_tokenizer",
            "`tokenizer.ggml.token_type` has 7 entries",
        );
        let none = Value::Array(Array::String(Vec::new()));
        assert_refused(name, "tokens", Some(none), "invalid_tokenizer", "0 tokens");
    }
    for name in ["tiny-spm-llama", "tiny-unigram"] {
        let scores = Value::Array(Array::F32(vec![0.0; 3]));
        assert_refused(
            name,
            "scores",
            Some(scores),
            "invalid_tokenizer",
            "`tokenizer.ggml.scores` has 3 entries",
        );
    }
}

#[test]
fn missing_and_mistyped_keys_are_named() {
    for name in ALL {
        assert_refused(name, "model", None, "missing_metadata_key", "tokenizer.ggml.model");
        assert_refused(name, "tokens", None, "missing_metadata_key", "tokenizer.ggml.tokens");
        let words = Value::String("words".into());
        assert_refused(name, "tokens", Some(words), "wrong_metadata_type", "tokenizer.ggml.tokens");
        assert_refused(name, "bos_token_id", Some(Value::F32(1.0)), "wrong_metadata_type", "bos_token_id");
    }
    assert_refused("tiny-qwen2", "merges", None, "missing_metadata_key", "tokenizer.ggml.merges");
    assert_refused("tiny-spm-llama", "scores", None, "missing_metadata_key", "tokenizer.ggml.scores");
}

#[test]
fn kinds_and_patterns_that_are_not_known_are_refused_by_name() {
    let text = |text: &str| Some(Value::String(text.into()));
    assert_refused("tiny-qwen2", "model", text("rwkv"), "unknown_tokenizer", "`rwkv`");
    assert_refused("tiny-qwen2", "pre", text("made-up"), "unknown_tokenizer", "`made-up`");
}

#[test]
fn a_vocabulary_that_cannot_spell_everything_is_refused() {
    let mut metadata = metadata("tiny-spm-llama");
    let mut tokens = metadata.strings("tokenizer.ggml.tokens").unwrap().to_vec();
    let byte = tokens.iter().position(|token| token == "<0x41>").expect("a token for each byte");
    tokens[byte] = "something else".into();
    metadata.set("tokenizer.ggml.tokens", Value::Array(Array::String(tokens)));
    assert!(Tokenizer::from_metadata(&metadata).is_ok(), "the unknown token stands in");
    metadata.set("tokenizer.ggml.unknown_token_id", Value::U32(1 << 20));
    assert!(
        Tokenizer::from_metadata(&metadata).is_ok(),
        "an id outside counts as none, and the kind has a default"
    );
}

#[test]
fn a_damaged_table_of_normalisations_is_refused() {
    let table = |bytes: &[u8]| Some(Value::Array(Array::U8(bytes.to_vec())));
    let refuse = |value, words| {
        assert_refused("tiny-unigram", "precompiled_charsmap", value, "invalid_tokenizer", words);
    };
    refuse(table(&[1, 2]), "2 bytes");
    refuse(table(&[255, 255, 255, 255, 0]), "4294967295 of 1 bytes");
    refuse(Some(Value::Bool(true)), "bool");
}

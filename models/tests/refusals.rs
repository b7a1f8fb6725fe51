//! Files that are almost right: each is refused with an error that names what is wrong, and none makes the program
//! panic.

use lantern_gguf::{Array, GgufFile, GgufWriter, Value};
use lantern_models::{Compute, ModelError, registry};

const FILES: [&str; 4] = ["llama_tied-F16.gguf", "qwen2-Q4_0.gguf", "qwen3-Q8_0.gguf", "gemma3-Q4_0.gguf"];

fn open(name: &str) -> GgufFile {
    let path = lantern_golden::path("models").join(name);
    GgufFile::open(&path).expect("the golden model is part of the repository")
}

/// Loads a golden model after `change`.
fn load_changed(name: &str, change: impl FnOnce(&mut GgufWriter, &str)) -> Result<(), ModelError> {
    let file = open(name);
    let mut writer = GgufWriter::copy_of(&file).unwrap();
    change(&mut writer, file.architecture().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed.gguf");
    std::fs::write(&path, writer.finish()).unwrap();
    let changed = GgufFile::open(&path)?;
    registry::load_with(&changed, Compute::kernels(1)).map(|_| ())
}

fn with_key(name: &str, key: &str, value: Value) -> Result<(), ModelError> {
    load_changed(name, |writer, architecture| writer.metadata.set(format!("{architecture}.{key}"), value))
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
    for name in FILES {
        load_changed(name, |_, _| ()).unwrap();
    }
}

#[test]
fn sizes_of_zero_or_beyond_reason_are_refused() {
    let keys = [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "attention.head_count_kv",
        "attention.key_length",
    ];
    for name in FILES {
        for key in keys {
            for value in [0, u32::MAX] {
                let words = format!("{key}\" cannot be used");
                assert_refused(with_key(name, key, Value::U32(value)), "bad_hyper_parameter", &words);
            }
        }
    }
}

#[test]
fn sizes_that_do_not_fit_the_weights_are_refused() {
    for name in FILES {
        assert_refused(
            with_key(name, "embedding_length", Value::U32(128)),
            "wrong_tensor_shape",
            "[128, 512]",
        );
        assert_refused(
            with_key(name, "feed_forward_length", Value::U32(96)),
            "wrong_tensor_shape",
            "ffn_gate",
        );
        assert_refused(with_key(name, "block_count", Value::U32(1)), "unused_tensors", "blk.1.");
        assert_refused(with_key(name, "block_count", Value::U32(9)), "missing_tensor", "blk.");
        assert_refused(with_key(name, "attention.head_count_kv", Value::U32(3)), "bad_hyper_parameter", "3");
        assert_refused(with_key(name, "vocab_size", Value::U32(500)), "bad_hyper_parameter", "512 rows");
        assert_refused(
            with_key(name, "attention.value_length", Value::U32(8)),
            "bad_hyper_parameter",
            "values of 8",
        );
        assert_refused(with_key(name, "rope.dimension_count", Value::U32(7)), "bad_hyper_parameter", "odd");
    }
}

#[test]
fn numbers_that_are_no_numbers_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, -1.0] {
        for key in ["rope.freq_base", "attention.layer_norm_rms_epsilon"] {
            assert_refused(with_key(FILES[0], key, Value::F32(bad)), "bad_hyper_parameter", key);
        }
    }
    assert_refused(
        with_key(FILES[0], "rope.freq_base", Value::F32(0.0)),
        "bad_hyper_parameter",
        "above zero",
    );
}

#[test]
fn missing_and_mistyped_keys_are_named() {
    for name in FILES {
        let missing = load_changed(name, |writer, architecture| {
            writer.metadata.remove(&format!("{architecture}.embedding_length"));
        });
        assert_refused(missing, "missing_metadata_key", "embedding_length");
        let text = Value::String("three".into());
        assert_refused(with_key(name, "block_count", text), "wrong_metadata_type", "string");
        let array = Value::Array(Array::U32(vec![4; 3]));
        assert_refused(
            with_key(name, "attention.head_count", array),
            "wrong_metadata_type",
            "array of 3 u32",
        );
    }
}

#[test]
fn keys_that_nobody_reads_are_named() {
    for name in FILES {
        assert_refused(
            with_key(name, "attention.clamp_kqv", Value::F32(8.0)),
            "unknown_hyper_parameter",
            "attention.clamp_kqv",
        );
    }
    let alone = with_key(FILES[0], "expert_count", Value::U32(8));
    assert_refused(alone, "missing_metadata_key", "expert_used_count");
    assert_refused(
        with_key(FILES[0], "expert_used_count", Value::U32(2)),
        "bad_hyper_parameter",
        "used_count",
    );
    for scaling in ["longrope", "dynamic"] {
        let scaling_type = with_key(FILES[0], "rope.scaling.type", Value::String(scaling.into()));
        assert_refused(scaling_type, "bad_hyper_parameter", scaling);
    }
    assert_refused(
        with_key(FILES[1], "rope.scaling.type", Value::String("longrope".into())),
        "bad_hyper_parameter",
        "longrope",
    );
    // Keys of the file as a whole and of the tokenizer do not matter here.
    load_changed(FILES[0], |writer, _| writer.metadata.set("general.mood", Value::Bool(true))).unwrap();
    with_key(FILES[0], "expert_count", Value::U32(0)).unwrap();
    with_key(FILES[0], "tensor_data_layout", Value::String("Meta AI original pth".into())).unwrap();
}

#[test]
fn experts_that_cannot_be_right_are_refused() {
    for name in ["qwen3moe-Q8_0.gguf", "gemma4_moe-Q4_0.gguf"] {
        load_changed(name, |_, _| ()).unwrap();
        let with = |key: &str, value: u32| with_key(name, key, Value::U32(value));
        assert_refused(with("expert_count", u32::MAX), "bad_hyper_parameter", "expert_count");
        assert_refused(with("expert_count", 4), "wrong_tensor_shape", "blk.0.ffn_");
        assert_refused(with("expert_used_count", 0), "bad_hyper_parameter", "expert_used_count");
        assert_refused(with("expert_used_count", 9), "bad_hyper_parameter", "1 to 8 can be right");
        assert_refused(with("expert_feed_forward_length", 48), "wrong_tensor_shape", "blk.0.ffn_gate_");
        // Other ways to choose among experts and to weigh them.
        for key in ["expert_gating_func", "expert_weights_scale", "expert_shared_count"] {
            assert_refused(with(key, 1), "unknown_hyper_parameter", key);
        }
        let missing = load_changed(name, |writer, _| writer.remove_tensor("blk.1.ffn_down_exps.weight"));
        assert_refused(missing, "missing_tensor", "blk.1.ffn_down_exps.weight");
    }
    let none = |name| with_key(name, "expert_count", Value::U32(0));
    assert_refused(none("qwen3moe-Q8_0.gguf"), "bad_hyper_parameter", "expert_count");
    assert_refused(none("gemma4_moe-Q4_0.gguf"), "unknown_hyper_parameter", "expert_used_count");
}

#[test]
fn other_ways_to_choose_experts_are_checked() {
    let name = "deepseek3-F32.gguf";
    load_changed(name, |_, _| ()).unwrap();
    let with = |key: &str, value: u32| with_key(name, key, Value::U32(value));
    assert_refused(with("expert_group_count", 5), "bad_hyper_parameter", "5 groups do not divide 12 experts");
    assert_refused(with("expert_group_used_count", 5), "bad_hyper_parameter", "1 to 4 can be right");
    assert_refused(with("expert_gating_func", 4), "bad_hyper_parameter", "expert_gating_func");
    assert_refused(with("expert_shared_count", u32::MAX), "bad_hyper_parameter", "expert_shared_count");
    assert_refused(with("expert_shared_count", 2), "wrong_tensor_shape", "blk.1.ffn_gate_shexp");
    assert_refused(with("leading_dense_block_count", 0), "missing_tensor", "blk.0.ffn_gate_exps");
    let key = "attention.key_length_mla";
    assert_refused(with(key, 8), "bad_hyper_parameter", key);
    assert_refused(with("attention.kv_lora_rank", 17), "bad_hyper_parameter", "latent vectors of 17");
    let old = load_changed(name, |writer, _| writer.remove_tensor("blk.0.attn_k_b.weight"));
    assert_refused(old, "missing_tensor", "blk.0.attn_k_b.weight");
}

/// The kernel's bound, which no published model comes near.
#[test]
fn keys_of_linear_attention_have_a_largest_size() {
    for name in ["qwen35moe-F32.gguf", "nemotron_h-F32.gguf"] {
        let wide = with_key(name, "ssm.state_size", Value::U32(513));
        assert_refused(wide, "bad_hyper_parameter", "ssm.state_size");
    }
}

#[test]
fn experts_need_their_biases_and_heads_their_sinks() {
    let name = "gptoss-MXFP4.gguf";
    load_changed(name, |_, _| ()).unwrap();
    let missing = load_changed(name, |writer, _| writer.remove_tensor("blk.1.attn_sinks.weight"));
    assert_refused(missing, "missing_tensor", "blk.1.attn_sinks.weight");
    let bias = "blk.0.ffn_up_exps.bias";
    let misshapen = load_changed(name, |writer, _| writer.tensor(bias, &[32, 3], 0, vec![0; 384]));
    assert_refused(misshapen, "wrong_tensor_shape", bias);
    let none = load_changed(name, |writer, architecture| {
        writer.metadata.remove(&format!("{architecture}.attention.sliding_window"));
    });
    assert_refused(none, "missing_metadata_key", "attention.sliding_window");
}

#[test]
fn layers_of_their_own_kinds_are_checked_one_by_one() {
    // Six layers, of which the last three look at the keys and values of earlier ones.
    let name = "gemma4_e2b-Q8_0.gguf";
    load_changed(name, |_, _| ()).unwrap();
    let with = |key: &str, value| with_key(name, key, value);
    let numbers = |numbers: &[u32]| Value::Array(Array::U32(numbers.to_vec()));
    for wrong in [&[1, 1, 1][..], &[1, 1, 1, 0, 1, 1], &[1, 1, 1, 3, 1, 1], &[]] {
        let kv_heads = with("attention.head_count_kv", numbers(wrong));
        assert_refused(kv_heads, "bad_hyper_parameter", "attention.head_count_kv");
    }
    assert_refused(
        with("feed_forward_length", numbers(&[64, 64, 64, 128, 96, 128])),
        "wrong_tensor_shape",
        "blk.4.ffn_gate",
    );
    let pattern = "attention.sliding_window_pattern";
    assert_refused(with(pattern, Value::Array(Array::Bool(vec![true]))), "bad_hyper_parameter", pattern);
    assert_refused(with(pattern, Value::U32(3)), "wrong_metadata_type", pattern);
    for shared in [4, 6, u32::MAX] {
        let shared = with("attention.shared_kv_layers", Value::U32(shared));
        assert_refused(shared, "bad_hyper_parameter", "attention.shared_kv_layers");
    }
    assert_refused(with("attention.value_length_swa", Value::U32(8)), "bad_hyper_parameter", "values of 8");
    assert_refused(with("rope.dimension_count_swa", Value::U32(7)), "bad_hyper_parameter", "odd");
    let per_layer = "embedding_length_per_layer_input";
    assert_refused(with(per_layer, Value::U32(16)), "wrong_tensor_shape", "per_layer_token_embd");
    assert_refused(with(per_layer, Value::U32(0)), "unused_tensors", "per_layer_token_embd");
    assert_refused(with(per_layer, Value::U32(u32::MAX)), "bad_hyper_parameter", per_layer);
    let missing = load_changed(name, |writer, _| writer.remove_tensor("rope_freqs.weight"));
    assert_refused(missing, "missing_tensor", "rope_freqs.weight");
    let no_values = |name, layer| {
        load_changed(name, |writer, _| writer.remove_tensor(&format!("blk.{layer}.attn_v.weight")))
    };
    assert_refused(no_values("gemma4_dense-Q4_0.gguf", 1), "missing_tensor", "blk.1.attn_v.weight");
    // What training left in layers without keys of their own has no part in the computation.
    load_changed(name, |writer, _| writer.tensor("blk.4.attn_k.weight", &[64, 16], 0, vec![0; 4096]))
        .unwrap();
}

#[test]
fn missing_additional_and_misshapen_tensors_are_named() {
    for name in FILES {
        let missing = load_changed(name, |writer, _| writer.remove_tensor("blk.1.ffn_up.weight"));
        assert_refused(missing, "missing_tensor", "blk.1.ffn_up.weight");
        let additional =
            load_changed(name, |writer, _| writer.tensor("blk.0.attn_sinks.weight", &[4], 0, vec![0; 16]));
        assert_refused(additional, "unused_tensors", "blk.0.attn_sinks.weight");
        let misshapen =
            load_changed(name, |writer, _| writer.tensor("output_norm.weight", &[8, 8], 0, vec![0; 256]));
        assert_refused(misshapen, "wrong_tensor_shape", "output_norm.weight");
    }
}

#[test]
fn tensor_types_are_refused_by_name() {
    let unknown =
        load_changed(FILES[0], |writer, _| writer.tensor("blk.0.attn_q.weight", &[64, 64], 777, vec![0; 64]));
    assert_refused(unknown, "unknown_tensor_type", "blk.0.attn_q.weight");
    // 64 bytes of 8-bit integers: a known type, but no weights.
    let integers = load_changed(FILES[0], |writer, _| {
        writer.tensor("blk.0.attn_q.weight", &[64, 64], 24, vec![0; 4096])
    });
    assert_refused(integers, "unsupported_tensor_type", "I8");
}

#[test]
fn one_piece_of_a_split_model_is_refused() {
    let piece = load_changed(FILES[0], |writer, _| writer.metadata.set("split.count", Value::U16(2)));
    assert_refused(piece, "bad_shard", "2 pieces");
}

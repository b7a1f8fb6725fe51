//! GGUF files with another type of weights: near the original, whole or absent.

use std::fs;
use std::path::Path;

use lantern_convert::{Converted, FileType, GgufSource, convert};
use lantern_gguf::{GgmlType, GgufFile, GgufWriter, dequantize};
use lantern_models::{Compute, Device, ForwardBatch, KvCache, KvType, registry};

fn golden(name: &str) -> GgufFile {
    let path = lantern_golden::path("models").join(name);
    GgufFile::open(&path).expect("the golden model is part of the repository")
}

fn quantize(file: GgufFile, out: &Path, file_type: FileType) -> Converted {
    let mut told = 0;
    let done = convert(&GgufSource::new(file).unwrap(), out, file_type, 2, |progress| {
        told += 1;
        assert_eq!(progress.tensors.0, told, "every tensor is told of, in order");
    });
    done.unwrap_or_else(|error| panic!("{}: {error}", out.display()))
}

/// Probabilities of the next token after each of 24 tokens.
fn probabilities(file: &GgufFile) -> Vec<Vec<f64>> {
    let model = registry::load_with(file, Compute::kernels(2)).unwrap();
    let layout = &model.config().kv_layout;
    let blocks = vec![2; layout.groups().len()];
    let mut kv = KvCache::new(layout, &blocks, 16, KvType::F32, &Device::Cpu).unwrap();
    let ids: Vec<u32> = (0..24).map(|i| 17 * i % 512).collect();
    let mut batch = ForwardBatch::default();
    let table = [0u32, 1];
    batch.push(&ids, 0, blocks.iter().map(|_| &table[..]), 16);
    batch.logit_rows.extend(0..24);
    let mut logits = Vec::new();
    model.forward(&batch, &mut kv, &mut logits).unwrap();
    let softmax = |row: &[f32]| {
        let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exps: Vec<f64> = row.iter().map(|&x| f64::from(x - top).exp()).collect();
        let sum: f64 = exps.iter().sum();
        exps.into_iter().map(|e| e / sum).collect()
    };
    logits.chunks_exact(512).map(softmax).collect()
}

/// Median over the positions of KL(a ‖ b).
fn divergence(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let of_row = |(a, b): (&Vec<f64>, &Vec<f64>)| a.iter().zip(b).map(|(p, q)| p * (p / q).ln()).sum::<f64>();
    let mut all: Vec<f64> = a.iter().zip(b).map(of_row).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

#[test]
fn fewer_bits_lose_more_and_never_much() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["llama_untied-F32.gguf", "qwen3moe-F32.gguf", "gemma3-F32.gguf", "llama_k256-Q6_K.gguf"] {
        let original = probabilities(&golden(name));
        let mut smaller = golden(name).file_len();
        for (file_type, limit) in [(FileType::Q8_0, 0.01), (FileType::Q6K, 0.03), (FileType::Q4KM, 0.4)] {
            let out = folder.path().join("out.gguf");
            let done = quantize(golden(name), &out, file_type);
            let file = GgufFile::open(&out).unwrap();
            let kl = divergence(&original, &probabilities(&file));
            println!("{name} in {}: {} bytes, KL {kl:.1e}", file_type.name(), done.bytes);
            assert!(kl < limit, "{name} in {}: KL {kl:.1e}", file_type.name());
            assert_eq!(file.file_len(), done.bytes);
            assert_eq!(file.metadata().u32("general.file_type").ok(), file_type.id());
            if !name.contains("Q6_K") {
                assert!(done.bytes <= smaller, "{name} in {} grew", file_type.name());
                smaller = done.bytes;
            }
        }
    }
}

#[test]
fn the_mix_is_written_as_it_was_planned() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gguf");
    let done = quantize(golden("llama_k256-Q6_K.gguf"), &out, FileType::Q4KM);
    let file = GgufFile::open(&out).unwrap();
    let ty = |name: &str| file.tensor(name).unwrap().ty().unwrap();
    assert_eq!(ty("blk.0.attn_q.weight"), GgmlType::Q4K);
    assert_eq!(ty("token_embd.weight"), GgmlType::Q6K);
    assert_eq!(ty("output_norm.weight"), GgmlType::F32);
    let error = |name: &str| done.tensors.iter().find(|tensor| tensor.name == name).unwrap().error;
    assert_eq!(error("token_embd.weight"), 0.0, "it is copied, not quantised again");
    assert!((0.05..0.09).contains(&error("blk.0.attn_q.weight")), "{}", error("blk.0.attn_q.weight"));
}

/// llama.cpp made the golden files from one with 32 bits, of which the one in Q6_K is the nearest here.
#[test]
fn weights_are_as_near_as_in_the_reference() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.gguf");
    let original = golden("llama_k256-Q6_K.gguf");
    quantize(golden("llama_k256-Q6_K.gguf"), &out, FileType::Q4KM);
    let error = |file: &GgufFile| {
        let (mut lost, mut all) = (0f64, 0f64);
        for (name, tensor) in file.tensors().iter().filter(|(_, tensor)| tensor.ty() == Ok(GgmlType::Q4K)) {
            let values = |file: &GgufFile| {
                let tensor = &file.tensors()[name];
                let mut values = vec![0.0; tensor.elements() as usize];
                dequantize(tensor.ty().unwrap(), &file.bytes(tensor).unwrap(), &mut values).unwrap();
                values
            };
            assert!(tensor.elements() > 0);
            for (a, b) in values(&original).iter().zip(values(file)) {
                lost += f64::from(a - b).powi(2);
                all += f64::from(*a).powi(2);
            }
        }
        (lost / all).sqrt()
    };
    let (ours, theirs) = (error(&GgufFile::open(&out).unwrap()), error(&golden("llama_k256-Q4_K_M.gguf")));
    println!("relative error {ours:.4}, of the reference's file {theirs:.4}");
    assert!(ours < theirs, "{ours:.4} against {theirs:.4}");
}

#[test]
fn keeping_everything_keeps_every_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (model, out) = (golden("qwen3moe-Q4_0.gguf"), folder.path().join("out.gguf"));
    let done = quantize(golden("qwen3moe-Q4_0.gguf"), &out, FileType::Keep);
    assert!(done.tensors.iter().all(|tensor| tensor.error == 0.0));
    let copy = GgufFile::open(&out).unwrap();
    assert!(copy.tensors().keys().eq(model.tensors().keys()));
    for (name, tensor) in model.tensors() {
        assert!(*copy.bytes(&copy.tensors()[name]).unwrap() == *model.bytes(tensor).unwrap(), "{name}");
    }
}

#[test]
fn what_cannot_be_right_leaves_the_older_file() {
    let folder = tempfile::tempdir().unwrap();
    let (broken, out) = (folder.path().join("broken.gguf"), folder.path().join("out.gguf"));
    let mut writer = GgufWriter::copy_of(&golden("qwen2-F32.gguf")).unwrap();
    let mut values = vec![0u8; 64 * 64 * 4];
    values[400..404].copy_from_slice(&f32::NAN.to_le_bytes());
    writer.tensor("blk.0.attn_q.weight", &[64, 64], GgmlType::F32.id(), values);
    fs::write(&broken, writer.finish()).unwrap();
    fs::write(&out, b"older").unwrap();
    let source = GgufSource::new(GgufFile::open(&broken).unwrap()).unwrap();
    let error = convert(&source, &out, FileType::Q8_0, 1, |_| ()).unwrap_err();
    assert_eq!(error.code(), "not_finite");
    assert!(error.to_string().contains("blk.0.attn_q.weight"), "{error}");
    assert_eq!(fs::read(&out).unwrap(), b"older");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "no draft is left");
    let nowhere = folder.path().join("none/out.gguf");
    assert_eq!(convert(&source, &nowhere, FileType::Keep, 1, |_| ()).unwrap_err().code(), "io_error");
}

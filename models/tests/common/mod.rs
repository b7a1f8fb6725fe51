//! What tests over golden models share.

use lantern_gguf::GgufFile;
use lantern_models::{CausalLm, Device, ForwardBatch, KvCache, KvType};

/// Tokens that [`logits`] reads.
pub const TOKENS: usize = 24;

/// A golden model.
pub fn golden(name: &str) -> GgufFile {
    let path = lantern_golden::path("models").join(name);
    GgufFile::open(&path).expect("the golden model is part of the repository")
}

/// The logits after each of [`TOKENS`] tokens, always the same ones.
pub fn logits(model: &dyn CausalLm) -> Vec<Vec<f32>> {
    let layout = &model.config().kv_layout;
    let blocks = vec![2; layout.groups().len()];
    let mut kv = KvCache::new(layout, &blocks, 16, KvType::F32, &Device::Cpu).expect("a small cache");
    let tokens: Vec<u32> = (0..TOKENS as u32).map(|i| 17 * i % 512).collect();
    let mut batch = ForwardBatch::default();
    let table = [0u32, 1];
    batch.push(&tokens, 0, blocks.iter().map(|_| &table[..]), 16);
    batch.logit_rows.extend(0..TOKENS as u32);
    let mut logits = Vec::new();
    model.forward(&batch, &mut kv, &mut logits).expect("the batch runs");
    logits.chunks_exact(model.config().vocab_size).map(<[f32]>::to_vec).collect()
}

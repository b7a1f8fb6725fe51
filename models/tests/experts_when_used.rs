//! Experts are packed when they are first used, or while there is nothing else to do: the answer is the same bit for bit,
//! and there is an end to it.

use lantern_gguf::GgufFile;
use lantern_models::{CausalLm, Compute, Device, ForwardBatch, KvCache, KvType, Split, registry};

const BLOCK: usize = 16;

/// Logits behind some tokens, as bits.
fn logits(model: &dyn CausalLm, tokens: &[u32]) -> Vec<u32> {
    let layout = &model.config().kv_layout;
    let groups = layout.groups().len();
    let mut kv = KvCache::new(layout, &vec![1; groups], BLOCK, KvType::F16, &Device::Cpu).unwrap();
    let mut batch = ForwardBatch::default();
    batch.push(tokens, 0, vec![&[0][..]; groups], BLOCK);
    batch.logit_rows = vec![tokens.len() as u32 - 1];
    let mut logits = Vec::new();
    model.forward(&batch, &mut kv, &mut logits).unwrap();
    logits.iter().map(|logit| logit.to_bits()).collect()
}

#[test]
fn experts_in_any_order_of_packing_give_the_same_answer() {
    let folder = lantern_golden::path("models");
    for name in ["qwen3moe_k256-Q4_K_M.gguf", "qwen3moe-MXFP4_MOE.gguf", "gemma4_moe-Q8_0.gguf"] {
        let file = GgufFile::open(&folder.join(name)).expect("the golden model is part of the repository");
        let load = || {
            let split = Split::from(Compute::kernels(2));
            (registry::load_with(&file, split.clone()).expect("it loads"), split)
        };
        let prompts: [&[u32]; 3] = [&[7], &[3, 99, 250, 14], &[400, 8, 31, 77, 5, 6, 210, 9, 4]];
        let (used, _) = load();
        let in_use: Vec<_> = prompts.iter().map(|prompt| logits(&*used, prompt)).collect();
        let (settled, split) = load();
        let steps = (0..10_000).take_while(|_| split.settle()).count();
        assert!((2..10_000).contains(&steps), "{name}: {steps} steps until nothing was left to do");
        for (prompt, expected) in prompts.iter().zip(&in_use) {
            assert!(logits(&*settled, prompt) == *expected, "{name}: packed beforehand, other logits");
            assert!(logits(&*used, prompt) == *expected, "{name}: used again, other logits");
        }
    }
}

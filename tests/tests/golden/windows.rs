//! Layers with a window, in a cache that has no room for more than that, give the bits of one that keeps everything.
//! The golden models have windows of 16 tokens, and 72 tokens of prompt and answer.

use lantern_models::GONE;

use super::*;

fn cases_with_windows() -> Vec<Case> {
    let has_window = |case: &Case| case.name.starts_with("gemma") || case.name.starts_with("gptoss");
    cases().into_iter().filter(has_window).collect()
}

/// A sequence with a few blocks for its windows, which it takes in turn.
struct Sliding {
    fed: usize,
    /// For layers that see everything.
    whole: Vec<u32>,
    window: Vec<u32>,
}

impl Sliding {
    /// Adds the next `tokens` to a batch, wanting the logits of all of them. What the first of them does not see is
    /// named gone, and its block already belongs to a later position.
    fn push(&mut self, model: &dyn CausalLm, batch: &mut ForwardBatch, tokens: &[u32]) {
        let table = |reach: Reach| -> Vec<u32> {
            let block = |index: usize| match reach {
                Reach::All => self.whole[index],
                _ if index < reach.first_seen(self.fed) / BLOCK => GONE,
                _ => self.window[index % self.window.len()],
            };
            (0..(self.fed + tokens.len()).div_ceil(BLOCK)).map(block).collect()
        };
        let mut seq = Sequence {
            fed: self.fed,
            tables: model.config().kv_layout.groups().into_iter().map(table).collect(),
        };
        push(batch, &mut seq, tokens);
        self.fed = seq.fed;
    }
}

/// A cache with 24 blocks for layers that see everything, and so many for those with a window.
fn small_cache(model: &dyn CausalLm, window_blocks: usize, kv_type: KvType) -> KvCache {
    let layout = &model.config().kv_layout;
    let blocks = |reach| if reach == Reach::All { 24 } else { window_blocks };
    let blocks: Vec<usize> = layout.groups().into_iter().map(blocks).collect();
    assert_eq!(blocks, [24, window_blocks], "layers of both kinds");
    KvCache::new(layout, &blocks, BLOCK, kv_type, &Device::Cpu).expect("a small cache")
}

/// Logits of all positions, fed in chunks of one length.
fn sliding_logits(
    model: &dyn CausalLm,
    ids: &[u32],
    chunk: usize,
    window: &[u32],
    kv_type: KvType,
) -> Vec<Vec<f32>> {
    let mut kv = small_cache(model, window.len(), kv_type);
    let mut seq = Sliding { fed: 0, whole: vec![7, 2, 19, 0, 11, 23], window: window.to_vec() };
    let mut logits = Vec::new();
    for tokens in ids.chunks(chunk) {
        let mut batch = ForwardBatch::default();
        seq.push(model, &mut batch, tokens);
        logits.extend(forward(model, &batch, &mut kv));
    }
    logits
}

#[test]
fn a_cache_of_windows_gives_the_bits_of_a_whole_one() {
    for case in cases_with_windows() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        for &kv_type in KvType::ALL.iter().filter(|kv_type| model.config().kv_layout.fits(**kv_type)) {
            let whole = logits_in_chunks(&*model, &ids, &[ids.len()], kv_type);
            // The tokens that a chunk sees lie in two blocks of 16 or three; all 72 would need five.
            for (chunk, window) in [(1, &[1, 0][..]), (7, &[2, 0, 1]), (16, &[1, 2, 0]), (18, &[0, 2, 1])] {
                let parts = sliding_logits(&*model, &ids, chunk, window, kv_type);
                for (position, (a, b)) in whole.iter().zip(&parts).enumerate() {
                    assert_eq!(
                        a,
                        b,
                        "{} in chunks of {chunk}, position {position}, {kv_type:?}",
                        case.label()
                    );
                }
            }
        }
    }
}

#[test]
fn too_few_blocks_for_a_window_would_show() {
    let case = case("gemma3", "F32");
    let model = case.load(Compute::kernels(1));
    let ids = case.ids();
    let whole = logits_in_chunks(&*model, &ids, &[ids.len()], KvType::F32);
    let parts = sliding_logits(&*model, &ids, 2, &[0], KvType::F32);
    assert!(whole[..BLOCK] == parts[..BLOCK], "one block is enough for its own tokens");
    // The token at position 17 is written over that at 1, which the one at 16 still sees.
    assert!(whole[BLOCK] != parts[BLOCK], "what was written over was not looked at");
}

#[test]
fn windows_of_several_sequences_share_a_cache() {
    for case in cases_with_windows() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        let first: Vec<u32> = ids[..60].to_vec();
        let second: Vec<u32> = ids[10..70].iter().rev().copied().collect();
        let alone = |ids: &[u32]| logits_in_chunks(&*model, ids, &[ids.len()], KvType::F16);
        let expected = [alone(&first), alone(&second)];

        let mut kv = small_cache(&*model, 6, KvType::F16);
        let mut a = Sliding { fed: 0, whole: vec![9, 1, 14, 3], window: vec![0, 2, 4] };
        let mut b = Sliding { fed: 0, whole: vec![2, 8, 5, 20], window: vec![5, 3, 1] };
        // One reads in chunks while the other goes token by token, then the other way round.
        for round in 0..60 {
            let (len_a, len_b) = if round < 30 { (1, 9) } else { (9, 1) };
            let mut batch = ForwardBatch::default();
            let mut wanted = Vec::new();
            for (seq, ids, expected, len) in
                [(&mut b, &second, &expected[1], len_b), (&mut a, &first, &expected[0], len_a)]
            {
                let next = seq.fed..ids.len().min(seq.fed + len);
                if !next.is_empty() {
                    wanted.extend(expected[next.clone()].iter().cloned());
                    seq.push(&*model, &mut batch, &ids[next]);
                }
            }
            if batch.rows() > 0 {
                assert_eq!(forward(&*model, &batch, &mut kv), wanted, "{}, round {round}", case.label());
            }
        }
        assert_eq!((a.fed, b.fed), (60, 60), "both were read to the end");
    }
}

#[test]
fn some_rows_of_a_chunk_see_their_windows() {
    for case in cases_with_windows() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        let whole = logits_in_chunks(&*model, &ids, &[ids.len()], KvType::F32);
        let mut kv = small_cache(&*model, 3, KvType::F32);
        let mut seq = Sliding { fed: 0, whole: (0..5).collect(), window: vec![0, 1, 2] };
        for tokens in ids.chunks(10) {
            let mut batch = ForwardBatch::default();
            let fed = seq.fed;
            seq.push(&*model, &mut batch, tokens);
            batch.logit_rows = vec![tokens.len() as u32 - 1, 0];
            let logits = forward(&*model, &batch, &mut kv);
            let expected = [&whole[seq.fed - 1], &whole[fed]];
            assert_eq!([&logits[0], &logits[1]], expected, "{} from {fed}", case.label());
        }
    }
}

#[test]
fn candle_operations_see_their_windows_too() {
    for case in cases_with_windows() {
        let model = case.load(Compute::tensors(Device::Cpu));
        let logits = sliding_logits(&*model, &case.ids(), 18, &[0, 2, 1], KvType::F32);
        println!("{}", compare(&case, &logits, case.is_exact()));
    }
}

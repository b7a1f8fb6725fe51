//! Guesses change no bit: rows that are some give what they would give anyway, and what comes behind them, right or wrong, is
//! what it would be had nobody guessed.

use super::*;

/// How many tokens a step guesses, and how many of them are right, over and over.
const STEPS: [(usize, usize); 7] = [(4, 4), (3, 0), (6, 2), (1, 1), (0, 0), (12, 9), (5, 5)];

/// Feeds one token and guesses at what follows; gives the logits of the token and of the guesses that were right.
fn guess(
    model: &dyn CausalLm,
    kv: &mut KvCache,
    seqs: &mut [(Sequence, &[u32])],
    step: usize,
) -> Vec<Vec<Vec<f32>>> {
    let mut batch = ForwardBatch::default();
    let mut right = Vec::new();
    for (index, (seq, ids)) in seqs.iter_mut().enumerate() {
        let (guesses, hits) = STEPS[(step + index) % STEPS.len()];
        let left = ids.len() - seq.fed - 1;
        let (guesses, hits) = (guesses.min(left), hits.min(left));
        let mut tokens = ids[seq.fed..=seq.fed + guesses].to_vec();
        tokens[1 + hits..].iter_mut().for_each(|token| *token = (*token + 1) % 512);
        push(&mut batch, seq, &tokens);
        batch.guess_last(guesses);
        seq.fed -= guesses - hits;
        right.push(hits);
    }
    let mut rows = forward(model, &batch, kv).into_iter();
    let of_seq = |(seq, &hits): (&lantern_models::BatchSeq, &usize)| {
        let all: Vec<_> = rows.by_ref().take(seq.rows).collect();
        all[..=hits].to_vec()
    };
    let logits = batch.seqs.iter().zip(&right).map(of_seq).collect();
    batch.keep_right(&right);
    model.accept_guesses(&batch, kv).expect("right guesses are taken over");
    logits
}

fn check(case: &Case, model: &dyn CausalLm, mut kv: KvCache) {
    let ids = case.ids();
    let second: Vec<u32> = ids.iter().rev().copied().collect();
    let whole = |ids: &[u32]| logits_in_chunks(model, ids, &[ids.len()], KvType::F32);
    let expected = [whole(&ids), whole(&second)];
    let blocks = [[9, 1, 14, 3, 6], [2, 8, 5, 0, 7]].map(|blocks| Sequence::new(model, blocks));
    let mut seqs: Vec<_> = blocks.into_iter().zip([&ids[..], &second]).collect();
    for (seq, ids) in &mut seqs {
        let mut batch = ForwardBatch::default();
        push(&mut batch, seq, &ids[..10]);
        forward(model, &batch, &mut kv);
    }
    for step in 0.. {
        let before: Vec<usize> = seqs.iter().map(|(seq, _)| seq.fed).collect();
        let logits = guess(model, &mut kv, &mut seqs, step);
        for ((from, logits), expected) in before.into_iter().zip(logits).zip(&expected) {
            let to = from + logits.len();
            assert!(logits == expected[from..to], "{}: positions {from} to {to}", case.label());
        }
        if seqs.iter().any(|(seq, ids)| seq.fed == ids.len()) {
            return;
        }
    }
}

#[test]
fn guesses_change_no_bit() {
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        check(&case, &*model, cache(&*model, KvType::F32));
    }
}

#[test]
fn states_go_on_over_right_guesses_beside_a_device() {
    for case in cases() {
        let model = case.load(Compute::tensors(Device::Cpu));
        if !model.config().kv_layout.groups().contains(&Reach::State) {
            continue;
        }
        // candle's products depend on the number of rows, so this is about the way and not about bits.
        let mut kv = cache(&*model, KvType::F32);
        let ids = case.ids();
        let expected = logits_in_chunks(&*model, &ids, &[1], KvType::F32);
        let mut seqs = [(Sequence::new(&*model, [9, 1, 14, 3, 6]), &ids[..])];
        let mut step = 0;
        while seqs[0].0.fed < ids.len() {
            let from = seqs[0].0.fed;
            let logits = guess(&*model, &mut kv, &mut seqs, step);
            for (found, expected) in logits[0].iter().zip(&expected[from..]) {
                let off = max_abs_difference(found, expected);
                assert!(off <= 2e-3, "{} behind {from}: {off}", case.label());
            }
            step += 1;
        }
    }
}

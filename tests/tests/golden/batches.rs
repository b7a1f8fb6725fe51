//! What a row is computed together with changes none of its bits: chunks of a prompt, other sequences, threads, and which
//! rows' logits are wanted.

use super::*;

#[test]
fn chunks_give_the_bits_of_the_whole() {
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        for &kv_type in KvType::ALL.iter().filter(|kv_type| model.config().kv_layout.fits(**kv_type)) {
            let whole = logits_in_chunks(&*model, &ids, &[ids.len()], kv_type);
            for chunks in [&[1][..], &[7], &[40], &[48, 1]] {
                let parts = logits_in_chunks(&*model, &ids, chunks, kv_type);
                for (position, (a, b)) in whole.iter().zip(&parts).enumerate() {
                    assert_eq!(
                        a,
                        b,
                        "{} in chunks of {chunks:?}, position {position}, {kv_type:?}",
                        case.label()
                    );
                }
            }
        }
    }
}

#[test]
fn sequences_in_one_batch_give_the_bits_of_each_alone() {
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        // Three sequences of different lengths and ages: a prefill in two parts, a decoding one, and a short one.
        let first: Vec<u32> = ids[..50].to_vec();
        let second: Vec<u32> = ids[20..60].iter().rev().copied().collect();
        let third: Vec<u32> = ids[5..9].to_vec();
        let alone = |ids: &[u32]| logits_in_chunks(&*model, ids, &[ids.len()], KvType::F32);
        let (alone_first, alone_second, alone_third) = (alone(&first), alone(&second), alone(&third));

        let mut kv = cache(&*model, KvType::F32);
        let mut a = Sequence::new(&*model, [9, 1, 14, 3]);
        let mut b = Sequence::new(&*model, [2, 8, 5]);
        let mut c = Sequence::new(&*model, [20]);
        let mut batch = ForwardBatch::default();
        push(&mut batch, &mut b, &second[..39]);
        push(&mut batch, &mut a, &first[..30]);
        let one = forward(&*model, &batch, &mut kv);
        assert_eq!(one[..39], alone_second[..39], "{}", case.label());
        assert_eq!(one[39..], alone_first[..30], "{}", case.label());

        let mut batch = ForwardBatch::default();
        push(&mut batch, &mut c, &third);
        push(&mut batch, &mut b, &second[39..]);
        push(&mut batch, &mut a, &first[30..]);
        let two = forward(&*model, &batch, &mut kv);
        assert_eq!(two[..4], alone_third[..], "{}", case.label());
        assert_eq!(two[4..5], alone_second[39..], "{}", case.label());
        assert_eq!(two[5..], alone_first[30..], "{}", case.label());
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for case in cases().into_iter().filter(|case| case.name.ends_with("k256") || case.is_exact()) {
        let ids = case.ids();
        let with = |threads| {
            logits_in_chunks(&*case.load(Compute::kernels(threads)), &ids, &[ids.len()], KvType::F16)
        };
        assert_eq!(with(1), with(3), "{}", case.label());
    }
}

#[test]
fn only_the_wanted_rows_have_logits() {
    // One model of each architecture, and of Gemma 4 one of each kind.
    let mut seen = Vec::new();
    let mut is_new = |case: &Case| {
        let kind = if case.architecture == "gemma4" { case.name.clone() } else { case.architecture.clone() };
        let is_new = !seen.contains(&kind);
        seen.push(kind);
        is_new
    };
    for case in cases().into_iter().filter(|case| case.file_type == "F32" && is_new(case)) {
        let name = &case.name;
        for compute in [Compute::kernels(1), Compute::tensors(Device::Cpu)] {
            let model = case.load(compute);
            let mut kv = cache(&*model, KvType::F16);
            let mut batch = ForwardBatch::default();
            push(&mut batch, &mut Sequence::new(&*model, [0, 1, 2]), &case.prompt_ids);
            push(&mut batch, &mut Sequence::new(&*model, [4]), &case.greedy_ids[..10]);
            let all = forward(&*model, &batch, &mut kv);
            batch.logit_rows = vec![47, 3, 52];
            let some = forward(&*model, &batch, &mut kv);
            let expected = [&all[47][..], &all[3], &all[52]].concat();
            assert!(max_abs_difference(&some.concat(), &expected) < 1e-5, "{name}");
            batch.logit_rows.clear();
            assert!(forward(&*model, &batch, &mut kv).is_empty(), "{name}");
        }
    }
}

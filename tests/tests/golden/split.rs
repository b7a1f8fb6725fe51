//! Models of which a device computes a part, with candle operations on the CPU standing in for the device: every way to
//! split them gives the golden logits, and the two ends give the bits of the models that are not split.

use lantern_models::Placement;

use super::*;

/// Splits of a model: none, one, half and all of its blocks on the device, with their experts and without; of a quantised
/// one, whose layers are cut at the same places, half of them.
fn splits(case: &Case) -> Vec<Placement> {
    let n = registry::config(&case.open()).expect("the golden model is supported").n_layers;
    let with_experts = |layers| Placement::last(n, layers);
    let without = |layers| Placement { device_expert_layers: 0, ..Placement::last(n, layers) };
    if !case.is_exact() {
        return if case.has_experts() { vec![without(n / 2)] } else { vec![with_experts(n / 2)] };
    }
    let mut all: Vec<Placement> = [0, 1, n / 2, n].map(with_experts).to_vec();
    if case.has_experts() {
        all.extend([1, n / 2, n].map(without));
        all.push(Placement { device_expert_layers: 1, ..Placement::last(n, n) });
    }
    // Blocks without the head, as where the head finds no room.
    all.push(Placement { device_head: false, ..Placement::last(n, n) });
    all.dedup();
    all
}

fn split(placement: Placement) -> Split {
    Split::new(Compute::kernels(2), Compute::tensors(Device::Cpu), placement).expect("kernels and a device")
}

/// Logits of all positions: most of the prompt at once, the rest token by token.
fn logits_of(case: &Case, split: &Split, kv_type: KvType) -> Vec<Vec<f32>> {
    let model = case.load(split.clone());
    let layout = &model.config().kv_layout;
    let kv = KvCache::for_split(layout, &blocks(&*model), BLOCK, kv_type, split).expect("a small cache");
    logits_with(&*model, &case.ids(), &[40, 1], kv)
}

#[test]
fn every_split_gives_the_golden_logits() {
    for case in cases() {
        let kernels = logits_of(&case, &Compute::kernels(2).into(), KvType::F32);
        for placement in splits(&case) {
            let logits = logits_of(&case, &split(placement), KvType::F32);
            let report = compare(&case, &logits, case.is_exact());
            let apart =
                kernels.iter().zip(&logits).map(|(a, b)| max_abs_difference(a, b)).fold(0.0, f32::max);
            println!("{report}; {apart:.1e} from kernels, {placement:?}");
            if case.is_exact() {
                // The same arithmetic in another order.
                assert!(apart <= case.tolerance.f32_math_max_abs, "{}: {apart}, {placement:?}", case.label());
            }
        }
    }
}

#[test]
fn the_ends_give_the_bits_of_models_that_are_not_split() {
    for case in cases() {
        let n = registry::config(&case.open()).expect("the golden model is supported").n_layers;
        let nothing = logits_of(&case, &split(Placement::host(n)), KvType::F16);
        assert_eq!(nothing, logits_of(&case, &Compute::kernels(2).into(), KvType::F16), "{}", case.label());
        let everything = logits_of(&case, &split(Placement::last(n, n)), KvType::F16);
        let tensors = logits_of(&case, &Compute::tensors(Device::Cpu).into(), KvType::F16);
        assert_eq!(everything, tensors, "{}", case.label());
    }
}

#[test]
fn only_the_wanted_rows_of_a_split_model_have_logits() {
    for name in ["llama_tied", "qwen3moe", "gemma3", "gemma4_moe", "gemma4_e2b", "gptoss"] {
        let case = case(name, "F32");
        for placement in splits(&case) {
            let split = split(placement);
            let model = case.load(split.clone());
            let layout = &model.config().kv_layout;
            let mut kv = KvCache::for_split(layout, &blocks(&*model), BLOCK, KvType::F16, &split)
                .expect("a small cache");
            let mut batch = ForwardBatch::default();
            push(&mut batch, &mut Sequence::new(&*model, 0..3), &case.prompt_ids);
            push(&mut batch, &mut Sequence::new(&*model, [4]), &case.greedy_ids[..10]);
            let all = forward(&*model, &batch, &mut kv);
            batch.logit_rows = vec![47, 3, 52];
            let some = forward(&*model, &batch, &mut kv);
            let expected = [&all[47][..], &all[3], &all[52]].concat();
            assert!(max_abs_difference(&some.concat(), &expected) < 1e-5, "{name}, {placement:?}");
            batch.logit_rows.clear();
            assert!(forward(&*model, &batch, &mut kv).is_empty(), "{name}, {placement:?}");
        }
    }
}

#[test]
fn a_split_is_of_kernels_and_a_device() {
    let (kernels, tensors) = (Compute::kernels(1), Compute::tensors(Device::Cpu));
    for (host, device) in [(tensors.clone(), tensors), (kernels.clone(), kernels)] {
        assert!(Split::new(host, device, Placement::last(2, 1)).is_err());
    }
}

//! Where keys and values are kept: in fewer bits, and in a device's tensors.

use super::*;

#[test]
fn smaller_caches_give_nearly_the_same_distribution() {
    let mut seen = 0;
    for case in cases() {
        let model = case.load(Compute::kernels(2));
        let ids = case.ids();
        let plain = logits_in_chunks(&*model, &ids, &[ids.len()], KvType::F16);
        // Where products round their inputs to 8 bits, the smallest change already moves that rounding; and where two
        // experts are nearly equal, it sends a position to the other one.
        let has_experts = case.has_experts();
        let eight_bits = if case.is_exact() && !has_experts { 2e-3 } else { 2e-2 };
        let four_bits = if has_experts { 1.0 } else { 0.4 };
        for (kv_type, most) in [(KvType::Q8_0, eight_bits), (KvType::Q4_0, four_bits)] {
            if !model.config().kv_layout.fits(kv_type) {
                continue;
            }
            let small = logits_in_chunks(&*model, &ids, &[ids.len()], kv_type);
            let divergences = plain.iter().zip(&small).map(|(plain, small)| divergence(plain, small));
            let mut divergences: Vec<f64> = divergences.collect();
            divergences.sort_by(f64::total_cmp);
            let (what, found) = match has_experts {
                true => ("median", quantile(&divergences, 0.5)),
                false => ("mean", divergences.iter().sum::<f64>() / ids.len() as f64),
            };
            let report =
                format!("{} with a cache in {}: {what} KL {found:.1e}", case.label(), kv_type.name());
            println!("{report}");
            assert!(found < most, "{report}");
            assert!(found > 0.0, "{report}: that is the plain cache");
            seen += 1;
        }
    }
    assert!(seen >= 8, "only {seen} golden models have heads that fit");
}

#[test]
fn a_cache_in_tensors_holds_what_one_in_memory_holds() {
    for (name, file_type) in [("llama_tied", "F32"), ("gemma3", "Q4_0")] {
        let case = case(name, file_type);
        let model = case.load(Compute::tensors(Device::Cpu));
        let layout = &model.config().kv_layout;
        for kv_type in [KvType::F32, KvType::F16] {
            let kv = KvCache::in_tensors(layout, &blocks(&*model), BLOCK, kv_type, &Device::Cpu).unwrap();
            let in_tensors = logits_with(&*model, &case.ids(), &[40, 7], kv);
            let in_memory = logits_in_chunks(&*model, &case.ids(), &[40, 7], kv_type);
            assert_eq!(in_tensors, in_memory, "{} {kv_type:?}", case.label());
        }
    }
}

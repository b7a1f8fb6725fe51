//! What the cache keeps, where, and what it refuses.

use super::*;

fn layout(head_dim: usize) -> KvLayout {
    KvLayout { layers: vec![layer(head_dim, None); 3] }
}

fn layer(head_dim: usize, window: Option<u32>) -> LayerCache {
    LayerCache::Attention(LayerKvShape { n_kv_heads: 2, head_dim, window })
}

#[test]
fn rows_come_back_from_where_they_were_written() {
    let rows: Vec<f32> = (0..3 * 128).map(|i| (i as f32 * 0.7).sin()).collect();
    let (slots, device) = ([5, 38, 0], Device::Cpu);
    for (&kv_type, tolerance) in KvType::ALL.iter().zip([0.0, 5e-4, 5e-3, 0.4]) {
        let mut kv = KvCache::new(&layout(64), &[3], 16, kv_type, &device).unwrap();
        let negative: Vec<f32> = rows.iter().map(|number| -number).collect();
        kv.write(1, &slots, &rows, &negative).unwrap();
        let (k, v) = kv.gather(1, &slots, &device).unwrap();
        let back = |tensor: Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for ((k, v), number) in back(k).iter().zip(back(v)).zip(&rows) {
            assert!((k - number).abs() <= tolerance, "{kv_type:?}: {number} became {k}");
            assert_eq!(*k, -v, "{kv_type:?}");
        }
        let (k, _) = kv.gather(1, &[6], &device).unwrap();
        assert!(back(k).iter().all(|number| *number == 0.0), "{kv_type:?}: the next slot is untouched");
        assert!(kv.write(1, &[48], &rows[..128], &rows[..128]).is_err(), "{kv_type:?}");
    }
}

#[test]
fn a_type_that_does_not_fit_is_refused() {
    for (kv_type, strip) in [(KvType::Q8_0, 34), (KvType::Q4_0, 18)] {
        let cache = |head_dim| KvCache::new(&layout(head_dim), &[3], 16, kv_type, &Device::Cpu);
        assert_eq!(cache(80).map(|_| ()).unwrap_err().code(), "unsupported_kv_type");
        assert_eq!(cache(96).unwrap().bytes(), 3 * 2 * 2 * 96 / 32 * strip * 48, "{kv_type:?}");
        let tensors = KvCache::in_tensors(&layout(96), &[3], 16, kv_type, &Device::Cpu);
        assert_eq!(tensors.map(|_| ()).unwrap_err().code(), "unsupported_kv_type");
    }
}

#[test]
fn layers_have_the_blocks_of_their_window() {
    let mut mixed = layout(32);
    mixed.layers[0] = layer(32, Some(48));
    mixed.layers[2] = layer(32, Some(100));
    let groups = [Reach::All, Reach::Window(100), Reach::Window(48)];
    assert_eq!(mixed.groups(), groups, "the furthest first");
    let cache = |n_blocks: &[usize]| KvCache::new(&mixed, n_blocks, 16, KvType::F16, &Device::Cpu);
    let mut kv = cache(&[5, 4, 2]).unwrap();
    assert_eq!([0, 1, 2].map(|layer| kv.group_of(layer)), [2, 0, 1]);
    assert_eq!(kv.bytes(), (5 + 4 + 2) * 16 * 2 * 64 * 2);
    let row = [1.0; 64];
    for (layer, blocks) in [(0, 2), (1, 5), (2, 4)] {
        assert!(kv.write(layer, &[blocks * 16 - 1], &row, &row).is_ok(), "the last slot of layer {layer}");
        assert!(kv.write(layer, &[blocks * 16], &row, &row).is_err(), "layer {layer} ends after {blocks}");
    }
    assert!(cache(&[5, 4]).is_err() && cache(&[5, 4, 2, 1]).is_err(), "one number for each group");
    assert!(cache(&[5, 0, 2]).is_err(), "no group is without blocks");
}

#[test]
fn states_take_a_number_of_blocks_whatever_their_tokens() {
    let mut hybrid = layout(32);
    hybrid.layers[1] = LayerCache::State(500);
    assert_eq!(hybrid.groups(), [Reach::All, Reach::State]);
    let mut kv = KvCache::new(&hybrid, &[5, 3], 16, KvType::F16, &Device::Cpu).unwrap();
    assert_eq!(kv.bytes(), 5 * 16 * 2 * 2 * 64 * 2 + 3 * 500 * 4);
    assert_eq!((hybrid.state_bytes(), hybrid.bytes_per_token(KvType::F16)), (2000, 2 * 2 * 64 * 2));
    let mut batch = ForwardBatch::default();
    batch.push(&[1, 2], 0, [&[4][..], &[2]], 16);
    let states = kv.states(1, &batch).unwrap().states;
    assert_eq!((states.stride, states.numbers.len(), states.block_tables), (500, 1500, &[2][..]));
    assert!(kv.states(0, &batch).is_err() && kv.slices(1).is_err() && kv.write(1, &[0], &[], &[]).is_err());
    assert!(hybrid.fits(KvType::Q8_0), "what is kept as floats has no say in it");
}

#[test]
fn every_type_is_found_by_its_name() {
    for &kv_type in KvType::ALL {
        assert_eq!(KvType::from_name(kv_type.name()), Some(kv_type));
    }
}

/// A layer of attention, one of a window, and one with a state.
fn mixed() -> KvLayout {
    let mut mixed = layout(64);
    mixed.layers[1] = layer(32, Some(48));
    mixed.layers[2] = LayerCache::State(70);
    mixed
}

#[test]
fn blocks_go_out_as_bytes_and_come_back() {
    let rows: Vec<f32> = (0..16 * 128).map(|i| (i as f32 * 0.3).sin()).collect();
    let slots: Vec<u32> = (32..48).collect();
    let host = |kv_type: &KvType| KvCache::new(&mixed(), &[3, 4, 2], 16, *kv_type, &Device::Cpu).unwrap();
    let tensors =
        |kv_type: &KvType| KvCache::in_tensors(&mixed(), &[3, 4, 2], 16, *kv_type, &Device::Cpu).unwrap();
    let mut pairs: Vec<_> = KvType::ALL.iter().map(|ty| (host(ty), host(ty))).collect();
    pairs.extend([KvType::F32, KvType::F16].map(|ty| (tensors(&ty), tensors(&ty))));
    for (mut from, mut to) in pairs {
        let format = from.byte_format();
        let shaped =
            |width: usize| Tensor::from_slice(&rows[..16 * 2 * width], (16, 2, width), &Device::Cpu).unwrap();
        from.write_tensors(0, &slots, &shaped(64), &shaped(64).neg().unwrap()).unwrap();
        from.write_tensors(1, &slots, &shaped(32), &shaped(32).neg().unwrap()).unwrap();
        let LayerKv::State(state) = &mut from.layers[2] else { panic!("a state") };
        state[70..].copy_from_slice(&rows[..70]);
        // The same content in another place of another cache.
        for (group, source, target) in [(0, 2, 0), (1, 2, 3), (2, 1, 0)] {
            let mut bytes = Vec::new();
            from.export_block(group, source, &mut bytes).unwrap();
            assert_eq!(bytes.len(), from.block_bytes(group), "{format}");
            to.import_block(group, target, &bytes).unwrap();
            let mut back = Vec::new();
            to.export_block(group, target, &mut back).unwrap();
            assert_eq!(back, bytes, "{format}");
            assert!(to.import_block(group, target, &bytes[1..]).is_err(), "{format}");
        }
        for (layer, first) in [(0, 0), (1, 48)] {
            let there: Vec<u32> = (first..first + 16).collect();
            let numbers = |kv: &KvCache, slots: &[u32]| {
                let (k, v) = kv.gather(layer, slots, &Device::Cpu).unwrap();
                [k, v].map(|tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            };
            assert_eq!(numbers(&to, &there), numbers(&from, &slots), "{format}");
            assert!(numbers(&to, &there)[0].iter().any(|number| *number != 0.0), "{format}");
        }
        let LayerKv::State(state) = &to.layers[2] else { panic!("a state") };
        assert_eq!((&state[..70], &state[70..]), (&rows[..70], &[0.0; 70][..]), "{format}");
        assert!(to.export_block(0, 3, &mut Vec::new()).is_err() && to.import_block(3, 0, &[]).is_err());
    }
}

#[test]
fn bytes_of_other_caches_are_told_apart() {
    let format = |layout: &KvLayout, kv_type, size| {
        let groups = layout.groups().len();
        KvCache::new(layout, &vec![2; groups], size, kv_type, &Device::Cpu).unwrap().byte_format()
    };
    let mut others = vec![
        format(&mixed(), KvType::F16, 16),
        format(&mixed(), KvType::Q8_0, 16),
        format(&mixed(), KvType::F16, 32),
        format(&layout(64), KvType::F16, 16),
        KvCache::in_tensors(&layout(64), &[2], 16, KvType::F16, &Device::Cpu).unwrap().byte_format(),
    ];
    others.sort();
    others.dedup();
    assert_eq!(others.len(), 5, "{others:?}");
    assert_eq!(format(&mixed(), KvType::F16, 16), format(&mixed(), KvType::F16, 16));
}

#[test]
fn a_cache_of_another_size_keeps_what_it_is_told_to() {
    let rows: Vec<f32> = (0..3 * 128).map(|i| (i as f32 * 0.7).sin()).collect();
    for &kv_type in KvType::ALL {
        let mut layers = layout(64);
        layers.layers.push(LayerCache::State(100));
        let mut kv = KvCache::new(&layers, &[3, 2], 16, kv_type, &Device::Cpu).unwrap();
        kv.write(1, &[5, 18, 40], &rows, &rows).unwrap();
        let mut blocks = [Vec::new(), Vec::new()];
        for (block, to) in [0, 1].into_iter().zip(&mut blocks) {
            kv.export_block(0, block, to).unwrap();
        }
        assert!(kv.resize(&[4], |_, _| true).is_err());
        kv.resize(&[9, 2], |group, block| group == 0 && block < 2).unwrap();
        assert_eq!(kv.groups().map(|(_, blocks)| blocks).collect::<Vec<_>>(), [9, 2]);
        kv.write(1, &[9 * 16 - 1], &rows[..128], &rows[..128]).unwrap();
        for (block, before) in [0, 1].into_iter().zip(&blocks) {
            let mut after = Vec::new();
            kv.export_block(0, block, &mut after).unwrap();
            assert_eq!(&after, before, "{kv_type:?}: block {block}");
        }
        // Whatever is given back, its neighbours stay, and all of it can be used again.
        kv.give_back(0, &[0, 2, 3, 4, 5, 6, 7]);
        kv.give_back(0, &[100]);
        kv.give_back(7, &[0]);
        let mut after = Vec::new();
        kv.export_block(0, 1, &mut after).unwrap();
        assert_eq!(after, blocks[1], "{kv_type:?}");
        kv.import_block(0, 3, &after).unwrap();
        kv.resize(&[2, 1], |group, block| group == 0 && block > 0).unwrap();
        let mut last = Vec::new();
        kv.export_block(0, 1, &mut last).unwrap();
        assert_eq!(last, blocks[1], "{kv_type:?}");
        assert!(kv.export_block(0, 2, &mut last).is_err(), "{kv_type:?}");
    }
    let mut tensors = KvCache::in_tensors(&layout(64), &[3], 16, KvType::F32, &Device::Cpu).unwrap();
    assert!(tensors.resize(&[4], |_, _| true).is_err());
}

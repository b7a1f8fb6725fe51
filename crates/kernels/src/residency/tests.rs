//! Any room gives the same numbers; what is used stays.

use std::sync::Arc;

use lantern_gguf::GgmlType;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::dot::tests::{Fill, blocks};
use crate::{
    Arena, ExpertRows, ExpertStore, KernelError, MatrixShape, Pool, Product, QMatrix, matmul_experts,
};

const EXPERTS: usize = 8;
const ROWS: usize = 20;
const COLS: usize = 256;

/// A layer's matrices as gate, up (another type) and one that stays as floats.
struct Layer {
    sources: Vec<(GgmlType, Vec<u8>)>,
}

impl Layer {
    fn new(rng: &mut StdRng) -> Self {
        let mut of =
            |ty: GgmlType| (ty, blocks(ty, EXPERTS * ROWS * COLS / ty.block_size(), Fill::Random, rng));
        let sources = vec![of(GgmlType::Q4K), of(GgmlType::Q6K)];
        let floats = (0..EXPERTS * ROWS * COLS).flat_map(|i| ((i % 17) as f32 - 8.0).to_le_bytes()).collect();
        Layer { sources: [sources, vec![(GgmlType::F32, floats)]].concat() }
    }

    fn matrices(&self, then: impl Fn(QMatrix) -> QMatrix) -> Vec<QMatrix> {
        let shape = MatrixShape { count: EXPERTS, rows: ROWS, cols: COLS };
        let one = |(ty, bytes): &(GgmlType, Vec<u8>)| QMatrix::new(*ty, shape, bytes.clone().into()).unwrap();
        self.sources.iter().map(one).map(then).collect()
    }

    fn packed(&self, pool: &Pool) -> Vec<QMatrix> {
        self.matrices(|matrix| matrix.pack(&Arena::new(0).unwrap(), pool).unwrap())
    }

    fn stored(&self, store: &Arc<ExpertStore>) -> Vec<QMatrix> {
        self.matrices(|matrix| matrix.keep_in(store).unwrap())
    }
}

/// `sent[expert]` are the rows an expert meets.
fn product(pool: &Pool, weights: &[QMatrix], x: &[f32], sent: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let (mut list, mut groups) = (Vec::new(), Vec::new());
    for (expert, rows) in sent.iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
        let (first, len) = (list.len() as u32, rows.len() as u32);
        groups.push(ExpertRows { expert: expert as u32, first, len });
        list.extend(rows);
    }
    let mut outs = vec![vec![f32::NAN; list.len() * ROWS]; weights.len()];
    let mut products: Vec<_> =
        weights.iter().zip(&mut outs).map(|(weights, out)| Product { weights, out }).collect();
    matmul_experts(pool, x, x.len() / COLS, &list, &groups, &mut products).unwrap();
    outs
}

/// Tiles of one expert of the first two matrices.
const PAIR: usize = 32 * (144 + 210);

#[test]
fn any_room_gives_the_same_bits() {
    let mut rng = StdRng::seed_from_u64(1);
    let pool = Pool::new(3);
    let layer = Layer::new(&mut rng);
    let all = layer.packed(&pool);
    for places in [4, 5, 8] {
        let (store, arena) = (Arc::default(), Arena::new(1 << 20).unwrap());
        let some = layer.stored(&store);
        store.open(places * PAIR, &arena).unwrap();
        assert_eq!(store.counts().room_bytes as usize, places * PAIR, "the same share of each size");
        for m in [1, 2, 9, 40] {
            for round in 0..4 {
                let x: Vec<f32> = (0..m * COLS).map(|_| rng.random_range(-2.0..2.0)).collect();
                let mut sent = vec![Vec::new(); EXPERTS];
                for row in 0..m as u32 {
                    // In the last round all experts have every row.
                    let chosen = |_: &usize| round == 3 || rng.random_range(0..3) == 0;
                    (0..EXPERTS).filter(chosen).for_each(|expert| sent[expert].push(row));
                }
                let got = product(&pool, &some, &x, &sent);
                assert_eq!(got, product(&pool, &all, &x, &sent), "{places} places, {m} rows, round {round}");
            }
        }
        let counts = store.counts();
        assert!(counts.hits < counts.uses || places == EXPERTS, "{counts:?}");
        assert_eq!(arena.used(), places * PAIR, "no more memory was taken");
    }
}

#[test]
fn what_is_used_most_stays_and_the_coldest_goes() {
    let pool = Pool::new(2);
    let layer = Layer::new(&mut StdRng::seed_from_u64(2));
    let (ty, bytes) = layer.sources[0].clone();
    let shape = MatrixShape { count: EXPERTS, rows: ROWS, cols: COLS };
    let store = Arc::new(ExpertStore::default());
    let weights = [QMatrix::new(ty, shape, bytes.into()).unwrap().keep_in(&store).unwrap()];
    store.open(5 * 32 * 144, &Arena::new(1 << 20).unwrap()).unwrap();
    let x = vec![0.5; COLS];
    let use_of = |expert: usize| {
        let before = store.counts();
        let mut sent = vec![Vec::new(); EXPERTS];
        sent[expert] = vec![0];
        product(&pool, &weights, &x, &sent);
        let after = store.counts();
        assert_eq!(after.uses, before.uses + 1);
        let read = after.read_bytes - before.read_bytes;
        assert_eq!(read, if after.hits > before.hits { 0 } else { (ROWS * 144) as u64 });
        after.hits > before.hits
    };
    // Five come in; 0, 1 and 2 are used again and 4 more than 3.
    assert!([0, 1, 2, 3, 4].iter().all(|&expert| !use_of(expert)));
    assert!([0, 1, 2, 4, 0, 1, 2].iter().all(|&expert| use_of(expert)));
    // 5 takes the place of 3, and 6 that of 5: both were used once, and 5 before.
    assert!(!use_of(5) && use_of(4) && !use_of(6));
    assert!([0, 1, 2, 4, 6].iter().all(|&expert| use_of(expert)));
    // What was counted is remembered of those that are gone: 3 comes back hotter than it went, and 6 leaves for it.
    assert!(!use_of(3) && !use_of(5) && !use_of(3));
}

#[test]
fn what_was_used_long_ago_counts_less() {
    let pool = Pool::new(1);
    let layer = Layer::new(&mut StdRng::seed_from_u64(3));
    let store = Arc::new(ExpertStore::default());
    let weights = layer.stored(&store);
    store.open(4 * PAIR, &Arena::new(1 << 20).unwrap()).unwrap();
    let x = vec![0.25; 600 * COLS];
    let send = |expert: usize, rows: u32| {
        let mut sent = vec![Vec::new(); EXPERTS];
        sent[expert] = (0..rows).collect();
        product(&pool, &weights, &x, &sent);
    };
    send(0, 50);
    // Many half-lives later these have fewer rows, and still are hotter.
    for _ in 0..100 {
        for expert in 1..5 {
            send(expert, 600);
        }
    }
    (1..5).for_each(|expert| send(expert, 2));
    let before = store.counts().hits;
    send(0, 1);
    assert_eq!(store.counts().hits, before, "it has made room");
}

#[test]
fn free_places_are_filled_and_nobody_is_sent_away() {
    let pool = Pool::new(2);
    let layer = Layer::new(&mut StdRng::seed_from_u64(4));
    let store = Arc::new(ExpertStore::default());
    let weights = layer.stored(&store);
    assert!(!store.fill_next(&pool), "there are no places yet");
    store.open(5 * PAIR, &Arena::new(1 << 20).unwrap()).unwrap();
    let x = vec![1.0; COLS];
    let mut sent = vec![Vec::new(); EXPERTS];
    sent[6] = vec![0];
    product(&pool, &weights, &x, &sent);
    let filled = (0..100).take_while(|_| store.fill_next(&pool)).count();
    assert_eq!(filled, 2 * 4, "four places of each size were left");
    let before = store.counts();
    product(&pool, &weights, &x, &sent);
    // Of those that nobody used the first have places.
    sent[0..4].fill(vec![0]);
    product(&pool, &weights, &x, &sent);
    assert_eq!(store.counts().hits - before.hits, 2 + 10);
    assert_eq!(store.counts().read_bytes, before.read_bytes);
}

#[test]
fn too_little_room_is_refused_with_the_least() {
    let layer = Layer::new(&mut StdRng::seed_from_u64(5));
    let store = Arc::new(ExpertStore::default());
    let weights = layer.stored(&store);
    let (pool, arena) = (Pool::new(1), Arena::new(0).unwrap());
    let groups = [ExpertRows { expert: 0, first: 0, len: 1 }];
    let mut out = [0.0; ROWS];
    let mut products = [Product { weights: &weights[0], out: &mut out }];
    let error = matmul_experts(&pool, &[0.0; COLS], 1, &[0], &groups, &mut products).unwrap_err();
    assert_eq!(error.code(), "kernel_misuse", "no places yet");
    assert_eq!(store.least_bytes(), 4 * PAIR);
    let error = store.open(4 * PAIR - 1, &arena).unwrap_err();
    assert_eq!(error, KernelError::ExpertMemory { bytes: 4 * PAIR - 1, least: 4 * PAIR });
    store.open(4 * PAIR, &arena).unwrap();
    let mut products = [Product { weights: &weights[0], out: &mut out }];
    matmul_experts(&pool, &[0.0; COLS], 1, &[0], &groups, &mut products).unwrap();
    // More than all is all.
    let store = Arc::new(ExpertStore::default());
    let _weights = layer.stored(&store);
    store.open(usize::MAX, &Arena::new(0).unwrap()).unwrap();
    assert_eq!(store.counts().room_bytes, store.counts().total_bytes);
}

/// One matrix of many experts in a file that the system has not in memory.
fn in_a_file(
    rng: &mut StdRng,
    shape: MatrixShape,
) -> (tempfile::TempDir, Vec<u8>, lantern_gguf::TensorBytes) {
    let bytes = blocks(GgmlType::Q4K, shape.count * shape.rows * shape.cols / 256, Fill::Random, rng);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("experts");
    // They begin anywhere.
    std::fs::write(&path, [&[7; 5000][..], &bytes].concat()).unwrap();
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let file = std::fs::File::open(&path).unwrap();
        file.sync_all().unwrap();
        // SAFETY: advice about an open file.
        unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    }
    let mapped = lantern_gguf::FileMap::open(&path).unwrap().bytes(5000, bytes.len()).unwrap();
    (folder, bytes, mapped)
}

#[test]
fn what_comes_past_the_page_cache_is_the_same() {
    let mut rng = StdRng::seed_from_u64(6);
    let pool = Pool::new(2);
    let shape = MatrixShape { count: 600, rows: ROWS, cols: COLS };
    let (_folder, bytes, mapped) = in_a_file(&mut rng, shape);
    let all = [QMatrix::new(GgmlType::Q4K, shape, bytes.into()).unwrap()]
        .map(|matrix| matrix.pack(&Arena::new(0).unwrap(), &pool).unwrap());
    let store = Arc::new(ExpertStore::default());
    let some = [QMatrix::new(GgmlType::Q4K, shape, mapped).unwrap().keep_in(&store).unwrap()];
    let budget = 500 * 32 * 144;
    store.open(budget, &Arena::new(budget).unwrap()).unwrap();
    assert!(store.lock().staging.is_some(), "there is room for buffers");
    assert!(store.counts().room_bytes < budget as u64, "which they take from the others");
    let x: Vec<f32> = (0..3 * COLS).map(|_| rng.random_range(-2.0..2.0)).collect();
    for round in 0..60 {
        let mut sent = vec![Vec::new(); shape.count];
        for row in 0..3 {
            (0..20).for_each(|_| sent[rng.random_range(0..shape.count)].push(row));
        }
        if round % 2 == 0 {
            let groups: Vec<_> =
                (0..shape.count as u32).filter(|&expert| !sent[expert as usize].is_empty()).collect();
            let groups: Vec<_> =
                groups.iter().map(|&expert| ExpertRows { expert, first: 0, len: 0 }).collect();
            some[0].announce(&groups);
        }
        assert_eq!(product(&pool, &some, &x, &sent), product(&pool, &all, &x, &sent), "round {round}");
    }
    while store.fill_next(&pool) {}
    let sent: Vec<Vec<u32>> = (0..shape.count).map(|_| vec![1]).collect();
    assert_eq!(product(&pool, &some, &x, &sent), product(&pool, &all, &x, &sent), "all at once");
    let state = store.lock();
    assert_eq!(state.staging.as_ref().map(|staging| staging.waiting()), Some(0), "every buffer came back");
}

#[test]
fn what_was_foreseen_rightly_or_wrongly_changes_no_number() {
    let mut rng = StdRng::seed_from_u64(7);
    let pool = Pool::new(2);
    let shape = MatrixShape { count: 600, rows: ROWS, cols: COLS };
    let (_folder, bytes, mapped) = in_a_file(&mut rng, shape);
    let all = [QMatrix::new(GgmlType::Q4K, shape, bytes.into()).unwrap()]
        .map(|matrix| matrix.pack(&Arena::new(0).unwrap(), &pool).unwrap());
    let store = Arc::new(ExpertStore::default());
    let some = [QMatrix::new(GgmlType::Q4K, shape, mapped).unwrap().keep_in(&store).unwrap()];
    let budget = 500 * 32 * 144;
    store.open(budget, &Arena::new(budget).unwrap()).unwrap();
    assert!(!some[0].is_resident());
    let group = |expert| ExpertRows { expert, first: 0, len: 1 };
    let x: Vec<f32> = (0..COLS).map(|_| rng.random_range(-2.0..2.0)).collect();
    for round in 0..300 {
        let mut sent = vec![Vec::new(); shape.count];
        (0..4).for_each(|_| sent[rng.random_range(0..shape.count)] = vec![0]);
        let needed: Vec<u32> = (0..600).filter(|&expert| !sent[expert as usize].is_empty()).collect();
        // Some of what is foreseen is needed, and more is foreseen than there are buffers for.
        let mut foreseen: Vec<u32> = (0..rng.random_range(0..12)).map(|_| rng.random_range(0..600)).collect();
        foreseen.extend(&needed[..rng.random_range(0..=needed.len())]);
        some[0].foresee(&foreseen.into_iter().map(group).collect::<Vec<_>>());
        if round % 3 > 0 {
            some[0].announce(&needed.into_iter().map(group).collect::<Vec<_>>());
        }
        assert_eq!(product(&pool, &some, &x, &sent), product(&pool, &all, &x, &sent), "round {round}");
    }
    let waiting = store.lock().staging.as_ref().unwrap().waiting();
    assert!(waiting > 0, "what was not needed is still there");
}

#[test]
fn what_is_needed_takes_the_buffers_of_what_was_foreseen() {
    let mut rng = StdRng::seed_from_u64(8);
    let pool = Pool::new(1);
    let shape = MatrixShape { count: 600, rows: ROWS, cols: COLS };
    let (_folder, _, mapped) = in_a_file(&mut rng, shape);
    let store = Arc::new(ExpertStore::default());
    let some = [QMatrix::new(GgmlType::Q4K, shape, mapped).unwrap().keep_in(&store).unwrap()];
    let budget = 500 * 32 * 144;
    store.open(budget, &Arena::new(budget).unwrap()).unwrap();
    let groups = |experts: std::ops::Range<u32>| -> Vec<ExpertRows> {
        experts.map(|expert| ExpertRows { expert, first: 0, len: 1 }).collect()
    };
    // One wave at a time, until no buffer is left.
    let wave = store.lock().staging.as_ref().unwrap().wave() as u32;
    (0..10).for_each(|at| some[0].foresee(&groups(at * wave..(at + 1) * wave)));
    let pending = |at: u32| {
        let id = super::slots::MatrixId { stack: 0, matrix: at as usize };
        store.lock().staging.as_ref().unwrap().has(id)
    };
    assert!(pending(0) && !pending(10 * wave - 1), "what was foreseen first has the buffers");
    let waiting = || store.lock().staging.as_ref().unwrap().waiting();
    let full = waiting();
    // What is on its way right now keeps its buffer, so it may take a moment.
    let needed = 500..500 + wave;
    while !needed.clone().all(pending) {
        some[0].announce(&groups(needed.clone()));
        std::thread::yield_now();
    }
    assert_eq!(waiting(), full, "others gave way");
    // What was foreseen for this stack and not announced gives way to what is foreseen next.
    let next = 560..560 + wave;
    while !next.clone().all(pending) {
        some[0].foresee(&groups(next.clone()));
        std::thread::yield_now();
    }
    assert!(needed.clone().all(pending));
    let mut sent = vec![Vec::new(); shape.count];
    needed.clone().for_each(|expert| sent[expert as usize] = vec![0]);
    product(&pool, &some, &[1.0; COLS], &sent);
    assert!(!needed.clone().any(pending));
}

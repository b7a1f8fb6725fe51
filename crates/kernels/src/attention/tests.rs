//! Attention against a plain computation in 64 bits, and against itself cut differently.

use half::f16;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;

#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    F32,
    F16,
    Q8_0,
    Q4_0,
}

impl Kind {
    const ALL: [Kind; 4] = [Kind::F32, Kind::F16, Kind::Q8_0, Kind::Q4_0];

    /// Whether 32 numbers share a scale.
    fn is_scaled(self) -> bool {
        matches!(self, Kind::Q8_0 | Kind::Q4_0)
    }
}

/// Keys or values of a layer.
enum Stored {
    F32(Vec<f32>),
    F16(Vec<f16>),
    Q8_0(Vec<f16>, Vec<i8>),
    Q4_0(Vec<f16>, Vec<u8>),
}

impl Stored {
    fn empty(kind: Kind, len: usize) -> Self {
        match kind {
            Kind::F32 => Stored::F32(vec![0.0; len]),
            Kind::F16 => Stored::F16(vec![f16::ZERO; len]),
            Kind::Q8_0 => Stored::Q8_0(vec![f16::ZERO; len / 32], vec![0; len]),
            Kind::Q4_0 => Stored::Q4_0(vec![f16::ZERO; len / 32], vec![0; len / 2]),
        }
    }

    fn slice(&self) -> KvSlice<'_> {
        match self {
            Stored::F32(numbers) => KvSlice::F32(numbers),
            Stored::F16(numbers) => KvSlice::F16(numbers),
            Stored::Q8_0(scales, quants) => KvSlice::Q8_0 { scales, quants },
            Stored::Q4_0(scales, quants) => KvSlice::Q4_0 { scales, quants },
        }
    }

    fn slice_mut(&mut self) -> KvSliceMut<'_> {
        match self {
            Stored::F32(numbers) => KvSliceMut::F32(numbers),
            Stored::F16(numbers) => KvSliceMut::F16(numbers),
            Stored::Q8_0(scales, quants) => KvSliceMut::Q8_0 { scales, quants },
            Stored::Q4_0(scales, quants) => KvSliceMut::Q4_0 { scales, quants },
        }
    }
}

/// A cache of random content and sequences whose blocks lie scattered in it.
struct Case {
    shape: AttentionShape,
    kind: Kind,
    k: Stored,
    v: Stored,
    q: Vec<f32>,
    seqs: Vec<AttentionSeq>,
    block_tables: Vec<u32>,
}

impl Case {
    fn new(shape: AttentionShape, kind: Kind, seqs: &[(usize, usize)], rng: &mut StdRng) -> Self {
        let needed: usize = seqs.iter().map(|(_, context)| context.div_ceil(shape.block_size)).sum();
        let mut free: Vec<u32> = (0..needed as u32 + 3).collect();
        free.shuffle(rng);
        // Values that 16 bits hold exactly, so that both kinds of cache give the same numbers.
        let mut numbers = |count: usize| -> Vec<f32> {
            (0..count).map(|_| f16::from_f32(rng.random_range(-1.5..1.5)).to_f32()).collect()
        };
        let slots: Vec<u32> = (0..(free.len() * shape.block_size) as u32).collect();
        let len = slots.len() * shape.n_kv_heads * shape.head_dim;
        let dims = dims(&shape);
        let mut stored = |side| {
            let mut stored = Stored::empty(kind, len);
            store_kv(&dims, side, &mut stored.slice_mut(), &slots, &numbers(len)).unwrap();
            stored
        };
        let (k, v) = (stored(KvSide::Keys), stored(KvSide::Values));
        let rows: usize = seqs.iter().map(|(rows, _)| rows).sum();
        let q = numbers(rows * shape.n_heads * shape.head_dim);
        let (mut first_row, mut first_block) = (0, 3);
        let place = |&(rows, context): &(usize, usize)| {
            let seq = AttentionSeq { first_row, rows, context, first_block, together: false, guesses: 0 };
            first_row += rows;
            first_block += context.div_ceil(shape.block_size);
            seq
        };
        let seqs = seqs.iter().map(place).collect();
        Case { shape, kind, k, v, q, seqs, block_tables: free }
    }

    fn run(&self, isa: Isa, threads: usize) -> Vec<f32> {
        self.run_seqs(isa, threads, &self.seqs)
    }

    fn run_seqs(&self, isa: Isa, threads: usize, seqs: &[AttentionSeq]) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.q.len()];
        let (pool, k, v) = (Pool::new(threads), self.k.slice(), self.v.slice());
        super::run(isa, &pool, &self.shape, &self.q, k, v, seqs, &self.block_tables, &mut out).unwrap();
        out
    }

    /// What row `i` of `seq` should be, from the cache's numbers as they are read back.
    fn exact(&self, seq: &AttentionSeq, i: usize) -> Vec<f64> {
        let AttentionShape { n_heads, n_kv_heads, head_dim, block_size, scale, .. } = self.shape;
        let position = seq.context - seq.rows + i;
        let mut from = self.shape.window.map_or(0, |w| (position + 1).saturating_sub(w as usize));
        let slot = |t: usize| {
            self.block_tables[seq.first_block + t / block_size] * block_size as u32 + (t % block_size) as u32
        };
        let mut to = (position + self.shape.ahead as usize).min(seq.context - 1);
        if seq.together {
            (from, to) = (from.min(seq.context - seq.rows), seq.context - 1);
        }
        let slots: Vec<u32> = (from..=to).map(slot).collect();
        let read = |side, from: &Stored| {
            let mut numbers = Vec::new();
            load_kv(&dims(&self.shape), side, from.slice(), &slots, &mut numbers).unwrap();
            numbers
        };
        let (k, v) = (read(KvSide::Keys, &self.k), read(KvSide::Values, &self.v));
        let mut out = vec![0.0; n_heads * head_dim];
        for (head, out) in out.chunks_exact_mut(head_dim).enumerate() {
            let q = &self.q[((seq.first_row + i) * n_heads + head) * head_dim..][..head_dim];
            let at = |t: usize| (t * n_kv_heads + head / (n_heads / n_kv_heads)) * head_dim;
            let score = |t: usize| {
                let pairs = q.iter().zip(&k[at(t)..]);
                let score = pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>() * f64::from(scale);
                self.shape.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
            };
            let weights: Vec<f64> = (0..slots.len()).map(|t| score(t).exp()).collect();
            let sink = self.shape.sinks.as_ref().map_or(0.0, |sinks| f64::from(sinks[head]).exp());
            let total: f64 = weights.iter().sum::<f64>() + sink;
            for (t, weight) in weights.iter().enumerate() {
                for (out, v) in out.iter_mut().zip(&v[at(t)..]) {
                    *out += weight / total * f64::from(*v);
                }
            }
        }
        out
    }
}

fn dims(shape: &AttentionShape) -> KvDims {
    KvDims { n_kv_heads: shape.n_kv_heads, head_dim: shape.head_dim, block_size: shape.block_size }
}

fn shape(n_heads: usize, n_kv_heads: usize, head_dim: usize) -> AttentionShape {
    let scale = 1.0 / (head_dim as f32).sqrt();
    let (window, softcap, sinks) = (None, None, None);
    AttentionShape { n_heads, n_kv_heads, head_dim, block_size: 16, scale, window, ahead: 0, softcap, sinks }
}

fn cases(rng: &mut StdRng) -> Vec<Case> {
    let windowed = AttentionShape { window: Some(50), ..shape(4, 1, 256) };
    let capped = AttentionShape { softcap: Some(5.0), block_size: 32, scale: 0.6, ..shape(8, 4, 64) };
    let odd = AttentionShape { window: Some(1), ..shape(3, 3, 21) };
    let sinking =
        AttentionShape { sinks: Some((0..14).map(|i| i as f32 - 9.0).collect()), ..shape(14, 2, 64) };
    let mut cases = Vec::new();
    for kind in Kind::ALL {
        cases.push(Case::new(shape(9, 3, 64), kind, &[(1, 200), (37, 37), (5, 130), (1, 1)], rng));
        cases.push(Case::new(windowed.clone(), kind, &[(20, 140), (1, 333), (70, 70)], rng));
        cases.push(Case::new(capped.clone(), kind, &[(1, 65), (9, 64)], rng));
        cases.push(Case::new(shape(12, 2, 128), kind, &[(17, 300), (1, 128), (1, 1500)], rng));
        cases.push(Case::new(sinking.clone(), kind, &[(2, 700), (1, 20)], rng));
        cases.push(Case::new(shape(6, 2, 96), kind, &[(3, 150), (1, 40)], rng));
        cases.push(Case::new(shape(2, 1, 512), kind, &[(2, 150), (1, 31)], rng));
        if !kind.is_scaled() {
            cases.push(Case::new(shape(4, 2, 80), kind, &[(3, 150), (1, 40)], rng));
            cases.push(Case::new(odd.clone(), kind, &[(4, 9), (3, 3)], rng));
        }
        cases.extend((0..12).map(|_| random(kind, rng)));
    }
    cases
}

/// Any dimensions, a few sequences.
fn random(kind: Kind, rng: &mut StdRng) -> Case {
    let n_kv_heads = rng.random_range(1..4);
    let n_heads = n_kv_heads * rng.random_range(1..14);
    let head_dim = if kind.is_scaled() { rng.random_range(1..5) * 32 } else { rng.random_range(1..140) };
    let shape = AttentionShape {
        block_size: rng.random_range(1..4) * 16,
        scale: rng.random_range(0.02..0.3),
        window: rng.random_bool(0.4).then(|| rng.random_range(1..300)),
        softcap: rng.random_bool(0.3).then(|| rng.random_range(2.0..20.0)),
        sinks: rng
            .random_bool(0.3)
            .then(|| (0..n_heads).map(|_| rng.random_range(-3.0..3.0)).collect::<Arc<[f32]>>()),
        ..shape(n_heads, n_kv_heads, head_dim)
    };
    let seqs: Vec<(usize, usize)> = (0..rng.random_range(1..4))
        .map(|_| {
            let most = if rng.random_bool(0.5) { 3 } else { 24 };
            let rows = rng.random_range(1..most);
            (rows, rows + rng.random_range(0..600))
        })
        .collect();
    Case::new(shape, kind, &seqs, rng)
}

/// Queries that see what follows them: all of them, or those of a picture's parts.
fn looking_ahead(rng: &mut StdRng) -> Vec<Case> {
    let all = AttentionShape { ahead: u32::MAX, ..shape(6, 3, 64) };
    let both_ways = AttentionShape { window: Some(9), ahead: 8, ..shape(4, 4, 32) };
    let seqs = [(300, 300), (1, 1), (17, 17), (3, 140)];
    let mut cases: Vec<_> = [all, both_ways].map(|shape| Case::new(shape, Kind::F32, &seqs, rng)).into();
    for shape in [shape(8, 2, 64), AttentionShape { window: Some(40), ..shape(4, 1, 32) }] {
        let mut pictures = Case::new(shape, Kind::F32, &[(160, 700), (1, 90), (30, 30), (20, 50)], rng);
        for index in [0, 2] {
            pictures.seqs[index].together = true;
        }
        cases.push(pictures);
    }
    cases
}

#[test]
fn close_to_the_exact_result() {
    let mut rng = StdRng::seed_from_u64(8);
    for case in cases(&mut rng).into_iter().chain(looking_ahead(&mut rng)) {
        let row = case.shape.n_heads * case.shape.head_dim;
        for isa in Isa::available() {
            let got = case.run(isa, 2);
            for seq in &case.seqs {
                for i in 0..seq.rows {
                    let at = (seq.first_row + i) * row;
                    for (got, want) in got[at..at + row].iter().zip(case.exact(seq, i)) {
                        let off = (f64::from(*got) - want).abs();
                        assert!(
                            off < 5e-6,
                            "{isa}, {:?}, {:?}: row {i} is off by {off:.1e}",
                            case.kind,
                            case.shape
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_same_numbers_give_the_same_bits_in_16_and_in_32() {
    for isa in Isa::available() {
        let run = |kind| {
            let mut rng = StdRng::seed_from_u64(12);
            Case::new(shape(12, 2, 128), kind, &[(17, 300), (1, 128)], &mut rng).run(isa, 2)
        };
        assert_eq!(run(Kind::F32), run(Kind::F16), "{isa}");
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch_or_the_threads() {
    for case in cases(&mut StdRng::seed_from_u64(9)) {
        let row = case.shape.n_heads * case.shape.head_dim;
        let bits = |values: &[f32]| -> Vec<u32> { values.iter().map(|value| value.to_bits()).collect() };
        for isa in Isa::available() {
            let whole = case.run(isa, 1);
            assert_eq!(bits(&whole), bits(&case.run(isa, 3)), "{isa}, {:?}: threads", case.kind);
            for seq in &case.seqs {
                for i in 0..seq.rows {
                    // The same row as a batch of its own.
                    let context = seq.context - seq.rows + i + 1;
                    let alone = AttentionSeq { first_row: seq.first_row + i, rows: 1, context, ..*seq };
                    let got = case.run_seqs(isa, 2, &[alone]);
                    let at = alone.first_row * row..(alone.first_row + 1) * row;
                    let (whole, got) = (bits(&whole[at.clone()]), bits(&got[at]));
                    assert_eq!(whole, got, "{isa}, {:?}, {:?}: row {i}", case.kind, case.shape);
                }
            }
        }
    }
}

#[test]
fn blocks_before_the_window_may_be_gone() {
    let mut rng = StdRng::seed_from_u64(10);
    let shape = AttentionShape { window: Some(20), ..shape(2, 1, 32) };
    let mut case = Case::new(shape, Kind::F32, &[(2, 100)], &mut rng);
    let whole = case.run(isa(), 1);
    let first = case.seqs[0].first_block;
    case.block_tables[first..first + 4].fill(u32::MAX);
    assert_eq!(whole, case.run(isa(), 1));
}

#[test]
fn eight_bits_keep_what_they_promise() {
    let dims = KvDims { n_kv_heads: 2, head_dim: 64, block_size: 16 };
    let mut rng = StdRng::seed_from_u64(13);
    let slots: Vec<u32> = vec![11, 3, 0, 15];
    // One row is nothing but zeros, one is tiny.
    let size = |i: usize| [1.0, 0.0, 3e-6, 900.0][i / 128];
    let rows: Vec<f32> = (0..4 * 128).map(|i| rng.random_range(-1.0..1.0) * size(i)).collect();
    for side in [KvSide::Keys, KvSide::Values] {
        let mut stored = Stored::empty(Kind::Q8_0, 16 * 128);
        store_kv(&dims, side, &mut stored.slice_mut(), &slots, &rows).unwrap();
        let mut read = Vec::new();
        load_kv(&dims, side, stored.slice(), &slots, &mut read).unwrap();
        for (strip, (read, row)) in read.chunks(32).zip(rows.chunks(32)).enumerate() {
            let largest = row.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
            // Half a step, and what the scale loses in 16 bits: a part in 2048, or 2⁻²⁵ where it is subnormal.
            let bound = largest / 127.0 * 0.5 + largest / 2048.0 + 127.0 * 2f32.powi(-25);
            for (read, value) in read.iter().zip(row) {
                assert!((read - value).abs() <= bound, "{side:?} {strip}: {value} became {read}");
            }
        }
    }
}

#[test]
fn four_bits_keep_what_they_promise() {
    let mut rng = StdRng::seed_from_u64(15);
    for head_dim in [32, 64, 96, 128, 256, 512] {
        let dims = KvDims { n_kv_heads: 2, head_dim, block_size: 32 };
        let slots: Vec<u32> = vec![27, 3, 0, 15, 16, 38];
        // One row is nothing but zeros, one is tiny, one is huge, and one has a channel that dwarfs the others.
        let size = |row: usize, i: usize| match row {
            1 => 0.0,
            2 => 3e-6,
            3 => 90_000.0,
            4 if i == 7 => 500.0,
            _ => 1.0,
        };
        let width = 2 * head_dim;
        let rows: Vec<f32> =
            (0..6 * width).map(|at| rng.random_range(-1.0..1.0) * size(at / width, at % width)).collect();
        for side in [KvSide::Keys, KvSide::Values] {
            let mut stored = Stored::empty(Kind::Q4_0, 64 * width);
            store_kv(&dims, side, &mut stored.slice_mut(), &slots, &rows).unwrap();
            let mut read = Vec::new();
            load_kv(&dims, side, stored.slice(), &slots, &mut read).unwrap();
            for (slot, (read, row)) in read.chunks(head_dim).zip(rows.chunks(head_dim)).enumerate() {
                // The rotation keeps lengths. Sixteen steps reach over twice the largest number of a strip, so the
                // error is a step at most, which is an eighth of that, and usually much less.
                let squares = |numbers: &mut dyn Iterator<Item = f32>| {
                    numbers.map(|number| f64::from(number).powi(2)).sum::<f64>().sqrt()
                };
                let length = squares(&mut row.iter().copied());
                let off = squares(&mut read.iter().zip(row).map(|(read, number)| read - number));
                let lost = 2f64.powi(-25) * 8.0 * (head_dim as f64).sqrt();
                assert!(
                    off <= length * 0.12 + lost,
                    "{side:?}, head {slot} of {head_dim}: {off} off {length}"
                );
            }
        }
    }
}

/// What the cache holds is known to the last bit: the exact rotation, rounded with the exact scale, would give the
/// same integers but for ties.
#[test]
fn four_bits_are_those_of_a_plain_computation() {
    let (head_dim, block_size) = (64, 16);
    let dims = KvDims { n_kv_heads: 1, head_dim, block_size };
    let row: Vec<f32> = (0..head_dim).map(|i| ((i * i) as f32 * 0.37).sin() * 2.0).collect();
    let rotated = |at: usize| {
        let sign = |i: usize| if (at & i).count_ones().is_multiple_of(2) { 1.0 } else { -1.0 };
        row.iter().enumerate().map(|(i, number)| f64::from(*number) * sign(i)).sum::<f64>() / 8.0
    };
    for (side, slot) in [(KvSide::Keys, 11), (KvSide::Keys, 2), (KvSide::Values, 11), (KvSide::Values, 2)] {
        let mut stored = Stored::empty(Kind::Q4_0, head_dim * block_size);
        store_kv(&dims, side, &mut stored.slice_mut(), &[slot as u32], &row).unwrap();
        let Stored::Q4_0(scales, quants) = stored else { panic!("another kind") };
        // Of the sixteen numbers side by side: positions of a key's dimension, dimensions of a position's value.
        let quant = |d: usize| {
            let (sixteen, at) = match side {
                KvSide::Keys => (d, slot),
                KvSide::Values => (d / 16 * block_size + slot, d % 16),
            };
            let byte = quants[sixteen * 8 + at % 8];
            let nibble = if at < 8 { byte & 15 } else { byte >> 4 };
            if nibble < 8 { i32::from(nibble) } else { i32::from(nibble) - 16 }
        };
        let written: usize =
            quants.iter().map(|byte| usize::from(byte & 15 != 0) + usize::from(byte >> 4 != 0)).sum();
        assert_eq!(written, (0..head_dim).filter(|d| quant(*d) != 0).count(), "other slots are untouched");
        for strip in 0..head_dim / 32 {
            let numbers: Vec<f64> = (strip * 32..strip * 32 + 32).map(rotated).collect();
            let furthest = numbers.iter().fold(0f64, |a, b| if b.abs() > a.abs() { *b } else { a });
            let step = f16::from_f64(furthest / -8.0).to_f64();
            let (mut products, mut squares) = (0.0, 0.0);
            for (i, number) in numbers.iter().enumerate() {
                let exact = (number / step).clamp(-8.0, 7.0);
                let got = f64::from(quant(strip * 32 + i));
                assert!((got - exact).abs() <= 0.5 + 1e-5, "{side:?}, {strip}, {i}: {got} for {exact}");
                products += number * got;
                squares += got * got;
            }
            let (scale, want) = (scales[strip * block_size + slot].to_f64(), products / squares);
            assert!((scale / want - 1.0).abs() < 1.0 / 2048.0, "{side:?}, {strip}: scale {scale} for {want}");
        }
    }
}

#[test]
fn attention_in_four_bits_is_near_that_in_32() {
    let numbers = |kind| {
        let mut rng = StdRng::seed_from_u64(14);
        Case::new(shape(12, 2, 128), kind, &[(3, 400)], &mut rng).run(isa(), 2)
    };
    let (exact, rough) = (numbers(Kind::F32), numbers(Kind::Q4_0));
    // Rounded numbers of ±1.5 are off by about 0.08, and a mean of hundreds of them by a twentieth of that.
    let off = exact.iter().zip(&rough).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    let off = (off / exact.len() as f64).sqrt();
    assert!(off < 0.008, "off by {off} in the mean");
    assert!(off > 1e-4, "off by {off} in the mean: that cannot be 4 bits");
}

#[test]
fn attention_in_eight_bits_is_near_that_in_32() {
    let numbers = |kind| {
        let mut rng = StdRng::seed_from_u64(14);
        Case::new(shape(12, 2, 128), kind, &[(3, 400)], &mut rng).run(isa(), 2)
    };
    // A value is off by half a step of 1.5 / 127 at most. A score is a sum of 128 products, each off by a uniform
    // error of the same size times a query of about 0.87, times 1/√128: about 0.003, so weights are off by 0.3 %.
    for (a, b) in numbers(Kind::F32).iter().zip(numbers(Kind::Q8_0)) {
        assert!((a - b).abs() < 0.006 + 0.015 * 0.9, "{a} became {b}");
    }
}

#[test]
fn nonsense_is_refused() {
    let mut rng = StdRng::seed_from_u64(11);
    let case = Case::new(shape(4, 2, 32), Kind::F32, &[(3, 40)], &mut rng);
    let seq = case.seqs[0];
    let pool = Pool::new(1);
    let with_tables = |shape: &AttentionShape, seqs: &[AttentionSeq], tables: &[u32]| {
        let mut out = vec![0.0; case.q.len()];
        let (k, v) = (case.k.slice(), case.v.slice());
        attention(&pool, shape, &case.q, k, v, seqs, tables, &mut out).map_err(|error| error.code())
    };
    let attempt =
        |shape: &AttentionShape, seqs: &[AttentionSeq]| with_tables(shape, seqs, &case.block_tables);
    let with = |change: fn(&mut AttentionShape)| {
        let mut shape = case.shape.clone();
        change(&mut shape);
        attempt(&shape, &[seq])
    };
    assert_eq!(attempt(&case.shape, &[seq]), Ok(()));
    assert!(with(|shape| shape.n_kv_heads = 3).is_err());
    assert!(with(|shape| shape.n_heads = 0).is_err());
    assert!(with(|shape| shape.head_dim = 0).is_err());
    assert!(with(|shape| shape.block_size = 24).is_err());
    assert!(with(|shape| shape.window = Some(0)).is_err());
    assert!(with(|shape| shape.sinks = Some(Arc::new([0.0; 3]))).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { rows: 41, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_row: 1, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { context: 49, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_block: 4, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_block: usize::MAX, ..seq }]).is_err());
    assert!(with_tables(&case.shape, &[seq], &[0, 0, 0, 0, 1, 1000]).is_err());
    assert!(attempt(&case.shape, &[seq, AttentionSeq { first_row: 2, rows: 1, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_row: usize::MAX, ..seq }]).is_err());
    let odd = KvDims { n_kv_heads: 1, head_dim: 48, block_size: 16 };
    let mut eight = Stored::empty(Kind::Q8_0, 48 * 16 * 2);
    assert!(store_kv(&odd, KvSide::Keys, &mut eight.slice_mut(), &[0], &[0.0; 48]).is_err());
    let mut four = Stored::empty(Kind::Q4_0, 48 * 16 * 2);
    assert!(store_kv(&odd, KvSide::Keys, &mut four.slice_mut(), &[0], &[0.0; 48]).is_err());
    let mut plain = Stored::empty(Kind::F16, 48 * 16 * 2);
    assert!(store_kv(&odd, KvSide::Keys, &mut plain.slice_mut(), &[31], &[0.0; 48]).is_ok());
    assert!(store_kv(&odd, KvSide::Keys, &mut plain.slice_mut(), &[32], &[0.0; 48]).is_err());
    assert!(store_kv(&odd, KvSide::Keys, &mut plain.slice_mut(), &[1], &[0.0; 47]).is_err());
}

//! Attention against a plain computation in 64 bits, and against itself cut differently.

use half::f16;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::*;

/// A cache of random content and sequences whose blocks lie scattered in it.
struct Case {
    shape: AttentionShape,
    k: Vec<f32>,
    v: Vec<f32>,
    q: Vec<f32>,
    seqs: Vec<AttentionSeq>,
    block_tables: Vec<u32>,
}

impl Case {
    fn new(shape: AttentionShape, seqs: &[(usize, usize)], rng: &mut StdRng) -> Self {
        let needed: usize = seqs.iter().map(|(_, context)| context.div_ceil(shape.block_size)).sum();
        let mut free: Vec<u32> = (0..needed as u32 + 3).collect();
        free.shuffle(rng);
        let mut numbers =
            |count: usize| -> Vec<f32> { (0..count).map(|_| rng.random_range(-1.5..1.5)).collect() };
        let cache = free.len() * shape.block_size * shape.n_kv_heads * shape.head_dim;
        let rows: usize = seqs.iter().map(|(rows, _)| rows).sum();
        // Values that 16 bits hold exactly, so that both kinds of cache give the same numbers.
        let rounded = |values: Vec<f32>| values.into_iter().map(|v| f16::from_f32(v).to_f32()).collect();
        let (k, v) = (rounded(numbers(cache)), rounded(numbers(cache)));
        let q = numbers(rows * shape.n_heads * shape.head_dim);
        let (mut first_row, mut first_block) = (0, 3);
        let place = |&(rows, context): &(usize, usize)| {
            let seq = AttentionSeq { first_row, rows, context, first_block };
            first_row += rows;
            first_block += context.div_ceil(shape.block_size);
            seq
        };
        let seqs = seqs.iter().map(place).collect();
        Case { shape, k, v, q, seqs, block_tables: free }
    }

    fn run(&self, isa: Isa, threads: usize, half: bool) -> Vec<f32> {
        self.run_seqs(isa, threads, half, &self.seqs)
    }

    fn run_seqs(&self, isa: Isa, threads: usize, half: bool, seqs: &[AttentionSeq]) -> Vec<f32> {
        let mut out = vec![f32::NAN; self.q.len()];
        let narrow = |values: &[f32]| -> Vec<f16> { values.iter().map(|v| f16::from_f32(*v)).collect() };
        let (k16, v16) = (narrow(&self.k), narrow(&self.v));
        let (k, v) = if half {
            (KvSlice::F16(&k16), KvSlice::F16(&v16))
        } else {
            (KvSlice::F32(&self.k), KvSlice::F32(&self.v))
        };
        let pool = Pool::new(threads);
        super::run(isa, &pool, &self.shape, &self.q, k, v, seqs, &self.block_tables, &mut out).unwrap();
        out
    }

    /// What row `i` of `seq` and a head should be.
    fn exact(&self, seq: &AttentionSeq, i: usize, head: usize) -> Vec<f64> {
        let AttentionShape { n_heads, n_kv_heads, head_dim, block_size, .. } = self.shape;
        let position = seq.context - seq.rows + i;
        let from = self.shape.window.map_or(0, |w| (position + 1).saturating_sub(w as usize));
        let kv_head = head / (n_heads / n_kv_heads);
        let at = |t: usize| {
            let slot =
                self.block_tables[seq.first_block + t / block_size] as usize * block_size + t % block_size;
            (slot * n_kv_heads + kv_head) * head_dim
        };
        let q = &self.q[((seq.first_row + i) * n_heads + head) * head_dim..][..head_dim];
        let scores: Vec<f64> = (from..=position)
            .map(|t| {
                let dot: f64 =
                    q.iter().zip(&self.k[at(t)..]).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
                let score = dot * f64::from(self.shape.scale);
                self.shape.softcap.map_or(score, |cap| f64::from(cap) * (score / f64::from(cap)).tanh())
            })
            .collect();
        let top = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
        let mut out = vec![0.0; head_dim];
        for (t, score) in (from..=position).zip(&scores) {
            for (out, v) in out.iter_mut().zip(&self.v[at(t)..]) {
                *out += (score - top).exp() / total * f64::from(*v);
            }
        }
        out
    }
}

fn shape(n_heads: usize, n_kv_heads: usize, head_dim: usize) -> AttentionShape {
    let scale = 1.0 / (head_dim as f32).sqrt();
    AttentionShape { n_heads, n_kv_heads, head_dim, block_size: 16, scale, window: None, softcap: None }
}

fn cases(rng: &mut StdRng) -> Vec<Case> {
    let windowed = AttentionShape { window: Some(50), ..shape(4, 1, 256) };
    let capped = AttentionShape { softcap: Some(5.0), block_size: 32, scale: 0.6, ..shape(8, 4, 64) };
    let odd = AttentionShape { window: Some(1), block_size: 5, ..shape(3, 3, 21) };
    vec![
        Case::new(shape(9, 3, 64), &[(1, 200), (37, 37), (5, 130), (1, 1)], rng),
        Case::new(windowed, &[(20, 140), (1, 333), (70, 70)], rng),
        Case::new(capped, &[(1, 65), (9, 64)], rng),
        Case::new(shape(12, 2, 128), &[(17, 300), (1, 128)], rng),
        Case::new(odd, &[(4, 9), (3, 3)], rng),
    ]
}

#[test]
fn close_to_the_exact_result() {
    for case in cases(&mut StdRng::seed_from_u64(8)) {
        for isa in Isa::available() {
            let got = case.run(isa, 2, false);
            for seq in &case.seqs {
                for i in 0..seq.rows {
                    for head in 0..case.shape.n_heads {
                        let dim = case.shape.head_dim;
                        let at = ((seq.first_row + i) * case.shape.n_heads + head) * dim;
                        for (got, want) in got[at..at + dim].iter().zip(case.exact(seq, i, head)) {
                            let off = (f64::from(*got) - want).abs();
                            assert!(off < 3e-6, "{isa}, {:?}: row {i} is off by {off:.1e}", case.shape);
                        }
                    }
                }
            }
            assert_eq!(got, case.run(isa, 2, true), "{isa}: 16-bit caches of the same numbers");
        }
    }
}

#[test]
fn a_row_does_not_depend_on_its_batch_or_the_threads() {
    for case in cases(&mut StdRng::seed_from_u64(9)) {
        let row = case.shape.n_heads * case.shape.head_dim;
        for isa in Isa::available() {
            let whole = case.run(isa, 1, true);
            assert_eq!(whole, case.run(isa, 3, true), "{isa}: threads");
            for seq in &case.seqs {
                for i in 0..seq.rows {
                    // The same row as a batch of its own.
                    let context = seq.context - seq.rows + i + 1;
                    let alone = AttentionSeq { first_row: seq.first_row + i, rows: 1, context, ..*seq };
                    let got = case.run_seqs(isa, 2, true, &[alone]);
                    let at = alone.first_row * row..(alone.first_row + 1) * row;
                    assert_eq!(whole[at.clone()], got[at], "{isa}, {:?}: row {i}", case.shape);
                }
            }
        }
    }
}

#[test]
fn blocks_before_the_window_may_be_gone() {
    let mut rng = StdRng::seed_from_u64(10);
    let mut case = Case::new(AttentionShape { window: Some(20), ..shape(2, 1, 32) }, &[(2, 100)], &mut rng);
    let whole = case.run(isa(), 1, false);
    let first = case.seqs[0].first_block;
    case.block_tables[first..first + 4].fill(u32::MAX);
    assert_eq!(whole, case.run(isa(), 1, false));
}

#[test]
fn nonsense_is_refused() {
    let mut rng = StdRng::seed_from_u64(11);
    let case = Case::new(shape(4, 2, 32), &[(3, 40)], &mut rng);
    let seq = case.seqs[0];
    let pool = Pool::new(1);
    let with_tables = |shape: &AttentionShape, seqs: &[AttentionSeq], tables: &[u32]| {
        let mut out = vec![0.0; case.q.len()];
        let (k, v) = (KvSlice::F32(&case.k), KvSlice::F32(&case.v));
        attention(&pool, shape, &case.q, k, v, seqs, tables, &mut out).map_err(|error| error.code())
    };
    let attempt =
        |shape: &AttentionShape, seqs: &[AttentionSeq]| with_tables(shape, seqs, &case.block_tables);
    assert_eq!(attempt(&case.shape, &[seq]), Ok(()));
    assert!(attempt(&AttentionShape { n_kv_heads: 3, ..case.shape.clone() }, &[seq]).is_err());
    assert!(attempt(&AttentionShape { head_dim: 0, ..case.shape.clone() }, &[seq]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { rows: 41, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_row: 1, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { context: 49, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_block: 4, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_block: usize::MAX, ..seq }]).is_err());
    assert!(with_tables(&case.shape, &[seq], &[0, 0, 0, 0, 1, 1000]).is_err());
    assert!(attempt(&case.shape, &[seq, AttentionSeq { first_row: 2, rows: 1, ..seq }]).is_err());
    assert!(attempt(&case.shape, &[AttentionSeq { first_row: usize::MAX, ..seq }]).is_err());
}

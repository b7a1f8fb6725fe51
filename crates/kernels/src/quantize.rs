//! Activations as 8-bit integers: 32 values share a scale of 1/127 of their largest magnitude.
//!
//! The rounding (to nearest, ties to even) and every sum are the same on every instruction set. A value that is not
//! finite makes its block's scale not finite, so it reaches the output instead of vanishing. One form serves weights of
//! every type, so an input is quantised once however many matrices it meets.

#[cfg(target_arch = "x86_64")]
mod avx2;

use crate::isa::Isa;
use crate::share::Shared;

/// Values that share a scale.
pub const BLOCK: usize = 32;

/// Rows of activations.
#[derive(Default)]
pub struct Activations {
    cols: usize,
    q: Vec<i8>,
    scales: Vec<f32>,
    sums: Sums,
}

/// What offsets and minimums of weights are multiplied with, for groups of 16 and of 32 weights.
#[derive(Default)]
struct Sums {
    /// Σq, exact.
    plain: [Vec<f32>; 2],
    /// scale · Σq.
    scaled: [Vec<f32>; 2],
}

/// One row of [`Activations`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The integers, −127 … 127.
    pub q: &'a [i8],
    /// One scale for 32 values.
    pub scales: &'a [f32],
    /// For each group of the weights: scale · Σq for types with minimums, Σq for others.
    pub terms: &'a [f32],
}

/// One row of [`Activations`], to be filled by [`quantize_row`].
pub struct RowMut<'a> {
    q: &'a mut [i8],
    scales: &'a mut [f32],
    plain: [&'a mut [f32]; 2],
    scaled: [&'a mut [f32]; 2],
}

/// The place in [`Sums`] for weights in groups of `group`.
fn place(group: usize) -> usize {
    usize::from(group == BLOCK)
}

impl Activations {
    /// Makes room for `m` rows of `cols` values (a multiple of 32).
    pub fn resize(&mut self, m: usize, cols: usize) {
        self.cols = cols;
        self.q.resize(m * cols, 0);
        self.scales.resize(m * cols / BLOCK, 0.0);
        for sums in [&mut self.sums.plain, &mut self.sums.scaled] {
            sums[0].resize(m * cols / 16, 0.0);
            sums[1].resize(m * cols / BLOCK, 0.0);
        }
    }

    /// Columns of a row.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// All integers, scales, and terms for weights in groups of `group`, with minimums or without.
    pub fn parts(&self, group: usize, has_min: bool) -> Row<'_> {
        let sums = if has_min { &self.sums.scaled } else { &self.sums.plain };
        Row { q: &self.q, scales: &self.scales, terms: &sums[place(group)] }
    }

    /// All rows, to be filled by tasks of a pool.
    pub fn shared_rows(&mut self) -> SharedRows<'_> {
        let [plain16, plain32] = &mut self.sums.plain;
        let [scaled16, scaled32] = &mut self.sums.scaled;
        SharedRows {
            cols: self.cols,
            q: Shared::new(&mut self.q),
            scales: Shared::new(&mut self.scales),
            plain: [Shared::new(plain16), Shared::new(plain32)],
            scaled: [Shared::new(scaled16), Shared::new(scaled32)],
        }
    }

    /// All rows, to be filled one by one; split by [`RowMut::take`].
    pub fn rows_mut(&mut self) -> RowMut<'_> {
        let [plain16, plain32] = &mut self.sums.plain;
        let [scaled16, scaled32] = &mut self.sums.scaled;
        RowMut {
            q: &mut self.q,
            scales: &mut self.scales,
            plain: [plain16, plain32],
            scaled: [scaled16, scaled32],
        }
    }
}

/// The rows of [`Activations`], each to be filled by one task.
pub struct SharedRows<'a> {
    cols: usize,
    q: Shared<'a, i8>,
    scales: Shared<'a, f32>,
    plain: [Shared<'a, f32>; 2],
    scaled: [Shared<'a, f32>; 2],
}

impl SharedRows<'_> {
    /// Row `i`.
    ///
    /// # Safety
    /// No other piece of this row may be alive.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn row(&self, i: usize) -> RowMut<'_> {
        let cols = self.cols;
        // SAFETY: rows do not meet, and this one is the caller's.
        unsafe {
            let (halves, wholes) = (cols / 16, cols / BLOCK);
            let both = |sums: &'_ [Shared<'_, f32>; 2]| {
                [
                    std::ptr::from_mut(sums[0].piece(i * halves, halves)),
                    std::ptr::from_mut(sums[1].piece(i * wholes, wholes)),
                ]
            };
            let ([plain16, plain32], [scaled16, scaled32]) = (both(&self.plain), both(&self.scaled));
            RowMut {
                q: self.q.piece(i * cols, cols),
                scales: self.scales.piece(i * wholes, wholes),
                plain: [&mut *plain16, &mut *plain32],
                scaled: [&mut *scaled16, &mut *scaled32],
            }
        }
    }
}

impl<'a> RowMut<'a> {
    /// Cuts the first `cols` values off.
    pub fn take(self, cols: usize) -> (RowMut<'a>, RowMut<'a>) {
        let (q, q_rest) = self.q.split_at_mut(cols);
        let (scales, scales_rest) = self.scales.split_at_mut(cols / BLOCK);
        let split = |[a, b]: [&'a mut [f32]; 2]| {
            let (a, a_rest) = a.split_at_mut(cols / 16);
            let (b, b_rest) = b.split_at_mut(cols / BLOCK);
            ([a, b], [a_rest, b_rest])
        };
        let ((plain, plain_rest), (scaled, scaled_rest)) = (split(self.plain), split(self.scaled));
        let rest = RowMut { q: q_rest, scales: scales_rest, plain: plain_rest, scaled: scaled_rest };
        (RowMut { q, scales, plain, scaled }, rest)
    }
}

/// Quantises one row of `x`.
pub fn quantize_row(isa: Isa, x: &[f32], to: RowMut<'_>) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        // SAFETY: this instruction set was detected.
        return unsafe { quantize_row_avx2(x, to) };
    }
    let _ = isa;
    // SAFETY: this code runs everywhere.
    unsafe { quantize_blocks::<Portable>(x, to) }
}

/// As [`quantize_row`].
///
/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn quantize_row_avx2(x: &[f32], to: RowMut<'_>) {
    // SAFETY: AVX2 is enabled.
    unsafe { quantize_blocks::<avx2::Avx2>(x, to) }
}

/// What quantises one block.
trait Block {
    /// Quantises 32 values; gives the scale and the sums of both halves.
    ///
    /// # Safety
    /// The type's instruction set must be there.
    unsafe fn quantize(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, [i32; 2]);
}

/// Blocks in plain Rust.
struct Portable;

/// # Safety
/// The instruction set of `B` must be there.
#[inline(always)]
unsafe fn quantize_blocks<B: Block>(x: &[f32], to: RowMut<'_>) {
    let ([plain16, plain32], [scaled16, scaled32]) = (to.plain, to.scaled);
    let blocks = x.as_chunks::<BLOCK>().0.iter().zip(to.q.as_chunks_mut::<BLOCK>().0);
    let halves = plain16.as_chunks_mut::<2>().0.iter_mut().zip(scaled16.as_chunks_mut::<2>().0);
    let wholes = plain32.iter_mut().zip(scaled32);
    for ((((x, q), scale), (plain, scaled)), (whole, whole_scaled)) in
        blocks.zip(to.scales).zip(halves).zip(wholes)
    {
        // SAFETY: the caller's promise.
        let (s, sums) = unsafe { B::quantize(x, q) };
        *scale = s;
        *plain = sums.map(|sum| sum as f32);
        *scaled = plain.map(|sum| s * sum);
        *whole = (sums[0] + sums[1]) as f32;
        *whole_scaled = s * *whole;
    }
}

/// Adding 1.5·2²³ rounds to an integer, ties to even, and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// The scale of values up to `top`, and what turns them into integers.
#[inline(always)]
fn scales(top: f32) -> (f32, f32) {
    (top / 127.0, if top > 0.0 { 127.0 / top } else { 0.0 })
}

impl Block for Portable {
    #[inline(always)]
    unsafe fn quantize(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, [i32; 2]) {
        // Magnitudes compare as their bits do, and a NaN's bits are above all others'.
        let top = x.iter().fold(0, |top, v| top.max((v.to_bits() & 0x7fff_ffff) as i32));
        let (scale, inverse) = scales(f32::from_bits(top as u32));
        let mut sums = [0; 2];
        for (half, sum) in sums.iter_mut().enumerate() {
            for i in half * 16..half * 16 + 16 {
                let bits = (x[i] * inverse + ROUND).to_bits() as i32;
                let value = bits as i8;
                q[i] = value;
                *sum += i32::from(value);
            }
        }
        (scale, sums)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Integers, scales, and sums of halves, of wholes, and these with their scale.
    fn quantised(x: &[f32]) -> (Vec<i8>, Vec<f32>, [Vec<f32>; 4]) {
        let results: Vec<_> = Isa::available()
            .into_iter()
            .map(|isa| {
                let mut acts = Activations::default();
                acts.resize(1, x.len());
                quantize_row(isa, x, acts.rows_mut());
                let terms = [(16, false), (32, false), (16, true), (32, true)]
                    .map(|(g, min)| acts.parts(g, min).terms.to_vec());
                (acts.q.clone(), acts.scales.clone(), terms)
            })
            .collect();
        for other in &results[1..] {
            assert_eq!(results[0].0, other.0);
            assert_eq!(format!("{:?}", results[0].1), format!("{:?}", other.1));
            assert_eq!(format!("{:?}", results[0].2), format!("{:?}", other.2));
        }
        results.into_iter().next().unwrap()
    }

    #[test]
    fn ends_and_ties() {
        let mut x = [0.0; 32];
        x[0] = -254.0;
        x[1] = 3.0;
        x[2] = 5.0;
        x[31] = 254.0;
        let (q, scales, [halves, whole, scaled_halves, scaled]) = quantised(&x);
        assert_eq!((q[0], q[1], q[2], q[31]), (-127, 2, 2, 127));
        assert_eq!(scales[0], 2.0);
        assert_eq!((halves, whole), (vec![-123.0, 127.0], vec![4.0]));
        assert_eq!((scaled_halves, scaled), (vec![-246.0, 254.0], vec![8.0]));
    }

    #[test]
    fn zeros_stay_zero_and_faults_stay_visible() {
        let (q, scales, _) = quantised(&[0.0; 32]);
        assert!(q.iter().all(|&v| v == 0) && scales[0] == 0.0);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            let mut x = [1.0; 32];
            x[7] = bad;
            let (_, scales, _) = quantised(&x);
            assert!(!scales[0].is_finite(), "{bad} vanished");
        }
    }

    #[test]
    fn rows_are_cut_apart() {
        let mut acts = Activations::default();
        acts.resize(2, 64);
        let (first, second) = acts.rows_mut().take(64);
        quantize_row(Isa::Scalar, &[127.0; 64], first);
        quantize_row(Isa::Scalar, &[-127.0; 64], second);
        let all = acts.parts(16, false);
        assert_eq!((all.q[63], all.q[64]), (127, -127));
        assert_eq!((all.terms[3], all.terms[4]), (16.0 * 127.0, -16.0 * 127.0));
    }
}

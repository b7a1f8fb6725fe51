//! Activations as 8-bit integers: 32 values share a scale of 1/127 of their largest magnitude.
//!
//! The rounding (to nearest, ties to even) and every sum are the same on every instruction set. A value that is not
//! finite makes its block's scale not finite, so it reaches the output instead of vanishing.

use lantern_gguf::blocks::Affine;

use crate::isa::Isa;

/// Values that share a scale.
pub const BLOCK: usize = 32;

/// Rows of activations, quantised for weights of one form.
#[derive(Default)]
pub struct Activations {
    cols: usize,
    group: usize,
    q: Vec<i8>,
    scales: Vec<f32>,
    terms: Vec<f32>,
}

/// One row of [`Activations`].
#[derive(Clone, Copy)]
pub struct Row<'a> {
    /// The integers, −127 … 127.
    pub q: &'a [i8],
    /// One scale for 32 values.
    pub scales: &'a [f32],
    /// For each group of the weights: for types with an offset, offset · Σq; for types with minimums, scale · Σq.
    pub terms: &'a [f32],
}

impl Activations {
    /// Makes room for `m` rows of `cols` values (a multiple of 32) to be multiplied with weights of `form`.
    pub fn resize(&mut self, m: usize, cols: usize, form: Affine) {
        self.cols = cols;
        self.group = form.group;
        self.q.resize(m * cols, 0);
        self.scales.resize(m * cols / BLOCK, 0.0);
        self.terms.resize(m * cols / form.group, 0.0);
    }

    /// Row `i`.
    pub fn row(&self, i: usize) -> Row<'_> {
        let (blocks, groups) = (self.cols / BLOCK, self.cols / self.group);
        Row {
            q: &self.q[i * self.cols..][..self.cols],
            scales: &self.scales[i * blocks..][..blocks],
            terms: &self.terms[i * groups..][..groups],
        }
    }

    /// All integers, scales and terms, row after row, and the columns of a row.
    #[cfg(target_arch = "x86_64")]
    pub fn parts(&self) -> (&[i8], &[f32], &[f32], usize) {
        (&self.q, &self.scales, &self.terms, self.cols)
    }

    /// The buffers of the rows, to be filled by [`quantize_row`]: `(q, scales, terms)`.
    pub fn buffers(&mut self) -> (&mut [i8], &mut [f32], &mut [f32]) {
        (&mut self.q, &mut self.scales, &mut self.terms)
    }
}

/// Quantises one row of `x` into its buffers.
pub fn quantize_row(isa: Isa, form: Affine, x: &[f32], q: &mut [i8], scales: &mut [f32], terms: &mut [f32]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        // SAFETY: this instruction set was detected.
        return unsafe { quantize_row_avx2(form, x, q, scales, terms) };
    }
    let _ = isa;
    quantize_row_here(form, x, q, scales, terms);
}

/// The portable code, compiled for AVX2.
///
/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn quantize_row_avx2(form: Affine, x: &[f32], q: &mut [i8], scales: &mut [f32], terms: &mut [f32]) {
    quantize_row_here(form, x, q, scales, terms);
}

#[inline(always)]
fn quantize_row_here(form: Affine, x: &[f32], q: &mut [i8], scales: &mut [f32], terms: &mut [f32]) {
    let per_block = BLOCK / form.group;
    let blocks = x.as_chunks::<BLOCK>().0.iter().zip(q.as_chunks_mut::<BLOCK>().0);
    for (((x, q), scale), terms) in blocks.zip(scales).zip(terms.chunks_exact_mut(per_block)) {
        let (s, sums) = quantize_block(x, q);
        *scale = s;
        let sums = if per_block == 1 { [sums[0] + sums[1], 0] } else { sums };
        for (term, sum) in terms.iter_mut().zip(sums) {
            let factor = if form.has_min { s } else { f32::from(form.offset) };
            *term = factor * sum as f32;
        }
    }
}

/// Quantises 32 values; gives the scale and the sums of both halves.
#[inline(always)]
fn quantize_block(x: &[f32; BLOCK], q: &mut [i8; BLOCK]) -> (f32, [i32; 2]) {
    // Magnitudes compare as their bits do, and a NaN's bits are above all others'.
    let top = x.iter().fold(0, |top, v| top.max((v.to_bits() & 0x7fff_ffff) as i32));
    let top = f32::from_bits(top as u32);
    let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
    // Adding 1.5·2²³ rounds to an integer, ties to even, and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let mut sums = [0; 2];
    for (half, sum) in sums.iter_mut().enumerate() {
        for i in half * 16..half * 16 + 16 {
            let bits = (x[i] * inverse + ROUND).to_bits() as i32;
            let value = bits as i8;
            q[i] = value;
            *sum += i32::from(value);
        }
    }
    (top / 127.0, sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lantern_gguf::{GgmlType, blocks::affine};

    fn quantised(ty: GgmlType, x: &[f32]) -> (Vec<i8>, Vec<f32>, Vec<f32>) {
        let form = affine(ty).unwrap();
        let results: Vec<_> = Isa::available()
            .into_iter()
            .map(|isa| {
                let mut acts = Activations::default();
                acts.resize(1, x.len(), form);
                let (q, scales, terms) = acts.buffers();
                quantize_row(isa, form, x, q, scales, terms);
                (acts.q.clone(), acts.scales.clone(), acts.terms.clone())
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
        let (q, scales, terms) = quantised(GgmlType::Q4_0, &x);
        assert_eq!((q[0], q[1], q[2], q[31]), (-127, 2, 2, 127));
        assert_eq!((scales[0], terms[0]), (2.0, 32.0));
        let (_, _, terms) = quantised(GgmlType::Q6K, &x);
        assert_eq!(terms, [32.0 * -123.0, 32.0 * 127.0]);
        let (_, _, terms) = quantised(GgmlType::Q4_1, &x);
        assert_eq!(terms, [8.0]);
    }

    #[test]
    fn zeros_stay_zero_and_faults_stay_visible() {
        let (q, scales, _) = quantised(GgmlType::Q8_0, &[0.0; 32]);
        assert!(q.iter().all(|&v| v == 0) && scales[0] == 0.0);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -f32::NAN] {
            let mut x = [1.0; 32];
            x[7] = bad;
            let (_, scales, _) = quantised(GgmlType::Q8_0, &x);
            assert!(!scales[0].is_finite(), "{bad} vanished");
        }
    }
}

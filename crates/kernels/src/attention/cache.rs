//! How keys and values lie in a cache's memory, and how rows get in and out.
//!
//! Every block of the cache holds its heads one after the other, so that a head of a block is one run of memory.
//! Inside it the keys are `[head_dim, block_size]`: the same dimension of neighbouring positions side by side, so
//! that positions are scored in the lanes of one register. The values are `[head_dim / 32, block_size, 32]`: strips
//! of 32 dimensions (the last may be narrower) whose sums stay in registers over all positions.
//!
//! In 8 bits, 32 dimensions of one position share a scale, and the scales of keys and values alike are
//! `[head_dim / 32, block_size]` for each head of a block.

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::KernelError;
use crate::error::check_len;

/// Dimensions of a head that are stored together; those that share a scale.
pub(super) const STRIP: usize = 32;

/// The dimensions of one layer's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvDims {
    /// Heads of keys and values.
    pub n_kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Tokens in a block; a multiple of 8.
    pub block_size: usize,
}

/// Whether numbers are keys or values: the two lie in different orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvSide {
    /// Keys.
    Keys,
    /// Values.
    Values,
}

/// A layer's keys or values, as [`store_kv`] writes them.
#[derive(Debug, Clone, Copy)]
pub enum KvSlice<'a> {
    /// In 32 bits.
    F32(&'a [f32]),
    /// In 16 bits.
    F16(&'a [f16]),
    /// In 8 bits: number = scale · quant. Heads are multiples of 32.
    Q8_0 {
        /// One for 32 quants.
        scales: &'a [f16],
        /// −127 to 127.
        quants: &'a [i8],
    },
}

/// A layer's keys or values, to be written.
#[derive(Debug)]
pub enum KvSliceMut<'a> {
    /// In 32 bits.
    F32(&'a mut [f32]),
    /// In 16 bits.
    F16(&'a mut [f16]),
    /// In 8 bits.
    Q8_0 {
        /// One for 32 quants.
        scales: &'a mut [f16],
        /// −127 to 127.
        quants: &'a mut [i8],
    },
}

/// Writes rows of keys or values, `[slots.len(), n_kv_heads, head_dim]`, to their slots
/// (`block · block_size + offset`).
pub fn store_kv(
    dims: &KvDims,
    side: KvSide,
    to: &mut KvSliceMut<'_>,
    slots: &[u32],
    rows: &[f32],
) -> Result<(), KernelError> {
    let n_slots = to.shared().blocks(dims)? * dims.block_size;
    let width = dims.width();
    check_len("the rows for the cache", rows.len(), slots.len().checked_mul(width))?;
    for (slot, row) in slots.iter().zip(rows.chunks_exact(width)) {
        check_slot(*slot, n_slots)?;
        for (piece, numbers) in dims.pieces(side, *slot as usize).zip(dims.cut(row)) {
            piece.write(to, numbers);
        }
    }
    Ok(())
}

/// Reads what [`store_kv`] wrote, appending `[slots.len(), n_kv_heads, head_dim]` to `rows`.
pub fn load_kv(
    dims: &KvDims,
    side: KvSide,
    from: KvSlice<'_>,
    slots: &[u32],
    rows: &mut Vec<f32>,
) -> Result<(), KernelError> {
    let n_slots = from.blocks(dims)? * dims.block_size;
    for slot in slots {
        check_slot(*slot, n_slots)?;
        for piece in dims.pieces(side, *slot as usize) {
            piece.read(from, rows);
        }
    }
    Ok(())
}

fn check_slot(slot: u32, n_slots: usize) -> Result<(), KernelError> {
    let slot = slot as usize;
    if slot < n_slots {
        Ok(())
    } else {
        Err(KernelError::Index { what: "slot", index: slot, limit: n_slots })
    }
}

impl KvDims {
    /// Numbers in one token's key, and in its value.
    fn width(&self) -> usize {
        self.n_kv_heads * self.head_dim
    }

    /// A row as the pieces that [`KvDims::pieces`] places.
    fn cut<'a>(&self, row: &'a [f32]) -> impl Iterator<Item = &'a [f32]> {
        row.chunks_exact(self.head_dim).flat_map(|head| head.chunks(STRIP))
    }

    /// Where the pieces of a slot's row go, in order.
    fn pieces(self, side: KvSide, slot: usize) -> impl Iterator<Item = Piece> {
        let KvDims { n_kv_heads, head_dim, block_size } = self;
        let (block, offset) = (slot / block_size, slot % block_size);
        (0..n_kv_heads).flat_map(move |head| {
            let start = (block * n_kv_heads + head) * head_dim * block_size;
            (0..head_dim).step_by(STRIP).map(move |d| {
                let len = STRIP.min(head_dim - d);
                let strip = start + d * block_size;
                let scale = strip / STRIP + offset;
                match side {
                    KvSide::Keys => Piece { first: strip + offset, step: block_size, len, scale },
                    KvSide::Values => Piece { first: strip + offset * len, step: 1, len, scale },
                }
            })
        })
    }
}

/// Some neighbouring dimensions of one position.
#[derive(Clone, Copy)]
struct Piece {
    /// Place of the first, and the distance to the next.
    first: usize,
    step: usize,
    len: usize,
    /// Place of the scale in the plane of scales.
    scale: usize,
}

impl Piece {
    fn write(self, to: &mut KvSliceMut<'_>, numbers: &[f32]) {
        match to {
            KvSliceMut::F32(to) => self.scatter(to, numbers),
            KvSliceMut::F16(to) => {
                let mut halves = [f16::ZERO; STRIP];
                halves[..self.len].convert_from_f32_slice(numbers);
                self.scatter(to, &halves[..self.len]);
            }
            KvSliceMut::Q8_0 { scales, quants } => {
                let mut rounded = [0; STRIP];
                scales[self.scale] = quantize(numbers, &mut rounded);
                self.scatter(quants, &rounded[..self.len]);
            }
        }
    }

    fn scatter<T: Copy>(self, to: &mut [T], numbers: &[T]) {
        for (to, number) in to[self.first..].iter_mut().step_by(self.step).zip(numbers) {
            *to = *number;
        }
    }

    fn read(self, from: KvSlice<'_>, to: &mut Vec<f32>) {
        let places = (self.first..).step_by(self.step).take(self.len);
        match from {
            KvSlice::F32(from) => to.extend(places.map(|at| from[at])),
            KvSlice::F16(from) => to.extend(places.map(|at| from[at].to_f32())),
            KvSlice::Q8_0 { scales, quants } => {
                let scale = scales[self.scale].to_f32();
                to.extend(places.map(|at| scale * f32::from(quants[at])));
            }
        }
    }
}

/// Rounds numbers to 8 bits and gives their scale. What is stored is the rounded scale, so that is what they are
/// divided by.
fn quantize(numbers: &[f32], to: &mut [i8; STRIP]) -> f16 {
    let largest = numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    let scale = f16::from_f32(largest / 127.0);
    let inverse = if scale > f16::ZERO { 1.0 / scale.to_f32() } else { 0.0 };
    for (to, number) in to.iter_mut().zip(numbers) {
        *to = (number * inverse).round_ties_even().clamp(-127.0, 127.0) as i8;
    }
    scale
}

impl KvSlice<'_> {
    /// Number of blocks, or why this cannot be a cache of these dimensions.
    pub(super) fn blocks(&self, dims: &KvDims) -> Result<usize, KernelError> {
        let KvDims { n_kv_heads, head_dim, block_size } = *dims;
        let per_block = n_kv_heads.saturating_mul(head_dim).saturating_mul(block_size);
        if per_block == 0 || !block_size.is_multiple_of(8) {
            return Err(KernelError::Shape(format!(
                "{n_kv_heads} key-value heads of {head_dim} numbers in blocks of {block_size} tokens"
            )));
        }
        let len = match self {
            KvSlice::F32(numbers) => numbers.len(),
            KvSlice::F16(numbers) => numbers.len(),
            KvSlice::Q8_0 { scales, quants } => {
                if !head_dim.is_multiple_of(STRIP) {
                    return Err(KernelError::Shape(format!(
                        "heads of {head_dim} numbers in strips of {STRIP}"
                    )));
                }
                check_len("the scales of the cache", scales.len(), Some(quants.len() / STRIP))?;
                quants.len()
            }
        };
        let blocks = len / per_block;
        check_len("the cache", len, blocks.checked_mul(per_block))?;
        Ok(blocks)
    }
}

impl KvSliceMut<'_> {
    fn shared(&self) -> KvSlice<'_> {
        match self {
            KvSliceMut::F32(numbers) => KvSlice::F32(numbers),
            KvSliceMut::F16(numbers) => KvSlice::F16(numbers),
            KvSliceMut::Q8_0 { scales, quants } => KvSlice::Q8_0 { scales, quants },
        }
    }
}

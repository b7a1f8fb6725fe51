//! How keys and values lie in a cache's memory, and how rows get in and out.
//!
//! Every block of the cache holds its heads one after the other, so that a head of a block is one run of memory.
//! Inside it the keys are `[block_size / 16, head_dim, 16]`: the same dimension of 16 neighbouring positions side by
//! side, so that positions are scored in the lanes of registers. The values are `[head_dim / 16, block_size, 16]`:
//! strips of 16 dimensions (the last may be narrower) whose sums stay in registers over all positions. Both are read
//! from the first byte to the last.
//!
//! In 8 and in 4 bits, 32 dimensions of one position share a scale, and the scales of keys and values alike are
//! `[head_dim / 32, block_size]` for each head of a block. In 4 bits, heads are rotated before ([`super::hadamard`]),
//! and each 16 numbers that lie side by side are 8 bytes ([`super::rounding`]).

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::hadamard::{MIXED, mixed, rotate_on};
use super::rounding::{nibble, put_nibble, to_4_bits, to_8_bits};
use crate::KernelError;
use crate::error::check_len;
use crate::isa::isa;

/// Positions of keys, and dimensions of values, that lie side by side: two registers of them.
pub(super) const PANEL: usize = 16;
/// Dimensions of a head that share a scale.
pub(super) const SCALED: usize = 32;

/// The dimensions of one layer's cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvDims {
    /// Heads of keys and values.
    pub n_kv_heads: usize,
    /// Numbers in a head.
    pub head_dim: usize,
    /// Tokens in a block; a multiple of 16.
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
    /// In 4 bits: number of a rotated head = scale · quant. Heads are multiples of 32.
    Q4_0 {
        /// One for 32 quants.
        scales: &'a [f16],
        /// −8 to 7, two to a byte.
        quants: &'a [u8],
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
    /// In 4 bits.
    Q4_0 {
        /// One for 32 quants.
        scales: &'a mut [f16],
        /// −8 to 7, two to a byte.
        quants: &'a mut [u8],
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
    let rotated = to.shared().is_rotated();
    for (slot, row) in slots.iter().zip(rows.chunks_exact(width)) {
        check_slot(*slot, n_slots)?;
        let pieces = dims.pieces(side, *slot as usize);
        if rotated {
            write_rotated(dims, pieces, to, row);
        } else {
            dims.cut(row).zip(pieces).for_each(|(numbers, piece)| piece.write(to, numbers));
        }
    }
    Ok(())
}

fn write_rotated(
    dims: &KvDims,
    mut pieces: impl Iterator<Item = Piece>,
    to: &mut KvSliceMut<'_>,
    row: &[f32],
) {
    let (isa, len) = (isa(), mixed(dims.head_dim));
    let mut room = [0.0; MIXED];
    let block = &mut room[..len];
    for numbers in row.chunks_exact(len) {
        block.copy_from_slice(numbers);
        rotate_on(isa, block, len);
        block.chunks(SCALED).zip(&mut pieces).for_each(|(numbers, piece)| piece.write(to, numbers));
    }
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
        let first = rows.len();
        for piece in dims.pieces(side, *slot as usize) {
            piece.read(from, rows);
        }
        if from.is_rotated() {
            rotate_on(isa(), &mut rows[first..], dims.head_dim);
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
        row.chunks_exact(self.head_dim).flat_map(|head| head.chunks(SCALED))
    }

    /// Where the pieces of a slot's row go, in order.
    fn pieces(self, side: KvSide, slot: usize) -> impl Iterator<Item = Piece> {
        let KvDims { n_kv_heads, head_dim, block_size } = self;
        let (block, offset) = (slot / block_size, slot % block_size);
        (0..n_kv_heads).flat_map(move |head| {
            let start = (block * n_kv_heads + head) * head_dim * block_size;
            let run = move |d: usize| {
                let len = PANEL.min(head_dim.saturating_sub(d));
                let first = match side {
                    KvSide::Keys => offset / PANEL * PANEL * head_dim + d * PANEL + offset % PANEL,
                    KvSide::Values => d * block_size + offset * len,
                };
                let step = if side == KvSide::Keys { PANEL } else { 1 };
                Places { first: start + first, step, len }
            };
            (0..head_dim).step_by(SCALED).map(move |d| Piece {
                runs: [run(d), run(d + PANEL)],
                scale: (start + d * block_size) / SCALED + offset,
            })
        })
    }
}

/// 32 neighbouring dimensions of one position, or what is left of a head.
#[derive(Clone, Copy)]
struct Piece {
    runs: [Places; 2],
    /// Place of the scale in the plane of scales.
    scale: usize,
}

/// Places at equal distances.
#[derive(Clone, Copy)]
struct Places {
    first: usize,
    step: usize,
    len: usize,
}

impl Piece {
    fn write(self, to: &mut KvSliceMut<'_>, numbers: &[f32]) {
        match to {
            KvSliceMut::F32(to) => self.scatter(to, numbers),
            KvSliceMut::F16(to) => {
                let mut halves = [f16::ZERO; SCALED];
                halves[..numbers.len()].convert_from_f32_slice(numbers);
                self.scatter(to, &halves);
            }
            KvSliceMut::Q8_0 { scales, quants } => {
                let mut rounded = [0; SCALED];
                scales[self.scale] = to_8_bits(numbers, &mut rounded);
                self.scatter(quants, &rounded);
            }
            KvSliceMut::Q4_0 { scales, quants } => {
                let mut rounded = [0; SCALED];
                scales[self.scale] = to_4_bits(numbers, &mut rounded);
                self.places().zip(rounded).for_each(|(at, quant)| put_nibble(quants, at, quant));
            }
        }
    }

    fn scatter<T: Copy>(self, to: &mut [T], numbers: &[T]) {
        for (run, numbers) in self.runs.into_iter().zip(numbers.chunks(PANEL)) {
            if run.len == 0 {
                continue;
            }
            let (to, numbers) = (&mut to[run.first..], &numbers[..run.len]);
            match run.step {
                1 => to[..run.len].copy_from_slice(numbers),
                step => to.iter_mut().step_by(step).zip(numbers).for_each(|(to, number)| *to = *number),
            }
        }
    }

    fn read(self, from: KvSlice<'_>, to: &mut Vec<f32>) {
        let places = self.places();
        match from {
            KvSlice::F32(from) => to.extend(places.map(|at| from[at])),
            KvSlice::F16(from) => to.extend(places.map(|at| from[at].to_f32())),
            KvSlice::Q8_0 { scales, quants } => {
                let scale = scales[self.scale].to_f32();
                to.extend(places.map(|at| scale * f32::from(quants[at])));
            }
            KvSlice::Q4_0 { scales, quants } => {
                let scale = scales[self.scale].to_f32();
                to.extend(places.map(|at| scale * f32::from(nibble(quants, at))));
            }
        }
    }

    fn places(self) -> impl Iterator<Item = usize> {
        self.runs.into_iter().flat_map(Places::places)
    }
}

impl Places {
    fn places(self) -> impl Iterator<Item = usize> {
        (self.first..).step_by(self.step).take(self.len)
    }
}

impl KvSlice<'_> {
    /// Whether heads are rotated before they are written.
    fn is_rotated(&self) -> bool {
        matches!(self, KvSlice::Q4_0 { .. })
    }

    /// Number of blocks, or why this cannot be a cache of these dimensions.
    pub(super) fn blocks(&self, dims: &KvDims) -> Result<usize, KernelError> {
        let KvDims { n_kv_heads, head_dim, block_size } = *dims;
        let per_block = n_kv_heads.saturating_mul(head_dim).saturating_mul(block_size);
        if per_block == 0 || !block_size.is_multiple_of(PANEL) {
            return Err(KernelError::Shape(format!(
                "{n_kv_heads} key-value heads of {head_dim} numbers in blocks of {block_size} tokens"
            )));
        }
        let len = match self {
            KvSlice::F32(numbers) => numbers.len(),
            KvSlice::F16(numbers) => numbers.len(),
            KvSlice::Q8_0 { scales, quants } => scaled(head_dim, scales.len(), quants.len())?,
            KvSlice::Q4_0 { scales, quants } => scaled(head_dim, scales.len(), 2 * quants.len())?,
        };
        let blocks = len / per_block;
        check_len("the cache", len, blocks.checked_mul(per_block))?;
        Ok(blocks)
    }
}

/// The number of quants, which must have as many scales as they need.
fn scaled(head_dim: usize, scales: usize, quants: usize) -> Result<usize, KernelError> {
    if !head_dim.is_multiple_of(SCALED) {
        return Err(KernelError::Shape(format!("heads of {head_dim} numbers, {SCALED} to a scale")));
    }
    check_len("the scales of the cache", scales, Some(quants / SCALED))?;
    Ok(quants)
}

impl KvSliceMut<'_> {
    fn shared(&self) -> KvSlice<'_> {
        match self {
            KvSliceMut::F32(numbers) => KvSlice::F32(numbers),
            KvSliceMut::F16(numbers) => KvSlice::F16(numbers),
            KvSliceMut::Q8_0 { scales, quants } => KvSlice::Q8_0 { scales, quants },
            KvSliceMut::Q4_0 { scales, quants } => KvSlice::Q4_0 { scales, quants },
        }
    }
}

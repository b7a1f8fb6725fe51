//! What tiles are loaded from: a panel's weights, sixteen rows of activations, and the numbers that go with them.

use std::mem::MaybeUninit;

use super::tiles::{TILE_ROW_BYTES, TILE_ROWS};
use crate::dot::{Columns, PANEL, Panel, ROWS};

/// Groups whose products are begun together: each has a tile for its sums.
pub const AT_ONCE: usize = 4;

/// What one call needs beside the panel; small enough for the first-level cache together with it.
#[repr(C, align(64))]
pub struct Buffers {
    /// The panel's integers as signed bytes.
    weights: [MaybeUninit<u8>; ROWS * PANEL],
    /// Sixteen rows of activations, where those cannot be used as they lie.
    q: [[MaybeUninit<i8>; PANEL]; TILE_ROWS],
    /// Their scales.
    scales: [[MaybeUninit<f32>; PANEL / 32]; TILE_ROWS],
    /// Their terms.
    terms: [[MaybeUninit<f32>; PANEL / 16]; TILE_ROWS],
    /// The sums of the groups in work: those of group `g` at `g % (2 · AT_ONCE)`, a row for each row of activations.
    dots: [[[MaybeUninit<i32>; ROWS]; TILE_ROWS]; 2 * AT_ONCE],
}

impl Buffers {
    /// Buffers with nothing in them.
    #[inline(always)]
    pub const fn new() -> Self {
        Buffers {
            weights: [MaybeUninit::uninit(); _],
            q: [[MaybeUninit::uninit(); _]; _],
            scales: [[MaybeUninit::uninit(); _]; _],
            terms: [[MaybeUninit::uninit(); _]; _],
            dots: [[[MaybeUninit::uninit(); _]; _]; _],
        }
    }

    /// Keeps the integers of a panel's first `cols` columns with `offset` subtracted, which makes them fit a signed byte.
    #[inline(always)]
    pub fn subtract(&mut self, offset: u8, panel: &Panel, cols: usize) {
        for (signed, q) in self.weights.iter_mut().zip(&panel.q[..cols * ROWS]) {
            signed.write(q.wrapping_sub(offset));
        }
    }
}

/// Sixteen rows of activations and a panel: where each part begins.
pub struct Block {
    /// Signed bytes, in units of four columns of sixteen rows.
    pub weights: *const u8,
    pub weight_scales: *const f32,
    pub mins: *const f32,
    pub groups: usize,
    /// Signed bytes; a row begins `stride` after the one before.
    pub q: *const u8,
    pub stride: usize,
    /// `[TILE_ROWS, PANEL / 32]`
    pub scales: *const f32,
    /// `[TILE_ROWS, PANEL / 16]`, for types with minimums.
    pub terms: *const f32,
    dots: *mut u8,
}

impl Block {
    /// Where the sums of group `g` are while it is in work.
    #[inline(always)]
    pub fn dots(&self, g: usize) -> *mut u8 {
        self.dots.wrapping_add(g % (2 * AT_ONCE) * TILE_ROWS * TILE_ROW_BYTES)
    }
}

/// Puts the scales of sixteen rows side by side; their integers too, unless tiles can be loaded from where they are.
///
/// For types without minimums, [`Buffers::subtract`] must have been called for this panel.
#[inline(always)]
pub fn gather<const GROUP: usize, const MIN: bool>(
    x: Columns<'_>,
    rows: [u32; TILE_ROWS],
    panel: &Panel,
    buffers: &mut Buffers,
) -> Block {
    let starts = x.pointers(rows, GROUP, MIN);
    let cols = x.all.cols();
    // Rows that are a multiple of 4096 bytes apart would drive each other out of the first-level cache.
    let mut in_place = !cols.is_multiple_of(4096);
    for r in 1..TILE_ROWS {
        in_place &= rows[r] == rows[0].wrapping_add(r as u32);
    }
    for r in 0..TILE_ROWS {
        // SAFETY: `pointers` vouches for the activations; the buffers have room for a panel's columns.
        unsafe {
            copy(starts[r].scales, buffers.scales[r].as_mut_ptr().cast(), x.len / 32, PANEL / 32);
            if MIN {
                copy(starts[r].terms, buffers.terms[r].as_mut_ptr().cast(), x.len / GROUP, PANEL / GROUP);
            }
            if !in_place {
                copy(starts[r].q, buffers.q[r].as_mut_ptr().cast(), x.len, PANEL);
            }
        }
    }
    let (q, stride) = if in_place { (starts[0].q.cast(), cols) } else { (buffers.q.as_ptr().cast(), PANEL) };
    Block {
        weights: if MIN { panel.q.as_ptr() } else { buffers.weights.as_ptr().cast() },
        weight_scales: panel.scales.as_ptr().cast(),
        mins: panel.mins.as_ptr().cast(),
        groups: x.len / GROUP,
        q,
        stride,
        scales: buffers.scales.as_ptr().cast(),
        terms: buffers.terms.as_ptr().cast(),
        dots: buffers.dots.as_mut_ptr().cast(),
    }
}

/// Copies `len` values. Most panels are full, and copies of a size that the compiler knows are a few moves.
#[inline(always)]
unsafe fn copy<V>(from: *const V, to: *mut V, len: usize, full: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if len == full {
            std::ptr::copy_nonoverlapping(from, to, full);
        } else {
            std::ptr::copy_nonoverlapping(from, to, len);
        }
    }
}

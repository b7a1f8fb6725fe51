//! A panel times rows of activations, with tiles.
//!
//! A panel's units of 64 bytes (four columns of each of sixteen rows of weights) are what the instruction wants as the
//! rows of its second operand, so tiles are loaded from it as it is. The first operand is sixteen rows of activations.
//! One product sums over one group of columns, because every group has scales of its own: its integers go to memory, from
//! where vectors scale and add them just as `dot` defines. So that both kinds of work run at the same time, the products
//! of the next groups are begun before the integers of these are added.
//!
//! Weights meet the instruction with their offset already subtracted: they fit a signed byte then, the integers need no
//! correction, and a quarter of the vectors' work goes away.

use lantern_gguf::blocks::Affine;

use super::block::{AT_ONCE, Block, Buffers, gather};
use super::tiles::{Shapes, TILE_ROW_BYTES, TILE_ROWS, TILES, Tiles};
use crate::dot::simd::Simd;
use crate::dot::{Columns, PANEL, Panel, ROWS, panel};
use crate::packed::UNIT;

/// Fewest rows that tiles multiply; by the number of instructions, fewer cost less with vectors.
const FEWEST: usize = 8;

/// Tiles for weights in groups of `group`: four of sums, two of activations, two of weights.
pub const fn shapes(group: usize) -> Shapes {
    const WHOLE: u16 = TILE_ROW_BYTES as u16;
    let (x, weights) = (group as u16, group as u8 / 4);
    Shapes {
        palette: 1,
        start_row: 0,
        reserved: [0; 14],
        row_bytes: [WHOLE, WHOLE, WHOLE, WHOLE, x, x, WHOLE, WHOLE, 0, 0, 0, 0, 0, 0, 0, 0],
        rows: [16, 16, 16, 16, 16, 16, weights, weights, 0, 0, 0, 0, 0, 0, 0, 0],
    }
}

/// Adds a panel's products with columns of the rows `rows` to `sums`.
///
/// # Safety
/// As `Kernel` says, and the tiles must have the [`shapes`] of this form's groups.
#[inline(always)]
pub unsafe fn columns<S: Simd, T: Tiles>(
    tiles: &mut T,
    form: Affine,
    panel: &Panel,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
) {
    assert!(x.len <= PANEL && rows.len() == sums.len());
    let left = rows.len() % TILE_ROWS;
    let many = if left < FEWEST { rows.len() - left } else { rows.len() };
    let ((rows, few), (sums, few_sums)) = (rows.split_at(many), sums.split_at_mut(many));
    // SAFETY: passed on.
    unsafe {
        match (form.group, form.has_min) {
            (32, true) => blocks::<S, T, 32, true>(tiles, form.offset, panel, x, rows, sums),
            (32, false) => blocks::<S, T, 32, false>(tiles, form.offset, panel, x, rows, sums),
            (_, true) => blocks::<S, T, 16, true>(tiles, form.offset, panel, x, rows, sums),
            (_, false) => blocks::<S, T, 16, false>(tiles, form.offset, panel, x, rows, sums),
        }
        panel::columns::<S>(form, panel, x, few, few_sums);
    }
}

/// Sixteen rows at a time; the last ones are repeated to make sixteen.
#[inline(always)]
unsafe fn blocks<S: Simd, T: Tiles, const GROUP: usize, const MIN: bool>(
    tiles: &mut T,
    offset: u8,
    panel: &Panel,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
) {
    let mut buffers = Buffers::new();
    if !rows.is_empty() && !MIN {
        buffers.subtract(offset, panel, x.len);
    }
    let ((whole, rows), (whole_sums, sums)) =
        (rows.as_chunks::<TILE_ROWS>(), sums.as_chunks_mut::<TILE_ROWS>());
    // SAFETY: passed on.
    unsafe {
        for (rows, sums) in whole.iter().zip(whole_sums) {
            block::<S, T, GROUP, MIN>(tiles, panel, x, rows, &mut buffers, sums);
        }
        if let Some(last) = rows.last() {
            let (mut filled, mut filled_sums) = ([*last; TILE_ROWS], [[0.0; ROWS]; TILE_ROWS]);
            filled[..rows.len()].copy_from_slice(rows);
            filled_sums[..rows.len()].copy_from_slice(sums);
            block::<S, T, GROUP, MIN>(tiles, panel, x, &filled, &mut buffers, &mut filled_sums);
            sums.copy_from_slice(&filled_sums[..rows.len()]);
        }
    }
}

#[inline(always)]
unsafe fn block<S: Simd, T: Tiles, const GROUP: usize, const MIN: bool>(
    tiles: &mut T,
    panel: &Panel,
    x: Columns<'_>,
    rows: &[u32; TILE_ROWS],
    buffers: &mut Buffers,
    sums: &mut [[f32; ROWS]; TILE_ROWS],
) {
    // SAFETY: passed on.
    unsafe {
        let block = gather::<GROUP, MIN>(x, *rows, panel, buffers);
        if S::LANES == ROWS {
            add::<S, T, GROUP, MIN, 1>(tiles, &block, sums);
        } else {
            add::<S, T, GROUP, MIN, 2>(tiles, &block, sums);
        }
    }
}

/// Adds the products of all groups to `sums`; `H` vectors make sixteen rows of weights.
#[inline(always)]
unsafe fn add<S: Simd, T: Tiles, const GROUP: usize, const MIN: bool, const H: usize>(
    tiles: &mut T,
    block: &Block,
    sums: &mut [[f32; ROWS]; TILE_ROWS],
) {
    // SAFETY: `gather` vouches for the pointers, which lead to `groups` groups.
    unsafe {
        let mut total = [[S::zero_f(); TILE_ROWS]; H];
        for h in 0..H {
            for r in 0..TILE_ROWS {
                total[h][r] = S::load_f(sums[r].as_ptr().wrapping_add(h * S::LANES));
            }
        }
        begin::<T, GROUP>(tiles, block, 0);
        let mut first = 0;
        while first < block.groups {
            let next = first + AT_ONCE;
            begin::<T, GROUP>(tiles, block, next);
            for g in first..next.min(block.groups) {
                add_group::<S, GROUP, MIN, H>(block, g, &mut total);
            }
            first = next;
        }
        for h in 0..H {
            for r in 0..TILE_ROWS {
                S::store_f(sums[r].as_mut_ptr().wrapping_add(h * S::LANES), total[h][r]);
            }
        }
    }
}

/// Multiplies up to [`AT_ONCE`] groups from `first` on, as many as there are, and stores their sums.
#[inline(always)]
unsafe fn begin<T: Tiles, const GROUP: usize>(tiles: &mut T, block: &Block, first: usize) {
    let count = block.groups.saturating_sub(first);
    // SAFETY: passed on.
    unsafe {
        if count >= AT_ONCE {
            group::<T, GROUP, 0, 4, 6>(tiles, block, first);
            group::<T, GROUP, 1, 5, 7>(tiles, block, first + 1);
            group::<T, GROUP, 2, 4, 6>(tiles, block, first + 2);
            group::<T, GROUP, 3, 5, 7>(tiles, block, first + 3);
            tiles.store::<0>(block.dots(first), TILE_ROW_BYTES);
            tiles.store::<1>(block.dots(first + 1), TILE_ROW_BYTES);
            tiles.store::<2>(block.dots(first + 2), TILE_ROW_BYTES);
            tiles.store::<3>(block.dots(first + 3), TILE_ROW_BYTES);
            return;
        }
        for g in first..block.groups {
            group::<T, GROUP, 0, 4, 6>(tiles, block, g);
            tiles.store::<0>(block.dots(g), TILE_ROW_BYTES);
        }
    }
}

/// The integers of group `g`, in tile `C`.
#[inline(always)]
unsafe fn group<T: Tiles, const GROUP: usize, const C: usize, const A: usize, const B: usize>(
    tiles: &mut T,
    block: &Block,
    g: usize,
) {
    // SAFETY: passed on; the group lies inside the panel and the rows.
    unsafe {
        tiles.zero::<C>();
        tiles.load::<A>(block.q.wrapping_add(g * GROUP), block.stride);
        tiles.load::<B>(block.weights.wrapping_add(g * GROUP * ROWS), UNIT);
        tiles.multiply::<C, A, B>();
    }
}

/// The definition in `dot`, for group `g` of sixteen rows.
#[inline(always)]
unsafe fn add_group<S: Simd, const GROUP: usize, const MIN: bool, const H: usize>(
    block: &Block,
    g: usize,
    total: &mut [[S::F; TILE_ROWS]; H],
) {
    let dots = block.dots(g);
    // SAFETY: passed on; the group's integers have been stored.
    unsafe {
        for h in 0..H {
            let scale = S::load_f(block.weight_scales.wrapping_add(g * ROWS + h * S::LANES));
            let min = S::load_f(block.mins.wrapping_add(g * ROWS + h * S::LANES));
            for r in 0..TILE_ROWS {
                let dot = S::to_f(S::load(dots.wrapping_add(r * TILE_ROW_BYTES + h * 4 * S::LANES)));
                let x_scale = S::splat_f(*block.scales.wrapping_add(r * (PANEL / 32) + g * GROUP / 32));
                total[h][r] = S::mul_add(S::mul(scale, x_scale), dot, total[h][r]);
                if MIN {
                    let term = S::splat_f(*block.terms.wrapping_add(r * (PANEL / 16) + g));
                    total[h][r] = S::mul_add(min, term, total[h][r]);
                }
            }
        }
    }
}

const _: () = assert!(TILES == AT_ONCE + 4 && TILE_ROWS == ROWS && TILE_ROW_BYTES == UNIT);

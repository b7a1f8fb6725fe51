//! Panels in plain Rust: the definition the SIMD kernels are compared with, and the path of other processors.

use lantern_gguf::blocks::{Affine, Unpacked};

use super::{Columns, PANEL, Panel, ROWS, RowStart, TileBlocks};
use crate::packed::{Packing, Tile};

/// Fills a panel from any type.
///
/// # Safety
/// `blocks` must lead to blocks of a tile of this packing.
pub unsafe fn fill(packing: &Packing, blocks: TileBlocks, panel: &mut Panel) {
    let bytes = packing.tile_block_bytes();
    assert!(blocks.count * packing.ty.block_size() <= PANEL, "more columns than a panel has");
    // SAFETY: the caller vouches for `count` blocks.
    let all = unsafe { std::slice::from_raw_parts(blocks.first, blocks.count * bytes) };
    let mut unpacked = Unpacked::new();
    for (b, block) in all.chunks_exact(bytes).enumerate() {
        let tile = Tile::new(packing, block);
        for row in 0..ROWS {
            tile.row(row, &mut unpacked);
            panel.put(b, row, packing.ty, packing.form, &unpacked);
        }
    }
}

/// Adds a panel's products.
///
/// # Safety
/// None of its own; unsafe so that it can stand beside the SIMD kernels.
pub unsafe fn columns(form: Affine, panel: &Panel, x: Columns<'_>, rows: &[u32], sums: &mut [[f32; ROWS]]) {
    for (&row, sums) in rows.iter().zip(sums) {
        let [start] = x.pointers([row], form.group, form.has_min);
        if form.group == 16 {
            add::<16>(form, panel, start, x.len, sums)
        } else {
            add::<32>(form, panel, start, x.len, sums)
        }
    }
}

fn add<const GROUP: usize>(form: Affine, panel: &Panel, x: RowStart, len: usize, sums: &mut [f32; ROWS]) {
    // SAFETY: `pointers` vouches for `len` integers with their scales and terms.
    let (q, scales, terms) = unsafe {
        (
            std::slice::from_raw_parts(x.q, len),
            std::slice::from_raw_parts(x.scales, len / 32),
            std::slice::from_raw_parts(x.terms, len / GROUP),
        )
    };
    let weights = panel.q.chunks_exact(ROWS * GROUP).zip(&panel.scales).zip(&panel.mins);
    let inputs = q.as_chunks::<GROUP>().0.iter().zip(terms).enumerate();
    for ((g, (x_q, &term)), ((q, weight_scales), mins)) in inputs.zip(weights) {
        let (dots, x_scale) = (integers(q, x_q), scales[g * GROUP / 32]);
        for r in 0..ROWS {
            let dot = dots[r] as f32;
            let dot = if form.has_min { dot } else { dot - f32::from(form.offset) * term };
            sums[r] = (weight_scales[r] * x_scale).mul_add(dot, sums[r]);
            if form.has_min {
                sums[r] = mins[r].mul_add(term, sums[r]);
            }
        }
    }
}

/// Σ q·x of one group for each row.
fn integers(q: &[u8], x: &[i8]) -> [i32; ROWS] {
    let mut dots = [0i32; ROWS];
    for (q, x) in q.as_chunks::<{ 4 * ROWS }>().0.iter().zip(x.as_chunks::<4>().0) {
        for (dot, q) in dots.iter_mut().zip(q.as_chunks::<4>().0) {
            let four = (0..4).map(|j| i32::from(q[j]) * i32::from(x[j]));
            *dot = dot.wrapping_add(four.sum());
        }
    }
    dots
}

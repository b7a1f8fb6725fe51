//! Panels in plain Rust: the definition the SIMD kernels are compared with, and the path of other processors.

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::{Affine, Unpacked, affine, unpack};

use super::{Columns, Panel, ROWS, Weights};
use crate::quantize::Row;

/// Fills a panel from any type.
///
/// # Safety
/// `weights` must lead to its blocks, and `ty` must have an affine form.
pub unsafe fn fill(ty: GgmlType, weights: Weights, panel: &mut Panel) {
    let group = affine(ty).map_or(32, |form| form.group);
    let (size, bytes) = (ty.block_size(), ty.block_bytes());
    let mut unpacked = Unpacked::new();
    for row in 0..ROWS {
        // SAFETY: the caller vouches for `blocks` blocks in each row.
        let blocks = unsafe {
            std::slice::from_raw_parts(
                weights.first.wrapping_add(row * weights.stride),
                weights.blocks * bytes,
            )
        };
        for (b, block) in blocks.chunks_exact(bytes).enumerate() {
            unpack(ty, block, &mut unpacked);
            for (i, four) in unpacked.q[..size].chunks_exact(4).enumerate() {
                panel.q[(b * size / 4 + i) * 4 * ROWS + 4 * row..][..4].copy_from_slice(four);
            }
            for g in 0..size / group {
                panel.scales[b * size / group + g][row] = unpacked.scales[g];
                panel.mins[b * size / group + g][row] = unpacked.mins[g];
            }
        }
    }
}

/// Adds a panel's products.
///
/// # Safety
/// None of its own; unsafe so that it can stand beside the SIMD kernels.
pub unsafe fn columns(form: Affine, panel: &Panel, x: Columns<'_>, first: usize, sums: &mut [[f32; ROWS]]) {
    for (i, sums) in sums.iter_mut().enumerate() {
        let row = x.row(first + i, form.group);
        if form.group == 16 { add::<16>(form, panel, row, sums) } else { add::<32>(form, panel, row, sums) }
    }
}

fn add<const GROUP: usize>(form: Affine, panel: &Panel, x: Row<'_>, sums: &mut [f32; ROWS]) {
    let weights = panel.q.chunks_exact(ROWS * GROUP).zip(&panel.scales).zip(&panel.mins);
    let inputs = x.q.as_chunks::<GROUP>().0.iter().zip(x.terms).enumerate();
    for ((g, (x_q, &term)), ((q, scales), mins)) in inputs.zip(weights) {
        let (dots, x_scale) = (integers(q, x_q), x.scales[g * GROUP / 32]);
        for r in 0..ROWS {
            let dot = dots[r] as f32;
            let dot = if form.has_min { dot } else { dot - term };
            sums[r] += (scales[r] * x_scale) * dot;
            if form.has_min {
                sums[r] += mins[r] * term;
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

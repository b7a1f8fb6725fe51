//! The product of a weight matrix with rows of activations, split over a pool.

use std::cell::RefCell;
use std::mem::take;

use crate::KernelError;
use crate::dot::{Columns, Kernel, PANEL, Panel, ROWS, Weights, kernel};
use crate::error::check_len;
use crate::floats;
use crate::isa::{Isa, isa};
use crate::matrix::QMatrix;
use crate::pool::Pool;
use crate::quantize::{Activations, quantize_row};
use crate::share::Shared;

/// Up to so many rows of activations, weights are read where they lie, once for each row.
const DIRECT: usize = 3;

/// Bytes of weights a task takes at least, so that claiming it costs nothing beside it.
const TASK_BYTES: usize = 32 * 1024;

/// One matrix of several that share their input, and where its result goes.
pub struct Product<'a> {
    /// The weights.
    pub weights: &'a QMatrix,
    /// The result, `[m, weights.rows()]`.
    pub out: &'a mut [f32],
}

/// `out[m, rows] = x[m, cols] · wᵀ`.
///
/// Quantised weights meet activations quantised to 8 bits in blocks of 32; F32, F16 and BF16 weights meet them as
/// they are. A row of the result depends on that row of `x` alone.
pub fn matmul(pool: &Pool, w: &QMatrix, x: &[f32], m: usize, out: &mut [f32]) -> Result<(), KernelError> {
    run(isa(), pool, x, m, &mut [Product { weights: w, out }])
}

/// Several products of the same `x[m, cols]`, such as queries, keys and values.
///
/// The same numbers as one [`matmul`] each; matrices that quantise alike share the quantised activations.
pub fn matmul_each(
    pool: &Pool,
    x: &[f32],
    m: usize,
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    run(isa(), pool, x, m, products)
}

/// As [`matmul_each`] on an instruction set of the caller's choice, which must be available.
pub(crate) fn run(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    m: usize,
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    for product in products.iter() {
        check_len("the input of a product", x.len(), m.checked_mul(product.weights.cols()))?;
        check_len("the output of a product", product.out.len(), m.checked_mul(product.weights.rows()))?;
    }
    if m == 0 {
        return Ok(());
    }
    thread_local! {
        static ACTIVATIONS: RefCell<Activations> = RefCell::default();
    }
    let mut acts = ACTIVATIONS.with(|kept| take(&mut *kept.borrow_mut()));
    let mut quantised_for = None;
    for product in products {
        let (w, out) = (product.weights, &mut *product.out);
        match kernel(isa, w.ty()) {
            _ if w.rows() == 0 || w.cols() == 0 => out.fill(0.0),
            None => floats::matmul(pool, isa, w, x, m, out),
            Some(kernel) => {
                if quantised_for != Some(kernel.form) {
                    quantize(isa, pool, &kernel, x, m, &mut acts);
                    quantised_for = Some(kernel.form);
                }
                multiply(&kernel, pool, w, &acts, m, out);
            }
        }
    }
    ACTIVATIONS.with(|kept| *kept.borrow_mut() = acts);
    Ok(())
}

/// Quantises all rows of `x`.
fn quantize(isa: Isa, pool: &Pool, kernel: &Kernel, x: &[f32], m: usize, acts: &mut Activations) {
    let (form, cols) = (kernel.form, x.len() / m);
    acts.resize(m, cols, form);
    let (q, scales, terms) = acts.buffers();
    let (q, scales, terms) = (Shared::new(q), Shared::new(scales), Shared::new(terms));
    let one = |i: usize| {
        let (blocks, groups) = (cols / 32, cols / form.group);
        // SAFETY: row `i` belongs to the task that got `i`.
        let (q, scales, terms) = unsafe {
            (q.piece(i * cols, cols), scales.piece(i * blocks, blocks), terms.piece(i * groups, groups))
        };
        quantize_row(isa, form, &x[i * cols..][..cols], q, scales, terms);
    };
    if m < 8 {
        (0..m).for_each(one);
    } else {
        pool.run(m.div_ceil(8), &|task| (task * 8..m.min(task * 8 + 8)).for_each(one));
    }
}

/// Splits the rows of `w` into tiles, the tiles into tasks.
fn multiply(kernel: &Kernel, pool: &Pool, w: &QMatrix, acts: &Activations, m: usize, out: &mut [f32]) {
    let tiles = tile_count(w);
    let bytes = w.row_bytes() * ROWS;
    let least = TASK_BYTES.div_ceil(bytes * m.min(8));
    let per_task = tiles.div_ceil(8 * pool.threads()).max(least).max(1);
    let out = Shared::new(out);
    pool.run(tiles.div_ceil(per_task), &|task| {
        let range = task * per_task..tiles.min((task + 1) * per_task);
        match kernel.tile {
            Some(tile) if m <= DIRECT => direct(tile, w, acts, m, range, &out),
            _ => with_panels(kernel, w, acts, m, range, &out),
        }
    });
}

/// Eight rows of a matrix, of which some may already belong to the tile before.
struct Tile {
    first: usize,
    skip: usize,
    keep: usize,
    stride: usize,
}

fn tile_count(w: &QMatrix) -> usize {
    if w.rows() < ROWS { w.rows() } else { w.rows().div_ceil(ROWS) }
}

/// Tile `t` always has eight rows to read: the last one reaches back, and a matrix of fewer than eight rows repeats
/// one row.
fn tile_at(w: &QMatrix, t: usize) -> Tile {
    if w.rows() < ROWS {
        return Tile { first: t, skip: 0, keep: 1, stride: 0 };
    }
    let first = (t * ROWS).min(w.rows() - ROWS);
    let skip = t * ROWS - first;
    Tile { first, skip, keep: ROWS - skip, stride: w.row_bytes() }
}

fn direct(
    tile_kernel: crate::dot::TileFn,
    w: &QMatrix,
    acts: &Activations,
    m: usize,
    tiles: std::ops::Range<usize>,
    out: &Shared<'_, f32>,
) {
    for t in tiles {
        let tile = tile_at(w, t);
        let weights = Weights {
            first: w.bytes().as_ptr().wrapping_add(tile.first * w.row_bytes()),
            stride: tile.stride,
            blocks: w.cols() / w.ty().block_size(),
        };
        for i in 0..m {
            // SAFETY: `tile_at` gives rows inside the matrix, and a matrix holds all its rows.
            let sums = unsafe { tile_kernel(weights, acts.row(i)) };
            store(&tile, i, w.rows(), &sums, out);
        }
    }
}

fn with_panels(
    kernel: &Kernel,
    w: &QMatrix,
    acts: &Activations,
    m: usize,
    tiles: std::ops::Range<usize>,
    out: &Shared<'_, f32>,
) {
    thread_local! {
        static SCRATCH: RefCell<Option<(Box<Panel>, Vec<[f32; ROWS]>)>> = const { RefCell::new(None) };
    }
    let kept = SCRATCH.with(|kept| kept.borrow_mut().take());
    let (mut panel, mut sums) = kept.unwrap_or_else(|| (Panel::new(), Vec::new()));
    let (size, bytes) = (w.ty().block_size(), w.ty().block_bytes());
    for t in tiles {
        let tile = tile_at(w, t);
        let row = w.bytes().as_ptr().wrapping_add(tile.first * w.row_bytes());
        sums.clear();
        sums.resize(m, [0.0; ROWS]);
        for start in (0..w.cols()).step_by(PANEL) {
            let len = PANEL.min(w.cols() - start);
            let first = row.wrapping_add(start / size * bytes);
            let weights = Weights { first, stride: tile.stride, blocks: len / size };
            // SAFETY: `tile_at` gives rows inside the matrix, a panel's columns are whole blocks of them, and the
            // kernel was chosen for an instruction set that is there.
            unsafe {
                (kernel.fill)(w.ty(), weights, &mut panel);
                (kernel.columns)(kernel.form, &panel, Columns { all: acts, start, len }, 0, &mut sums);
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            store(&tile, i, w.rows(), sums, out);
        }
    }
    SCRATCH.with(|kept| *kept.borrow_mut() = Some((panel, sums)));
}

fn store(tile: &Tile, i: usize, rows: usize, sums: &[f32; ROWS], out: &Shared<'_, f32>) {
    // SAFETY: each tile keeps rows of its own, and each tile belongs to one task.
    let place = unsafe { out.piece(i * rows + tile.first + tile.skip, tile.keep) };
    place.copy_from_slice(&sums[tile.skip..tile.skip + tile.keep]);
}

#[cfg(test)]
mod tests;

//! The product of a weight matrix with rows of activations, split over a pool.

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;

use lantern_gguf::blocks::Affine;

use crate::KernelError;
use crate::dot::{Columns, Kernel, PANEL, Panel, ROWS, TileFn, Weights, kernel};
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
        static KEPT: RefCell<Vec<Activations>> = RefCell::default();
    }
    let mut kept = KEPT.with(|kept| take(&mut *kept.borrow_mut()));
    let mut forms = Vec::with_capacity(products.len());
    for product in products.iter() {
        let Some(kernel) = kernel(isa, product.weights.ty()) else { continue };
        if product.weights.cols() > 0 && !forms.contains(&kernel.form) {
            forms.push(kernel.form);
            kept.resize_with(kept.len().max(forms.len()), Activations::default);
            quantize(isa, pool, kernel.form, x, m, &mut kept[forms.len() - 1]);
        }
    }
    let mut jobs = Vec::with_capacity(products.len());
    for product in products {
        let (w, out) = (product.weights, &mut *product.out);
        match kernel(isa, w.ty()) {
            _ if w.rows() == 0 || w.cols() == 0 => out.fill(0.0),
            None => floats::matmul(pool, isa, w, x, m, out),
            Some(kernel) => {
                let acts = forms.iter().position(|form| *form == kernel.form).map(|i| &kept[i]);
                let acts = acts.expect("quantised above for every form there is");
                jobs.push(Job::new(kernel, pool.threads(), w, acts, m, out));
            }
        }
    }
    run_jobs(pool, &jobs);
    drop(jobs);
    KEPT.with(|place| *place.borrow_mut() = kept);
    Ok(())
}

/// The tasks of all jobs as one operation, so that threads wait for each other once.
fn run_jobs(pool: &Pool, jobs: &[Job<'_>]) {
    pool.run(jobs.iter().map(Job::tasks).sum(), &|mut task| {
        for job in jobs {
            if task < job.tasks() {
                return job.run(task);
            }
            task -= job.tasks();
        }
    });
}

/// Quantises all rows of `x`.
fn quantize(isa: Isa, pool: &Pool, form: Affine, x: &[f32], m: usize, acts: &mut Activations) {
    let cols = x.len() / m;
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

/// One product, cut into tasks of neighbouring tiles.
struct Job<'a> {
    kernel: Kernel,
    w: &'a QMatrix,
    bytes: &'a [u8],
    acts: &'a Activations,
    m: usize,
    out: Shared<'a, f32>,
    tiles: usize,
    per_task: usize,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    panel: Option<Box<Panel>>,
    sums: Vec<[f32; ROWS]>,
}

/// Eight rows of a matrix, of which some may already belong to the tile before.
struct Tile {
    first: usize,
    skip: usize,
    keep: usize,
    stride: usize,
}

impl<'a> Job<'a> {
    fn new(
        kernel: Kernel,
        threads: usize,
        w: &'a QMatrix,
        acts: &'a Activations,
        m: usize,
        out: &'a mut [f32],
    ) -> Self {
        let tiles = if w.rows() < ROWS { w.rows() } else { w.rows().div_ceil(ROWS) };
        let least = TASK_BYTES.div_ceil(w.row_bytes() * ROWS * m.min(8));
        let per_task = tiles.div_ceil(8 * threads).max(least);
        Job { kernel, w, bytes: w.bytes(), acts, m, out: Shared::new(out), tiles, per_task }
    }

    fn tasks(&self) -> usize {
        self.tiles.div_ceil(self.per_task)
    }

    fn run(&self, task: usize) {
        let tiles = task * self.per_task..self.tiles.min((task + 1) * self.per_task);
        match self.kernel.tile {
            Some(tile) if self.m <= DIRECT => self.direct(tile, tiles),
            _ => self.with_panels(tiles),
        }
    }

    /// Tile `t` always has eight rows to read: the last one reaches back, and a matrix of fewer than eight rows
    /// repeats one row.
    fn tile_at(&self, t: usize) -> Tile {
        let rows = self.w.rows();
        if rows < ROWS {
            return Tile { first: t, skip: 0, keep: 1, stride: 0 };
        }
        let first = (t * ROWS).min(rows - ROWS);
        let skip = t * ROWS - first;
        Tile { first, skip, keep: ROWS - skip, stride: self.w.row_bytes() }
    }

    /// The first byte of a row.
    fn row(&self, row: usize) -> *const u8 {
        self.bytes[row * self.w.row_bytes()..].as_ptr()
    }

    fn direct(&self, kernel: TileFn, tiles: Range<usize>) {
        let blocks = self.w.cols() / self.w.ty().block_size();
        for t in tiles {
            let tile = self.tile_at(t);
            let weights = Weights { first: self.row(tile.first), stride: tile.stride, blocks };
            for i in 0..self.m {
                // SAFETY: `tile_at` gives rows inside the matrix, and a matrix holds all its rows.
                let sums = unsafe { kernel(weights, self.acts.row(i)) };
                self.store(&tile, i, &sums);
            }
        }
    }

    fn with_panels(&self, tiles: Range<usize>) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let Scratch { panel, mut sums } = SCRATCH.with(|kept| take(&mut *kept.borrow_mut()));
        let mut panel = panel.unwrap_or_else(Panel::new);
        for t in tiles {
            let tile = self.tile_at(t);
            sums.clear();
            sums.resize(self.m, [0.0; ROWS]);
            self.multiply_panels(&tile, &mut panel, &mut sums);
            for (i, sums) in sums.iter().enumerate() {
                self.store(&tile, i, sums);
            }
        }
        SCRATCH.with(|kept| *kept.borrow_mut() = Scratch { panel: Some(panel), sums });
    }

    /// Adds a tile's products with all rows of activations to `sums`, panel after panel.
    fn multiply_panels(&self, tile: &Tile, panel: &mut Panel, sums: &mut [[f32; ROWS]]) {
        let (ty, cols) = (self.w.ty(), self.w.cols());
        let row = self.row(tile.first);
        for start in (0..cols).step_by(PANEL) {
            let len = PANEL.min(cols - start);
            let first = row.wrapping_add(start / ty.block_size() * ty.block_bytes());
            let weights = Weights { first, stride: tile.stride, blocks: len / ty.block_size() };
            let columns = Columns { all: self.acts, start, len };
            // SAFETY: `tile_at` gives rows inside the matrix, a panel's columns are whole blocks of them, and the
            // kernel was chosen for an instruction set that is there.
            unsafe {
                (self.kernel.fill)(ty, weights, panel);
                (self.kernel.columns)(self.kernel.form, panel, columns, 0, sums);
            }
        }
    }

    fn store(&self, tile: &Tile, i: usize, sums: &[f32; ROWS]) {
        let at = i * self.w.rows() + tile.first + tile.skip;
        // SAFETY: each tile keeps rows of its own, and each tile belongs to one task.
        let place = unsafe { self.out.piece(at, tile.keep) };
        place.copy_from_slice(&sums[tile.skip..tile.skip + tile.keep]);
    }
}

#[cfg(test)]
mod tests;

//! The product of a weight matrix with rows of activations, split over a pool.
//!
//! One way for everything: a product has groups of rows, each of which meets a matrix of its own. A plain layer has one
//! group; a layer of experts has one for each expert that some row is sent to. Nothing here allocates once its buffers
//! have grown to the sizes in use.

use std::cell::RefCell;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use crate::KernelError;
use crate::dot::{Columns, DIRECT, DirectFn, Kernel, PANEL, Panel, TileBlocks, TileKernel, kernel, rows};
use crate::error::check_len;
use crate::floats;
use crate::isa::{Isa, isa};
use crate::matrix::QMatrix;
use crate::packed::ROWS;
use crate::pool::Pool;
use crate::quantize::{Activations, quantize_row};
use crate::residency::Residents;
use crate::share::Shared;

/// Bytes of weights a task takes at least, so that claiming it costs nothing beside it.
const TASK_BYTES: usize = 32 * 1024;

/// Most products that share an input in one call.
pub const MAX_PRODUCTS: usize = 4;

/// One matrix of several that share their input, and where its result goes.
pub struct Product<'a> {
    /// The weights.
    pub weights: &'a QMatrix,
    /// The result, `[m, weights.rows()]`.
    pub out: &'a mut [f32],
}

/// Rows that are sent to one expert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertRows {
    /// Which of the matrices in the weights.
    pub expert: u32,
    /// Where its rows begin in the list of all rows that are sent somewhere.
    pub first: u32,
    /// How many there are.
    pub len: u32,
}

/// `out[m, rows] = x[m, cols] · wᵀ`.
///
/// Quantised weights meet activations quantised to 8 bits in blocks of 32; F32, F16 and BF16 weights meet them as
/// they are. A row of the result depends on that row of `x` alone.
pub fn matmul(pool: &Pool, w: &QMatrix, x: &[f32], m: usize, out: &mut [f32]) -> Result<(), KernelError> {
    matmul_each(pool, x, m, &mut [Product { weights: w, out }])
}

/// Up to [`MAX_PRODUCTS`] products of the same `x[m, cols]`, such as queries, keys and values.
///
/// The same numbers as one [`matmul`] each; the activations are quantised once.
pub fn matmul_each(
    pool: &Pool,
    x: &[f32],
    m: usize,
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    run(isa(), pool, x, m, products)
}

/// Products of rows with the experts they are sent to.
///
/// `rows` lists the row of `x[m, cols]` for each place of the results, `[rows.len(), weights.rows()]`; `groups` says
/// which places belong to which expert and covers them in order. A row may be listed for several experts.
pub fn matmul_experts(
    pool: &Pool,
    x: &[f32],
    m: usize,
    rows: &[u32],
    groups: &[ExpertRows],
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    run_experts(isa(), pool, x, m, rows, groups, products)
}

/// As [`matmul_each`] on an instruction set of the caller's choice, which must be available.
pub(crate) fn run(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    m: usize,
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    thread_local! {
        static ALL: RefCell<Vec<u32>> = RefCell::default();
    }
    let mut all = ALL.with(|kept| take(&mut *kept.borrow_mut()));
    all.extend(all.len() as u32..m as u32);
    let whole = ExpertRows { expert: 0, first: 0, len: m as u32 };
    let result = run_experts(isa, pool, x, m, &all[..m], &[whole], products);
    ALL.with(|kept| *kept.borrow_mut() = all);
    result
}

/// As [`matmul_experts`] on an instruction set of the caller's choice, which must be available.
pub(crate) fn run_experts(
    isa: Isa,
    pool: &Pool,
    x: &[f32],
    m: usize,
    rows: &[u32],
    groups: &[ExpertRows],
    products: &mut [Product<'_>],
) -> Result<(), KernelError> {
    thread_local! {
        static KEPT: RefCell<Activations> = RefCell::default();
    }
    check(x, m, rows, groups, products)?;
    if rows.is_empty() {
        return Ok(());
    }
    for product in &*products {
        product.weights.prepare(groups.iter().map(|group| group.expert as usize), pool)?;
    }
    let mut acts = KEPT.with(|kept| take(&mut *kept.borrow_mut()));
    if products.iter().any(|product| product.weights.ty().is_quantised() && product.weights.cols() > 0) {
        quantize(isa, pool, x, m, &mut acts);
    }
    let input = Input { isa, pool, x, acts: &acts, rows };
    input.multiply(groups, products, None);
    let result = input.multiply_stored(groups, products, m);
    KEPT.with(|kept| *kept.borrow_mut() = acts);
    result
}

/// What all products of a call share.
struct Input<'a> {
    isa: Isa,
    pool: &'a Pool,
    x: &'a [f32],
    acts: &'a Activations,
    rows: &'a [u32],
}

impl Input<'_> {
    /// The products of these groups: those with matrices in a store, if its residents are given, or else the others.
    fn multiply(&self, groups: &[ExpertRows], products: &mut [Product<'_>], residents: Option<&Residents>) {
        let mut jobs = [const { None }; MAX_PRODUCTS];
        for (product, job) in products.iter_mut().zip(&mut jobs) {
            let (w, out) = (product.weights, &mut *product.out);
            if w.store().is_some() != residents.is_some() {
                continue;
            }
            match kernel(self.isa, w.ty()) {
                _ if w.rows() == 0 || w.cols() == 0 => out.fill(0.0),
                None => floats::matmul(self.pool, self.isa, w, self.x, self.rows, groups, out),
                Some(kernel) => *job = Some(Job::new(self, kernel, w, groups, out, residents)),
            }
        }
        run_jobs(self.pool, &jobs);
    }

    /// The products with matrices in a store, as they come to be there.
    fn multiply_stored(
        &self,
        groups: &[ExpertRows],
        products: &mut [Product<'_>],
        m: usize,
    ) -> Result<(), KernelError> {
        let (mut stacks, mut count, mut store) = ([0; MAX_PRODUCTS], 0, None);
        for weights in products.iter().map(|product| product.weights) {
            let Some((of_this, stack)) = weights.store() else { continue };
            if !Arc::ptr_eq(store.get_or_insert(of_this), of_this) {
                return Err(KernelError::NotPacked { ty: weights.ty() });
            }
            stacks[count] = stack;
            count += 1;
        }
        let Some(store) = store else { return Ok(()) };
        store.in_waves(self.pool, &stacks[..count], m, groups, |residents, groups| {
            self.multiply(groups, products, Some(residents));
        })
    }
}

fn check(
    x: &[f32],
    m: usize,
    rows: &[u32],
    groups: &[ExpertRows],
    products: &[Product<'_>],
) -> Result<(), KernelError> {
    if products.len() > MAX_PRODUCTS {
        return Err(KernelError::Index { what: "product", index: products.len(), limit: MAX_PRODUCTS });
    }
    if let Some(&row) = rows.iter().find(|&&row| row as usize >= m) {
        return Err(KernelError::Index { what: "row", index: row as usize, limit: m });
    }
    let mut next = 0;
    for group in groups {
        check_len("the rows before a group", group.first as usize, Some(next))?;
        next += group.len as usize;
    }
    check_len("the rows of all groups", next, Some(rows.len()))?;
    for product in products {
        let weights = product.weights;
        check_len("the input of a product", x.len(), m.checked_mul(weights.cols()))?;
        check_len("the output of a product", product.out.len(), rows.len().checked_mul(weights.rows()))?;
        if weights.wants_packing() {
            return Err(KernelError::NotPacked { ty: weights.ty() });
        }
        let count = weights.shape().count;
        if let Some(group) = groups.iter().find(|group| group.expert as usize >= count) {
            return Err(KernelError::Index { what: "expert", index: group.expert as usize, limit: count });
        }
    }
    Ok(())
}

/// The tasks of all jobs as one operation, so that threads wait for each other once.
fn run_jobs(pool: &Pool, jobs: &[Option<Job<'_>>]) {
    let jobs = || jobs.iter().flatten();
    pool.run(jobs().map(Job::tasks).sum(), &|mut task| {
        for job in jobs() {
            if task < job.tasks() {
                return job.run(task);
            }
            task -= job.tasks();
        }
    });
}

/// Quantises all rows of `x`.
fn quantize(isa: Isa, pool: &Pool, x: &[f32], m: usize, acts: &mut Activations) {
    /// Rows that one task quantises.
    const ROWS_PER_TASK: usize = 8;
    let cols = x.len() / m;
    acts.resize(m, cols);
    if m < ROWS_PER_TASK {
        let mut rest = acts.rows_mut();
        for x in x.chunks_exact(cols) {
            let (row, others) = rest.take(cols);
            quantize_row(isa, x, row);
            rest = others;
        }
        return;
    }
    let rows = acts.shared_rows();
    pool.run(m.div_ceil(ROWS_PER_TASK), &|task| {
        for i in task * ROWS_PER_TASK..m.min((task + 1) * ROWS_PER_TASK) {
            // SAFETY: row `i` belongs to the task that got `i`.
            quantize_row(isa, &x[i * cols..][..cols], unsafe { rows.row(i) });
        }
    });
}

/// One product, cut into tasks of neighbouring tiles for each group of rows.
struct Job<'a> {
    kernel: Kernel,
    w: &'a QMatrix,
    acts: &'a Activations,
    rows: &'a [u32],
    groups: &'a [ExpertRows],
    /// The tiles that are there, if the weights are in a store.
    residents: Option<&'a Residents>,
    out: Shared<'a, f32>,
    tiles_per_task: usize,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    panel: Option<Box<Panel>>,
    sums: Vec<[f32; ROWS]>,
}

impl<'a> Job<'a> {
    fn new(
        input: &Input<'a>,
        kernel: Kernel,
        w: &'a QMatrix,
        groups: &'a [ExpertRows],
        out: &'a mut [f32],
        residents: Option<&'a Residents>,
    ) -> Self {
        let (acts, rows, threads) = (input.acts, input.rows, input.pool.threads());
        let rows_per_group = rows.len().div_ceil(groups.len().max(1));
        let least = TASK_BYTES.div_ceil(w.tile_bytes() * rows_per_group.clamp(1, 8));
        let tiles_per_task = (groups.len() * w.tiles()).div_ceil(8 * threads).min(w.tiles()).max(least);
        Job { kernel, w, acts, rows, groups, residents, out: Shared::new(out), tiles_per_task }
    }

    fn tasks_per_group(&self) -> usize {
        self.w.tiles().div_ceil(self.tiles_per_task)
    }

    fn tasks(&self) -> usize {
        self.groups.len() * self.tasks_per_group()
    }

    fn run(&self, task: usize) {
        let (group, task) = (self.groups[task / self.tasks_per_group()], task % self.tasks_per_group());
        let tiles = task * self.tiles_per_task..self.w.tiles().min((task + 1) * self.tiles_per_task);
        let weights = match (self.kernel.tiles, self.w.packed(group.expert as usize, self.residents)) {
            (Some(kernel), Some(bytes)) => Source::Tiles(kernel, bytes),
            _ => Source::Rows(self.w.plain_rows(group.expert as usize)),
        };
        let rows = &self.rows[group.first as usize..][..group.len as usize];
        let work = GroupWork { job: self, weights, rows, first_out: group.first as usize };
        match weights {
            Source::Tiles(TileKernel { direct: Some(direct), .. }, bytes) if rows.len() <= DIRECT => {
                work.directly(direct, bytes, tiles)
            }
            _ => work.with_panels(tiles),
        }
    }
}

/// Where one matrix is.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// All its tiles, and what reads them.
    Tiles(TileKernel, &'a [u8]),
    /// All its rows, as in the file.
    Rows(&'a [u8]),
}

/// Some tiles of one matrix and the rows they meet.
struct GroupWork<'a> {
    job: &'a Job<'a>,
    weights: Source<'a>,
    rows: &'a [u32],
    first_out: usize,
}

impl GroupWork<'_> {
    /// The bytes of a tile; the last sixteen rows of a file may be fewer.
    fn tile<'b>(&self, all: &'b [u8], tile: usize) -> &'b [u8] {
        let len = self.job.w.tile_bytes();
        &all[tile * len..all.len().min((tile + 1) * len)]
    }

    fn directly(&self, direct: DirectFn, bytes: &[u8], tiles: Range<usize>) {
        let count = self.job.w.cols() / self.job.w.ty().block_size();
        let columns = Columns { all: self.job.acts, start: 0, len: self.job.w.cols() };
        for tile in tiles {
            let blocks = TileBlocks { first: self.tile(bytes, tile).as_ptr(), count };
            let mut sums = [[0.0; ROWS]; DIRECT];
            let sums = &mut sums[..self.rows.len()];
            // SAFETY: the tile holds all blocks of its rows, and the kernel was chosen for an instruction set that is
            // there.
            unsafe { direct(blocks, columns, self.rows, sums) };
            self.store(tile, sums);
        }
    }

    fn with_panels(&self, tiles: Range<usize>) {
        thread_local! {
            static SCRATCH: RefCell<Scratch> = RefCell::default();
        }
        let Scratch { panel, mut sums } = SCRATCH.with(|kept| take(&mut *kept.borrow_mut()));
        let mut panel = panel.unwrap_or_else(Panel::new);
        // SAFETY: the kernel was chosen for an instruction set that is there.
        let _set_up = unsafe { self.job.kernel.set_up() };
        for tile in tiles {
            sums.clear();
            sums.resize(self.rows.len(), [0.0; ROWS]);
            self.multiply_panels(tile, &mut panel, &mut sums);
            self.store(tile, &sums);
        }
        SCRATCH.with(|kept| *kept.borrow_mut() = Scratch { panel: Some(panel), sums });
    }

    /// Adds a tile's products with all rows to `sums`, panel after panel.
    fn multiply_panels(&self, tile: usize, panel: &mut Panel, sums: &mut [[f32; ROWS]]) {
        let Job { kernel, w, acts, .. } = self.job;
        let size = w.ty().block_size();
        for start in (0..w.cols()).step_by(PANEL) {
            let len = PANEL.min(w.cols() - start);
            self.fill(tile, start / size..(start + len) / size, panel);
            let columns = Columns { all: acts, start, len };
            // SAFETY: the kernel was chosen for an instruction set that is there.
            unsafe { (kernel.columns)(kernel.form, panel, columns, self.rows, sums) };
        }
    }

    /// Fills a panel with the blocks `blocks` of a tile's rows.
    fn fill(&self, tile: usize, blocks: Range<usize>, panel: &mut Panel) {
        match self.weights {
            Source::Tiles(kernel, bytes) => {
                let (tile, bytes) = (self.tile(bytes, tile), kernel.packing.tile_block_bytes());
                let of_panel = &tile[blocks.start * bytes..blocks.end * bytes];
                let blocks = TileBlocks { first: of_panel.as_ptr(), count: blocks.len() };
                // SAFETY: the slice holds the blocks, and the kernel was chosen for an instruction set that is there.
                unsafe { (kernel.fill)(&kernel.packing, blocks, panel) }
            }
            Source::Rows(bytes) => {
                let Job { kernel, w, .. } = self.job;
                let row_bytes = w.tile_bytes() / ROWS;
                rows::fill(w.ty(), kernel.form, self.tile(bytes, tile), row_bytes, blocks, panel);
            }
        }
    }

    fn store(&self, tile: usize, sums: &[[f32; ROWS]]) {
        let outputs = self.job.w.rows();
        let first = tile * ROWS;
        let keep = ROWS.min(outputs - first);
        for (i, sums) in sums.iter().enumerate() {
            let at = (self.first_out + i) * outputs + first;
            // SAFETY: each tile of each group belongs to one task.
            let place = unsafe { self.job.out.piece(at, keep) };
            match place.as_mut_array::<ROWS>() {
                Some(whole) => *whole = *sums,
                None => place.copy_from_slice(&sums[..keep]),
            }
        }
    }
}

#[cfg(test)]
mod tests;

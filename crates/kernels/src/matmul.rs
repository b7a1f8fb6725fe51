//! The product of a weight matrix with rows of activations, split over a pool.
//!
//! One way for everything: a product has groups of rows, each of which meets a matrix of its own. A plain layer has one
//! group; a layer of experts has one for each expert that some row is sent to. Nothing here allocates once its buffers
//! have grown to the sizes in use.

use std::cell::RefCell;
use std::mem::take;
use std::sync::Arc;

use self::job::Job;
use crate::KernelError;
use crate::dot::kernel;
use crate::error::check_len;
use crate::floats;
use crate::isa::{Isa, isa};
use crate::matrix::QMatrix;
use crate::pool::Pool;
use crate::quantize::{Activations, quantize_row};
use crate::residency::Residents;

mod job;

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
        run_jobs(self.pool, &jobs, groups.len() == 1);
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

/// The tasks of all jobs as one operation, so that threads wait for each other once. They are `even` unless groups differ
/// in rows.
fn run_jobs(pool: &Pool, jobs: &[Option<Job<'_>>], even: bool) {
    let jobs = || jobs.iter().flatten();
    let (tasks, run) = (jobs().map(Job::tasks).sum(), |mut task| {
        for job in jobs() {
            if task < job.tasks() {
                return job.run(task);
            }
            task -= job.tasks();
        }
    });
    if even { pool.run_even(tasks, &run) } else { pool.run(tasks, &run) }
}

/// Quantises all rows of `x`.
fn quantize(isa: Isa, pool: &Pool, x: &[f32], m: usize, acts: &mut Activations) {
    /// Numbers that one task quantises at least: some microseconds' work.
    const NUMBERS_PER_TASK: usize = 32 * 1024;
    let cols = x.len() / m;
    acts.resize(m, cols);
    let rows_per_task = NUMBERS_PER_TASK.div_ceil(cols.max(1));
    if m <= rows_per_task {
        let mut rest = acts.rows_mut();
        for x in x.chunks_exact(cols) {
            let (row, others) = rest.take(cols);
            quantize_row(isa, x, row);
            rest = others;
        }
        return;
    }
    let rows = acts.shared_rows();
    pool.run_even(m.div_ceil(rows_per_task), &|task| {
        for i in task * rows_per_task..m.min((task + 1) * rows_per_task) {
            // SAFETY: row `i` belongs to the task that got `i`.
            quantize_row(isa, &x[i * cols..][..cols], unsafe { rows.row(i) });
        }
    });
}

#[cfg(test)]
mod tests;

//! Activations on their way from layer to layer.
//!
//! On the host their memory comes from the model's workspace and goes back to it, so that a step which is like the one
//! before allocates nothing.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use candle_core::Tensor;
use lantern_kernels::Pool;

use crate::resident::Resident;
use crate::{Compute, ModelError};

/// f32 `[rows, width]`: in memory for kernels, or a tensor for candle. Layers look inside, families need not.
pub(crate) enum Rows {
    Host(HostRows),
    Tensor(Tensor),
}

impl Rows {
    /// Brings the rows to where `compute` works with them. Rows that are there already are left alone.
    pub(crate) fn move_to(&mut self, compute: &Compute) -> Result<(), ModelError> {
        let moved = match (&*self, compute.workspace()) {
            (Rows::Tensor(x), Some(workspace)) => {
                let (rows, width) = x.dims2()?;
                let mut host = HostRows::new(workspace, rows, width);
                host.copy_from_slice(&x.flatten_all()?.to_vec1::<f32>()?);
                Rows::Host(host)
            }
            (Rows::Host(x), None) => {
                Rows::Tensor(Tensor::from_slice(x, (x.rows, x.width), compute.device())?)
            }
            _ => return Ok(()),
        };
        *self = moved;
        Ok(())
    }

    /// Like [`Self::move_to`].
    pub(crate) fn on(mut self, compute: &Compute) -> Result<Rows, ModelError> {
        self.move_to(compute)?;
        Ok(self)
    }

    /// Adds `other`, of the same shape: a block's input and what a part of it adds.
    pub(crate) fn add(&mut self, other: Rows) -> Result<(), ModelError> {
        match (self, other) {
            (Rows::Host(x), Rows::Host(y)) => Ok(lantern_kernels::add(y.pool(), x, &y)?),
            (Rows::Tensor(x), Rows::Tensor(y)) => {
                *x = (&*x + y)?;
                Ok(())
            }
            _ => Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        }
    }

    /// The same again.
    pub(crate) fn copied(&self) -> Result<Rows, ModelError> {
        Ok(match self {
            Rows::Host(x) => Rows::Host(x.columns(0, x.width)),
            Rows::Tensor(x) => Rows::Tensor(x.clone()),
        })
    }

    /// Adds to each row a share of the one in its place in `other`, which stands in a column of `shares`.
    pub(crate) fn add_shares(
        &mut self,
        other: &Rows,
        shares: &Rows,
        column: usize,
    ) -> Result<(), ModelError> {
        let part = match (other.copied()?, shares.columns(column, 1)?) {
            (Rows::Host(mut part), Rows::Host(shares)) => {
                let (pool, values) = part.pool_and_values();
                lantern_kernels::scale_rows(pool, values, &shares)?;
                Rows::Host(part)
            }
            (Rows::Tensor(part), Rows::Tensor(shares)) => Rows::Tensor(part.broadcast_mul(&shares)?),
            _ => return Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        };
        self.add(part)
    }

    /// Multiplies everything with `factor`.
    pub(crate) fn scale(&mut self, factor: f32) -> Result<(), ModelError> {
        match self {
            Rows::Host(x) => {
                let (pool, values) = x.pool_and_values();
                lantern_kernels::scale(pool, values, factor);
            }
            Rows::Tensor(x) => *x = (&*x * f64::from(factor))?,
        }
        Ok(())
    }

    /// Changes all their numbers, in memory; a device's make the way there and back.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut [f32])) -> Result<(), ModelError> {
        match self {
            Rows::Host(x) => change(x),
            Rows::Tensor(x) => {
                let mut values = x.flatten_all()?.to_vec1::<f32>()?;
                change(&mut values);
                *x = Tensor::from_vec(values, x.shape(), x.device())?;
            }
        }
        Ok(())
    }

    /// All their numbers, in memory.
    pub(crate) fn into_values(self) -> Result<Vec<f32>, ModelError> {
        match self {
            Rows::Host(x) => Ok(x.to_vec()),
            Rows::Tensor(x) => Ok(x.flatten_all()?.to_vec1()?),
        }
    }

    /// Whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Rows::Host(x) => x.rows == 0,
            Rows::Tensor(x) => x.elem_count() == 0,
        }
    }

    /// Columns `first..first + width` of all rows.
    pub(crate) fn columns(&self, first: usize, width: usize) -> Result<Rows, ModelError> {
        match self {
            Rows::Host(x) => Ok(Rows::Host(x.columns(first, width))),
            Rows::Tensor(x) => Ok(Rows::Tensor(x.narrow(1, first, width)?.contiguous()?)),
        }
    }

    /// Each row with that of `behind` behind it.
    pub(crate) fn beside(&self, behind: &Rows) -> Result<Rows, ModelError> {
        match (self, behind) {
            (Rows::Host(x), Rows::Host(y)) => Ok(Rows::Host(x.joined(y, 1))),
            (Rows::Tensor(x), Rows::Tensor(y)) => Ok(Rows::Tensor(Tensor::cat(&[x, y], 1)?)),
            _ => Err(ModelError::BadBatch("rows in memory meet rows on a device".to_owned())),
        }
    }

    /// Some of the rows, in the given order.
    pub(crate) fn select(&self, rows: &[u32]) -> Result<Rows, ModelError> {
        match self {
            Rows::Host(x) => {
                let mut wanted = HostRows::new(&x.workspace, rows.len(), x.width);
                for (&row, place) in rows.iter().zip(wanted.chunks_exact_mut(x.width)) {
                    let start = row as usize * x.width;
                    place.copy_from_slice(&x[start..start + x.width]);
                }
                Ok(Rows::Host(wanted))
            }
            // Devices cannot be asked to do nothing.
            Rows::Tensor(x) if rows.is_empty() => Ok(Rows::Tensor(x.narrow(0, 0, 0)?)),
            Rows::Tensor(x) => Ok(Rows::Tensor(x.index_select(&Tensor::new(rows, x.device())?, 0)?)),
        }
    }
}

/// `[rows, width]` in memory, as a slice of all its values. Its memory returns to the workspace when it is dropped.
pub(crate) struct HostRows {
    workspace: Arc<Workspace>,
    /// At least `rows * width` values.
    values: Vec<f32>,
    rows: usize,
    width: usize,
}

impl HostRows {
    /// Room for rows; the values are anything.
    pub(crate) fn new(workspace: &Arc<Workspace>, rows: usize, width: usize) -> Self {
        let values = workspace.take(rows * width);
        HostRows { workspace: Arc::clone(workspace), values, rows, width }
    }

    /// Room for as many rows of another width; the values are anything.
    pub(crate) fn room(&self, width: usize) -> Self {
        HostRows::new(&self.workspace, self.rows, width)
    }

    /// Room for another number of rows and another width; the values are anything.
    pub(crate) fn room_for(&self, rows: usize, width: usize) -> Self {
        HostRows::new(&self.workspace, rows, width)
    }

    /// Columns `first..first + width` of all rows.
    pub(crate) fn columns(&self, first: usize, width: usize) -> Self {
        self.parts(1, first, width)
    }

    /// Numbers `first..first + width` of each of the `count` equal parts of all rows.
    pub(crate) fn parts(&self, count: usize, first: usize, width: usize) -> Self {
        let mut wanted = self.room(count * width);
        let each = self.width / count;
        for (part, place) in self.chunks_exact(each).zip(wanted.chunks_exact_mut(width)) {
            place.copy_from_slice(&part[first..first + width]);
        }
        wanted
    }

    /// Each of the `count` equal parts of all rows, with that of `behind` behind it.
    pub(crate) fn joined(&self, behind: &HostRows, count: usize) -> Self {
        let mut both = self.room(self.width + behind.width);
        let (front, back) = (self.width / count, behind.width / count);
        let parts = self.chunks_exact(front).zip(behind.chunks_exact(back));
        for ((first, second), place) in parts.zip(both.chunks_exact_mut(front + back)) {
            place[..front].copy_from_slice(first);
            place[front..].copy_from_slice(second);
        }
        both
    }

    /// The threads that compute with them.
    pub(crate) fn pool(&self) -> &Pool {
        &self.workspace.pool
    }

    /// The threads beside the values, for what is done in place.
    pub(crate) fn pool_and_values(&mut self) -> (&Pool, &mut [f32]) {
        (&self.workspace.pool, &mut self.values[..self.rows * self.width])
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }
}

impl Deref for HostRows {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.values[..self.rows * self.width]
    }
}

impl DerefMut for HostRows {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.rows * self.width]
    }
}

impl Drop for HostRows {
    fn drop(&mut self) {
        self.workspace.free().push(std::mem::take(&mut self.values));
    }
}

/// What all layers of a model compute with on a CPU: threads, and memory for weights and activations.
pub(crate) struct Workspace {
    pool: Pool,
    /// The packed weights, once there are any.
    pub(crate) weights: OnceLock<Resident>,
    /// Memory that nobody uses at the moment.
    free: Mutex<Vec<Vec<f32>>>,
}

impl Workspace {
    pub(crate) fn new(threads: usize) -> Self {
        Workspace { pool: Pool::new(threads), weights: OnceLock::new(), free: Mutex::default() }
    }

    /// The threads that kernels compute with.
    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Gives back the memory that nobody uses.
    pub(crate) fn release(&self) {
        self.free().clear();
    }

    /// At least `len` values: the smallest piece of memory that holds them, or a new one in place of the largest.
    fn take(&self, len: usize) -> Vec<f32> {
        let mut free = self.free();
        let fitting = |(_, values): &(usize, &Vec<f32>)| values.len() >= len;
        let smallest = free.iter().enumerate().filter(fitting).min_by_key(|(_, values)| values.len());
        if let Some((index, _)) = smallest {
            return free.swap_remove(index);
        }
        let largest = free.iter().enumerate().max_by_key(|(_, values)| values.len());
        if let Some((index, _)) = largest {
            free.swap_remove(index);
        }
        vec![0.0; len]
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<f32>>> {
        // A list of vectors is whole between any two of its operations.
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_used_again() {
        let workspace = Arc::new(Workspace::new(1));
        let step = || {
            let x = HostRows::new(&workspace, 2, 100);
            let wide = x.room(400);
            (x.as_ptr(), wide.as_ptr())
        };
        let first = step();
        assert_eq!(step(), first, "each finds the memory that fits it");
        let small = HostRows::new(&workspace, 1, 60);
        assert_eq!((small.as_ptr(), small.len()), (first.0, 60));
        drop(small);
        drop(HostRows::new(&workspace, 3, 400));
        let sizes: Vec<usize> = workspace.free().iter().map(Vec::len).collect();
        assert_eq!(sizes, [200, 1200], "the largest made way for a larger one");
    }

    #[test]
    fn parts_of_rows_are_taken_and_joined() {
        let workspace = Arc::new(Workspace::new(1));
        let mut x = HostRows::new(&workspace, 2, 6);
        x.copy_from_slice(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        let (front, back) = (x.parts(2, 0, 1), x.parts(2, 1, 2));
        assert_eq!(front[..], [0.0, 3.0, 6.0, 9.0]);
        assert_eq!(back[..], [1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 10.0, 11.0]);
        assert_eq!(front.joined(&back, 2)[..], x[..]);
        assert_eq!(x.columns(4, 2)[..], [4.0, 5.0, 10.0, 11.0]);
    }

    #[test]
    fn rows_are_selected_in_the_given_order() {
        let workspace = Arc::new(Workspace::new(1));
        let mut x = HostRows::new(&workspace, 3, 2);
        x.copy_from_slice(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let Ok(Rows::Host(wanted)) = Rows::Host(x).select(&[2, 0]) else { panic!("rows stay in memory") };
        assert_eq!(wanted[..], [4.0, 5.0, 0.0, 1.0]);
    }
}

//! Where a model computes, and how: kernels over mapped weights on a CPU, candle operations on any device.

use std::sync::Arc;

use candle_core::{D, Device, Storage, Tensor};
use lantern_kernels::Pool;

use crate::ModelError;

/// How to load a model.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The device.
    pub device: Device,
    /// Threads on a CPU.
    pub threads: usize,
}

impl Default for LoadOptions {
    /// The CPU with as many threads as the system offers.
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        LoadOptions { device: Device::Cpu, threads }
    }
}

/// The way a model's layers compute.
///
/// With a pool they call `lantern-kernels` on slices; without one they are candle operations. The second way runs on
/// every device, the CPU included, which is how tests compare the two.
#[derive(Clone)]
pub struct Compute {
    device: Device,
    pool: Option<Arc<Pool>>,
}

impl Compute {
    /// The right way for the device.
    pub fn new(options: &LoadOptions) -> Self {
        match options.device {
            Device::Cpu => Compute::kernels(options.threads),
            _ => Compute::tensors(options.device.clone()),
        }
    }

    /// Kernels on the CPU.
    pub fn kernels(threads: usize) -> Self {
        Compute { device: Device::Cpu, pool: Some(Arc::new(Pool::new(threads.max(1)))) }
    }

    /// candle operations on a device.
    pub fn tensors(device: Device) -> Self {
        Compute { device, pool: None }
    }

    /// The device that activations live on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The threads for kernels; `None` when layers are candle operations.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.pool.as_deref()
    }

    /// An f32 tensor `[rows, width]` of values made on the host.
    pub(crate) fn tensor(&self, values: Vec<f32>, width: usize) -> Result<Tensor, ModelError> {
        let rows = values.len() / width;
        Ok(Tensor::from_vec(values, (rows, width), &self.device)?)
    }

    /// The sum of two tensors `[rows, width]`: a block's input and what a part of it adds.
    pub(crate) fn add(&self, x: &Tensor, y: &Tensor) -> Result<Tensor, ModelError> {
        let Some(pool) = self.pool() else { return Ok((x + y)?) };
        // candle would wake a pool of its own for this.
        let width = x.dim(D::Minus1)?;
        let mut sum = with_values(x, |x| Ok(x.to_vec()))?;
        with_values(y, |y| {
            for_each_row(pool, &mut sum, width, |row, sum| {
                let y = &y[row * width..(row + 1) * width];
                sum.iter_mut().zip(y).for_each(|(sum, y)| *sum += y);
            });
            Ok(())
        })?;
        self.tensor(sum, width)
    }
}

/// Calls `f` with a CPU tensor's f32 values where they lie.
pub(crate) fn with_values<R>(
    x: &Tensor,
    f: impl FnOnce(&[f32]) -> Result<R, ModelError>,
) -> Result<R, ModelError> {
    let x = x.contiguous()?;
    let (storage, layout) = x.storage_and_layout();
    let Storage::Cpu(values) = &*storage else {
        return Err(ModelError::BadBatch("kernels were given a tensor that is not on the CPU".to_owned()));
    };
    let values = values.as_slice::<f32>()?;
    let start = layout.start_offset();
    f(&values[start..start + layout.shape().elem_count()])
}

/// Fills `out` row by row, on several threads when there is enough of it. `f` gets the row's number and its values;
/// each row is computed by one call, so the number of threads cannot change a result.
pub(crate) fn for_each_row(pool: &Pool, out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    /// Below this many numbers a thread costs more than it brings.
    const WORTH_A_THREAD: usize = 16 * 1024;
    let rows = out.len() / width;
    let tasks = pool.threads().min(out.len() / WORTH_A_THREAD).min(rows).max(1);
    let per_task = rows.div_ceil(tasks);
    let run = |task: usize, part: &mut [f32]| {
        for (i, row) in part.chunks_exact_mut(width).enumerate() {
            f(task * per_task + i, row);
        }
    };
    if tasks == 1 {
        return run(0, out);
    }
    let parts: Vec<_> = out.chunks_mut(per_task * width).map(std::sync::Mutex::new).collect();
    pool.run(parts.len(), &|task| {
        // Each part is locked by its own task alone; a poisoned lock means that a panic is on its way out already.
        if let Ok(mut part) = parts[task].lock() {
            run(task, &mut part);
        }
    });
}

//! Where a model computes, and how: kernels on a CPU, candle operations on any device.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use lantern_kernels::Pool;

use crate::ModelError;
use crate::rows::{HostRows, Rows, Workspace};

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

/// The way layers compute: all of a model's, or those of one side of a [`crate::Split`].
///
/// With a workspace they call `lantern-kernels` on slices; without one they are candle operations. The second way runs
/// on every device, the CPU included, which is how tests compare the two.
#[derive(Clone)]
pub struct Compute {
    device: Device,
    workspace: Option<Arc<Workspace>>,
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
        Compute { device: Device::Cpu, workspace: Some(Arc::new(Workspace::new(threads))) }
    }

    /// candle operations on a device.
    pub fn tensors(device: Device) -> Self {
        Compute { device, workspace: None }
    }

    /// The device that activations live on.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether layers call kernels.
    pub(crate) fn has_kernels(&self) -> bool {
        self.workspace.is_some()
    }

    /// The threads of the kernels.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.workspace.as_deref().map(Workspace::pool)
    }

    /// Memory for activations, where layers call kernels.
    pub(crate) fn workspace(&self) -> Option<&Arc<Workspace>> {
        self.workspace.as_ref()
    }

    /// `[rows, width]` whose values are made on the host. What `fill` is given holds anything.
    pub(crate) fn rows(
        &self,
        rows: usize,
        width: usize,
        fill: impl FnOnce(&mut [f32]) -> Result<(), ModelError>,
    ) -> Result<Rows, ModelError> {
        match &self.workspace {
            Some(workspace) => {
                let mut host = HostRows::new(workspace, rows, width);
                fill(&mut host)?;
                Ok(Rows::Host(host))
            }
            None => {
                let mut values = vec![0.0; rows * width];
                fill(&mut values)?;
                Ok(Rows::Tensor(Tensor::from_vec(values, (rows, width), &self.device)?))
            }
        }
    }
}

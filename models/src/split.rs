//! The one or two ways in which the parts of a model compute, found by the names of their tensors: layers are made for
//! the right one, and families need not know that there is a choice.

use lantern_kernels::{ExpertCounts, Pool};

use crate::placement::{Part, Placement, Site};
use crate::resident::Resident;
use crate::{Compute, ModelError};

/// How each part of a model computes.
#[derive(Clone)]
pub struct Split {
    /// Everything, or what is not on the device.
    host: Compute,
    device: Option<(Compute, Placement)>,
    /// Tokens that a sequence may have.
    context: Option<usize>,
    /// Bytes of memory for experts, if it is not to hold all of them.
    expert_memory: Option<u64>,
}

impl From<Compute> for Split {
    /// The whole model in one way.
    fn from(compute: Compute) -> Self {
        Split { host: compute, device: None, context: None, expert_memory: None }
    }
}

impl Split {
    /// Kernels on the CPU, and candle operations on a device for what the placement puts there. Fails when the first has
    /// no kernels or the second has.
    pub fn new(host: Compute, device: Compute, placement: Placement) -> Result<Self, ModelError> {
        if !host.has_kernels() || device.has_kernels() {
            return Err(ModelError::BadBatch("a split is of kernels and a device".to_owned()));
        }
        Ok(Split { host, device: Some((device, placement)), context: None, expert_memory: None })
    }

    /// For sequences of up to so many tokens, instead of as many as the model was trained for: some models turn their heads
    /// otherwise where contexts are short.
    pub fn for_context(self, tokens: usize) -> Self {
        Split { context: Some(tokens), ..self }
    }

    /// The CPU's side alone, with the same threads: for a smaller model beside this one.
    pub fn beside(&self) -> Self {
        Split::from(self.host.clone())
    }

    /// With so many bytes of host memory for the experts' weights: those that are used most stay there, the others are read
    /// from the file when they are chosen. `None` keeps all of them.
    pub fn with_expert_memory(self, bytes: Option<u64>) -> Self {
        Split { expert_memory: bytes, ..self }
    }

    /// Bytes for experts, if they are not all kept.
    pub(crate) fn expert_memory(&self) -> Option<u64> {
        self.expert_memory
    }

    /// What became of a loaded model's experts so far, if not all of them are kept.
    pub fn expert_counts(&self) -> Option<ExpertCounts> {
        self.host.workspace()?.weights.get()?.expert_counts()
    }

    /// Tokens that a sequence may have, if it was said.
    pub(crate) fn context(&self) -> Option<usize> {
        self.context
    }

    /// Where a tensor is used.
    pub(crate) fn of(&self, tensor: &str) -> &Compute {
        self.part(Part::of(tensor))
    }

    /// Where a block computes, its experts left aside.
    pub(crate) fn block(&self, layer: usize) -> &Compute {
        self.part(Part::Block(layer))
    }

    /// Where logits are made.
    pub(crate) fn head(&self) -> &Compute {
        self.part(Part::Head)
    }

    /// Those that blocks compute with; the second is `None` when they all compute in one way.
    pub(crate) fn of_blocks(&self) -> (&Compute, Option<&Compute>) {
        match &self.device {
            Some((device, placement)) if placement.device_layers == placement.n_layers => (device, None),
            Some((device, placement)) if placement.device_layers > 0 => (&self.host, Some(device)),
            _ => (&self.host, None),
        }
    }

    /// Waits until everything that was sent to a device is there, so that its failures come now.
    pub(crate) fn synchronize(&self) -> Result<(), ModelError> {
        let device = self.device.as_ref().map_or(&self.host, |(device, _)| device);
        Ok(device.device().synchronize()?)
    }

    /// Whether anything computes with kernels, and so wants its weights packed.
    pub(crate) fn has_kernels(&self) -> bool {
        self.host.has_kernels()
    }

    /// The threads of the kernels, if anything computes with them.
    pub(crate) fn pool(&self) -> Option<&Pool> {
        self.host.pool()
    }

    /// Remembers the packed weights for [`Self::settle`].
    pub(crate) fn keep_weights(&self, weights: Resident) {
        if let Some(workspace) = self.host.workspace() {
            // A second model that computes with the same threads stays as it was loaded.
            let _ = workspace.weights.set(weights);
        }
    }

    /// Does a little more for a loaded model's weights: packs an expert that was not used yet, or moves a piece to where
    /// it is read faster. Whether there may be more to do. For times with nothing else to do; it takes some milliseconds.
    pub fn settle(&self) -> bool {
        let weights = self.host.workspace().and_then(|workspace| workspace.weights.get());
        weights.zip(self.pool()).is_some_and(|(weights, pool)| weights.settle(pool))
    }

    fn part(&self, part: Part) -> &Compute {
        match &self.device {
            Some((device, placement)) if placement.site(part) == Site::Device => device,
            _ => &self.host,
        }
    }
}

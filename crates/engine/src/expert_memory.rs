//! How much memory a model's experts get. Each token passes few of them, so a model runs with some in memory and the others
//! in their file; everything else of it is needed for every token.

use lantern_gguf::GgufFile;
use lantern_models::{ModelBytes, ModelConfig, Placement};

use crate::device::DevicePart;
use crate::error::{EngineError, size};
use crate::options::EngineOptions;

/// Experts that the host computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExpertMemory {
    /// Bytes of all of them.
    pub total_bytes: u64,
    /// Bytes of those that are in memory at a time.
    pub memory_bytes: u64,
}

impl ExpertMemory {
    /// What is kept in memory, if that is not all.
    pub fn limit(&self) -> Option<u64> {
        (self.memory_bytes < self.total_bytes).then_some(self.memory_bytes)
    }
}

/// What decides about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExpertDemand {
    /// Bytes of all experts on the host.
    pub(crate) total: u64,
    /// With less, a step would wait for each expert on its own.
    pub(crate) least: u64,
    /// What the caller gives them.
    pub(crate) asked: Option<u64>,
}

impl ExpertDemand {
    /// A file's experts; `None` when the host has none. Fails when they were given too little.
    pub(crate) fn of(
        file: &GgufFile,
        config: &ModelConfig,
        options: &EngineOptions,
        device: Option<&DevicePart>,
    ) -> Result<Option<Self>, EngineError> {
        let placement = device.map_or(Placement::host(config.n_layers), |part| part.placement);
        let (total, layer) = ModelBytes::of(file, config, options.kv_type, |_| 0).host_experts(&placement);
        if total == 0 {
            return Ok(None);
        }
        let demand = Self { total, least: least_bytes(file, layer).min(total), asked: options.expert_memory };
        match demand.asked {
            Some(asked) if asked < demand.least => Err(EngineError::InvalidOptions(format!(
                "the memory for experts is {}; this model needs at least {} for them",
                size(asked),
                size(demand.least)
            ))),
            _ => Ok(Some(demand)),
        }
    }

    /// The part that is in memory when there are `left` bytes beside everything else. A twentieth of them is for the pages of
    /// the file that are on their way.
    pub(crate) fn within(&self, left: u64) -> ExpertMemory {
        let memory = self.asked.unwrap_or(left - left / 20);
        ExpertMemory { total_bytes: self.total, memory_bytes: memory.max(self.least).min(self.total) }
    }

    /// All of them.
    pub(crate) fn whole(&self) -> ExpertMemory {
        ExpertMemory { total_bytes: self.total, memory_bytes: self.total }
    }
}

/// Room for what one row meets in a layer of `layer` bytes, twice: for those that are computed and those that are read
/// meanwhile; and for a few more where a row meets one or two.
fn least_bytes(file: &GgufFile, layer: u64) -> u64 {
    let architecture = file.architecture().unwrap_or_default();
    let number = |key: &str| file.metadata().opt_u32(&format!("{architecture}.{key}")).ok().flatten();
    match (number("expert_count"), number("expert_used_count")) {
        (Some(count), Some(used)) if count > 0 => {
            let together = u64::from(used).saturating_mul(2).saturating_add(4).min(u64::from(count));
            layer.div_ceil(u64::from(count)).saturating_mul(together)
        }
        _ => layer,
    }
}

//! Whether a model fits, decided with numbers before anything large is allocated.
//!
//! Three things are charged: the weights (all of them are read for every token, but for tables that are looked up in), the
//! KV cache and the work space, part by part (see [`Scratch`]). What a device with memory of its own holds is not charged to the host. A cache that is too large is shrunk, down to a context of 2048 tokens
//! or what was asked for. Where all experts do not fit beside that, they get what is left (see [`ExpertMemory`]). A model that
//! does not fit even then is refused with a proposal.

use std::path::Path;

use lantern_gguf::GgufFile;
use lantern_models::{ModelConfig, Reach};
use sysinfo::{MemoryRefreshKind, RefreshKind, System};

use crate::cgroup;
use crate::device::DevicePart;
use crate::error::{EngineError, size};
use crate::expert_memory::{ExpertDemand, ExpertMemory};
use crate::kv_demand::KvDemand;
use crate::options::EngineOptions;
use crate::scratch::{self, Scratch};

/// A context is taken from the model's own length up to here unless the caller asks for more.
pub const DEFAULT_CONTEXT: usize = 8192;
/// The cache is not shrunk below this many tokens unless the caller asked for fewer.
const LEAST_CONTEXT: usize = 2048;
/// Tokens in a block of the cache.
pub(crate) const BLOCK_SIZE: usize = 32;

/// What a model takes, in bytes and tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    /// Tokens a sequence may have.
    pub context_length: usize,
    /// What was wanted; larger than `context_length` when the cache had to shrink.
    pub wanted_context: usize,
    /// Blocks of the cache, for each group of layers (see [`lantern_models::KvLayout::groups`]).
    pub(crate) n_blocks: Vec<usize>,
    /// Bytes of a block of each of them, as far as it is in host memory.
    pub(crate) block_bytes: Vec<u64>,
    /// How far back each of them keeps tokens: to the beginning also where a context is hardly longer than a window.
    pub(crate) reaches: Vec<Reach>,
    /// Sequences that may run at once; fewer than was asked for when there is no memory for their windows.
    pub(crate) max_sequences: usize,
    /// The weights, less what a device holds in memory of its own and experts that stay in the file.
    pub weight_bytes: u64,
    /// The cache with room for one sequence of full length and nothing else, as far as it is in host memory.
    pub(crate) least_kv_bytes: u64,
    /// The experts on the host, and how much of them memory holds; `None` for a model without.
    pub experts: Option<ExpertMemory>,
    /// The cache when full, as far as it is in host memory.
    pub kv_bytes: u64,
    /// Everything else, and what a device that shares the memory computes with.
    pub scratch_bytes: u64,
    /// The parts of it.
    pub scratch: Scratch,
    /// What one sequence of full length takes by itself.
    pub alone: AlonePlan,
    /// What the engine may use of the host's memory.
    pub available_bytes: u64,
    /// What is on a device.
    pub device: Option<DevicePart>,
    /// What a draft model beside it takes: weights, cache and work space.
    pub draft_bytes: u64,
}

/// What a process holds that loads the model and fills one sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AlonePlan {
    /// The cache's blocks that the sequence passes through, those included that windows leave behind.
    pub kv_bytes: u64,
    /// The work space.
    pub scratch: Scratch,
}

impl MemoryPlan {
    /// Blocks of the cache, in all groups of layers.
    pub fn blocks(&self) -> usize {
        self.n_blocks.iter().sum()
    }

    /// Bytes of host memory that so many blocks of each group would take, in place of those that are planned.
    pub(crate) fn kv_bytes_of(&self, n_blocks: &[usize]) -> u64 {
        self.block_bytes.iter().zip(n_blocks).map(|(bytes, &blocks)| bytes * blocks as u64).sum()
    }

    /// Bytes for experts, if memory does not hold all of them.
    pub(crate) fn expert_limit(&self) -> Option<u64> {
        self.experts.and_then(|experts| experts.limit())
    }

    /// Tokens in a block.
    pub fn block_tokens(&self) -> usize {
        BLOCK_SIZE
    }

    /// The most that a process holds which fills one sequence of full length.
    pub fn alone_bytes(&self) -> u64 {
        let alone = self.alone.scratch.peak_beside(self.weight_bytes, self.alone.kv_bytes);
        self.weight_bytes + alone + self.draft_bytes
    }

    /// Weights, cache and work space together, in host memory, and what a draft model takes.
    pub fn total_bytes(&self) -> u64 {
        self.weight_bytes + self.kv_bytes + self.scratch_bytes + self.draft_bytes
    }
}

/// What the plan is made from; apart from the model so that tests can vary it.
#[derive(Debug, Clone)]
struct Demand {
    weights: u64,
    /// Experts among the weights.
    experts: Option<ExpertDemand>,
    scratch: u64,
    /// What of it is on the host.
    parts: Scratch,
    kv: KvDemand,
    wanted_context: usize,
    available: u64,
    /// The caller's limit on the cache alone.
    kv_limit: Option<u64>,
    device: Option<DevicePart>,
}

/// Plans the memory of a model, or refuses it.
pub(crate) fn plan(
    file: &GgufFile,
    config: &ModelConfig,
    options: &EngineOptions,
    device: Option<&DevicePart>,
) -> Result<MemoryPlan, EngineError> {
    let parts = Scratch::of(file, config, options);
    let free = options.ledger.available();
    let (layout, kv_type) = (&config.kv_layout, options.kv_type);
    let host_layers = match device {
        Some(part) if !part.shares_memory => part.first_layer(),
        _ => usize::MAX,
    };
    let demand = Demand {
        weights: scratch::weight_bytes(file),
        experts: ExpertDemand::of(file, config, options, device)?,
        scratch: parts.total(),
        parts,
        kv: KvDemand::of_layers(layout, 0..host_layers, kv_type, options.max_sequences, options.step_tokens),
        wanted_context: wanted_context(config, options),
        available: options.memory_limit.map_or(free, |limit| limit.min(free)),
        kv_limit: options.kv_bytes,
        device: None,
    };
    let mut plan = match device {
        Some(part) => demand.beside(part).plan(),
        None => demand.plan(),
    }?;
    plan.alone.scratch = parts.alone(file, config, options.step_tokens, plan.context_length);
    Ok(plan)
}

/// Tokens that a sequence should be able to have.
pub(crate) fn wanted_context(config: &ModelConfig, options: &EngineOptions) -> usize {
    let wanted = options.context_length.map_or(config.context_length.min(DEFAULT_CONTEXT), |asked| {
        (asked as usize).min(config.context_length)
    });
    wanted.max(1)
}

impl Demand {
    /// What is left for the host when a device takes its part.
    fn beside(self, part: &DevicePart) -> Self {
        let weights = self.weights.saturating_sub(part.spared_bytes);
        let scratch = self.scratch;
        let beside = Demand { weights, device: Some(part.clone()), ..self };
        match part.shares_memory {
            // The same memory holds both parts; copies on the device stand beside what the host keeps.
            true => Demand {
                weights: weights + part.weight_bytes,
                scratch: scratch + part.scratch_bytes,
                ..beside
            },
            false => beside,
        }
    }

    /// With all experts in memory if they fit, or with as many as do beside a cache for the context that is wanted.
    fn plan(&self) -> Result<MemoryPlan, EngineError> {
        let Some(experts) = self.experts else { return self.plan_with(None) };
        if experts.asked.is_none()
            && let Ok(plan) = self.plan_with(Some(experts.whole()))
        {
            return Ok(plan);
        }
        let cache = self.kv.least_bytes(self.wanted_context);
        let cache = self.kv_limit.map_or(cache, |limit| limit.min(cache));
        let others = self.weights.saturating_sub(experts.total) + self.scratch + cache;
        let memory = experts.within(self.available.saturating_sub(others));
        let weights = self.weights.saturating_sub(experts.total - memory.memory_bytes);
        Demand { weights, ..self.clone() }.plan_with(Some(memory))
    }

    /// With these of the experts, which are counted among the weights.
    fn plan_with(&self, experts: Option<ExpertMemory>) -> Result<MemoryPlan, EngineError> {
        let for_kv = self.available.saturating_sub(self.weights + self.scratch);
        let for_kv = self.kv_limit.map_or(for_kv, |limit| limit.min(for_kv));
        let on_host = self.kv.affordable(self.wanted_context, for_kv);
        let on_device = |part: &DevicePart| part.kv.affordable(self.wanted_context, part.room_for_kv());
        let affordable = self.device.as_ref().map_or(on_host, |part| on_device(part).min(on_host));
        let least = self.wanted_context.min(LEAST_CONTEXT);
        if affordable < least {
            return Err(self.refusal(least, affordable, experts));
        }
        let context_length = self.wanted_context.min(affordable);
        // Beyond one sequence of full length the cache is a convenience: it takes at most half of what is left.
        let room = (for_kv - self.kv.least_bytes(context_length)) / 2;
        let mut n_blocks = self.kv.pool(context_length, room);
        if let Some(part) = &self.device {
            let room = (part.room_for_kv() - part.kv.least_bytes(context_length)) / 2;
            let on_device = part.kv.pool(context_length, room);
            n_blocks.iter_mut().zip(on_device).for_each(|(blocks, there)| *blocks = there.min(*blocks));
        }
        Ok(MemoryPlan {
            context_length,
            wanted_context: self.wanted_context,
            max_sequences: self.kv.sequences_in(context_length, &n_blocks),
            block_bytes: self.kv.groups.iter().map(|group| group.block_bytes).collect(),
            reaches: self.kv.reaches(context_length),
            least_kv_bytes: self.kv.least_bytes(context_length),
            kv_bytes: self.kv.bytes(&n_blocks),
            weight_bytes: self.weights,
            experts,
            scratch_bytes: self.scratch,
            scratch: self.parts,
            alone: AlonePlan {
                kv_bytes: self.kv.bytes(&self.kv.passed(context_length, &n_blocks)),
                scratch: self.parts,
            },
            available_bytes: self.available,
            device: self.device.clone().map(|part| DevicePart { kv_bytes: part.kv.bytes(&n_blocks), ..part }),
            n_blocks,
            draft_bytes: 0,
        })
    }

    fn refusal(&self, context: usize, affordable: usize, experts: Option<ExpertMemory>) -> EngineError {
        let cache = self.kv.least_bytes(context);
        let proposal = if self.kv_limit.is_some_and(|limit| limit < cache) {
            format!("Allow the cache at least {}, or ask for a smaller context.", size(cache))
        } else if affordable >= 256 {
            format!("Ask for a context of at most {affordable} tokens, or close other programs.")
        } else if let Some(experts) = experts.filter(|experts| experts.limit().is_some()) {
            let others = self.weights - experts.memory_bytes + self.scratch + cache;
            format!(
                "Beside its experts, of which {} are to be in memory, it needs {}. Choose a smaller model, or close other programs.",
                size(experts.memory_bytes),
                size(others)
            )
        } else {
            let room = self.available.saturating_sub(self.scratch + cache);
            format!(
                "Choose a smaller model or a smaller quantisation: a file of up to {} would fit. Or close other programs.",
                size(room)
            )
        };
        EngineError::ModelTooLarge {
            needed: self.weights + cache + self.scratch,
            weights: self.weights,
            cache,
            scratch: self.scratch,
            context,
            available: self.available,
            proposal,
        }
    }
}

/// Bytes this process may still take: what the system has free or can reclaim, within the limits of its control
/// groups, less a twentieth for everybody else.
pub fn available_bytes() -> u64 {
    let system = System::new_with_specifics(
        RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    let mut available = system.available_memory();
    if cfg!(target_os = "linux") {
        available = cgroup::bytes_left(Path::new("/")).map_or(available, |left| left.min(available));
    }
    available - available / 20
}

/// Memory of this machine, or of the control group that this process is in.
pub(crate) fn total_bytes() -> u64 {
    let system = System::new_with_specifics(
        RefreshKind::nothing().with_memory(MemoryRefreshKind::nothing().with_ram()),
    );
    let group = system.cgroup_limits().map_or(u64::MAX, |group| group.total_memory);
    system.total_memory().min(group)
}

/// The most memory this process ever held, in bytes. Linux only (`VmHWM`); `None` elsewhere.
pub fn peak_rss_bytes() -> Option<u64> {
    status_bytes("self", "VmHWM:")
}

/// The most memory another running process has held so far, in bytes. Linux only; `None` elsewhere, and when there is
/// no such process.
pub fn peak_rss_bytes_of(process: u32) -> Option<u64> {
    status_bytes(&process.to_string(), "VmHWM:")
}

/// The memory this process holds now, in bytes. Linux only (`VmRSS`); `None` elsewhere.
pub fn rss_bytes() -> Option<u64> {
    status_bytes("self", "VmRSS:")
}

fn status_bytes(process: &str, field: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;

//! How long sequences may be, and how that grows while the engine runs: its weights stay where they are, and so do the
//! sequences and cached prefixes that there are. An engine that nobody uses can give back what it has beyond the least.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use lantern_gguf::GgufFile;
use lantern_models::{Reach, registry};

use super::{Engine, Parts};
use crate::device::DeviceUse;
use crate::error::EngineError;
use crate::ledger::{Charge, Ledger};
use crate::memory::{self, MemoryPlan};
use crate::options::EngineOptions;
use crate::scheduler::Extent;
use crate::worker::Command;

/// Nothing is planned anew for a length that there was no memory for, until so much more is free: a plan reads the file's
/// header.
const WORTH_ANOTHER_PLAN: u64 = 16 << 20;

/// What came of asking for a longer context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Growth {
    /// Sequences may have so many tokens now: what was asked for, or less where the model or the memory has no more.
    Room(usize),
    /// For a context of this length the model must be loaded anew: a part of it is on a device, or it computes otherwise.
    Reload,
}

/// What an engine has of the memory, and what another plan is made from.
pub(super) struct Room {
    charge: Charge,
    extent: Extent,
    reaches: Vec<Reach>,
    /// What a smaller model that guesses takes of the charge.
    draft_bytes: u64,
    /// Bytes of experts in memory, where not all of them are.
    expert_limit: Option<u64>,
    /// `None` for a model that has to be loaded anew.
    source: Option<(PathBuf, EngineOptions)>,
    /// The last length that there was no memory for, and what was free then.
    refused: Option<(usize, u64)>,
}

impl Room {
    pub(super) fn new(charge: Charge, plan: &MemoryPlan, source: Option<(PathBuf, EngineOptions)>) -> Self {
        let MemoryPlan { reaches, draft_bytes, .. } = plan.clone();
        let (extent, expert_limit) = (Extent::of(plan), plan.expert_limit());
        Self { charge, extent, reaches, draft_bytes, expert_limit, source, refused: None }
    }

    /// The least that the model was to be loaded with, and its bytes, if that is less than what it has.
    fn least(&self) -> Option<(Extent, u64)> {
        let (path, options) = self.source.as_ref()?;
        let file = GgufFile::open(path).ok()?;
        let config = registry::config(&file).ok()?;
        let plan_in = |free| {
            let options = EngineOptions { ledger: Ledger::of_bytes(free), ..options.clone() };
            let plan = memory::plan(&file, &config, &options, None).ok()?;
            Some(MemoryPlan { draft_bytes: self.draft_bytes, ..plan })
        };
        let most = plan_in(u64::MAX)?;
        let least = plan_in(most.weight_bytes + most.scratch_bytes + most.least_kv_bytes)?;
        let extent = Extent::of(&least);
        let is_less = extent.n_blocks.iter().zip(&self.extent.n_blocks).all(|(less, more)| less <= more)
            && least.total_bytes() < self.charge.bytes();
        (is_less && least.reaches == self.reaches).then(|| (extent, least.total_bytes()))
    }

    /// Charges for what a context of so many tokens takes. `None` when it is no longer than the one there is.
    fn grow(&mut self, tokens: usize) -> Result<Option<Extent>, Refused> {
        let free = self.charge.free_without();
        let has_tried = |(length, then): (usize, u64)| length <= tokens && free < then + WORTH_ANOTHER_PLAN;
        if self.refused.is_some_and(has_tried) {
            return Ok(None);
        }
        let Room { charge, extent, reaches, draft_bytes, expert_limit, source, refused } = self;
        let (path, options) = source.as_ref().ok_or(Refused::Reload)?;
        let file = GgufFile::open(path).map_err(EngineError::from)?;
        let config = registry::config(&file).map_err(EngineError::from)?;
        let grown = charge.change(|free| {
            let context_length = Some(u32::try_from(tokens).unwrap_or(u32::MAX));
            let ledger = Ledger::of_bytes(free.saturating_sub(*draft_bytes));
            let expert_memory = expert_limit.or(options.expert_memory);
            let options = EngineOptions { context_length, ledger, expert_memory, ..options.clone() };
            let plan =
                MemoryPlan { draft_bytes: *draft_bytes, ..memory::plan(&file, &config, &options, None)? };
            // Experts stay where they are.
            if plan.context_length <= extent.context || plan.expert_limit() != *expert_limit {
                return Err(Refused::NoMemory);
            }
            if plan.reaches != *reaches {
                return Err(Refused::Reload);
            }
            let grown = Extent::of(&plan).with_blocks_of(extent);
            // Blocks that are there already and that this plan would not have are in use all the same.
            let more = plan.kv_bytes_of(&grown.n_blocks).saturating_sub(plan.kv_bytes);
            Ok((grown, plan.total_bytes() + more))
        });
        match grown {
            Ok(grown) => Ok(Some(grown)),
            Err(Refused::NoMemory | Refused::Failed(EngineError::ModelTooLarge { .. })) => {
                *refused = Some((tokens, free));
                Ok(None)
            }
            Err(refused) => Err(refused),
        }
    }
}

/// Why there is no more room.
enum Refused {
    NoMemory,
    Reload,
    Failed(EngineError),
}

impl From<EngineError> for Refused {
    fn from(error: EngineError) -> Self {
        Refused::Failed(error)
    }
}

impl Extent {
    pub(crate) fn of(plan: &MemoryPlan) -> Self {
        Self {
            context: plan.context_length,
            max_sequences: plan.max_sequences,
            n_blocks: plan.n_blocks.clone(),
        }
    }

    /// With at least the blocks of another.
    fn with_blocks_of(mut self, other: &Extent) -> Self {
        self.n_blocks.iter_mut().zip(&other.n_blocks).for_each(|(here, there)| *here = *there.max(here));
        self
    }
}

impl Parts {
    /// What a longer context is planned from; `None` where that is not enough.
    pub(super) fn source(
        path: &Path,
        file: &GgufFile,
        options: &EngineOptions,
        device: &DeviceUse,
    ) -> Option<(PathBuf, EngineOptions)> {
        // Which of its two sets of frequencies such a model takes depends on the context it is loaded for.
        let is_fixed = file.tensor("rope_factors_long.weight").is_some();
        let is_alone = matches!(device, DeviceUse::None { .. });
        (is_alone && !is_fixed).then(|| (path.to_owned(), options.clone()))
    }
}

impl Engine {
    /// Tokens that a sequence may have now. It only ever grows, see [`Self::grow_context`].
    pub fn context_length(&self) -> usize {
        self.context.load(Ordering::Acquire)
    }

    /// Bytes of host memory that are charged for the model: weights, cache and work space together.
    pub fn memory_bytes(&self) -> u64 {
        self.room().charge.bytes()
    }

    /// Makes room for sequences of so many tokens, as far as model and memory allow. The weights are not touched; what runs
    /// goes on after a pause for copying what the cache holds, and cached prefixes stay. Blocks, and is for outside an
    /// async runtime.
    pub fn grow_context(&self, tokens: usize) -> Result<Growth, EngineError> {
        let tokens = tokens.min(self.info.model_context_length);
        let mut room = self.room();
        if tokens <= self.context_length() {
            return Ok(Growth::Room(self.context_length()));
        }
        match room.grow(tokens) {
            Ok(Some(extent)) => {
                let grown = self.give_blocks(extent.clone());
                if grown.is_ok() {
                    self.context.store(extent.context, Ordering::Release);
                    room.extent = extent;
                }
                grown?;
            }
            Ok(None) | Err(Refused::NoMemory) => {}
            Err(Refused::Reload) => return Ok(Growth::Reload),
            Err(Refused::Failed(error)) => return Err(error),
        }
        Ok(Growth::Room(self.context_length()))
    }

    /// Gives back what the cache has beyond one sequence of the length that the model was loaded for, with what it keeps of
    /// prefixes there. Whether anything was given back: not by an engine that is in use, or that has no more. Blocks.
    pub fn shrink_context(&self) -> bool {
        let mut room = self.room();
        let stats = self.stats();
        if stats.running + stats.waiting > 0 {
            return false;
        }
        let Some((extent, bytes)) = room.least() else { return false };
        // First of all, so that whoever asks from now on is told the truth.
        let before = self.context.swap(extent.context, Ordering::AcqRel);
        if self.give_blocks(extent.clone()).is_err() {
            self.context.store(before, Ordering::Release);
            return false;
        }
        room.extent = extent;
        room.refused = None;
        room.charge.lower(bytes);
        true
    }

    fn give_blocks(&self, extent: Extent) -> Result<(), EngineError> {
        let (reply, done) = std::sync::mpsc::channel();
        self.send(Command::Resize { extent, reply })?;
        done.recv().map_err(|_| EngineError::EngineStopped)?
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

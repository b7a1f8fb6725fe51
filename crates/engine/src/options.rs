//! How an engine is set up, and what came of it. Plain data.

use std::path::PathBuf;
use std::time::Duration;

use lantern_models::{KvType, PackedCopies};

use crate::cores::fast_cores;
use crate::device::DeviceUse;
use crate::error::EngineError;
use crate::ledger::Ledger;
use crate::prefix_disk::DiskCacheOptions;
use crate::text::{TemplateError, TemplateSource};

/// How to load a model. The defaults suit one person's computer.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Threads that compute; 0 takes the fast cores.
    pub threads: usize,
    /// Tokens a sequence may have; `None` takes the model's own length, at most 8192. More than the model's own
    /// length is never given.
    pub context_length: Option<u32>,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// Sequences computed together; more wait in a queue. Where layers have a window there may be fewer, when memory is
    /// short.
    pub max_sequences: usize,
    /// Tokens in one forward pass.
    pub step_tokens: usize,
    /// Whether what comes next is guessed (by what stood before, by the model's head for further tokens, by a draft model), and
    /// checked several tokens at a time where that pays. Answers are the same in any case.
    pub guess: bool,
    /// A smaller model with the same tokens that guesses too; `None` leaves that to what stood before and, in files that have
    /// one, to the model's own head. Not used where nobody is to guess.
    pub draft: Option<PathBuf>,
    /// Limit of the KV cache in bytes; `None` takes what is sensible.
    pub kv_bytes: Option<u64>,
    /// Limit of weights, cache and work space together, in bytes; `None` takes what the system has free.
    pub memory_limit: Option<u64>,
    /// The books in which what the model takes of the host's memory is charged; by default those of the process.
    pub ledger: Ledger,
    /// Where packed copies are kept, for later loads to use; `None` uses and makes none.
    pub packed_copies: Option<PackedCopies>,
    /// The file that turns pictures into vectors for the model (`mmproj`); it is read when the first picture comes.
    pub projector: Option<PathBuf>,
    /// Chat template in place of the file's, in Jinja. One that does not work makes a model that cannot chat.
    pub chat_template: Option<String>,
    /// Bytes of a projector that is not here yet, for plans of models that are not here either.
    pub projector_bytes: Option<u64>,
    /// Where the prefix cache goes on when memory forgets; `None` keeps prefixes in memory alone.
    pub prefix_disk: Option<DiskCacheOptions>,
    /// How many layers, the last ones, compute on the GPU: more than there are means all, 0 leaves the GPU alone. `None`
    /// takes as many as fit.
    pub gpu_layers: Option<u32>,
    /// How many layers, the first ones, keep their experts on the CPU; more than there are means all. `None` takes the
    /// experts of as many to the GPU as fit beside all the rest.
    pub cpu_expert_layers: Option<u32>,
    /// Bytes of memory for the experts that the CPU computes; those that are used most are kept there, the others are read from
    /// the file when they are chosen. `None` keeps all of them where they fit, and as many as do where not.
    pub expert_memory: Option<u64>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            threads: 0,
            context_length: None,
            kv_type: KvType::F16,
            max_sequences: 16,
            step_tokens: 512,
            guess: true,
            draft: None,
            kv_bytes: None,
            memory_limit: None,
            ledger: Ledger::default(),
            packed_copies: None,
            projector: None,
            chat_template: None,
            projector_bytes: None,
            prefix_disk: None,
            gpu_layers: None,
            cpu_expert_layers: None,
            expert_memory: None,
        }
    }
}

impl EngineOptions {
    /// Checks the ranges, so that nothing later has to.
    pub(crate) fn validate(&self) -> Result<(), EngineError> {
        let check = |value: usize, range: std::ops::RangeInclusive<usize>, name: &str| {
            if range.contains(&value) {
                return Ok(());
            }
            let (from, to) = range.into_inner();
            Err(EngineError::InvalidOptions(format!(
                "{name} is {value}; it must lie between {from} and {to}"
            )))
        };
        check(self.threads, 0..=1024, "the number of threads")?;
        check(self.max_sequences, 1..=256, "the number of sequences")?;
        check(self.step_tokens, 1..=16384, "the number of tokens per step")?;
        check(self.context_length.unwrap_or(1) as usize, 1..=1 << 24, "the context length")
    }

    /// The threads to compute with: one for each fast core. Small machines give all they have: there the number of
    /// physical cores is often that of a virtual machine's imagination.
    pub(crate) fn resolved_threads(&self) -> usize {
        if self.threads > 0 {
            return self.threads;
        }
        let logical = std::thread::available_parallelism().map_or(1, usize::from);
        if logical <= 4 {
            return logical;
        }
        let cores = fast_cores().or_else(sysinfo::System::physical_core_count);
        cores.map_or(logical, |cores| cores.clamp(1, logical))
    }
}

/// What is loaded.
#[derive(Debug, Clone, PartialEq)]
pub struct EngineInfo {
    /// The file; of a split model the first piece.
    pub path: PathBuf,
    /// The file that shows it pictures, if there is one.
    pub projector: Option<PathBuf>,
    /// The file of the smaller model that guesses, if one does.
    pub draft: Option<PathBuf>,
    /// GGUF's `general.architecture`.
    pub architecture: String,
    /// GGUF's `general.name`.
    pub name: Option<String>,
    /// The type that most of the weights have, or the file's own word for its mix, such as `Q4_K_M`.
    pub quantisation: String,
    /// Tokens a sequence may have, as the model was loaded; [`Engine::context_length`](crate::Engine::context_length)
    /// says how many it is now.
    pub context_length: usize,
    /// What was wanted; larger than `context_length` when memory did not allow it.
    pub wanted_context_length: usize,
    /// What the model was trained for.
    pub model_context_length: usize,
    /// Token ids.
    pub vocab_size: usize,
    /// Size of the file.
    pub file_bytes: u64,
    /// Weights.
    pub n_parameters: u64,
    /// Size of the KV cache when full, as far as it is in host memory.
    pub kv_bytes: u64,
    /// Weights, cache and work space together, in host memory.
    pub memory_bytes: u64,
    /// Threads that compute.
    pub threads: usize,
    /// How keys and values are kept.
    pub kv_type: KvType,
    /// The processor's instructions that are used: `avx2`.
    pub isa: &'static str,
    /// Whether the weights came from a packed copy.
    pub from_packed_copy: bool,
    /// What computes beside the CPU.
    pub device: DeviceUse,
    /// Where its chat template comes from; `None` for a model that cannot chat.
    pub template: Option<TemplateSource>,
    /// What is wrong with the chat template in the file, when it is not used.
    pub template_fault: Option<TemplateError>,
    /// Whether there is a file for showing it pictures.
    pub sees: bool,
    /// Types of weights for which there is no fast kernel: answers are right, but come slowly.
    pub slow_types: Vec<String>,
    /// Names the content of the file: SHA-256 over its header and samples of every tensor, in hex.
    pub fingerprint: String,
}

/// What is going on, as of the last step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EngineStats {
    /// Sequences being computed.
    pub running: usize,
    /// Sequences in the queue.
    pub waiting: usize,
    /// Blocks of the KV cache, of all its groups of layers together; so are those below.
    pub blocks_total: usize,
    /// Blocks that sequences hold.
    pub blocks_used: usize,
    /// Blocks that nobody holds but that keep a prefix for reuse.
    pub blocks_cached: usize,
    /// Tokens in a block.
    pub block_size: usize,
    /// Forward passes since the start.
    pub steps: u64,
    /// Rows computed since the start.
    pub computed_tokens: u64,
    /// Prompt tokens that the prefix cache saved since the start.
    pub cached_tokens: u64,
    /// Prompt tokens that the disk had and memory had not, since the start.
    pub loaded_tokens: u64,
    /// Tokens sampled since the start.
    pub sampled_tokens: u64,
    /// Of those, tokens that were guessed right and took no step of their own.
    pub guessed_tokens: u64,
    /// Of those, tokens that a grammar left no choice about.
    pub forced_tokens: u64,
    /// Time that steps waited for what grammars allow next, since the start. Most of that is found while the model runs.
    pub mask_wait: Duration,
    /// Time that it took to find, since the start.
    pub mask_time: Duration,
    /// Matrices of experts that steps needed since the start, where memory does not hold all of them.
    pub expert_uses: u64,
    /// Of those, matrices that were in memory.
    pub expert_hits: u64,
    /// Bytes of experts that were read from the file since the start.
    pub expert_read_bytes: u64,
    /// How often a sequence had to give its blocks back and was computed again.
    pub preemptions: u64,
}

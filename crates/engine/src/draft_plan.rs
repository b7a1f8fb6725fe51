//! Whether a smaller model, or an assistant, can guess for a larger one, and what it takes of memory: decided from both headers.

use std::path::Path;

use lantern_gguf::GgufFile;
use lantern_models::{CausalLm, ModelConfig, Split, registry};

use crate::draft_model::DraftModel;
use crate::error::EngineError;
use crate::kv_demand::KvDemand;
use crate::memory::{self, MemoryPlan};
use crate::options::EngineOptions;

/// Tokens at the end of a vocabulary that one of two files may lack: padding, which nobody says.
const MOST_PADDING: usize = 512;

/// A smaller model that fits beside a larger one.
pub(crate) struct DraftPlan {
    file: GgufFile,
    /// Its memory and options; an assistant has no cache of its own.
    model: Option<(MemoryPlan, EngineOptions)>,
    /// What it takes beside the larger model: weights, cache and work space.
    bytes: u64,
}

impl DraftPlan {
    /// Of the model that the options name, for the one in `main`; `None` where nobody is to guess. Its context is the
    /// larger model's, as far as its own goes; its cache has room for one sequence of that length and some more.
    pub(crate) fn read(
        main: &GgufFile,
        main_config: &ModelConfig,
        options: &EngineOptions,
    ) -> Result<Option<Self>, EngineError> {
        let Some(path) = options.draft.as_deref().filter(|_| options.guess) else { return Ok(None) };
        let file = GgufFile::open(path)?;
        check_vocabulary(main, &file, path)?;
        if registry::is_assistant(&file) {
            // Its logits are all that counts beside its weights.
            let logits = options.max_sequences * main_config.vocab_size * size_of::<f32>();
            let bytes = file.file_len() + logits as u64;
            return Ok(Some(DraftPlan { file, model: None, bytes }));
        }
        let config = registry::config(&file)?;
        let context = memory::wanted_context(main_config, options).min(config.context_length);
        let kv_type = match config.kv_layout.fits(options.kv_type) {
            true => options.kv_type,
            false => lantern_models::KvType::F16,
        };
        let (sequences, rows) = (options.max_sequences, options.step_tokens);
        let cache = KvDemand::of_layers(&config.kv_layout, 0..usize::MAX, kv_type, sequences, rows);
        let options = EngineOptions {
            context_length: u32::try_from(context).ok(),
            kv_bytes: Some(cache.least_bytes(context).saturating_mul(2)),
            kv_type,
            guess: false,
            projector: None,
            projector_bytes: None,
            // It is there to be fast: all of its experts, or none of it.
            expert_memory: Some(u64::MAX),
            prefix_disk: None,
            ..options.clone()
        };
        let plan = memory::plan(&file, &config, &options, None)?;
        let bytes = plan.weight_bytes + plan.kv_bytes + plan.scratch.activations + plan.scratch.logits;
        Ok(Some(DraftPlan { file, model: Some((plan, options)), bytes }))
    }

    /// What it takes beside the larger model: weights, cache and work space.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The options of the larger model, which has so much less.
    pub(crate) fn beside(this: Option<&Self>, options: &EngineOptions) -> EngineOptions {
        let Some(this) = this else { return options.clone() };
        let free = options.ledger.available();
        let limit = options.memory_limit.map_or(free, |limit| limit.min(free));
        EngineOptions { memory_limit: Some(limit.saturating_sub(this.bytes())), ..options.clone() }
    }

    /// The model, which computes with the larger one's threads; or attaches the assistant to the larger one.
    pub(crate) fn load(
        &self,
        main: &mut dyn CausalLm,
        split: &Split,
    ) -> Result<Option<DraftModel>, EngineError> {
        let Some((plan, options)) = &self.model else {
            main.attach(&self.file, split)?;
            return Ok(None);
        };
        let split = split.beside().for_context(plan.context_length);
        let model = registry::load_with(&self.file, split.clone())?;
        Ok(Some(DraftModel::new(model, plan, options, split)?))
    }
}

/// Whether what one model makes of a text can be held against what the other makes of it.
pub fn check_same_tokens(a: &Path, b: &Path) -> Result<(), EngineError> {
    same_vocabulary(&GgufFile::open(a)?, &GgufFile::open(b)?).map_err(EngineError::DifferentTokens)
}

/// Whether both files have the same tokens under the same numbers.
fn check_vocabulary(main: &GgufFile, draft: &GgufFile, path: &Path) -> Result<(), EngineError> {
    let refuse = |reason| EngineError::DraftVocabulary { draft: path.display().to_string(), reason };
    same_vocabulary(main, draft).map_err(refuse)
}

/// Whether two files have the same tokens under the same numbers, but for padding at the end; in words why not.
fn same_vocabulary(main: &GgufFile, draft: &GgufFile) -> Result<(), String> {
    let refuse = |reason: String| Err(reason);
    let [kinds, tokens] = ["tokenizer.ggml.model", "tokenizer.ggml.tokens"];
    let kind = |file: &GgufFile| file.metadata().opt_str(kinds).ok().flatten().unwrap_or_default().to_owned();
    if kind(main) != kind(draft) {
        return refuse(format!(
            "its tokenizer is of the kind {:?}, the model's {:?}",
            kind(draft),
            kind(main)
        ));
    }
    let list =
        |file: &GgufFile| file.metadata().opt_strings(tokens).ok().flatten().unwrap_or_default().to_vec();
    let (ours, theirs) = (list(main), list(draft));
    if let Some(token) = ours.iter().zip(&theirs).position(|(a, b)| a != b) {
        let (a, b) = (&ours[token], &theirs[token]);
        return refuse(format!("its token {token} is {b:?}, the model's {a:?}"));
    }
    let (a, b) = (ours.len(), theirs.len());
    if a.abs_diff(b) > MOST_PADDING || a.min(b) == 0 {
        return refuse(format!("it has {b} tokens, the model {a}"));
    }
    Ok(())
}

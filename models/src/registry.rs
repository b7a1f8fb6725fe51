//! Which family implements which architecture.

use std::sync::LazyLock;

use lantern_gguf::GgufFile;

use crate::{CausalLm, Compute, Hyper, LoadOptions, ModelConfig, ModelError, Split, Weights};
use crate::{gemma3, gemma4, llama, qwen2, qwen3, qwen3moe};

/// How a family reads a file.
pub(crate) struct Family {
    /// The model's description, from hyper-parameters and the tensor table alone.
    pub(crate) config: fn(&Hyper) -> Result<ModelConfig, ModelError>,
    /// The model.
    pub(crate) load: fn(&Hyper, &Weights) -> Loaded,
}

/// A model, or why there is none.
type Loaded = Result<Box<dyn CausalLm>, ModelError>;

/// `general.architecture` and the family that implements it, in alphabetical order.
const FAMILIES: &[(&str, Family)] = &[
    ("gemma3", gemma3::FAMILY),
    ("gemma4", gemma4::FAMILY),
    ("llama", llama::FAMILY),
    ("qwen2", qwen2::FAMILY),
    ("qwen3", qwen3::FAMILY),
    ("qwen3moe", qwen3moe::FAMILY),
];

/// The supported architectures.
pub fn architectures() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| FAMILIES.iter().map(|(name, _)| *name).collect());
    &NAMES
}

/// A file's model, described without loading its weights.
pub fn config(file: &GgufFile) -> Result<ModelConfig, ModelError> {
    file.require_whole()?;
    (family(file)?.config)(&Hyper::new(file)?)
}

/// Loads a file's model.
pub fn load(file: &GgufFile, options: &LoadOptions) -> Loaded {
    load_with(file, Compute::new(options))
}

/// Loads a file's model for a certain way of computing, or for one on each side of a split.
pub fn load_with(file: &GgufFile, split: impl Into<Split>) -> Loaded {
    file.require_whole()?;
    let family = family(file)?;
    let hyper = Hyper::new(file)?;
    let weights = Weights::new(file, split)?;
    let model = (family.load)(&hyper, &weights)?;
    weights.finish()?;
    weights.split().synchronize()?;
    file.will_need();
    Ok(model)
}

fn family(file: &GgufFile) -> Result<&'static Family, ModelError> {
    let architecture = file.architecture()?;
    match FAMILIES.iter().find(|(name, _)| *name == architecture) {
        Some((_, family)) => Ok(family),
        None => Err(ModelError::UnknownArchitecture {
            found: architecture.to_owned(),
            supported: architectures().iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

//! Which family implements which architecture.

use std::sync::LazyLock;

use lantern_gguf::GgufFile;

use crate::embedder::{Embedder, EmbedderFamily};
use crate::packed::{CopyWriter, Miss, PackedCopies, PackedFile};
use crate::{CausalLm, Compute, Hyper, LoadOptions, ModelConfig, ModelError, Split, Weights};
use crate::{bert, gemma_embedding};
use crate::{gemma3, gemma4, gptoss, llama, qwen2, qwen3, qwen3moe, qwen35, qwen35moe};

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
    ("gpt-oss", gptoss::FAMILY),
    ("llama", llama::FAMILY),
    ("qwen2", qwen2::FAMILY),
    ("qwen3", qwen3::FAMILY),
    ("qwen35", qwen35::FAMILY),
    ("qwen35moe", qwen35moe::FAMILY),
    ("qwen3moe", qwen3moe::FAMILY),
];

/// The supported architectures.
pub fn architectures() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| FAMILIES.iter().map(|(name, _)| *name).collect());
    &NAMES
}

/// Architectures of models that turn texts into vectors, in alphabetical order. Some also generate text, and a file says
/// which it is for.
const EMBEDDERS: &[(&str, EmbedderFamily)] = &[
    ("bert", bert::BERT),
    ("gemma-embedding", gemma_embedding::EMBEDDER),
    ("nomic-bert", bert::NOMIC_BERT),
    ("qwen3", qwen3::EMBEDDER),
];

/// Whether a file's model turns texts into vectors: it says what stands for all of a text's tokens.
pub fn is_embedder(file: &GgufFile) -> bool {
    file.architecture().is_ok_and(|name| file.metadata().get(&format!("{name}.pooling_type")).is_some())
}

/// Loads a file's model that turns texts into vectors.
pub fn load_embedder(file: &GgufFile, split: impl Into<Split>) -> Result<Embedder, ModelError> {
    let architecture = file.architecture()?;
    let family = EMBEDDERS.iter().find(|(name, _)| *name == architecture);
    let Some((_, load)) = family else {
        return Err(ModelError::NotAnEmbedder {
            found: architecture.to_owned(),
            supported: EMBEDDERS.iter().map(|(name, _)| (*name).to_owned()).collect(),
        });
    };
    let weights = Weights::new(file, split)?;
    let embedder = load(&Hyper::new(file)?, &weights)?;
    weights.finish()?;
    weights.split().synchronize()?;
    Ok(embedder)
}

/// A file's model, described without loading its weights.
pub fn config(file: &GgufFile) -> Result<ModelConfig, ModelError> {
    (family(file)?.config)(&Hyper::new(file)?)
}

/// A model in memory, and what became of its packed copy.
pub struct LoadedModel {
    /// The model.
    pub model: Box<dyn CausalLm>,
    /// Its packed copy.
    pub copy: PackedCopy,
}

/// What became of a model's packed copy.
#[derive(Debug)]
pub enum PackedCopy {
    /// Nobody asked for one, or the model has nothing that is packed.
    None,
    /// It was used.
    Used,
    /// It was not there, or not right, and is to be written.
    Missed {
        /// Why it was not used.
        miss: Miss,
        /// Writes it; dropping this leaves everything as it is.
        writer: CopyWriter,
    },
}

/// Loads a file's model.
pub fn load(file: &GgufFile, options: &LoadOptions) -> Loaded {
    load_with(file, Compute::new(options))
}

/// Loads a file's model for a certain way of computing, or for one on each side of a split.
pub fn load_with(file: &GgufFile, split: impl Into<Split>) -> Loaded {
    load_from(file, split.into(), None, |_| ()).map(|(model, ())| model)
}

/// Like [`load_with`]. If packed copies are asked for, the model's is used, or can be written afterwards.
pub fn load_with_copy(
    file: &GgufFile,
    split: impl Into<Split>,
    copies: Option<&PackedCopies>,
) -> Result<LoadedModel, ModelError> {
    let split = split.into();
    let place = copies.and_then(|copies| copies.path_of(file.path()).ok());
    let opened = match (&place, split.pool()) {
        (Some(path), Some(pool)) => PackedFile::open(path, file, pool),
        _ => Err(Miss::Absent),
    };
    let (copy, miss) = match opened {
        Ok(copy) => (Some(copy), Miss::Incomplete),
        Err(miss) => (None, miss),
    };
    let used = copy.is_some();
    let (model, writer) =
        load_from(file, split, copy, |weights| place.and_then(|path| weights.copy_writer(path)))?;
    let copy = match writer {
        Some(writer) => PackedCopy::Missed { miss, writer },
        None if used => PackedCopy::Used,
        None => PackedCopy::None,
    };
    Ok(LoadedModel { model, copy })
}

/// The model, and what `then` makes of the weights when all layers have theirs.
fn load_from<T>(
    file: &GgufFile,
    split: Split,
    copy: Option<PackedFile>,
    then: impl FnOnce(&Weights) -> T,
) -> Result<(Box<dyn CausalLm>, T), ModelError> {
    let family = family(file)?;
    let hyper = Hyper::new(file)?;
    let weights = Weights::new(file, split)?.with_copy(copy);
    let model = (family.load)(&hyper, &weights)?;
    weights.finish()?;
    weights.split().synchronize()?;
    let made = then(&weights);
    Ok((model, made))
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

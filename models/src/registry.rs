//! Which family implements which architecture.

use std::sync::LazyLock;

use lantern_gguf::GgufFile;

use crate::embedders;
use crate::packed::{CopyWriter, Miss, PackedCopies, PackedFile};
use crate::{CausalLm, Compute, Hyper, LoadOptions, ModelConfig, ModelError, Split, Weights};
use crate::{
    deepseek2, ernie4_5, gemma2, gemma3, gemma3n, gemma4, gemma4_assistant, glm4, glm4moe, gptoss, granite,
    lfm2, llama, mistral3, nemotron_h, olmo2, olmoe, phi3, phimoe, qwen2, qwen2moe, qwen3, qwen3moe, qwen35,
    qwen35moe, smollm3,
};

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
    ("deepseek2", deepseek2::FAMILY),
    ("ernie4_5", ernie4_5::FAMILY),
    ("ernie4_5-moe", ernie4_5::FAMILY),
    ("gemma2", gemma2::FAMILY),
    ("gemma3", gemma3::FAMILY),
    ("gemma3n", gemma3n::FAMILY),
    ("gemma4", gemma4::FAMILY),
    ("glm4", glm4::FAMILY),
    ("glm4moe", glm4moe::FAMILY),
    ("gpt-oss", gptoss::FAMILY),
    ("granite", granite::FAMILY),
    ("granitehybrid", granite::FAMILY),
    ("granitemoe", granite::FAMILY),
    ("lfm2", lfm2::FAMILY),
    ("lfm2moe", lfm2::FAMILY),
    ("llama", llama::FAMILY),
    ("mistral3", mistral3::FAMILY),
    ("nemotron_h", nemotron_h::FAMILY),
    ("nemotron_h_moe", nemotron_h::FAMILY),
    ("olmo2", olmo2::FAMILY),
    ("olmoe", olmoe::FAMILY),
    ("phi3", phi3::FAMILY),
    ("phimoe", phimoe::FAMILY),
    ("qwen2", qwen2::FAMILY),
    ("qwen2moe", qwen2moe::FAMILY),
    ("qwen3", qwen3::FAMILY),
    ("qwen35", qwen35::FAMILY),
    ("qwen35moe", qwen35moe::FAMILY),
    ("qwen3moe", qwen3moe::FAMILY),
    ("qwen3next", qwen35moe::NEXT),
    ("qwen3vl", qwen3::FAMILY),
    ("qwen3vlmoe", qwen3moe::FAMILY),
    ("smollm3", smollm3::FAMILY),
];

/// The supported architectures.
pub fn architectures() -> &'static [&'static str] {
    static NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| FAMILIES.iter().map(|(name, _)| *name).collect());
    &NAMES
}

/// Whether a file holds an assistant, which guesses for another model and is none by itself.
pub fn is_assistant(file: &GgufFile) -> bool {
    file.architecture().is_ok_and(|architecture| architecture == gemma4_assistant::ARCHITECTURE)
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
    load_from(file, split.into(), |weights| weights, |_| ()).map(|(model, ())| model)
}

/// Like [`load_with`]. If packed copies are asked for, the model's is used, or can be written afterwards; not so where memory
/// does not hold all experts, for a copy has the tiles of all.
pub fn load_with_copy(
    file: &GgufFile,
    split: impl Into<Split>,
    copies: Option<&PackedCopies>,
) -> Result<LoadedModel, ModelError> {
    let split = split.into();
    let copies = copies.filter(|_| split.expert_memory().is_none());
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
    let asked = place.is_some();
    let (model, writer) = load_from(
        file,
        split,
        |weights| if asked { weights.with_copy(copy) } else { weights },
        |weights| place.and_then(|path| weights.copy_writer(path)),
    )?;
    let copy = match writer {
        Some(writer) => PackedCopy::Missed { miss, writer },
        None if used => PackedCopy::Used,
        None => PackedCopy::None,
    };
    Ok(LoadedModel { model, copy })
}

/// The model from `prepared` weights, and what `then` makes of them when all layers have theirs.
fn load_from<'a, T>(
    file: &'a GgufFile,
    split: Split,
    prepared: impl FnOnce(Weights<'a>) -> Weights<'a>,
    then: impl FnOnce(&Weights) -> T,
) -> Result<(Box<dyn CausalLm>, T), ModelError> {
    let family = family(file)?;
    let hyper = Hyper::new(file)?;
    let weights = prepared(Weights::new(file, split)?);
    let model = (family.load)(&hyper, &weights)?;
    weights.finish()?;
    weights.split().synchronize()?;
    weights.split().keep_weights(weights.resident()?);
    let made = then(&weights);
    release(file);
    Ok((model, made))
}

/// What has been read is packed or copied, and the pages that the system mapped around it are nobody's.
fn release(file: &GgufFile) {
    for bytes in file.tensors().values().filter_map(|tensor| file.bytes(tensor).ok()) {
        bytes.release(0..bytes.len());
    }
}

fn family(file: &GgufFile) -> Result<&'static Family, ModelError> {
    let architecture = file.architecture()?;
    if embedders::is_embedder(file) {
        return Err(ModelError::OnlyEmbeds { found: architecture.to_owned() });
    }
    match FAMILIES.iter().find(|(name, _)| *name == architecture) {
        Some((_, family)) => Ok(family),
        None => Err(ModelError::UnknownArchitecture {
            found: architecture.to_owned(),
            supported: architectures().iter().map(|&name| name.to_owned()).collect(),
        }),
    }
}

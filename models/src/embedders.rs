//! Which family turns texts into vectors for which architecture.

use lantern_gguf::GgufFile;

use crate::embedder::{Embedder, EmbedderFamily};
use crate::{Hyper, ModelError, Split, Weights};
use crate::{bert, gemma_embedding, qwen3};

/// Architectures of models that turn texts into vectors, in alphabetical order. Some also generate text, and a file says
/// which it is for.
const FAMILIES: &[(&str, EmbedderFamily)] = &[
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
pub fn load(file: &GgufFile, split: impl Into<Split>) -> Result<Embedder, ModelError> {
    let architecture = file.architecture()?;
    let family = FAMILIES.iter().find(|(name, _)| *name == architecture);
    let Some((_, load)) = family else {
        return Err(ModelError::NotAnEmbedder {
            found: architecture.to_owned(),
            supported: FAMILIES.iter().map(|(name, _)| (*name).to_owned()).collect(),
        });
    };
    let weights = Weights::new(file, split)?;
    let embedder = load(&Hyper::new(file)?, &weights)?;
    weights.finish()?;
    weights.split().synchronize()?;
    weights.split().keep_weights(weights.resident()?);
    Ok(embedder)
}

//! Texts to vectors: a tokenizer and a model that makes one vector of all of a text's tokens.
//!
//! Apart from [`crate::Engine`], because nothing is generated: a call computes on the caller's thread and leaves nothing
//! behind.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use lantern_gguf::GgufFile;
use lantern_models::{Compute, Embedder, embedders};

use crate::EngineOptions;
use crate::error::{EngineError, size};
use crate::ledger::{Charge, Ledger};
use crate::text::Tokenizer;

/// A loaded model that turns texts into vectors. Shared by reference between threads; calls take turns.
pub struct EmbeddingModel {
    tokenizer: Tokenizer,
    model: Mutex<Embedder>,
    dimensions: usize,
    context_length: usize,
    /// Last of all: the memory is given back when everything above has let go of it.
    charge: Charge,
}

/// One vector for each text.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    /// `[texts, dimensions]`, each of length one.
    pub vectors: Vec<f32>,
    /// Numbers in a vector.
    pub dimensions: usize,
    /// Tokens of all texts together.
    pub tokens: usize,
}

impl EmbeddingModel {
    /// Loads a GGUF file; `threads` of 0 takes one for each fast core. Blocks while it reads; refuses a file that does not
    /// fit, and one whose model is not made for this.
    pub fn load(path: &Path, threads: usize) -> Result<Self, EngineError> {
        Self::load_charged(path, threads, &Ledger::shared())
    }

    /// Whether a file fits beside what is charged in these books. What is wrong with it otherwise is for loading it to say.
    pub fn fits(path: &Path, ledger: &Ledger) -> bool {
        std::fs::metadata(path).map_or(true, |file| file.len() <= ledger.available())
    }

    /// The same, with what it takes of the host's memory charged in these books.
    pub fn load_charged(path: &Path, threads: usize, ledger: &Ledger) -> Result<Self, EngineError> {
        let options = EngineOptions { threads, ..EngineOptions::default() };
        options.validate()?;
        let file = GgufFile::open(path)?;
        let ((), charge) =
            ledger.charge(|| memory_for(file.file_len(), ledger.available()).map(|bytes| ((), bytes)))?;
        let model = embedders::load(&file, Compute::kernels(options.resolved_threads()))?;
        Ok(Self {
            tokenizer: Tokenizer::from_gguf(&file)?,
            dimensions: model.dimensions(),
            context_length: model.config().context_length,
            model: Mutex::new(model),
            charge,
        })
    }

    /// Bytes of host memory that are charged for it.
    pub fn memory_bytes(&self) -> u64 {
        self.charge.bytes()
    }

    /// Numbers in a vector.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Tokens that a text may have, those included that begin and end it.
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// The model's tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// The tokens of a text, with those that begin and end one for this model. What is spelt like a control token is text.
    pub fn tokenize(&self, text: &str) -> Result<Vec<u32>, EngineError> {
        Ok(self.tokenizer.encode(text, false, true)?)
    }

    /// A vector for each text. It does not depend on the other texts.
    pub fn embed<T: AsRef<str>>(&self, texts: &[T]) -> Result<Embeddings, EngineError> {
        let texts: Result<Vec<_>, _> = texts.iter().map(|text| self.tokenize(text.as_ref())).collect();
        self.embed_tokens(&texts?)
    }

    /// A vector for each text, which is given as its tokens.
    pub fn embed_tokens(&self, texts: &[Vec<u32>]) -> Result<Embeddings, EngineError> {
        for (index, text) in texts.iter().enumerate() {
            self.check(index, text)?;
        }
        let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
        let mut vectors = Vec::new();
        // A panic in a call before left nothing that the next one reads.
        self.model.lock().unwrap_or_else(PoisonError::into_inner).embed(&texts, &mut vectors)?;
        let tokens = texts.iter().map(|text| text.len()).sum();
        Ok(Embeddings { vectors, dimensions: self.dimensions, tokens })
    }

    fn check(&self, index: usize, text: &[u32]) -> Result<(), EngineError> {
        if text.is_empty() {
            return Err(EngineError::EmptyText { index });
        }
        if text.len() > self.context_length {
            return Err(EngineError::TextTooLong { index, tokens: text.len(), context: self.context_length });
        }
        let vocab_size = self.tokenizer.vocab_size();
        match text.iter().find(|&&token| token as usize >= vocab_size) {
            Some(&token) => Err(EngineError::UnknownToken { token, vocab_size }),
            None => Ok(()),
        }
    }
}

impl Embeddings {
    /// The vectors, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.vectors.chunks_exact(self.dimensions.max(1))
    }

    /// The first `dimensions` numbers of each vector, made one long again: for models that were trained to put what
    /// matters most first (Matryoshka representation learning, Kusupati et al., 2022). As they are, if they are no longer
    /// than that.
    pub fn shortened(self, dimensions: usize) -> Self {
        if dimensions == 0 || dimensions >= self.dimensions {
            return self;
        }
        let vectors = self.iter().flat_map(|vector| {
            let kept = &vector[..dimensions];
            let length = kept.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
            let factor = if length > 0.0 { 1.0 / length } else { 1.0 };
            kept.iter().map(move |x| (f64::from(*x) * factor) as f32)
        });
        Self { vectors: vectors.collect(), dimensions, tokens: self.tokens }
    }
}

/// The bytes that a model takes; refuses one whose weights are larger than what is free. What a call takes beside them is
/// small: it keeps one layer.
fn memory_for(weights: u64, available: u64) -> Result<u64, EngineError> {
    if weights <= available {
        return Ok(weights);
    }
    Err(EngineError::ModelTooLarge {
        needed: weights,
        weights,
        cache: 0,
        scratch: 0,
        context: 0,
        available,
        proposal: format!("Close other programs, or choose a model of at most {}.", size(available)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened_vectors_are_one_long_again() {
        let all = Embeddings { vectors: vec![0.6, 0.0, 0.8, 0.0, 0.0, 1.0], dimensions: 3, tokens: 9 };
        let short = all.clone().shortened(2);
        assert_eq!(short, Embeddings { vectors: vec![1.0, 0.0, 0.0, 0.0], dimensions: 2, tokens: 9 });
        assert_eq!(all.clone().shortened(3), all);
        assert_eq!(all.clone().shortened(9), all);
    }
}

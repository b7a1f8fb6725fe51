//! The long part of a load: weights, and beside them what turns text into tokens; and the packed copy that is written
//! afterwards.

use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use lantern_gguf::GgufFile;
use lantern_models::packed::{CopyWriter, Written};
use lantern_models::registry::{self, LoadedModel, PackedCopy};
use lantern_models::{PackedCopies, Split};

use crate::error::EngineError;
use crate::text::{ChatTemplate, TemplateError, Tokenizer};

/// A model with what turns text into its tokens. Without a chat template that works it can still continue text.
pub(crate) struct Loaded {
    pub(crate) model: LoadedModel,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) template: Result<ChatTemplate, TemplateError>,
}

/// Loads a file's model, and its tokenizer and template meanwhile on a thread of their own; `chat_template` takes the place
/// of the file's.
pub(crate) fn load(
    file: &GgufFile,
    split: Split,
    copies: Option<&PackedCopies>,
    chat_template: Option<&str>,
) -> Result<Loaded, EngineError> {
    let text = || -> Result<_, EngineError> {
        let tokenizer = Tokenizer::from_gguf(file)?;
        let template = match chat_template {
            Some(text) => ChatTemplate::given(text, &tokenizer),
            None => ChatTemplate::from_gguf(file, &tokenizer),
        };
        Ok((tokenizer, template))
    };
    let (text, loaded) = thread::scope(|scope| {
        let text = scope.spawn(text);
        let loaded = registry::load_with_copy(file, split, copies);
        (text.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), loaded)
    });
    let (tokenizer, template) = text?;
    Ok(Loaded { model: loaded?, tokenizer, template })
}

/// The thread that writes a packed copy beside the model's first answers.
#[derive(Default)]
pub(crate) struct CopyThread(Mutex<Option<JoinHandle<()>>>);

impl CopyThread {
    /// Starts it, if there is something to write.
    pub(crate) fn start(copy: PackedCopy) -> Self {
        let PackedCopy::Missed { miss, writer } = copy else { return Self::default() };
        tracing::info!("{miss}; one is written for the next load");
        let thread = thread::Builder::new().name("lantern-copy".into()).spawn(move || write(writer));
        if let Err(error) = &thread {
            tracing::warn!("no packed copy is written, for want of a thread: {error}");
        }
        Self(Mutex::new(thread.ok()))
    }

    /// Waits until the copy is on the disk or given up.
    pub(crate) fn finish(&self) {
        let thread = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // Should it have panicked, there is no copy, which is nobody's error.
            let _ = thread.join();
        }
    }
}

/// Writes a copy. That it cannot be written is worth a warning: the model runs without.
pub(crate) fn write(writer: CopyWriter) {
    match writer.write() {
        Ok(Written::Kept(bytes)) => tracing::info!(bytes, "a packed copy was written"),
        Ok(Written::Abandoned) => tracing::info!("the packed copy was given up: its model was unloaded"),
        Ok(Written::Busy) => tracing::info!("no packed copy is written: another process writes one"),
        Err(error) => tracing::warn!("the packed copy could not be written: {error}"),
    }
}

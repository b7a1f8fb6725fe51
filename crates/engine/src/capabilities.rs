//! What a model can do, from its file's header alone.

use std::path::Path;

use lantern_gguf::GgufFile;
use lantern_models::{embedders, registry};

use crate::error::EngineError;
use crate::projector::projector_beside;
use crate::text::probe;

/// What a model can do. Tools and thoughts are known by what the chat template does with them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Answers in a conversation, or goes on with a text.
    pub chat: bool,
    /// Makes vectors of texts.
    pub embeddings: bool,
    /// Sees pictures: a file for it lies beside the model.
    pub vision: bool,
    /// Its template knows tools.
    pub tools: bool,
    /// Its template knows thoughts before the answer.
    pub thinking: bool,
}

/// Reads what the model in a file can do.
pub fn capabilities(path: &Path) -> Result<Capabilities, EngineError> {
    capabilities_of(&GgufFile::open(path)?, projector_beside(path).is_some())
}

/// The same of a file of which only the header need be here; `has_projector` says whether there is a file for pictures.
pub fn capabilities_of(file: &GgufFile, has_projector: bool) -> Result<Capabilities, EngineError> {
    let embeddings = embedders::is_embedder(file);
    let chat = !embeddings && registry::architectures().contains(&file.architecture()?);
    let template = file.metadata().opt_str("tokenizer.chat_template").ok().flatten().unwrap_or("");
    let (tools, thinking) = template_says(template);
    Ok(Capabilities {
        chat,
        embeddings,
        vision: chat && has_projector,
        tools: chat && tools,
        thinking: chat && thinking,
    })
}

/// Whether a chat template knows tools, and thoughts.
pub fn template_says(template: &str) -> (bool, bool) {
    (probe::tells_tools(template), probe::knows_thoughts(template))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn golden(name: &str) -> Capabilities {
        let path = lantern_golden::path(format!("models/{name}.gguf"));
        capabilities(Path::new(&path)).expect("a golden model")
    }

    #[test]
    fn a_file_says_what_its_model_can_do() {
        let chat = Capabilities { chat: true, ..Capabilities::default() };
        assert_eq!(golden("llama_untied-Q8_0"), chat);
        let embeddings = Capabilities { embeddings: true, ..Capabilities::default() };
        assert_eq!(golden("bert-F32"), embeddings);
        assert_eq!(golden("qwen3_embedding-F32"), embeddings);
    }
}

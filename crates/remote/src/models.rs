//! `GET /models`.

use serde::Deserialize;
use serde_json::Value;

/// Which server it is, as far as its list of models tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    /// vLLM.
    Vllm,
    /// llama.cpp's server.
    LlamaCpp,
    /// Any other.
    #[default]
    Other,
}

impl Kind {
    /// Whether it takes `top_k`, `min_p` and a repeat penalty, which OpenAI's protocol has not.
    pub(crate) fn samples_further(self) -> bool {
        self != Self::Other
    }
}

/// A model that a remote engine serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteModel {
    /// As the server names it.
    pub id: String,
    /// Tokens that a conversation may hold, where the server tells.
    pub context_length: Option<usize>,
    /// Whether it sees pictures, where the server tells.
    pub sees: Option<bool>,
    /// Which server it is.
    pub kind: Kind,
}

#[derive(Deserialize)]
pub(crate) struct List {
    data: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    owned_by: Value,
    #[serde(default)]
    max_model_len: Value,
    #[serde(default)]
    meta: Value,
    #[serde(default)]
    architecture: Value,
    #[serde(default)]
    capabilities: Value,
}

impl From<List> for Vec<RemoteModel> {
    fn from(list: List) -> Self {
        list.data.into_iter().map(RemoteModel::from).collect()
    }
}

impl From<Entry> for RemoteModel {
    fn from(entry: Entry) -> Self {
        let Entry { id, owned_by, max_model_len, meta, architecture, capabilities } = entry;
        // llama-server: `n_ctx` is what it was started with, in newer versions; `n_ctx_train` what the model knows.
        let lengths = [Some(&max_model_len), meta.get("n_ctx"), meta.get("n_ctx_train")];
        let length = lengths.into_iter().flatten().find_map(Value::as_u64).filter(|&length| length > 0);
        let kind = match owned_by.as_str() {
            Some("vllm") => Kind::Vllm,
            Some("llamacpp") => Kind::LlamaCpp,
            _ => Kind::Other,
        };
        Self {
            id,
            context_length: length.and_then(|length| usize::try_from(length).ok()),
            sees: sees(&architecture, &capabilities),
            kind,
        }
    }
}

/// llama-server and OpenRouter name what goes in, Mistral and Lantern what a model can do; others tell nothing.
fn sees(architecture: &Value, capabilities: &Value) -> Option<bool> {
    let inputs = architecture.get("input_modalities").and_then(Value::as_array);
    let told = inputs.map(|inputs| inputs.iter().any(|input| input == "image"));
    told.or_else(|| capabilities.get("vision")?.as_bool())
}

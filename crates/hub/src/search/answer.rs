//! What the Hub says of a repository, as far as it is understood.

use lantern_protocol::{FoundRepository, Gating, ModelCapability};
use serde_json::Value;

use super::files::is_projector;
use super::quants::{quality_rank, quant_of};
use super::{ReadTemplate, TemplateSays};
use crate::RepoId;
use crate::hub::is_model;

/// Longest text of a field that is shown.
const MAX_TEXT: usize = 200;
/// Most files of a repository that are looked at, and most quantisations that are named.
const MAX_FILES: usize = 20_000;
const MAX_QUANTS: usize = 64;

/// A repository as the Hub describes it.
pub(super) struct Found {
    pub(super) repo: RepoId,
    value: Value,
}

impl Found {
    /// Of an object of the Hub's list; `None` for one that cannot be fetched from (a name without an owner).
    pub(super) fn read(value: &Value) -> Result<Option<Self>, String> {
        let name = value.get("id").or_else(|| value.get("modelId")).and_then(Value::as_str);
        let name = name.ok_or("a model of its list has no name (id)")?;
        Ok(RepoId::parse(name).ok().map(|repo| Self { repo, value: value.clone() }))
    }

    /// In the words of the search.
    pub(super) fn about(&self, read_template: ReadTemplate) -> FoundRepository {
        let gguf = |key: &str| self.value.get("gguf").and_then(|gguf| gguf.get(key));
        let text = |key: &str| self.value.get(key).and_then(Value::as_str).map(shorten);
        let number = |key: &str| self.value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let template = gguf("chat_template").and_then(Value::as_str).map(read_template).unwrap_or_default();
        FoundRepository {
            repo: self.repo.as_str().into(),
            downloads: number("downloads"),
            likes: number("likes"),
            created_at: text("createdAt"),
            modified_at: text("lastModified"),
            gating: self.gating(),
            licence: self.licence(),
            architecture: gguf("architecture").and_then(Value::as_str).map(shorten),
            parameters: gguf("total").and_then(Value::as_u64),
            context_length: gguf("context_length").and_then(Value::as_u64).and_then(|n| n.try_into().ok()),
            base_model: self.base_model(),
            capabilities: self.capabilities(template),
            quants: self.quants(),
        }
    }

    /// The commit that is described.
    pub(super) fn commit(&self) -> Option<&str> {
        self.value.get("sha").and_then(Value::as_str)
    }

    /// A field of the model card's head.
    pub(super) fn card(&self, key: &str) -> Option<&str> {
        self.value.get("cardData").and_then(|card| card.get(key)).and_then(Value::as_str)
    }

    /// `false`, `"auto"` or `"manual"`.
    fn gating(&self) -> Gating {
        match self.value.get("gated") {
            Some(Value::String(kind)) if kind == "auto" => Gating::Automatic,
            Some(Value::String(_) | Value::Bool(true)) => Gating::Manual,
            _ => Gating::None,
        }
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.value.get("tags").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    }

    fn tagged(&self, prefix: &str) -> Option<&str> {
        self.tags().find_map(|tag| tag.strip_prefix(prefix))
    }

    fn licence(&self) -> Option<String> {
        let tagged = self.tagged("license:").or_else(|| self.card("license"));
        let own = || self.card("license_name");
        match tagged {
            Some("other") => own().or(tagged).map(shorten),
            tagged => tagged.map(shorten),
        }
    }

    /// There is a tag for the model and one for what was done to it: `base_model:quantized:owner/name`.
    fn base_model(&self) -> Option<String> {
        let tags = self.tags().filter_map(|tag| tag.strip_prefix("base_model:"));
        let names = tags.map(|tag| tag.rsplit(':').next().unwrap_or(tag));
        let valid = |name: &&str| RepoId::parse(name).is_ok();
        names.filter(valid).map(str::to_owned).next().or_else(|| self.card("base_model").map(shorten))
    }

    fn files(&self) -> impl Iterator<Item = &str> {
        let files = self.value.get("siblings").and_then(Value::as_array).into_iter().flatten();
        files.take(MAX_FILES).filter_map(|file| file.get("rfilename").and_then(Value::as_str))
    }

    fn capabilities(&self, template: TemplateSays) -> Vec<ModelCapability> {
        let task = self.value.get("pipeline_tag").and_then(Value::as_str).unwrap_or_default();
        let says = |words: &[&str]| words.contains(&task) || self.tags().any(|tag| words.contains(&tag));
        let embeds = says(&["feature-extraction", "sentence-similarity", "sentence-transformers"]);
        let can = [
            (ModelCapability::Vision, self.files().any(is_projector)),
            (ModelCapability::Tools, template.tools && !embeds),
            (ModelCapability::Thinking, template.thinking && !embeds),
            (ModelCapability::Embedding, embeds),
        ];
        can.into_iter().filter(|(_, it_can)| *it_can).map(|(capability, _)| capability).collect()
    }

    fn quants(&self) -> Vec<String> {
        let mut quants: Vec<String> =
            self.files().filter(|file| is_model(file)).filter_map(quant_of).collect();
        quants.sort_by_key(|quant| (std::cmp::Reverse(quality_rank(quant)), quant.clone()));
        quants.dedup();
        quants.truncate(MAX_QUANTS);
        quants
    }
}

/// A stranger's words, in one line that fits.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_TEXT).collect()
}

//! Everything a file's header tells.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use lantern_gguf::{GgufFile, Metadata, TensorInfo};
use lantern_protocol::{FileDetails, QuantShare, TokenizerDetails};

use crate::{HubError, RepoId};

/// Most repositories that a file may say it was made from.
const MAX_BASES: u32 = 16;

/// Reads the header of a GGUF file, or of a split model by any of its pieces.
pub fn file_details(path: &Path) -> Result<FileDetails, HubError> {
    let file = GgufFile::open(path)
        .map_err(|source| HubError::Gguf { path: path.to_owned(), source: Arc::new(source) })?;
    let metadata = file.metadata();
    let family = file.architecture().ok().map(str::to_owned);
    let number = |key: &str| family.as_ref().and_then(|family| opt_u32(metadata, &format!("{family}.{key}")));
    let experts = number("expert_count").zip(number("expert_used_count")).filter(|(all, _)| *all > 0);
    Ok(FileDetails {
        name: text(metadata, "general.name"),
        parameters: parameters(&file),
        active_parameters: experts.map(|(all, used)| active_parameters(&file, all, used)),
        experts,
        types: types(&file),
        context_length: number("context_length"),
        layers: number("block_count"),
        hidden_size: number("embedding_length"),
        tokenizer: tokenizer(metadata),
        licence: text(metadata, "general.license.name").or_else(|| text(metadata, "general.license")),
        licence_link: text(metadata, "general.license.link"),
        base_models: base_models(metadata),
        quantised_by: text(metadata, "general.quantized_by"),
        files: u32::try_from(file.shard_count()).unwrap_or(u32::MAX),
        gguf_version: file.version(),
        family,
    })
}

fn text(metadata: &Metadata, key: &str) -> Option<String> {
    let text = metadata.opt_str(key).ok().flatten()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn opt_u32(metadata: &Metadata, key: &str) -> Option<u32> {
    metadata.opt_u32(key).ok().flatten()
}

fn parameters(file: &GgufFile) -> u64 {
    file.tensors().values().fold(0, |sum, tensor| sum.saturating_add(tensor.elements()))
}

/// All weights but those of the experts that a token does not choose. Tensors that hold the experts of a layer have `_exps`
/// in their name, and one expert after the other.
fn active_parameters(file: &GgufFile, all: u32, used: u32) -> u64 {
    let idle = u64::from(all.saturating_sub(used));
    let of_experts = |tensor: &&TensorInfo| tensor.name.contains("_exps");
    let asleep = file.tensors().values().filter(of_experts).map(|tensor| {
        // Divided first: the product may not fit.
        (tensor.elements() / u64::from(all)).saturating_mul(idle)
    });
    parameters(file).saturating_sub(asleep.fold(0, u64::saturating_add))
}

/// Most bytes first.
fn types(file: &GgufFile) -> Vec<QuantShare> {
    let mut shares: BTreeMap<String, QuantShare> = BTreeMap::new();
    for tensor in file.tensors().values() {
        let name = tensor.type_name();
        let empty = QuantShare { name: name.clone(), tensors: 0, bytes: 0 };
        let share = shares.entry(name).or_insert(empty);
        share.tensors += 1;
        share.bytes = share.bytes.saturating_add(tensor.byte_len().unwrap_or(0));
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

fn tokenizer(metadata: &Metadata) -> Option<TokenizerDetails> {
    let tokens = metadata.opt_strings("tokenizer.ggml.tokens").ok().flatten()?;
    Some(TokenizerDetails {
        kind: text(metadata, "tokenizer.ggml.model"),
        pre_tokenizer: text(metadata, "tokenizer.ggml.pre"),
        vocabulary: u32::try_from(tokens.len()).unwrap_or(u32::MAX),
    })
}

/// `owner/name` of every repository that the metadata names as what this was made from, the nearest first.
fn base_models(metadata: &Metadata) -> Vec<String> {
    let mut repos: Vec<String> = Vec::new();
    let mut add = |name: Option<String>| {
        if let Some(repo) = name.as_deref().and_then(repo_of).filter(|repo| !repos.contains(repo)) {
            repos.push(repo);
        }
    };
    add(text(metadata, "general.source.huggingface.repository"));
    add(text(metadata, "general.source.repo_url"));
    add(text(metadata, "general.repo_url"));
    for number in 0..opt_u32(metadata, "general.base_model.count").unwrap_or(0).min(MAX_BASES) {
        add(text(metadata, &format!("general.base_model.{number}.repo_url")));
    }
    repos
}

/// From an address on the Hub, or from a plain name.
fn repo_of(text: &str) -> Option<String> {
    let path = ["https://huggingface.co/", "http://huggingface.co/", "https://hf.co/"]
        .iter()
        .find_map(|start| text.strip_prefix(start))
        .unwrap_or(text);
    let mut parts = path.split('/');
    let repo = format!("{}/{}", parts.next()?, parts.next()?);
    RepoId::parse(&repo).ok().map(|repo| repo.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_out_of_an_address_or_a_name() {
        let repo = |text| repo_of(text);
        assert_eq!(repo("https://huggingface.co/Qwen/Qwen3-8B").as_deref(), Some("Qwen/Qwen3-8B"));
        assert_eq!(repo("https://huggingface.co/Qwen/Qwen3-8B/tree/main").as_deref(), Some("Qwen/Qwen3-8B"));
        assert_eq!(repo("Qwen/Qwen3-8B").as_deref(), Some("Qwen/Qwen3-8B"));
        for other in ["https://example.org/a/b", "Qwen3", "../..", ""] {
            assert_eq!(repo(other), None, "{other}");
        }
    }
}

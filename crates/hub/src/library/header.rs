//! What a file's header says, remembered as long as the file does not change.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lantern_convert::{HfFolder, Source, SourceTensor};
use lantern_gguf::GgufFile;
use lantern_protocol::{ErrorInfo, LibraryModel, RecommendedSampling};

use super::scan::Found;
use super::shards::{ModelStamp, shard_name};
use crate::{HubError, recommended_sampling};

/// Headers by path, each valid for one size and time of change.
#[derive(Default)]
pub(crate) struct Headers {
    known: Mutex<HashMap<PathBuf, (ModelStamp, Header)>>,
}

#[derive(Clone)]
struct Header {
    architecture: Option<String>,
    quantisation: Option<String>,
    context_length: Option<u32>,
    parameters: Option<u64>,
    has_chat_template: bool,
    recommended: Option<RecommendedSampling>,
    error: Option<ErrorInfo>,
}

impl Headers {
    /// The model of a file; a file that cannot be read is a model with an error.
    pub(crate) fn model(&self, found: &Found) -> LibraryModel {
        let stamp = ModelStamp::of(&found.path);
        let header = self.header(&found.path, stamp);
        LibraryModel {
            id: match found.path.is_dir() {
                true => folder_name(found),
                false => stem(&found.path),
            },
            path: found.path.to_string_lossy().into_owned(),
            source: found.source,
            repo: found.repo.clone(),
            size_bytes: stamp.size,
            architecture: header.architecture,
            quantisation: header.quantisation,
            context_length: header.context_length,
            parameters: header.parameters,
            has_chat_template: header.has_chat_template,
            recommended: header.recommended,
            error: header.error,
        }
    }

    fn header(&self, path: &Path, stamp: ModelStamp) -> Header {
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, header)) = known().get(path).filter(|(at, _)| *at == stamp) {
            return header.clone();
        }
        let header = match path.is_dir() {
            true => HfFolder::open(path).map(|folder| read_folder(&folder)).unwrap_or_else(|error| {
                failed(HubError::Folder { path: path.to_owned(), source: Arc::new(error) })
            }),
            false => GgufFile::open(path).map(|file| read(&file)).unwrap_or_else(|error| {
                failed(HubError::Gguf { path: path.to_owned(), source: Arc::new(error) })
            }),
        };
        known().insert(path.to_owned(), (stamp, header.clone()));
        header
    }
}

/// The file's name without `.gguf`; of a split model without the number of the piece too.
pub(crate) fn stem(path: &Path) -> String {
    if let Some(name) = shard_name(path) {
        return name.prefix().to_owned();
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let end = name.len().saturating_sub(5);
    if name.is_char_boundary(end) && name[end..].eq_ignore_ascii_case(".gguf") {
        name[..end].to_owned()
    } else {
        name.into_owned()
    }
}

/// A folder's name; in the Hub's cache, where folders are named after commits, the repository's.
fn folder_name(found: &Found) -> String {
    let of_repo = found.repo.as_deref().and_then(|repo| repo.split('/').nth(1)).map(str::to_owned);
    let own = || found.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    of_repo.unwrap_or_else(own)
}

fn failed(error: HubError) -> Header {
    Header {
        architecture: None,
        quantisation: None,
        context_length: None,
        parameters: None,
        has_chat_template: false,
        recommended: None,
        error: Some(error.info()),
    }
}

fn read(file: &GgufFile) -> Header {
    let metadata = file.metadata();
    let architecture = file.architecture().ok().map(str::to_owned);
    let context = architecture
        .as_ref()
        .and_then(|name| metadata.opt_u32(&format!("{name}.context_length")).ok().flatten());
    Header {
        quantisation: commonest_type(file),
        context_length: context,
        parameters: Some(
            file.tensors().values().fold(0u64, |sum, tensor| sum.saturating_add(tensor.elements())),
        ),
        has_chat_template: metadata.opt_str("tokenizer.chat_template").ok().flatten().is_some(),
        recommended: recommended_sampling(metadata),
        error: None,
        architecture,
    }
}

fn read_folder(folder: &HfFolder) -> Header {
    let tensors = folder.tensors();
    let values = |tensor: &SourceTensor| tensor.shape.iter().product::<u64>();
    let largest = tensors.iter().max_by_key(|tensor| values(tensor));
    let metadata = folder.metadata();
    let architecture = metadata.opt_str("general.architecture").ok().flatten().map(str::to_owned);
    let context = architecture.as_ref().map(|name| format!("{name}.context_length"));
    Header {
        quantisation: largest.map(|tensor| tensor.natural.name().to_owned()),
        context_length: context.and_then(|key| metadata.opt_u32(&key).ok().flatten()),
        parameters: Some(tensors.iter().map(values).fold(0, u64::saturating_add)),
        has_chat_template: metadata.get("tokenizer.chat_template").is_some(),
        recommended: recommended_sampling(metadata),
        error: None,
        architecture,
    }
}

/// By bytes, because that is what memory and speed feel.
fn commonest_type(file: &GgufFile) -> Option<String> {
    let mut bytes: HashMap<String, u64> = HashMap::new();
    for tensor in file.tensors().values() {
        *bytes.entry(tensor.type_name()).or_default() += tensor.byte_len().unwrap_or(0);
    }
    bytes.into_iter().max_by(|a, b| (a.1, &b.0).cmp(&(b.1, &a.0))).map(|(name, _)| name)
}

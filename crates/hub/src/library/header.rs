//! What a file's header says, and which content it is, remembered as long as the file does not change.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lantern_convert::{HfFolder, Source, SourceTensor};
use lantern_gguf::{GgufError, GgufFile};
use lantern_protocol::{ErrorInfo, RecommendedSampling};
use serde::{Deserialize, Serialize};

use super::entries::Seen;
use super::fingerprint;
use super::index::{self, Line};
use super::scan::Found;
use super::shards::{ModelStamp, shard_name};
use crate::{HubError, recommended_sampling};

/// Threads that read headers: enough to keep a disk busy.
const READERS: usize = 4;

/// Headers by path, each valid as long as the file's stamp stays; kept in the index on disk.
pub(crate) struct Headers {
    index: PathBuf,
    is_loaded: AtomicBool,
    known: Mutex<HashMap<PathBuf, (ModelStamp, Known)>>,
}

/// What is known of one model.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) header: Header,
    /// The fingerprint; empty when the file cannot be read.
    pub(crate) content_id: String,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Header {
    pub(crate) architecture: Option<String>,
    pub(crate) quantisation: Option<String>,
    pub(crate) context_length: Option<u32>,
    pub(crate) parameters: Option<u64>,
    pub(crate) has_chat_template: bool,
    pub(crate) recommended: Option<RecommendedSampling>,
    /// Whether it goes with a model and is none: a projector, an adapter, an importance matrix.
    pub(crate) is_part: bool,
    pub(crate) error: Option<ErrorInfo>,
}

impl Headers {
    /// With the index in this file.
    pub(crate) fn at(index: PathBuf) -> Self {
        Self { index, is_loaded: AtomicBool::new(false), known: Mutex::default() }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<PathBuf, (ModelStamp, Known)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of all these files; those that are new or changed are read now.
    pub(crate) fn see(&self, found: Vec<Found>) -> Vec<Seen> {
        self.load();
        let stamps: Vec<ModelStamp> = found.iter().map(|found| ModelStamp::of(&found.path)).collect();
        let unread: Vec<(&Path, ModelStamp)> = {
            let known = self.known();
            let is_unread =
                |path: &Path, stamp: &ModelStamp| known.get(path).is_none_or(|(at, _)| at != stamp);
            let files = found.iter().map(|found| found.path.as_path()).zip(stamps.iter().copied());
            files.filter(|(path, stamp)| is_unread(path, stamp)).collect()
        };
        if self.read_all(&unread) {
            self.save(&found);
        }
        let known = self.known();
        let seen = |(found, stamp): (Found, ModelStamp)| {
            let (_, known) = known.get(&found.path)?.clone();
            Some(Seen { found, stamp, known })
        };
        found.into_iter().zip(stamps).filter_map(seen).collect()
    }

    /// What is known of a file that need not be in the library.
    pub(crate) fn see_one(&self, found: Found) -> Seen {
        self.load();
        let stamp = ModelStamp::of(&found.path);
        let known =
            self.known().get(&found.path).filter(|(at, _)| *at == stamp).map(|(_, known)| known.clone());
        let known = known.unwrap_or_else(|| {
            let known = read(&found.path);
            self.known().insert(found.path.clone(), (stamp, known.clone()));
            known
        });
        Seen { found, stamp, known }
    }

    /// Whether anything was read that is worth keeping.
    fn read_all(&self, files: &[(&Path, ModelStamp)]) -> bool {
        let share = files.len().div_ceil(READERS).max(1);
        let news = AtomicBool::new(false);
        let read_some = &|files: &[(&Path, ModelStamp)]| {
            for (path, stamp) in files {
                let known = read(path);
                news.fetch_or(known.header.error.is_none(), Ordering::Relaxed);
                self.known().insert((*path).to_owned(), (*stamp, known));
            }
        };
        std::thread::scope(|scope| {
            for files in files.chunks(share) {
                scope.spawn(move || read_some(files));
            }
        });
        news.into_inner()
    }

    fn load(&self) {
        if !self.is_loaded.swap(true, Ordering::SeqCst) {
            let lines = index::load(&self.index);
            let mut known = self.known();
            for line in lines {
                known.entry(line.path).or_insert((line.stamp, line.known));
            }
        }
    }

    /// Writes what is known of the files that are there. Errors are not kept: what causes them may pass without a trace in
    /// the file.
    fn save(&self, found: &[Found]) {
        let there: HashSet<&Path> = found.iter().map(|found| found.path.as_path()).collect();
        let known = self.known();
        let is_kept = |path: &Path, known: &Known| there.contains(path) && known.header.error.is_none();
        let good = known.iter().filter(|(path, (_, known))| is_kept(path, known));
        let line = |(path, (stamp, known)): (&PathBuf, &(ModelStamp, Known))| Line {
            path: path.clone(),
            stamp: *stamp,
            known: known.clone(),
        };
        let lines = good.map(line).collect();
        drop(known);
        index::save(&self.index, lines);
    }
}

/// Reads a file; one that cannot be read is a model with an error.
fn read(path: &Path) -> Known {
    let header = match path.is_dir() {
        true => HfFolder::open(path)
            .map(|folder| (read_folder(&folder), None))
            .map_err(|error| HubError::Folder { path: path.to_owned(), source: Arc::new(error) }.info()),
        false => GgufFile::open(path)
            .map(|file| (read_file(&file), Some(header_length(&file))))
            .map_err(|error| failure(path, error)),
    };
    match header {
        Ok((header, length)) => {
            let content_id = fingerprint::of(path, length).unwrap_or_default();
            Known { header, content_id }
        }
        Err(error) => {
            Known { header: Header { error: Some(error), ..Header::default() }, content_id: String::new() }
        }
    }
}

/// At least the bytes before the weights; more where nobody knows how long the weights are.
fn header_length(file: &GgufFile) -> u64 {
    let weights = file.tensors().values().filter_map(|tensor| tensor.byte_len());
    file.file_len().saturating_sub(weights.fold(0, u64::saturating_add))
}

/// What is wrong with a file. Pages of the web that were saved under a model's name are common enough to be named.
fn failure(path: &Path, error: GgufError) -> ErrorInfo {
    let info = |error| HubError::Gguf { path: path.to_owned(), source: Arc::new(error) }.info();
    if !matches!(error, GgufError::NotGguf { .. }) {
        return info(error);
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(512).read_to_end(&mut start));
    let text = String::from_utf8_lossy(&start).trim_start().to_ascii_lowercase();
    if read.is_err() || !(text.starts_with("<!doctype") || text.starts_with("<html")) {
        return info(error);
    }
    ErrorInfo {
        code: "web_page_instead_of_model".into(),
        message: format!("{} is a page of the web, not a model.", path.display()),
        next_step:
            "Delete it and download the file itself: where it came from wanted a login, or has moved it."
                .into(),
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

fn read_file(file: &GgufFile) -> Header {
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
        is_part: is_part(architecture.as_deref(), metadata.opt_str("general.type").ok().flatten()),
        error: None,
        architecture,
    }
}

/// By what the file says of itself.
fn is_part(architecture: Option<&str>, kind: Option<&str>) -> bool {
    architecture == Some("clip") || kind.is_some_and(|kind| kind != "model")
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
        is_part: false,
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

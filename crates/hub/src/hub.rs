//! The Hub: what a repository holds, and fetching it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::StreamExt;
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError};
use lantern_gguf::ShardName;
use lantern_protocol::{DownloadProgress, DownloadRequest, DownloadState};
use reqwest::header::HeaderMap;
use reqwest::{Method, redirect};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;

use crate::cache::Cache;
use crate::catalogue::{find_in_catalogue, pinned_hash};
use crate::download::{Download, Outcome, Place, Progress};
use crate::http::{self, Failure, Http, chain};
use crate::transfer::Transfer;
use crate::{Commit, FilePath, HubError, HubOptions, RepoId, RetryPolicy, Revision};

/// Downloads that run at the same time; more wait in line.
const AT_ONCE: usize = 2;

/// Most files of a repository that are looked at.
const MAX_FILES: usize = 20_000;

/// The file that stands for a folder of safetensors files in a request.
const FOLDER: &str = "config.json";

/// A file in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteFile {
    /// Path in the repository.
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256 in hex; only large files have one.
    pub sha256: Option<String>,
}

/// The Hugging Face Hub or a mirror of it. Clones share everything. Its methods need a Tokio runtime around them.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    options: HubOptions,
    http: Arc<Http>,
    api: HFClient,
    cache: Cache,
    slots: Arc<Semaphore>,
    downloads: Mutex<HashMap<String, Download>>,
}

impl Hub {
    /// Connects to nothing yet.
    pub fn new(options: HubOptions) -> Result<Self, HubError> {
        let http = Http::new(&options)?;
        // A value that cannot be a header keeps hf-hub from taking a token out of the environment by itself.
        let token =
            options.token.clone().filter(|_| http.endpoint_is_private()).unwrap_or_else(|| "\n".into());
        let bad = |why: String| HubError::BadEndpoint { endpoint: options.endpoint.clone(), why };
        let client =
            http::client(&options.retry, redirect::Policy::limited(5)).map_err(|error| bad(chain(&error)))?;
        let api = HFClient::builder()
            .endpoint(&options.endpoint)
            .token(token)
            .client(client)
            .cache_dir(&options.cache_dir)
            .retry_max_attempts(api_tries(&options) as usize - 1)
            .retry_base_delay(options.retry.first_wait / 2)
            .build()
            .map_err(|error| bad(error.to_string()))?;
        let cache = Cache::new(options.cache_dir.clone());
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        Ok(Self(Arc::new(Inner {
            http: Arc::new(http),
            api,
            cache,
            slots,
            downloads: Mutex::default(),
            options,
        })))
    }

    /// Where finished files go.
    pub fn cache_dir(&self) -> &Path {
        &self.0.options.cache_dir
    }

    /// Host (and port) of the endpoint, for messages.
    pub fn host(&self) -> String {
        self.0.http.endpoint_host()
    }

    /// For requests of other kinds.
    pub(crate) fn http(&self) -> Arc<Http> {
        self.0.http.clone()
    }

    pub(crate) fn retry(&self) -> RetryPolicy {
        self.0.options.retry
    }

    /// Whether the endpoint answers at all; one try.
    pub async fn ping(&self) -> Result<(), HubError> {
        let http = &self.0.http;
        match http.send(Method::HEAD, http.endpoint(), HeaderMap::new(), |_| true).await {
            Ok(_) => Ok(()),
            Err(Failure::Fatal(error) | Failure::Transient { error, .. }) => Err(error),
        }
    }

    /// Every file of a repository.
    pub async fn files(&self, repo: &str, revision: Option<&str>) -> Result<Vec<RemoteFile>, HubError> {
        let repo = RepoId::parse(repo)?;
        let revision = revision.map(Revision::parse).transpose()?.unwrap_or_default();
        let model = self.0.api.model(repo.owner(), repo.name());
        let tree = model.list_tree().revision(revision.as_str()).recursive(true).limit(MAX_FILES).send();
        let mut entries = std::pin::pin!(tree.map_err(|error| self.api_error(error, &repo))?);
        let mut files = Vec::new();
        while let Some(entry) = entries.next().await {
            if let RepoTreeEntry::File { path, size, lfs, .. } =
                entry.map_err(|error| self.api_error(error, &repo))?
            {
                let sha256 =
                    lfs.and_then(|lfs| lfs.sha256).and_then(|hash| crate::names::parse_sha256(&hash));
                files.push(RemoteFile { path, size, sha256 });
            }
        }
        Ok(files)
    }

    fn api_error(&self, error: HFError, repo: &RepoId) -> HubError {
        let (host, what) = (self.host(), repo.as_str().to_owned());
        let of_status = |status: u16| match status {
            404 => HubError::NotFound { host: self.host(), what: repo.as_str().to_owned() },
            401 | 403 => HubError::Unauthorized { host: self.host(), what: repo.as_str().to_owned(), status },
            status => HubError::HttpStatus { host: self.host(), what: repo.as_str().to_owned(), status },
        };
        match error {
            HFError::RepoNotFound { .. }
            | HFError::RevisionNotFound { .. }
            | HFError::EntryNotFound { .. } => HubError::NotFound { host, what },
            HFError::AuthRequired { .. } => of_status(401),
            HFError::Forbidden { .. } => of_status(403),
            HFError::RateLimited { retry_after, .. } => {
                HubError::RateLimited { host, seconds: retry_after.unwrap_or_default().as_secs() }
            }
            HFError::Http { context } => of_status(context.status.as_u16()),
            HFError::Request { source, .. } if source.is_decode() => {
                HubError::MalformedResponse { host, why: "its list of files is not JSON".into() }
            }
            HFError::Request { source, .. } => {
                HubError::Unreachable { host, tries: api_tries(&self.0.options), why: chain(&source) }
            }
            other => HubError::MalformedResponse { host, why: other.to_string() },
        }
    }

    /// Which file a person means by a name from the catalogue, `owner/name`, `owner/name:QUANT` or
    /// `owner/name/file.gguf`. A repository without GGUF files means its folder of safetensors files.
    pub async fn resolve(&self, name: &str) -> Result<DownloadRequest, HubError> {
        let request = |repo: &str, file: String| DownloadRequest { repo: repo.into(), file, revision: None };
        if !name.contains('/') {
            let entry = find_in_catalogue(name)?;
            return Ok(request(entry.repo, entry.file.into()));
        }
        let (repo, wanted) = split_reference(name);
        RepoId::parse(repo)?;
        if wanted.to_ascii_lowercase().ends_with(".gguf") {
            return Ok(request(repo, FilePath::parse(wanted)?.as_str().into()));
        }
        let files = self.files(repo, None).await?;
        let has = |end: &str| files.iter().any(|file| file.path.ends_with(end) && !file.path.contains('/'));
        let folder_has_weights = has(FOLDER) && has(".safetensors");
        let models: Vec<String> =
            files.into_iter().map(|file| file.path).filter(|path| is_model(path)).collect();
        match choose(&models, wanted) {
            Some(file) => Ok(request(repo, file)),
            None if wanted.is_empty() && folder_has_weights => Ok(request(repo, FOLDER.into())),
            None => Err(HubError::NoSuchFile {
                repo: repo.into(),
                wanted: if wanted.is_empty() { "*.gguf".into() } else { wanted.into() },
                candidates: models,
            }),
        }
    }

    /// Fetches a file, or joins the download of it that is running. Returns at once. Of a split model, all pieces are
    /// fetched whichever is named, and the first one's path is the outcome; with `config.json` come the other files of the
    /// model's folder, whose path is the outcome.
    /// Files of the catalogue must have the hash that is written there.
    pub fn download(&self, request: DownloadRequest) -> Result<Download, HubError> {
        let repo = RepoId::parse(&request.repo)?;
        let file = FilePath::parse(&request.file)?;
        let revision = request.revision.as_deref().map(Revision::parse).transpose()?.unwrap_or_default();
        let pinned = pinned_hash(&request).map(str::to_owned);
        let id = format!("{}/{}@{}", repo.as_str(), file.as_str(), revision.as_str());

        let mut downloads = self.0.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = downloads.get(&id).filter(|d| !d.is_over() && !d.cancel.is_cancelled()) {
            return Ok(running.clone());
        }
        let before = downloads.get(&id).map(|d| d.outcome.clone());
        let (progress, receiver) = Progress::new(id.clone(), request);
        let (outcome_sender, outcome) = watch::channel(None);
        let cancel = CancellationToken::new();
        let download = Download { id: id.clone(), progress: receiver, outcome, cancel: cancel.clone() };
        downloads.insert(id, download.clone());
        drop(downloads);

        let transfer = Transfer {
            http: self.0.http.clone(),
            cache: self.0.cache.clone(),
            retry: self.0.options.retry,
            free_space: self.0.options.free_space.clone(),
            repo,
            revision,
            file,
            pinned,
            progress,
            cancel,
        };
        tokio::spawn(drive(self.clone(), transfer, before, outcome_sender));
        Ok(download)
    }

    /// Fetches all pieces of a split model, of one commit, and gives the first one's path.
    async fn fetch_pieces(
        &self,
        transfer: &Transfer,
        pieces: Vec<FilePath>,
        files: &[RemoteFile],
    ) -> Result<PathBuf, HubError> {
        let size = |piece: &FilePath| {
            let listed = files.iter().find(|file| file.path == piece.as_str());
            listed.map(|file| file.size).ok_or_else(|| HubError::NoSuchFile {
                repo: transfer.repo.as_str().into(),
                wanted: piece.as_str().into(),
                candidates: files
                    .iter()
                    .map(|file| file.path.clone())
                    .filter(|path| is_model(path))
                    .collect(),
            })
        };
        let sizes = pieces.iter().map(size).collect::<Result<Vec<u64>, _>>()?;
        let mut place = Place { before: 0, whole: Some(sizes.iter().sum()) };
        let (mut first, mut revision) = (None, transfer.revision.clone());
        for (file, size) in pieces.into_iter().zip(sizes) {
            let progress = transfer.progress.at(place);
            let (path, commit) = Transfer { file, progress, revision, ..transfer.clone() }.run().await?;
            first.get_or_insert(path);
            revision = Revision::parse(commit.as_str())?;
            place.before += size;
        }
        first.ok_or_else(|| HubError::Internal("a model of no pieces".into()))
    }

    /// Fetches everything that a folder of safetensors files is converted from, and gives the folder's path.
    async fn fetch_folder(&self, transfer: &Transfer) -> Result<PathBuf, HubError> {
        let files = self.files_of(transfer).await?;
        let wanted = files.iter().filter(|file| is_of_folder(&file.path));
        let wanted = wanted.map(|file| FilePath::parse(&file.path)).collect::<Result<Vec<_>, _>>()?;
        let first = self.fetch_pieces(transfer, wanted, &files).await?;
        Ok(first.parent().map_or_else(|| first.clone(), Path::to_owned))
    }

    /// Fetches the file that shows pictures to a model which has just been fetched, if its repository has one. A list that
    /// cannot be had is no reason to call the model missing: it then reads text.
    async fn fetch_projector(&self, transfer: &Transfer, commit: &Commit) -> Result<(), HubError> {
        let files = match self.files(transfer.repo.as_str(), Some(commit.as_str())).await {
            Ok(files) => files,
            Err(error) => {
                tracing::info!(code = error.code(), "whether the model can see is not known: {error}");
                return Ok(());
            }
        };
        let Some(projector) = projector_of(transfer.file.as_str(), &files) else { return Ok(()) };
        let whole = files.iter().find(|file| file.path == transfer.file.as_str()).map(|file| file.size);
        let place = Place { before: whole.unwrap_or(0), whole: whole.map(|model| model + projector.size) };
        let (file, revision) = (FilePath::parse(&projector.path)?, Revision::parse(commit.as_str())?);
        let progress = transfer.progress.at(place);
        Transfer { file, progress, revision, pinned: None, ..transfer.clone() }.run().await?;
        Ok(())
    }

    async fn files_of(&self, transfer: &Transfer) -> Result<Vec<RemoteFile>, HubError> {
        self.files(transfer.repo.as_str(), Some(transfer.revision.as_str())).await
    }

    /// The latest state of every download since the start, the newest of each file.
    pub fn downloads(&self) -> Vec<DownloadProgress> {
        let downloads = self.0.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<_> = downloads.values().map(Download::latest).collect();
        all.sort_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// Stops the download with this id, if it runs. What has arrived is kept.
    pub fn cancel(&self, id: &str) -> bool {
        let downloads = self.0.downloads.lock().unwrap_or_else(PoisonError::into_inner);
        let running = downloads.get(id).filter(|d| !d.is_over());
        running.inspect(|d| d.cancel()).is_some()
    }
}

/// Tries for a list of files: somebody waits for it, so fewer than for a download.
fn api_tries(options: &HubOptions) -> u32 {
    options.retry.tries.clamp(1, 3)
}

/// Waits for its turn, runs, and records the end.
async fn drive(
    hub: Hub,
    transfer: Transfer,
    before: Option<watch::Receiver<Outcome>>,
    outcome: watch::Sender<Outcome>,
) {
    let run = async {
        if let Some(mut before) = before {
            let _ = before.wait_for(Option::is_some).await;
        }
        let _slot = hub.0.slots.acquire().await;
        match (transfer.file.as_str(), pieces(&transfer.file)?) {
            (FOLDER, _) => hub.fetch_folder(&transfer).await,
            (_, Some(pieces)) => hub.fetch_pieces(&transfer, pieces, &hub.files_of(&transfer).await?).await,
            _ => {
                let (path, commit) = transfer.run().await?;
                hub.fetch_projector(&transfer, &commit).await?;
                Ok(path)
            }
        }
    };
    let result = tokio::select! {
        biased;
        () = transfer.cancel.cancelled() => Err(HubError::Cancelled {
            file: transfer.file.as_str().into(),
            received: transfer.progress.received_now(),
        }),
        result = run => result,
    };
    match &result {
        Ok(_) => transfer.progress.state(DownloadState::Done),
        Err(HubError::Cancelled { .. }) => transfer.progress.state(DownloadState::Cancelled),
        Err(error) => transfer.progress.failed(DownloadState::Failed, error),
    }
    outcome.send_replace(Some(result));
}

/// `owner/name:QUANT` or `owner/name/file` → (`owner/name`, the rest).
pub(crate) fn split_reference(text: &str) -> (&str, &str) {
    if let Some((repo, quant)) = text.split_once(':') {
        return (repo, quant);
    }
    match text.match_indices('/').nth(1) {
        Some((at, _)) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    }
}

/// A GGUF file that holds a language model, or the first of its pieces.
pub(crate) fn is_model(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    name.ends_with(".gguf")
        && !name.starts_with("mmproj")
        && !name.contains("imatrix")
        && !is_later_shard(&name)
}

/// The projector in a model's folder of its repository: that in 16 bits, if there are several.
pub(crate) fn projector_of<'f>(model: &str, files: &'f [RemoteFile]) -> Option<&'f RemoteFile> {
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    let name = |file: &RemoteFile| file.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    let mut found: Vec<_> = files
        .iter()
        .filter(|file| folder(&file.path) == folder(model))
        .filter(|file| name(file).starts_with("mmproj") && name(file).ends_with(".gguf"))
        .collect();
    found.sort_by_key(|file| {
        let kinds = ["bf16", "f16", "q8_0", "f32"];
        let rank = [1, 0, 2, 3];
        let kind = kinds.iter().position(|kind| name(file).contains(kind));
        (kind.map_or(rank.len(), |kind| rank[kind]), file.path.clone())
    });
    found.first().copied()
}

/// `…-00002-of-00003.gguf`.
fn is_later_shard(name: &str) -> bool {
    ShardName::parse(name).is_some_and(|name| name.number() > 1)
}

/// Whether a file of a repository is part of a model's folder. The files of other programs' formats are not.
fn is_of_folder(path: &str) -> bool {
    const TEXTS: [&str; 6] = [
        FOLDER,
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    ];
    TEXTS.contains(&path)
        || (path.starts_with("model") && path.ends_with(".safetensors") && !path.contains('/'))
}

/// All pieces of the split model that a file belongs to; `None` for a file that is a whole model.
pub(crate) fn pieces(file: &FilePath) -> Result<Option<Vec<FilePath>>, HubError> {
    let (folder, name) = match file.as_str().rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), file.as_str()),
    };
    let Some(name) = ShardName::parse(name).filter(|name| name.count() > 1) else { return Ok(None) };
    let piece = |number| FilePath::parse(&format!("{folder}{}", name.sibling(number)));
    (1..=name.count()).map(piece).collect::<Result<_, _>>().map(Some)
}

/// The file with the wanted quantisation, or without a wish the one most people take.
fn choose(files: &[String], wanted: &str) -> Option<String> {
    const USUAL: [&str; 9] = ["Q4_K_M", "Q4_K_S", "Q5_K_M", "Q4_1", "Q4_0", "Q5_K_S", "Q6_K", "Q8_0", "F16"];
    let has = |quant: &str| files.iter().find(|file| has_quant(file, quant)).cloned();
    match (wanted, files) {
        ("", [only]) => Some(only.clone()),
        ("", _) => USUAL.iter().find_map(|quant| has(quant)).or_else(|| files.first().cloned()),
        (wanted, _) => has(wanted),
    }
}

/// Whether a file's name names this quantisation as a word of its own: `Q4_K` is not in `Q4_K_M`.
pub(crate) fn has_quant(file: &str, quant: &str) -> bool {
    let (file, quant) = (file.to_ascii_lowercase(), quant.to_ascii_lowercase());
    let word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    !quant.is_empty()
        && file.match_indices(&quant).any(|(at, _)| {
            !word(file[..at].chars().next_back()) && !word(file[at + quant.len()..].chars().next())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projector_is_that_in_16_bits_beside_the_model() {
        let file = |path: &str| RemoteFile { path: path.into(), size: 1, sha256: None };
        let files =
            ["m-Q4_K_M.gguf", "mmproj-BF16.gguf", "mmproj-F32.gguf", "mmproj-m-f16.gguf", "a/mmproj-x.gguf"];
        let files = files.map(file);
        let found = |model| projector_of(model, &files).map(|file| file.path.as_str());
        assert_eq!(found("m-Q4_K_M.gguf"), Some("mmproj-m-f16.gguf"));
        assert_eq!(found("a/m.gguf"), Some("a/mmproj-x.gguf"));
        assert_eq!(found("b/m.gguf"), None);
        assert_eq!(
            projector_of("m.gguf", &files[1..3]).map(|file| file.path.as_str()),
            Some("mmproj-BF16.gguf")
        );
    }

    #[test]
    fn a_file_is_chosen_by_its_quantisation() {
        let files: Vec<String> =
            ["m-Q2_K.gguf", "m-Q4_K_M.gguf", "m-Q4_K.gguf", "m.Q8_0.gguf"].map(String::from).into();
        assert_eq!(choose(&files, "").as_deref(), Some("m-Q4_K_M.gguf"));
        assert_eq!(choose(&files, "q4_k").as_deref(), Some("m-Q4_K.gguf"));
        assert_eq!(choose(&files, "Q8_0").as_deref(), Some("m.Q8_0.gguf"));
        assert_eq!(choose(&files, "Q5_K_M"), None);
        assert_eq!(choose(&files[..1], "").as_deref(), Some("m-Q2_K.gguf"));
    }

    #[test]
    fn references_split_into_repository_and_file() {
        assert_eq!(split_reference("o/n"), ("o/n", ""));
        assert_eq!(split_reference("o/n:Q4_0"), ("o/n", "Q4_0"));
        assert_eq!(split_reference("o/n/sub/f.gguf"), ("o/n", "sub/f.gguf"));
    }

    #[test]
    fn only_files_that_hold_a_model_count() {
        assert!(is_model("a/m-00001-of-00003.gguf") && is_model("M.GGUF"));
        for other in ["m-00002-of-00003.gguf", "mmproj-f16.gguf", "README.md", "imatrix.gguf"] {
            assert!(!is_model(other), "{other}");
        }
    }
}

//! The Hub: what a repository holds, and which of its files a name means. Fetching them is `downloads`.

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use futures::StreamExt;
use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFError};
use lantern_protocol::DownloadRequest;
use reqwest::header::HeaderMap;
use reqwest::{Method, redirect};

use crate::cache::Cache;
use crate::catalogue::find_in_catalogue;
use crate::choice::{FOLDER, choose};
use crate::downloads::Downloads;
use crate::http::{self, Failure, Http, chain};
use crate::transfer::Limiter;
use crate::{FilePath, HubError, HubOptions, RepoId, RetryPolicy, Revision};

pub(crate) use crate::choice::{has_quant, is_model, split_reference};

/// Most files of a repository that are looked at.
const MAX_FILES: usize = 20_000;

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
pub struct Hub(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) options: HubOptions,
    pub(crate) http: Arc<Http>,
    api: RwLock<HFClient>,
    pub(crate) cache: Cache,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) downloads: Downloads,
}

impl Hub {
    /// Connects to nothing yet.
    pub fn new(options: HubOptions) -> Result<Self, HubError> {
        let http = Http::new(&options)?;
        let api = RwLock::new(api(&options, &http, options.token.as_deref())?);
        let cache = Cache::new(options.cache_dir.clone());
        Ok(Self(Arc::new(Inner {
            http: Arc::new(http),
            api,
            cache,
            limiter: Arc::new(Limiter::new(options.bytes_per_second)),
            downloads: Downloads::default(),
            options,
        })))
    }

    /// Requests from now on bring this token, or none; what is on its way goes on with the earlier one.
    pub fn set_token(&self, token: Option<&str>) -> Result<(), HubError> {
        let api = api(&self.0.options, &self.0.http, token)?;
        *self.0.api.write().unwrap_or_else(PoisonError::into_inner) = api;
        self.0.http.set_token(token);
        Ok(())
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
        let api = self.0.api.read().unwrap_or_else(PoisonError::into_inner).clone();
        let model = api.model(repo.owner(), repo.name());
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
}

/// The client of the Hub's own protocol. It gets the token only where the endpoint may have it.
fn api(options: &HubOptions, http: &Http, token: Option<&str>) -> Result<HFClient, HubError> {
    // A value that cannot be a header keeps hf-hub from taking a token out of the environment by itself.
    let token = token.filter(|_| http.endpoint_is_private()).unwrap_or("\n");
    let bad = |why: String| HubError::BadEndpoint { endpoint: options.endpoint.clone(), why };
    let client =
        http::client(&options.retry, redirect::Policy::limited(5)).map_err(|error| bad(chain(&error)))?;
    HFClient::builder()
        .endpoint(&options.endpoint)
        .token(token)
        .client(client)
        .cache_dir(&options.cache_dir)
        .retry_max_attempts(api_tries(options) as usize - 1)
        .retry_base_delay(options.retry.first_wait / 2)
        .build()
        .map_err(|error| bad(error.to_string()))
}

/// Tries for a list of files: somebody waits for it, so fewer than for a download.
fn api_tries(options: &HubOptions) -> u32 {
    options.retry.tries.clamp(1, 3)
}

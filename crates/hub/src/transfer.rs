//! Fetching one file: ask what it is, continue the part that is there, check, publish.
//!
//! Dropping the future stops the transfer; the bytes that have arrived are written by a thread of their own and stay.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use lantern_protocol::DownloadState;
use reqwest::header::{CONTENT_RANGE, ETAG, HeaderMap, HeaderValue, IF_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cache::{Cache, make_parent};
use crate::download::Progress;
use crate::http::{Failure, Http, Patience, broken, chain, malformed};
use crate::part::{Journal, Part};
use crate::remote::{RemoteMeta, header};
use crate::{Commit, FilePath, FreeSpace, HubError, RepoId, RetryPolicy, Revision};

/// Room that stays free when a file has been fetched whole.
const MARGIN: u64 = 16 << 20;

/// Everything the download of one file needs.
#[derive(Clone)]
pub(crate) struct Transfer {
    pub(crate) http: Arc<Http>,
    pub(crate) cache: Cache,
    pub(crate) retry: RetryPolicy,
    pub(crate) free_space: FreeSpace,
    pub(crate) repo: RepoId,
    pub(crate) revision: Revision,
    pub(crate) file: FilePath,
    /// Known beforehand, when the file is one that Lantern recommends.
    pub(crate) pinned: Option<String>,
    pub(crate) progress: Progress,
    pub(crate) cancel: CancellationToken,
}

impl Transfer {
    /// Runs to the end and gives the path in `snapshots`, and the commit that it is of.
    pub(crate) async fn run(&self) -> Result<(PathBuf, Commit), HubError> {
        self.progress.state(DownloadState::Running);
        let meta = self.metadata().await?;
        self.progress.total(meta.size);
        let sha256 = self.expected_hash(&meta)?;
        let blob = self.cache.blob(&self.repo, &meta.blob);
        if !is_whole(&blob, meta.size) {
            let part = self.open_part(&blob, &meta, sha256.clone()).await?;
            // Bytes from an earlier session may be damaged: then one clean start is worth its cost.
            let continued = part.len() > 0;
            let part = self.fill(part, &meta).await?;
            let part = match self.verify(part, sha256.as_deref(), &meta) {
                Err(HubError::HashMismatch { .. }) if continued => {
                    tracing::warn!(
                        file = self.file.as_str(),
                        "the bytes of an earlier session are damaged, starting again"
                    );
                    let part = self.open_part(&blob, &meta, sha256.clone()).await?;
                    let part = self.fill(part, &meta).await?;
                    self.verify(part, sha256.as_deref(), &meta)?
                }
                other => other?,
            };
            let blob = blob.clone();
            blocking(move || part.finish(&blob)).await?;
        }
        let path = self.cache.publish(&self.repo, &self.revision, &self.file, &meta)?;
        Ok((path, meta.commit))
    }

    async fn metadata(&self) -> Result<RemoteMeta, HubError> {
        let mut patience = Patience::new(self.retry);
        loop {
            match self.http.metadata(&self.repo, &self.revision, &self.file).await {
                Ok(meta) => return Ok(meta),
                Err(failure) => self.pause(&mut patience, failure).await?,
            }
        }
    }

    /// Shows why, and waits before the next try.
    async fn pause(&self, patience: &mut Patience, failure: Failure) -> Result<(), HubError> {
        let (wait, error) = patience.after(failure)?;
        tracing::info!(file = self.file.as_str(), ?wait, %error, "trying again");
        self.progress.failed(DownloadState::Retrying, &error);
        tokio::time::sleep(wait).await;
        self.progress.state(DownloadState::Running);
        Ok(())
    }

    fn expected_hash(&self, meta: &RemoteMeta) -> Result<Option<String>, HubError> {
        match (&self.pinned, meta.blob.sha256()) {
            (Some(pinned), Some(remote)) if *pinned != remote => Err(HubError::HashMismatch {
                file: self.file.as_str().into(),
                expected: pinned.clone(),
                actual: remote,
            }),
            (pinned, remote) => Ok(pinned.clone().or(remote)),
        }
    }

    async fn open_part(
        &self,
        blob: &Path,
        meta: &RemoteMeta,
        sha256: Option<String>,
    ) -> Result<Part, HubError> {
        let wanted = Journal {
            repo: self.repo.as_str().into(),
            file: self.file.as_str().into(),
            commit: meta.commit.as_str().into(),
            etag: meta.blob.as_str().into(),
            total: meta.size,
            sha256,
            validator: None,
        };
        let (cache, repo, name, file) =
            (self.cache.clone(), self.repo.clone(), meta.blob.clone(), self.file.clone());
        let (blob, progress, cancel) = (blob.to_owned(), self.progress.clone(), self.cancel.clone());
        self.progress.state(DownloadState::Verifying);
        let part = blocking(move || {
            make_parent(&blob)?;
            let lock = cache.lock(&repo, &name, &file)?;
            Part::open(&blob, wanted, lock, |bytes| {
                progress.received(bytes);
                !cancel.is_cancelled()
            })
        })
        .await?;
        self.progress.state(DownloadState::Running);
        self.progress.received(part.len());
        self.check_room(blob_folder(&self.cache, &self.repo), meta.size, part.len())?;
        Ok(part)
    }

    fn check_room(&self, folder: PathBuf, total: Option<u64>, have: u64) -> Result<(), HubError> {
        let missing = total.unwrap_or(0).saturating_sub(have);
        match self.free_space.available(&folder) {
            Some(available) if missing > 0 && available < missing + MARGIN => {
                Err(HubError::DiskFull { path: folder, needed: missing + MARGIN - available, available })
            }
            _ => Ok(()),
        }
    }

    /// Requests the missing bytes until all are there.
    async fn fill(&self, mut part: Part, meta: &RemoteMeta) -> Result<Part, HubError> {
        let mut patience = Patience::new(self.retry);
        let mut furthest = part.len();
        // Another content network may answer than last time; a file known by its hash needs no `If-Range`.
        let mut conditional = true;
        while meta.size.is_none_or(|size| part.len() < size) {
            let response = match self.request(&part, meta, conditional).await {
                Ok(response) => response,
                Err(failure) => {
                    self.pause(&mut patience, failure).await?;
                    continue;
                }
            };
            let asked_anew = part.len() > 0 && !continues(&response, part.len(), meta.size);
            if asked_anew && conditional && part.validator().is_some() && meta.blob.sha256().is_some() {
                conditional = false;
                continue;
            }
            if response.status() == StatusCode::RANGE_NOT_SATISFIABLE
                || (asked_anew && response.status() == StatusCode::PARTIAL_CONTENT)
            {
                part = restart(part).await?;
                let odd = malformed(response.url(), "it answered with another range than the one asked for");
                self.pause(&mut patience, Failure::Transient { error: odd, wait: None }).await?;
                continue;
            }
            if asked_anew {
                tracing::info!(file = self.file.as_str(), "the server sends the file from its beginning");
                part = restart(part).await?;
            }
            let (filled, end) = self.receive(part, response, meta.size).await?;
            part = filled;
            match end {
                Ok(()) if meta.size.is_none() => return Ok(part),
                Ok(()) => {}
                Err(failure) => {
                    if part.len() > furthest {
                        patience.restore();
                    }
                    furthest = furthest.max(part.len());
                    self.pause(&mut patience, failure).await?;
                }
            }
        }
        Ok(part)
    }

    async fn request(&self, part: &Part, meta: &RemoteMeta, conditional: bool) -> Result<Response, Failure> {
        let mut headers = HeaderMap::new();
        if part.len() > 0 {
            headers.insert(RANGE, value(&format!("bytes={}-", part.len()))?);
            if let Some(validator) = part.validator().filter(|_| conditional) {
                headers.insert(IF_RANGE, value(validator)?);
            }
        }
        let url = self.http.file_url(&self.repo, meta.commit.as_str(), &self.file);
        let what = format!("{}/{}", self.repo.as_str(), self.file.as_str());
        let response = self.http.send(Method::GET, url, headers, |_| false).await?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(response);
        }
        self.http.check(response, &what)
    }

    /// Writes the body. The outer error is the disk's, the inner one the network's.
    async fn receive(
        &self,
        mut part: Part,
        response: Response,
        total: Option<u64>,
    ) -> Result<(Part, Result<(), Failure>), HubError> {
        let validator =
            header(response.headers(), ETAG.as_str()).filter(|tag| !tag.starts_with("W/")).map(str::to_owned);
        part.set_validator(validator)?;
        let (url, start) = (response.url().clone(), part.len());
        let (sender, writer) = spawn_writer(part, self.progress.clone());
        let mut body = response.bytes_stream();
        let (mut end, mut sent) = (Ok(()), start);
        while let Some(chunk) = body.next().await {
            let chunk = match chunk {
                Ok(chunk) => chunk,
                Err(error) => {
                    end = Err(broken(&url, chain(&error)));
                    break;
                }
            };
            sent += chunk.len() as u64;
            if total.is_some_and(|total| sent > total) {
                end = Err(self.wrong_size(total, sent).into());
                break;
            }
            if sender.send(chunk).await.is_err() {
                break; // The writer has stopped; its error follows.
            }
        }
        drop(sender);
        let (part, written) = writer.await.map_err(|error| HubError::Internal(error.to_string()))?;
        if let Err(error) = written {
            return Err(self.disk_error(error, total, part.len()));
        }
        if end.is_ok() && total.is_some_and(|total| part.len() < total) {
            end = Err(broken(
                &url,
                format!("the connection ended {} bytes early", total.unwrap_or(0) - part.len()),
            ));
        }
        if let Err(Failure::Fatal(error)) = end {
            part.discard();
            return Err(error);
        }
        Ok((part, end))
    }

    fn wrong_size(&self, total: Option<u64>, actual: u64) -> HubError {
        HubError::SizeMismatch { file: self.file.as_str().into(), expected: total.unwrap_or(0), actual }
    }

    fn disk_error(&self, error: io::Error, total: Option<u64>, have: u64) -> HubError {
        let path = blob_folder(&self.cache, &self.repo);
        if !matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        ) {
            return HubError::io("write to", &path)(error);
        }
        let available = self.free_space.available(&path).unwrap_or(0);
        let missing = total.unwrap_or(have + 1).saturating_sub(have);
        // A quota can refuse although the disk has room.
        let needed = if available < missing { missing - available } else { missing };
        HubError::DiskFull { path, needed, available }
    }

    fn verify(&self, part: Part, expected: Option<&str>, meta: &RemoteMeta) -> Result<Part, HubError> {
        self.progress.state(DownloadState::Verifying);
        if meta.size.is_some_and(|size| size != part.len()) {
            let error = self.wrong_size(meta.size, part.len());
            part.discard();
            return Err(error);
        }
        let actual = part.sha256();
        match expected {
            Some(expected) if expected != actual => {
                part.discard();
                Err(HubError::HashMismatch {
                    file: self.file.as_str().into(),
                    expected: expected.into(),
                    actual,
                })
            }
            _ => Ok(part),
        }
    }
}

fn blob_folder(cache: &Cache, repo: &RepoId) -> PathBuf {
    cache.repo(repo).join("blobs")
}

fn is_whole(blob: &Path, size: Option<u64>) -> bool {
    std::fs::metadata(blob).is_ok_and(|meta| meta.is_file() && size.is_none_or(|size| size == meta.len()))
}

fn value(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| HubError::Internal(format!("{text:?} is no header value")).into())
}

/// Whether the answer begins exactly where the part ends.
fn continues(response: &Response, start: u64, total: Option<u64>) -> bool {
    let range = header(response.headers(), CONTENT_RANGE.as_str()).and_then(parse_content_range);
    response.status() == StatusCode::PARTIAL_CONTENT
        && range.is_some_and(|(from, whole)| {
            from == start && (whole.is_none() || total.is_none() || whole == total)
        })
}

/// `bytes 5-9/10` → (5, 10); the whole may be `*`.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.parse().ok()?, whole.parse().ok()))
}

/// A thread that writes and hashes what it is sent, and gives the part back when the sender is gone.
fn spawn_writer(
    mut part: Part,
    progress: Progress,
) -> (mpsc::Sender<Bytes>, JoinHandle<(Part, io::Result<()>)>) {
    let (sender, mut receiver) = mpsc::channel::<Bytes>(64);
    let writer = tokio::task::spawn_blocking(move || {
        while let Some(chunk) = receiver.blocking_recv() {
            if let Err(error) = part.append(&chunk) {
                return (part, Err(error));
            }
            progress.received(part.len());
        }
        (part, Ok(()))
    });
    (sender, writer)
}

async fn restart(mut part: Part) -> Result<Part, HubError> {
    blocking(move || part.restart().map(|()| part)).await
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HubError::Internal(error.to_string()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(parse_content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(parse_content_range("bytes */10"), None);
        assert_eq!(parse_content_range("items 5-9/10"), None);
    }
}

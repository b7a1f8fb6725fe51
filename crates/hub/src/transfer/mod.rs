//! Fetching one file: ask what it is, continue the part that is there over several connections, check, publish.
//!
//! [`Board`] says which connection fetches which bytes, [`Pace`] how many connections there are, [`Source`] where the bytes
//! come from, [`Disk`] writes, hashes and journals them. The protocol of xet's chunks is not spoken: files that xet keeps
//! come over the ordinary address that the Hub redirects to, which serves their bytes.

mod board;
mod connection;
mod disk;
mod journal;
mod limit;
mod pace;
mod ranges;
mod source;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use lantern_protocol::DownloadState;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use board::Board;
use connection::{End, Job, receive_whole};
use disk::{Block, Closed, Disk};
use pace::Pace;
use source::Source;

use crate::cache::{Cache, make_parent};
use crate::downloads::Progress;
use crate::error::is_full;
use crate::http::{Failure, Http, Patience};
use crate::part::Part;
use crate::remote::RemoteMeta;
use crate::{FilePath, FreeSpace, HubError, RepoId, RetryPolicy, Revision};

pub(crate) use journal::Journal;
pub(crate) use limit::Limiter;
pub(crate) use ranges::Ranges;

/// Room that stays free when a file has been fetched whole.
const MARGIN: u64 = 16 << 20;
/// Between two looks whether another program is done with the same file.
const LOCK_LOOK: Duration = Duration::from_millis(200);

/// Everything the download of one file needs.
#[derive(Clone)]
pub(crate) struct Transfer {
    pub(crate) http: Arc<Http>,
    pub(crate) cache: Cache,
    pub(crate) retry: RetryPolicy,
    pub(crate) free_space: FreeSpace,
    pub(crate) connections: usize,
    pub(crate) limiter: Arc<Limiter>,
    pub(crate) repo: RepoId,
    pub(crate) revision: Revision,
    pub(crate) file: FilePath,
    /// Known beforehand, when the file is one that Lantern recommends.
    pub(crate) pinned: Option<String>,
    pub(crate) progress: Progress,
    pub(crate) stop: CancellationToken,
}

impl Transfer {
    /// What the Hub says of the file.
    pub(crate) async fn metadata(&self) -> Result<RemoteMeta, HubError> {
        self.progress.state(DownloadState::Running);
        let mut patience = Patience::new(self.retry);
        self.unless_stopped(async {
            loop {
                match self.http.metadata(&self.repo, &self.revision, &self.file).await {
                    Ok(meta) => return Ok(meta),
                    Err(failure) => self.pause(&mut patience, failure).await?,
                }
            }
        })
        .await
    }

    /// Runs to the end and gives the path in `snapshots`.
    pub(crate) async fn run(&self, meta: &RemoteMeta) -> Result<PathBuf, HubError> {
        self.progress.state(DownloadState::Running);
        self.progress.total(meta.size);
        let sha256 = self.expected_hash(meta)?;
        let blob = self.cache.blob(&self.repo, &meta.blob);
        if !is_whole(&blob, meta.size) {
            make_parent(&blob)?;
            let lock = self.lock(meta, &blob).await?;
            // Another program may have fetched it meanwhile.
            if let Some(lock) = lock {
                self.fetch(&blob, meta, sha256, lock).await?;
            }
        }
        self.progress.received(meta.size);
        self.cache.publish(&self.repo, &self.revision, &self.file, meta)
    }

    /// Stops waiting for something when the download is to stop.
    pub(crate) async fn unless_stopped<T>(
        &self,
        work: impl Future<Output = Result<T, HubError>>,
    ) -> Result<T, HubError> {
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(self.stopped()),
            result = work => result,
        }
    }

    fn stopped(&self) -> HubError {
        HubError::Cancelled { file: self.file.as_str().into(), received: self.progress.received_now() }
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

    /// The right to write the blob; nothing if another program, which had it, has made the blob whole.
    async fn lock(&self, meta: &RemoteMeta, blob: &Path) -> Result<Option<std::fs::File>, HubError> {
        let wait = async {
            loop {
                if let Some(lock) = self.cache.try_lock(&self.repo, &meta.blob)? {
                    return Ok((!is_whole(blob, meta.size)).then_some(lock));
                }
                let busy = HubError::Busy { file: self.file.as_str().into() };
                self.progress.failed(DownloadState::Retrying, &busy);
                tokio::time::sleep(LOCK_LOOK).await;
            }
        };
        self.unless_stopped(wait).await
    }

    async fn fetch(
        &self,
        blob: &Path,
        meta: &RemoteMeta,
        sha256: Option<String>,
        lock: std::fs::File,
    ) -> Result<(), HubError> {
        let mut wanted = Journal::new(
            self.repo.as_str(),
            self.file.as_str(),
            meta.commit.as_str(),
            meta.blob.as_str(),
            meta.size,
        );
        wanted.sha256 = sha256.clone();
        let place = blob.to_owned();
        let mut part = blocking(move || Part::open(&place, wanted, lock)).await?;
        // Bytes from an earlier session may be damaged: then one clean start is worth its cost.
        let mut continued = part.journal.have.total() > 0;
        loop {
            self.progress.state(DownloadState::Running);
            self.progress.received(part.journal.have.total());
            self.check_room(blob, meta.size - part.journal.have.total())?;
            let (filled, actual) = self.fill(part, meta, sha256.is_some()).await?;
            part = filled;
            match (&sha256, actual) {
                (Some(expected), actual) if *expected != actual => {
                    if !continued {
                        return Err(self.quarantine(part, expected.clone(), actual).await);
                    }
                    tracing::warn!(file = self.file.as_str(), "earlier bytes are damaged, starting again");
                    continued = false;
                    part = blocking(move || part.restart().map(|()| part)).await?;
                }
                _ => return blocking(move || part.finish()).await,
            }
        }
    }

    async fn quarantine(&self, part: Part, expected: String, actual: String) -> HubError {
        match blocking(move || part.quarantine()).await {
            Ok(aside) => HubError::Quarantined { file: self.file.as_str().into(), expected, actual, aside },
            Err(error) => error,
        }
    }

    fn check_room(&self, blob: &Path, missing: u64) -> Result<(), HubError> {
        let folder = blob.parent().unwrap_or(blob).to_owned();
        match self.free_space.available(&folder) {
            Some(available) if missing > 0 && available < missing.saturating_add(MARGIN) => {
                let needed = missing.saturating_add(MARGIN) - available;
                Err(HubError::DiskFull { path: folder, needed, available })
            }
            _ => Ok(()),
        }
    }

    /// Fetches what is missing, and gives the hash of everything.
    async fn fill(&self, part: Part, meta: &RemoteMeta, hashed: bool) -> Result<(Part, String), HubError> {
        let at = (&self.repo, &self.file, meta.commit.as_str());
        let job = Arc::new(Job {
            source: Source::new(self.http.clone(), at, meta.size, hashed, meta.location.clone()),
            board: Board::new(&part.journal.have, meta.size),
            limiter: self.limiter.clone(),
            retry: self.retry,
            progress: self.progress.clone(),
            open: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        let path = part.path().to_owned();
        let disk = Disk::start(part, self.progress.clone());
        let result = self.unless_stopped(self.connect(&job, &disk, meta.size)).await;
        if result.is_ok() {
            self.progress.state(DownloadState::Verifying);
        }
        self.progress.connections(0);
        // If it is to stop before the hash is known, nobody needs the hash.
        let stop = self.stop.clone();
        let Closed { part, sha256, error } = disk.close(async move { stop.cancelled().await }).await?;
        if let Some(error) = error {
            return Err(self.disk_error(error, &path, meta.size - part.journal.have.total()));
        }
        result?;
        match sha256 {
            Some(sha256) => Ok((part, sha256)),
            None if self.stop.is_cancelled() => Err(self.stopped()),
            None => Err(HubError::Internal("a part was not whole at its end".into())),
        }
    }

    /// Keeps connections at work until all bytes have come.
    async fn connect(&self, job: &Arc<Job>, disk: &Disk, total: u64) -> Result<(), HubError> {
        let mut pace = Pace::new(self.connections, job.board.missing(), Instant::now());
        let mut open = JoinSet::new();
        let add = |open: &mut JoinSet<End>, count: usize, sender: mpsc::Sender<Block>| {
            for _ in 0..count {
                open.spawn(job.clone().connect(sender.clone()));
            }
            job.open.store(open.len(), Ordering::Relaxed);
            self.progress.connections(open.len());
        };
        add(&mut open, pace.first(), disk.sender());
        let mut looks = tokio::time::interval(pace::LOOK);
        loop {
            tokio::select! {
                ended = open.join_next() => match ended {
                    Some(Ok(End::Done)) | None if open.is_empty() && job.board.missing() == 0 => return Ok(()),
                    Some(Ok(End::Done | End::DiskFailed)) if open.is_empty() => return Ok(()),
                    Some(Ok(End::Done | End::DiskFailed)) => {}
                    Some(Ok(End::GivenUp(error))) if open.is_empty() => return Err(error),
                    Some(Ok(End::GivenUp(error))) => {
                        tracing::info!(file = self.file.as_str(), %error, "goes on with fewer connections");
                        pace.not_more_than(open.len());
                        add(&mut open, 0, disk.sender());
                    }
                    Some(Ok(End::Failed(error))) => return Err(error),
                    Some(Ok(End::NoRanges)) => {
                        open.shutdown().await;
                        return receive_whole(job, || disk.have(), total, &disk.sender()).await;
                    }
                    Some(Err(error)) => return Err(HubError::Internal(error.to_string())),
                    None => return Err(HubError::Internal("no connection is left".into())),
                },
                _ = looks.tick() => {
                    // A server that makes some of them wait wants no more.
                    let waits = job.waiting.load(Ordering::Relaxed) > 0;
                    let more = pace.look(open.len(), job.board.received(), Instant::now());
                    let more = if waits { 0 } else { more };
                    add(&mut open, more, disk.sender());
                }
            }
        }
    }

    /// A write that failed for want of room says how much is wanted.
    fn disk_error(&self, error: HubError, part: &Path, missing: u64) -> HubError {
        match &error {
            HubError::Io { source, .. } if is_full(source) => {
                let path = part.parent().unwrap_or(part).to_owned();
                let available = self.free_space.available(&path).unwrap_or(0);
                // A quota can refuse although the disk has room.
                let needed = if available < missing { missing - available } else { missing };
                HubError::DiskFull { path, needed, available }
            }
            _ => error,
        }
    }
}

fn is_whole(blob: &Path, size: u64) -> bool {
    std::fs::metadata(blob).is_ok_and(|meta| meta.is_file() && meta.len() == size)
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HubError> + Send + 'static,
) -> Result<T, HubError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| HubError::Internal(error.to_string()))?
}

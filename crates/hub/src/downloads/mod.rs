//! The queue of downloads: at most two run at the same time, the others wait in an order that can be changed. Each can be
//! held, taken up again and stopped; a queue that has a file outlives the program.

mod download;
mod files;
mod progress;
mod queue;
mod saved;

use std::path::Path;
use std::sync::Arc;

use lantern_protocol::{DownloadProgress, DownloadRequest, DownloadState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::catalogue::pinned_hash;
use crate::transfer::Transfer;
use crate::{FilePath, Hub, HubError, RepoId, Revision};

pub use download::Download;
use download::Wish;
pub(crate) use progress::Progress;
pub(crate) use queue::Downloads;
use queue::Item;

impl Hub {
    /// Fetches a file, or joins the download of it that is there, which is taken up again if it was held. Returns at once.
    /// Of a split model, all pieces are fetched whichever is named, and the first one's path is the outcome; with
    /// `config.json` come the other files of the model's folder, whose path is the outcome.
    /// Files of the catalogue must have the hash that is written there.
    pub fn download(&self, request: DownloadRequest) -> Result<Download, HubError> {
        let download = self.queued(request, Wish::Run)?;
        self.0.downloads.save();
        Ok(download)
    }

    fn queued(&self, request: DownloadRequest, wish: Wish) -> Result<Download, HubError> {
        let repo = RepoId::parse(&request.repo)?;
        let file = FilePath::parse(&request.file)?;
        let revision = request.revision.as_deref().map(Revision::parse).transpose()?.unwrap_or_default();
        let pinned = pinned_hash(&request).map(str::to_owned);
        let id = format!("{}/{}@{}", repo.as_str(), file.as_str(), revision.as_str());
        let (progress, receiver) = Progress::new(id.clone(), request);
        let (outcome, ended) = watch::channel(None);
        let wish = Arc::new(watch::Sender::new(wish));
        let download = Download { id, progress: receiver, outcome: ended, wish };
        let item = Arc::new(Item::new(download, progress.clone(), outcome));
        if let Some(running) = self.0.downloads.join_or_add(item.clone()) {
            return Ok(running);
        }
        let transfer = Transfer {
            http: self.0.http.clone(),
            cache: self.0.cache.clone(),
            retry: self.0.options.retry,
            free_space: self.0.options.free_space.clone(),
            connections: self.0.options.connections.max(1),
            limiter: self.0.limiter.clone(),
            repo,
            revision,
            file,
            pinned,
            progress,
            stop: CancellationToken::new(),
        };
        tokio::spawn(drive(self.clone(), item.clone(), transfer));
        Ok(item.download.clone())
    }

    /// The latest state of every download since the start, in the order of the queue, the newest of each file.
    pub fn downloads(&self) -> Vec<DownloadProgress> {
        self.0.downloads.all().iter().map(|item| item.download.latest()).collect()
    }

    /// Stops the download with this id, if it is not over. What has arrived is kept.
    pub fn cancel(&self, id: &str) -> Result<(), HubError> {
        self.wish(id, Wish::Cancel)
    }

    /// Holds the download with this id until it is resumed, if it is not over.
    pub fn pause(&self, id: &str) -> Result<(), HubError> {
        self.wish(id, Wish::Pause)
    }

    /// Takes up a download that is held, or starts one anew that failed or was stopped. Gives the download that runs.
    pub fn resume(&self, id: &str) -> Result<Download, HubError> {
        let found = self.0.downloads.find(id)?;
        self.download(found.download.latest().request)
    }

    /// Puts a download that waits at this place of the queue, from 0 among those that are not over.
    pub fn move_to(&self, id: &str, place: usize) -> Result<(), HubError> {
        self.0.downloads.move_to(id, place)
    }

    fn wish(&self, id: &str, wish: Wish) -> Result<(), HubError> {
        let found = self.0.downloads.find(id)?;
        if !found.download.is_over() {
            found.download.want(wish);
            self.0.downloads.save();
        }
        Ok(())
    }

    /// Bytes a second that all downloads together may take from now on; `None` takes what there is.
    pub fn limit(&self, bytes_per_second: Option<u64>) {
        self.0.limiter.set(bytes_per_second);
    }

    /// Takes up the queue that an earlier program left in this file, and keeps the queue there from now on. While another
    /// program does that with the same file, nothing happens and nothing is kept.
    pub fn continue_queue(&self, file: &Path) -> Vec<Download> {
        let Some(saved) = self.0.downloads.open(file) else { return Vec::new() };
        let wish = |paused| if paused { Wish::Pause } else { Wish::Run };
        let again = saved.into_iter().filter_map(|entry| {
            let id = entry.request.file.clone();
            let queued = self.queued(entry.request, wish(entry.paused));
            queued.inspect_err(|error| tracing::warn!(file = id, "a download is not taken up: {error}")).ok()
        });
        let again = again.collect();
        self.0.downloads.save();
        again
    }
}

/// Waits for its turn, runs, and records the end.
async fn drive(hub: Hub, item: Arc<Item>, transfer: Transfer) {
    let mut wish = item.download.wish.subscribe();
    let (progress, file) = (transfer.progress.clone(), transfer.file.as_str().to_owned());
    let result = loop {
        let wanted = *wish.borrow_and_update();
        match wanted {
            Wish::Run => {}
            Wish::Pause => {
                progress.state(DownloadState::Paused);
                // The sender is the item's, so this ends with a wish.
                let _ = wish.changed().await;
                continue;
            }
            Wish::Cancel | Wish::Suspend => {
                break Err(HubError::Cancelled { file, received: progress.received_now() });
            }
        }
        progress.state(DownloadState::Queued);
        let slot = tokio::select! {
            slot = hub.0.downloads.turn(&item) => slot,
            _ = wish.changed() => continue,
        };
        let stop = CancellationToken::new();
        let transfer = Transfer { stop: stop.clone(), ..transfer.clone() };
        let mut run = std::pin::pin!(hub.fetch(&transfer));
        let result = loop {
            tokio::select! {
                result = &mut run => break result,
                _ = wish.changed(), if !stop.is_cancelled() => {
                    if *wish.borrow() != Wish::Run {
                        stop.cancel();
                    }
                }
            }
        };
        drop(slot);
        match result {
            // Held, or held and taken up again.
            Err(HubError::Cancelled { .. }) => {}
            other => break other,
        }
    };
    match &result {
        Ok(_) => progress.state(DownloadState::Done),
        Err(HubError::Cancelled { .. }) => progress.state(DownloadState::Cancelled),
        Err(error) => progress.failed(DownloadState::Failed, error),
    }
    item.end(result);
    hub.0.downloads.save();
}

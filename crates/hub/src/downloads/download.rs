//! A download as others see it: its latest state, its outcome, and the means to hold or stop it.

use std::path::PathBuf;
use std::sync::Arc;

use lantern_protocol::DownloadProgress;
use tokio::sync::watch;

use crate::HubError;

pub(crate) type Outcome = Option<Result<PathBuf, HubError>>;

/// What is to become of a download.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// It runs when it is its turn.
    Run,
    /// It waits until somebody wants it to run.
    Pause,
    /// It ends.
    Cancel,
    /// It ends because the program does; the next one takes it up.
    Suspend,
}

/// A file on its way. Clones speak of the same download; dropping them all lets it go on.
#[derive(Debug, Clone)]
pub struct Download {
    pub(crate) id: String,
    pub(crate) progress: watch::Receiver<DownloadProgress>,
    pub(crate) outcome: watch::Receiver<Outcome>,
    pub(crate) wish: Arc<watch::Sender<Wish>>,
}

impl Download {
    /// `repo/file@revision`.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The latest state; wakes at every change, and a slow reader skips what it missed.
    pub fn progress(&self) -> watch::Receiver<DownloadProgress> {
        self.progress.clone()
    }

    /// The latest state now.
    pub fn latest(&self) -> DownloadProgress {
        self.progress.borrow().clone()
    }

    /// Stops it within moments. What has arrived is kept, and the next download of the same file goes on from there.
    pub fn cancel(&self) {
        self.wish.send_replace(Wish::Cancel);
    }

    /// The same because the program ends; a queue that is saved keeps it.
    pub fn suspend(&self) {
        self.want(Wish::Suspend);
    }

    /// Changes what is to become of it, unless it is to end.
    pub(crate) fn want(&self, wish: Wish) {
        self.wish.send_if_modified(|current| {
            let changes = !matches!(current, Wish::Cancel | Wish::Suspend) && *current != wish;
            if changes {
                *current = wish;
            }
            changes
        });
    }

    /// Whether it has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// Waits for the end and gives the file's path in the cache. One that is paused does not end.
    pub async fn wait(&self) -> Result<PathBuf, HubError> {
        let mut outcome = self.outcome.clone();
        match outcome.wait_for(Option::is_some).await {
            Ok(end) => {
                end.clone().unwrap_or_else(|| Err(HubError::Internal("a download ended twice".into())))
            }
            Err(_) => Err(HubError::Internal("the download's task has gone".into())),
        }
    }
}

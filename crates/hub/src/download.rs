//! A download as others see it: its latest state, its outcome, and the means to stop it.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lantern_protocol::{DownloadProgress, DownloadRequest, DownloadState};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::HubError;

pub(crate) type Outcome = Option<Result<PathBuf, HubError>>;

/// A file on its way. Clones speak of the same download; dropping them all lets it go on.
#[derive(Debug, Clone)]
pub struct Download {
    pub(crate) id: String,
    pub(crate) progress: watch::Receiver<DownloadProgress>,
    pub(crate) outcome: watch::Receiver<Outcome>,
    pub(crate) cancel: CancellationToken,
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
        self.cancel.cancel();
    }

    /// Whether it has ended, well or not.
    pub fn is_over(&self) -> bool {
        self.outcome.borrow().is_some()
    }

    /// Waits for the end and gives the file's path in the cache.
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

/// The sending side of a download's progress. Cheap to clone and safe to use from the thread that writes.
#[derive(Clone)]
pub(crate) struct Progress {
    sender: Arc<watch::Sender<DownloadProgress>>,
    rate: Arc<Mutex<Rate>>,
    /// What a file that is one of several counts in the whole.
    place: Place,
}

/// Where a file is in a download of several.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Place {
    /// Bytes of the files before it.
    pub(crate) before: u64,
    /// Bytes of all files; `None` while that is the file's own size.
    pub(crate) whole: Option<u64>,
}

impl Progress {
    pub(crate) fn new(id: String, request: DownloadRequest) -> (Self, watch::Receiver<DownloadProgress>) {
        let (sender, receiver) = watch::channel(DownloadProgress {
            id,
            request,
            state: DownloadState::Queued,
            received_bytes: 0,
            total_bytes: None,
            bytes_per_second: 0.0,
            error: None,
        });
        (Self { sender: Arc::new(sender), rate: Arc::default(), place: Place::default() }, receiver)
    }

    /// The progress of one file of several.
    pub(crate) fn at(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    /// A new state; the rate starts anew, and an error of the state before is forgotten.
    pub(crate) fn state(&self, state: DownloadState) {
        self.rate().samples.clear();
        self.sender.send_modify(|p| {
            p.state = state;
            p.bytes_per_second = 0.0;
            p.error = None;
        });
    }

    pub(crate) fn failed(&self, state: DownloadState, error: &HubError) {
        self.state(state);
        self.sender.send_modify(|p| p.error = Some(error.info()));
    }

    pub(crate) fn total(&self, total: Option<u64>) {
        self.sender.send_modify(|p| p.total_bytes = self.place.whole.or(total));
    }

    /// Bytes on disk now.
    pub(crate) fn received(&self, bytes: u64) {
        let bytes = self.place.before + bytes;
        let rate = self.rate().push(Instant::now(), bytes);
        self.sender.send_modify(|p| {
            p.received_bytes = bytes;
            p.bytes_per_second = rate;
        });
    }

    pub(crate) fn received_now(&self) -> u64 {
        self.sender.borrow().received_bytes
    }

    fn rate(&self) -> std::sync::MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes per second over the last few seconds.
#[derive(Default)]
struct Rate {
    samples: VecDeque<(Instant, u64)>,
}

impl Rate {
    const WINDOW: Duration = Duration::from_secs(5);

    fn push(&mut self, now: Instant, bytes: u64) -> f64 {
        if self.samples.back().is_none_or(|(last, _)| now.duration_since(*last) > Duration::from_millis(100))
        {
            self.samples.push_back((now, bytes));
        }
        while self.samples.len() > 2
            && self.samples.front().is_some_and(|(at, _)| now.duration_since(*at) > Self::WINDOW)
        {
            self.samples.pop_front();
        }
        let Some((at, from)) = self.samples.front() else { return 0.0 };
        let seconds = now.duration_since(*at).as_secs_f64();
        if seconds > 0.0 { bytes.saturating_sub(*from) as f64 / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_forgets_what_is_older_than_its_window() {
        let (mut rate, start) = (Rate::default(), Instant::now());
        let mut last = 0.0;
        for second in 0..20u64 {
            let speed = if second < 10 { 1000 } else { 0 };
            let bytes = if second < 10 { second * speed } else { 9000 };
            last = rate.push(start + Duration::from_secs(second), bytes);
        }
        assert_eq!(last, 0.0, "a stalled transfer still shows its old speed");
    }
}

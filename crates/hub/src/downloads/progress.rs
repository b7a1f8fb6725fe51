//! How far a download has come: written by the threads that do it, read by whoever wants to know the latest.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lantern_protocol::{DownloadProgress, DownloadRequest, DownloadState, FileProgress};
use tokio::sync::watch;

use crate::HubError;

/// The sending side of a download's progress. Cheap to clone and safe to use from the thread that writes.
#[derive(Clone)]
pub(crate) struct Progress {
    sender: Arc<watch::Sender<DownloadProgress>>,
    rate: Arc<Mutex<Rate>>,
    /// Which of the download's files it speaks of.
    file: usize,
}

impl Progress {
    pub(crate) fn new(id: String, request: DownloadRequest) -> (Self, watch::Receiver<DownloadProgress>) {
        let file = FileProgress { path: request.file.clone(), received_bytes: 0, total_bytes: None };
        let (sender, receiver) = watch::channel(DownloadProgress {
            id,
            request,
            state: DownloadState::Queued,
            received_bytes: 0,
            total_bytes: None,
            bytes_per_second: 0.0,
            eta_seconds: None,
            connections: 0,
            files: vec![file],
            error: None,
        });
        (Self { sender: Arc::new(sender), rate: Arc::default(), file: 0 }, receiver)
    }

    /// The progress of one of the download's files.
    pub(crate) fn of_file(&self, file: usize) -> Self {
        Self { file, ..self.clone() }
    }

    /// Which files there are, with their sizes. What arrived of those that were known stays.
    pub(crate) fn files(&self, files: impl IntoIterator<Item = (String, u64)>) {
        self.sender.send_modify(|p| {
            let before = std::mem::take(&mut p.files);
            let received = |path: &str| {
                before.iter().find(|file| file.path == path).map_or(0, |file| file.received_bytes)
            };
            p.files = files
                .into_iter()
                .map(|(path, size)| FileProgress {
                    received_bytes: received(&path),
                    total_bytes: Some(size),
                    path,
                })
                .collect();
            add_up(p);
        });
    }

    /// A new state; the rate starts anew, and an error of the state before is forgotten.
    pub(crate) fn state(&self, state: DownloadState) {
        self.rate().samples.clear();
        self.sender.send_modify(|p| {
            p.state = state;
            p.bytes_per_second = 0.0;
            p.eta_seconds = None;
            p.error = None;
        });
    }

    /// Bytes are arriving again, if they were not.
    pub(crate) fn running(&self) {
        if self.sender.borrow().state == DownloadState::Retrying {
            self.state(DownloadState::Running);
        }
    }

    pub(crate) fn failed(&self, state: DownloadState, error: &HubError) {
        self.state(state);
        self.sender.send_modify(|p| p.error = Some(error.info()));
    }

    /// Connections that there are.
    pub(crate) fn connections(&self, count: usize) {
        self.sender.send_modify(|p| p.connections = u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// The file's size.
    pub(crate) fn total(&self, bytes: u64) {
        self.sender.send_modify(|p| {
            if let Some(file) = p.files.get_mut(self.file) {
                file.total_bytes = Some(bytes);
            }
            add_up(p);
        });
    }

    /// Bytes of the file that are on the disk now.
    pub(crate) fn received(&self, bytes: u64) {
        self.sender.send_modify(|p| {
            if let Some(file) = p.files.get_mut(self.file) {
                file.received_bytes = bytes;
            }
            add_up(p);
            p.bytes_per_second = self.rate().push(Instant::now(), p.received_bytes);
            let missing = p.total_bytes.map(|total| total.saturating_sub(p.received_bytes));
            p.eta_seconds = missing
                .filter(|_| p.bytes_per_second >= 1.0)
                // Saturates, as wanted.
                .map(|missing| (missing as f64 / p.bytes_per_second).ceil() as u32);
        });
    }

    pub(crate) fn received_now(&self) -> u64 {
        self.sender.borrow().received_bytes
    }

    fn rate(&self) -> std::sync::MutexGuard<'_, Rate> {
        self.rate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the whole of the files.
fn add_up(progress: &mut DownloadProgress) {
    progress.received_bytes = progress.files.iter().map(|file| file.received_bytes).sum();
    progress.total_bytes = progress.files.iter().map(|file| file.total_bytes).sum();
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

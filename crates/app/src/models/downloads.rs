//! Downloads: started, held, ordered and stopped here, carried out by the hub, told to every subscriber at a pace that a window
//! can take.

use std::sync::Mutex;
use std::time::Duration;

use lantern_hub::Download;
use lantern_protocol::{AppEvent, DownloadProgress, DownloadRequest, DownloadState, Settings};
use tokio::sync::watch;

use crate::{App, AppError, lock};

/// Between two events of the same download.
const PACE: Duration = Duration::from_millis(100);

/// The downloads whose progress is being told.
#[derive(Default)]
pub(crate) struct Followed(Mutex<Vec<watch::Receiver<DownloadProgress>>>);

impl Followed {
    /// Whether this download is told from now on; not when it is already.
    fn begin(&self, progress: &watch::Receiver<DownloadProgress>) -> bool {
        let mut followed = lock(&self.0);
        if followed.iter().any(|other| other.same_channel(progress)) {
            return false;
        }
        followed.push(progress.clone());
        true
    }

    fn end(&self, progress: &watch::Receiver<DownloadProgress>) {
        lock(&self.0).retain(|other| !other.same_channel(progress));
    }
}

impl App {
    /// Starts fetching a file, resumes it, or joins the download that runs. Gives its first state; events follow.
    pub async fn download_model(&self, request: DownloadRequest) -> Result<DownloadProgress, AppError> {
        let hub = self.hub().await;
        // The hub spawns on the runtime around it; the caller's may be a short-lived one.
        let _runtime = self.0.runtime.enter();
        Ok(self.told(hub.download(request)?))
    }

    /// Stops a download; what has arrived is kept. One that has ended already stays as it is.
    pub async fn cancel_download(&self, id: &str) -> Result<(), AppError> {
        Ok(self.0.models.hub.cancel(id)?)
    }

    /// Holds a download until it is resumed. One that has ended already stays as it is.
    pub async fn pause_download(&self, id: &str) -> Result<(), AppError> {
        Ok(self.0.models.hub.pause(id)?)
    }

    /// Takes up a download that is held, failed or was stopped.
    pub async fn resume_download(&self, id: &str) -> Result<DownloadProgress, AppError> {
        let hub = self.hub().await;
        let _runtime = self.0.runtime.enter();
        Ok(self.told(hub.resume(id)?))
    }

    /// Puts a download at this place, from 0, among those that are not over.
    pub async fn move_download(&self, id: &str, place: usize) -> Result<(), AppError> {
        Ok(self.0.models.hub.move_to(id, place)?)
    }

    /// The latest state of every download since the start, in the order in which they get their turn.
    pub async fn downloads(&self) -> Result<Vec<DownloadProgress>, AppError> {
        Ok(self.0.models.hub.downloads())
    }

    /// Takes up the downloads that were not over when Lantern ended, and keeps the queue on the disk from now on: for
    /// programs that stay. While another one does, its queue is its own. Waits for the keyring that has the Hub's token.
    pub async fn continue_downloads(&self) {
        let hub = self.hub().await;
        let _runtime = self.0.runtime.enter();
        for download in hub.continue_queue(&self.0.home.join("downloads.json")) {
            self.told(download);
        }
    }

    /// Sets how fast all downloads together may be.
    pub(crate) fn limit_downloads(&self, settings: &Settings) {
        self.0.models.hub.limit(settings.download_bytes_per_second.map(u64::from));
    }

    fn told(&self, download: Download) -> DownloadProgress {
        let latest = download.latest();
        if self.0.models.followed.begin(&download.progress()) {
            self.0.tasks.spawn_on(self.clone().follow(download), &self.0.runtime);
        }
        latest
    }

    /// Tells the latest state at most ten times a second, and the last state always.
    async fn follow(self, download: Download) {
        let mut progress = download.progress();
        let closing = self.0.closing.clone();
        let mut closed = false;
        loop {
            let latest = progress.borrow_and_update().clone();
            let state = latest.state;
            self.emit(AppEvent::Download { progress: latest });
            if state == DownloadState::Done {
                self.emit(AppEvent::LibraryChanged);
            }
            if state.is_over() {
                break;
            }
            tokio::time::sleep(PACE).await;
            tokio::select! {
                changed = progress.changed() => if changed.is_err() { break },
                () = closing.cancelled(), if !closed => {
                    closed = true;
                    download.suspend();
                }
            }
        }
        self.0.models.followed.end(&progress);
    }
}

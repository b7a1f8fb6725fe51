//! Downloads: started and cancelled here, carried out by the hub, told to every subscriber at a pace that a window can take.

use std::sync::Mutex;
use std::time::Duration;

use lantern_hub::Download;
use lantern_protocol::{AppEvent, DownloadProgress, DownloadRequest, DownloadState};
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
        let download = {
            let _runtime = self.0.runtime.enter();
            hub.download(request)?
        };
        let latest = download.latest();
        if self.0.models.followed.begin(&download.progress()) {
            self.0.tasks.spawn_on(self.clone().follow(download), &self.0.runtime);
        }
        Ok(latest)
    }

    /// Stops a download; what has arrived is kept. One that has ended already stays as it is.
    pub async fn cancel_download(&self, id: &str) -> Result<(), AppError> {
        self.0.models.hub.cancel(id);
        Ok(())
    }

    /// The latest state of every download since the start.
    pub async fn downloads(&self) -> Result<Vec<DownloadProgress>, AppError> {
        Ok(self.0.models.hub.downloads())
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
            match state {
                DownloadState::Done => self.emit(AppEvent::LibraryChanged),
                DownloadState::Cancelled | DownloadState::Failed => {}
                _ => {
                    tokio::time::sleep(PACE).await;
                    tokio::select! {
                        changed = progress.changed() => if changed.is_ok() { continue },
                        () = closing.cancelled(), if !closed => {
                            closed = true;
                            download.cancel();
                            continue;
                        }
                    }
                }
            }
            break;
        }
        self.0.models.followed.end(&progress);
    }
}

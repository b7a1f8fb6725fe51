//! Two model files held against each other on this machine: speed, memory, how well they predict, how often they agree.
//!
//! One after the other comes into memory, charged like any other model, reads the same text and goes. What the first made
//! of the text is kept. How much of the text is read follows from the time there is and from how long the first one took.

mod summary;
mod text;
mod work;

use std::path::Path;
use std::sync::Mutex;

use lantern_convert::{FileType, is_model_folder};
use lantern_engine::projector_beside;
use lantern_protocol::{CompareEvent, CompareRequest};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::models::file_of_folder;
use crate::{App, AppError, lock};
use work::{Candidate, Work};

/// Seconds that a comparison may take, unless told.
const USUAL_SECONDS: u32 = 150;
const SECONDS: std::ops::RangeInclusive<u32> = 5..=3600;

/// The events of a comparison. Dropping it ends the comparison.
#[derive(Debug)]
pub struct CompareStream {
    events: mpsc::UnboundedReceiver<CompareEvent>,
    _stop_on_drop: DropGuard,
}

impl CompareStream {
    /// The next event; `None` after `done` or `failed`. Cancel safe.
    pub async fn next(&mut self) -> Option<CompareEvent> {
        self.events.recv().await
    }
}

/// The comparison that runs: one at a time, or each would measure the other.
#[derive(Default)]
pub(crate) struct Comparing(Mutex<Option<CancellationToken>>);

impl App {
    /// Compares two models of the library. What is wrong with the request is an error here; whatever fails afterwards is
    /// the last event.
    pub async fn compare(&self, request: CompareRequest) -> Result<CompareStream, AppError> {
        let seconds = request.seconds.unwrap_or(USUAL_SECONDS);
        if !SECONDS.contains(&seconds) {
            let words = format!("{seconds} s is no time for a comparison.");
            return Err(AppError::new("invalid_request", words, "Give it between 5 and 3600 s."));
        }
        let (a, b) = (self.candidate(&request.a).await?, self.candidate(&request.b).await?);
        let (text, text_name) = self.text_to_compare(request.text).await?;
        let stop = self.0.closing.child_token();
        self.begin_comparing(&stop)?;
        let (sender, events) = mpsc::unbounded_channel();
        let work = Work { a, b, text, text_name, seconds, stop: stop.clone(), events: sender };
        let app = self.clone();
        self.0.tasks.spawn_on(
            async move {
                work.run(&app).await;
                lock(&app.0.comparing.0).take();
            },
            &self.0.runtime,
        );
        Ok(CompareStream { events, _stop_on_drop: stop.drop_guard() })
    }

    /// Ends the comparison that runs, if there is one; its stream ends with `failed`.
    pub fn stop_comparing(&self) {
        if let Some(stop) = &*lock(&self.0.comparing.0) {
            stop.cancel();
        }
    }

    fn begin_comparing(&self, stop: &CancellationToken) -> Result<(), AppError> {
        let mut running = lock(&self.0.comparing.0);
        if running.is_some() {
            let message = "Two models are being compared already.";
            return Err(AppError::new("compare_busy", message, "Wait until that is done, or stop it."));
        }
        *running = Some(stop.clone());
        Ok(())
    }

    async fn candidate(&self, name: &str) -> Result<Candidate, AppError> {
        let model = self.find_model(name).await?;
        if let Some(error) = model.error {
            return Err(error.into());
        }
        let home = self.0.home.clone();
        let path = tokio::task::spawn_blocking(move || match is_model_folder(Path::new(&model.path)) {
            true => file_of_folder(&home, Path::new(&model.path), FileType::Keep),
            false => Ok(model.path.into()),
        });
        let path = path.await.map_err(AppError::internal)??;
        Ok(Candidate { id: model.id, projector: projector_beside(&path), path })
    }
}

//! Folders in which models are looked for, and news in them; what was removed and can be taken back.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use lantern_protocol::{AppEvent, LibraryFolder, RemovedModel};

use crate::{App, AppError};

/// Between two looks into the folders. Looking is cheap and works on every disk; being told by the system works on some.
const PAUSE: Duration = Duration::from_secs(20);

/// Looking takes at most one part of so many of the time.
const SHARE: u32 = 50;

/// Between two looks for what has been in the trash for long enough.
const TRASH_PAUSE: Duration = Duration::from_secs(60 * 60);

/// Between two questions whether models have newer revisions.
const UPDATES_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

impl App {
    /// Every folder in which models are looked for, and those of other programs that are left alone.
    pub async fn library_folders(&self) -> Result<Vec<LibraryFolder>, AppError> {
        self.with_library(|library| Ok(library.folders())).await
    }

    /// Uses the models of a folder where they lie, now and later.
    pub async fn add_library_folder(&self, path: impl Into<PathBuf>) -> Result<LibraryFolder, AppError> {
        let path = path.into();
        let folder = self.with_library(move |library| library.add_folder(&path)).await?;
        self.emit(AppEvent::LibraryChanged);
        Ok(folder)
    }

    /// Leaves a folder alone from now on; nothing in it is touched.
    pub async fn remove_library_folder(&self, path: impl Into<PathBuf>) -> Result<(), AppError> {
        let path = path.into();
        if self.with_library(move |library| library.remove_folder(&path)).await? {
            self.emit(AppEvent::LibraryChanged);
        }
        Ok(())
    }

    /// Models that were deleted and can be restored, the latest first.
    pub async fn removed_models(&self) -> Result<Vec<RemovedModel>, AppError> {
        self.with_library(|library| Ok(library.removed())).await
    }

    /// Takes a removal back, by its id or the model's, or the latest one.
    pub async fn restore_model(&self, which: Option<String>) -> Result<RemovedModel, AppError> {
        let restored = self.with_library(move |library| library.restore(which.as_deref())).await?;
        self.emit(AppEvent::LibraryChanged);
        Ok(restored)
    }

    /// Tells when models come, go or change without Lantern's doing, empties the trash of what is old, and asks for newer
    /// revisions where the settings want that, until the application closes or nobody has it any more.
    pub(crate) fn watch_library(&self) {
        let (inner, closing) = (Arc::downgrade(&self.0), self.0.closing.clone());
        let watch = async move {
            let (mut last, mut pause) = (None, PAUSE);
            let (mut trash, mut updates) = (Rarely::every(TRASH_PAUSE), Rarely::every(UPDATES_PAUSE));
            while closing.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
                let Some(inner) = inner.upgrade() else { return };
                let (app, begun) = (App(inner), Instant::now());
                let Ok(signature) = app.with_library(|library| Ok(library.signature())).await else {
                    continue;
                };
                if last.replace(signature).is_some_and(|last| last != signature) {
                    app.emit(AppEvent::LibraryChanged);
                }
                pause = PAUSE.max(begun.elapsed() * SHARE);
                if trash.is_due()
                    && let Err(error) = app.with_library(|library| library.empty_trash(false)).await
                {
                    tracing::warn!("old models stay in the trash: {error}");
                }
                let wanted = app.settings().await.is_ok_and(|settings| settings.check_model_updates);
                if wanted && updates.is_due() {
                    closing.run_until_cancelled(app.tell_updates()).await;
                }
            }
        };
        self.0.tasks.spawn_on(watch, &self.0.runtime);
    }

    /// That nobody can be asked is nothing to tell: nobody asked for it now.
    async fn tell_updates(&self) {
        match self.check_updates(None).await {
            Ok(updates) if !updates.is_empty() => self.emit(AppEvent::ModelUpdates { updates }),
            Ok(_) => {}
            Err(error) => tracing::info!("whether models have newer revisions is not known: {error}"),
        }
    }
}

/// Something done now and then.
struct Rarely {
    pause: Duration,
    last: Option<Instant>,
}

impl Rarely {
    fn every(pause: Duration) -> Self {
        Self { pause, last: None }
    }

    /// Whether it is time; then it counts as done.
    fn is_due(&mut self) -> bool {
        let due = self.last.is_none_or(|last| last.elapsed() >= self.pause);
        if due {
            self.last = Some(Instant::now());
        }
        due
    }
}

//! What models take of the disk, giving back what nobody needs, and checking bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lantern_protocol::{AppEvent, DiskUse, FileCheck, ModelUpdate, ReclaimKind, Reclaimable};

use crate::{App, AppError};

/// Between two events of the same check.
const PACE: Duration = Duration::from_millis(250);

/// Folders inside folders of prefixes.
const MAX_DEPTH: usize = 4;

impl App {
    /// What models take of the disk, and what could be had back.
    pub async fn disk_use(&self) -> Result<DiskUse, AppError> {
        let mut used = self.with_library(|library| Ok(library.disk_use())).await?;
        for kind in [ReclaimKind::PackedCopies, ReclaimKind::Converted, ReclaimKind::Prefixes] {
            let folder = self.folder_of(kind);
            let files = tokio::task::spawn_blocking(move || files_below(&folder, MAX_DEPTH)).await;
            let files = files.map_err(AppError::internal)?;
            let bytes = files.iter().map(|(_, bytes)| bytes).sum();
            if bytes > 0 {
                let paths = files.into_iter().map(|(path, _)| path.to_string_lossy().into_owned()).collect();
                used.reclaimable.push(Reclaimable { kind, bytes, paths });
            }
        }
        Ok(used)
    }

    /// Deletes what nobody needs of one kind, for good. Gives the bytes that the disk has back.
    pub async fn reclaim(&self, kind: ReclaimKind) -> Result<u64, AppError> {
        let freed = match kind {
            ReclaimKind::PackedCopies | ReclaimKind::Converted | ReclaimKind::Prefixes => {
                self.reclaim_own(kind).await?
            }
            kind => self.with_library(move |library| library.reclaim(kind)).await?,
        };
        self.emit(AppEvent::LibraryChanged);
        Ok(freed)
    }

    async fn reclaim_own(&self, kind: ReclaimKind) -> Result<u64, AppError> {
        let folder = self.folder_of(kind);
        let size = |files: &[(PathBuf, u64)]| files.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let before = size(&files_below(&folder, MAX_DEPTH));
        match kind {
            ReclaimKind::PackedCopies => self.delete_packed_copies().await?,
            ReclaimKind::Prefixes => self.delete_prefixes().await?,
            _ => {
                for (file, _) in files_below(&folder, 0) {
                    // One in use goes when its model is unloaded; where the system refuses that, it stays.
                    if let Err(error) = fs::remove_file(&file) {
                        tracing::warn!("{} stays: {error}", file.display());
                    }
                }
            }
        }
        Ok(before.saturating_sub(size(&files_below(&folder, MAX_DEPTH))))
    }

    fn folder_of(&self, kind: ReclaimKind) -> PathBuf {
        self.0.home.join(match kind {
            ReclaimKind::PackedCopies => "packed",
            ReclaimKind::Converted => "converted",
            _ => "prefixes",
        })
    }

    /// Reads all bytes of a model and holds them against what is known of them. Events tell how far it has come; it ends early
    /// when the application closes.
    pub async fn verify_model(&self, id: &str) -> Result<Vec<FileCheck>, AppError> {
        let (model, app) = (self.find_model(id).await?.id, self.clone());
        let mut told = None::<Instant>;
        self.with_library(move |library| {
            library.verify(&model, |done_bytes, total_bytes| {
                if told.is_none_or(|told| told.elapsed() >= PACE) || done_bytes == total_bytes {
                    told = Some(Instant::now());
                    app.emit(AppEvent::ModelCheck { model: model.clone(), done_bytes, total_bytes });
                }
                !app.0.closing.is_cancelled()
            })
        })
        .await
    }

    /// Newer revisions of these models' files, or of all. Asks the Hub about each; that one repository does not answer is no
    /// reason to leave the others out, that none does is an error.
    pub async fn check_updates(&self, ids: Option<Vec<String>>) -> Result<Vec<ModelUpdate>, AppError> {
        let mut models = self.library().await?;
        models.retain(|model| ids.as_ref().is_none_or(|ids| ids.contains(&model.id)));
        let (mut updates, mut answered, mut failure) = (Vec::new(), false, None);
        for model in models {
            match self.hub().await.update_of(&model).await {
                Ok(update) => {
                    answered = true;
                    updates.extend(update);
                }
                Err(error) => {
                    tracing::info!(model = model.id, "whether there is a newer one is not known: {error}");
                    failure.get_or_insert(error);
                }
            }
        }
        match failure {
            Some(error) if !answered => Err(error.into()),
            _ => Ok(updates),
        }
    }
}

/// Files and their sizes; none of a folder that is not there.
fn files_below(folder: &Path, depth: usize) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.metadata() {
            Ok(about) if about.is_dir() && depth > 0 => files.extend(files_below(&entry.path(), depth - 1)),
            Ok(about) if about.is_file() => files.push((entry.path(), about.len())),
            _ => {}
        }
    }
    files
}

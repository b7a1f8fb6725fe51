//! Taking a model out of the library. What others own is never deleted.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use lantern_protocol::ModelSource;

use super::ModelLibrary;
use super::shards::files_of;
use crate::HubError;

/// What a removal did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// Bytes the disk got back; 0 when the file stays because somebody else owns or uses it.
    pub freed_bytes: u64,
    /// Whether the file itself is still there.
    pub kept: bool,
}

impl ModelLibrary {
    /// Removes the model with this id: a cached file and its links, a copy of ours, or only the note of a file in place.
    pub fn remove(&self, id: &str) -> Result<Removed, HubError> {
        let _change = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        let model = self.by_id(id)?;
        let path = PathBuf::from(&model.path);
        match model.source {
            ModelSource::InPlace => {
                self.index().forget(&path)?;
                Ok(Removed { freed_bytes: 0, kept: path.exists() })
            }
            ModelSource::Imported => {
                for file in files_of(&path).iter().filter(|file| file.exists()) {
                    fs::remove_file(file).map_err(HubError::io("delete", file))?;
                }
                if path.is_dir() {
                    // A folder that has something else in it stays.
                    let _ = fs::remove_dir(&path);
                }
                Ok(Removed { freed_bytes: model.size_bytes, kept: false })
            }
            ModelSource::HubCache => remove_cached_files(&path),
        }
    }
}

/// All files of a cached model; it is kept if one of them is.
fn remove_cached_files(path: &Path) -> Result<Removed, HubError> {
    let mut all = Removed { freed_bytes: 0, kept: false };
    for file in files_of(path).iter().filter(|file| file.exists()) {
        let removed = remove_cached(file)?;
        all.freed_bytes += removed.freed_bytes;
        all.kept |= removed.kept;
    }
    Ok(all)
}

/// The same content may have links under several commits; all of this file's go, and the blob when none is left.
fn remove_cached(path: &Path) -> Result<Removed, HubError> {
    let Some(layout) = Layout::of(path) else {
        return Err(HubError::Internal(format!("{} is not in a cache's layout", path.display())));
    };
    let blob = path.canonicalize().map_err(HubError::io("find", path))?;
    let size = fs::metadata(&blob).map_err(HubError::io("read", &blob))?.len();
    for commit in layout.commits() {
        let link = commit.join(&layout.file);
        if link.canonicalize().is_ok_and(|target| target == blob) || link == path {
            fs::remove_file(&link).map_err(HubError::io("delete", &link))?;
            remove_empty_folders(&link, &layout.snapshots);
        }
    }
    let blobs = layout.snapshots.with_file_name("blobs");
    let is_ours = blobs.canonicalize().is_ok_and(|blobs| blob.parent() == Some(&blobs));
    let still_used = layout.commits().iter().any(|commit| links_to(commit, &blob, 6));
    if is_ours && !still_used && blob.exists() {
        fs::remove_file(&blob).map_err(HubError::io("delete", &blob))?;
    }
    let kept = blob.exists();
    Ok(Removed { freed_bytes: if kept { 0 } else { size }, kept })
}

/// `…/snapshots/<commit>/<file>` taken apart.
struct Layout {
    snapshots: PathBuf,
    file: PathBuf,
}

impl Layout {
    fn of(path: &Path) -> Option<Self> {
        let snapshots = path.ancestors().find(|folder| folder.ends_with("snapshots"))?;
        let mut rest = path.strip_prefix(snapshots).ok()?.components();
        rest.next()?;
        Some(Self { snapshots: snapshots.to_owned(), file: rest.as_path().to_owned() })
    }

    fn commits(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.snapshots).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    }
}

fn links_to(folder: &Path, blob: &Path, depth: usize) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            depth > 0 && links_to(&path, blob, depth - 1)
        } else {
            path.canonicalize().is_ok_and(|target| target == blob)
        }
    })
}

/// Up to, and without, `stop`. A folder that is not empty refuses to go, and that ends it.
fn remove_empty_folders(file: &Path, stop: &Path) {
    for folder in file.ancestors().skip(1).take_while(|folder| *folder != stop) {
        if fs::remove_dir(folder).is_err() {
            return;
        }
    }
}

//! The files of a model: one, all pieces of a model that is split, or those of a folder.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_gguf::{FileStamp, ShardName};
use serde::{Deserialize, Serialize};

/// Every file of the model that `path` belongs to, the first first. Pieces that are missing are listed too. Of a folder,
/// the files that are converted.
pub(crate) fn files_of(path: &Path) -> Vec<PathBuf> {
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
        let mut files: Vec<PathBuf> = entries.filter(|file| is_of_folder(file)).collect();
        files.sort();
        return files;
    }
    match shard_name(path) {
        Some(name) => (1..=name.count()).map(|number| path.with_file_name(name.sibling(number))).collect(),
        None => vec![path.to_owned()],
    }
}

/// The projectors that lie beside a model, in layouts that keep each repository in a folder of its own.
pub(crate) fn projectors_beside(path: &Path) -> Vec<PathBuf> {
    let folder = path.parent().filter(|_| path.is_file());
    let entries = folder.and_then(|folder| fs::read_dir(folder).ok()).into_iter().flatten().flatten();
    let is_projector = |file: &PathBuf| {
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        name.starts_with("mmproj") && name.ends_with(".gguf") && file.is_file()
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_projector).collect();
    files.sort();
    files
}

/// Whether a file is one of those that a model's folder is made of.
fn is_of_folder(file: &Path) -> bool {
    file.is_file()
        && file.extension().is_some_and(|end| end == "json" || end == "safetensors" || end == "jinja")
}

/// The name of a piece taken apart.
pub(crate) fn shard_name(path: &Path) -> Option<ShardName> {
    ShardName::parse(&path.file_name()?.to_string_lossy())
}

/// What shows that a model's files have changed, as far as the system says without opening them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct ModelStamp {
    /// Bytes of all files together.
    pub(crate) size: u64,
    /// How many files are there.
    there: usize,
    /// Times of change and numbers of all files, mixed.
    mark: u64,
}

impl ModelStamp {
    /// Of all files of a model.
    pub(crate) fn of(path: &Path) -> Self {
        Self::of_all(files_of(path))
    }

    /// Of one file alone.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self::of_all(vec![path.to_owned()])
    }

    fn of_all(files: Vec<PathBuf>) -> Self {
        let there = files.into_iter().filter_map(|file| fs::metadata(file).ok());
        there.fold(Self::default(), |stamp, about| {
            let FileStamp { len, modified, changed, number } = FileStamp::of(&about);
            let mix =
                |mark: u64, value: u64| (mark.rotate_left(7) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ModelStamp {
                size: stamp.size.saturating_add(len),
                there: stamp.there + 1,
                mark: [modified, changed, number].into_iter().fold(stamp.mark, mix),
            }
        })
    }
}

//! Looking for models in folders: GGUF files, and folders of safetensors files. Links to folders are not followed, so a circle cannot trap the search.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_convert::is_model_folder;
use lantern_protocol::ModelSource;

use crate::RepoId;
use crate::hub::is_model;

const MAX_DEPTH: usize = 6;

/// A model file and where it came from.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) source: ModelSource,
    pub(crate) repo: Option<String>,
}

/// Every model in the snapshots of a Hugging Face cache; of several commits, the one `refs/main` names comes first.
pub(crate) fn hub_cache(cache: &Path) -> Vec<Found> {
    let mut found = Vec::new();
    for folder in folders(cache) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(repo) = RepoId::from_folder(&name) else { continue };
        let main = fs::read_to_string(folder.join("refs").join("main")).unwrap_or_default();
        let mut commits = folders(&folder.join("snapshots"));
        commits.sort_by_key(|commit| (!commit.ends_with(main.trim()), commit.clone()));
        for commit in commits {
            let mut files = Vec::new();
            walk(&commit, MAX_DEPTH, &mut files);
            found.extend(files.into_iter().map(|path| Found {
                path,
                source: ModelSource::HubCache,
                repo: Some(repo.as_str().into()),
            }));
        }
    }
    found
}

/// Every model in Lantern's own folder.
pub(crate) fn folder(folder: &Path) -> Vec<Found> {
    let mut files = Vec::new();
    walk(folder, MAX_DEPTH, &mut files);
    files.into_iter().map(|path| Found { path, source: ModelSource::Imported, repo: None }).collect()
}

/// Folders inside a folder, sorted; none when it cannot be read.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut folders: Vec<PathBuf> = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    folders.sort();
    folders
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    if is_model_folder(folder) {
        files.push(folder.to_owned());
    }
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<_> = entries.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && depth > 0 {
            walk(&path, depth - 1, files);
        } else if is_model(&entry.file_name().to_string_lossy()) && path.is_file() {
            files.push(path);
        }
    }
}

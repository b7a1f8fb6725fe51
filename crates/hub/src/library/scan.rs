//! Looking for models in folders: GGUF files, and folders of safetensors files.
//!
//! Links to folders are followed, each folder once, so that a circle of links ends where it began. A folder that cannot be
//! read, or has more in it than anybody looks through, is named and the rest goes on.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use lantern_convert::is_model_folder;
use lantern_protocol::{ErrorInfo, ModelSource, PlaceOwner};

use super::header::stem;
use crate::RepoId;
use crate::hub::is_model;

/// Folders inside folders.
const MAX_DEPTH: usize = 8;

/// Entries looked at in one folder with all that is in it: a whole disk chosen by mistake must end.
const MAX_ENTRIES: usize = 200_000;

/// A model file and whose it is.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) source: ModelSource,
    pub(crate) owner: PlaceOwner,
    /// What its owner calls it; the beginning of the model's id.
    pub(crate) name: String,
    pub(crate) repo: Option<String>,
    pub(crate) commit: Option<String>,
    /// What the file's name says, in a store that names contents.
    pub(crate) sha256: Option<String>,
    /// The file that shows pictures to it, if its owner says so.
    pub(crate) projector: Option<PathBuf>,
}

impl Found {
    /// A file used where it lies, named after itself.
    pub(crate) fn in_place(path: PathBuf, owner: PlaceOwner) -> Self {
        Self {
            name: name_of(&path),
            path,
            source: ModelSource::InPlace,
            owner,
            repo: None,
            commit: None,
            sha256: None,
            projector: None,
        }
    }
}

/// What a search brought.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    pub(crate) found: Vec<Found>,
    /// What could not be looked at.
    pub(crate) problems: Vec<ErrorInfo>,
}

impl Scan {
    pub(crate) fn problem(&mut self, code: &str, message: String, next_step: &str) {
        self.problems.push(ErrorInfo { code: code.into(), message, next_step: next_step.into() });
    }

    pub(crate) fn unreadable(&mut self, path: &Path, error: &std::io::Error) {
        self.problem(
            "folder_unreadable",
            format!("{} cannot be read: {error}.", path.display()),
            "Check that it is there and its permissions, or take it off the list of folders.",
        );
    }
}

/// Every model in the snapshots of a Hugging Face cache; of several commits, the one `refs/main` names comes first.
pub(crate) fn hub_cache(cache: &Path, source: ModelSource, owner: PlaceOwner) -> Vec<Found> {
    let mut found = Vec::new();
    for folder in folders(cache) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(repo) = RepoId::from_folder(&name) else { continue };
        let main = fs::read_to_string(folder.join("refs").join("main")).unwrap_or_default();
        let mut commits = folders(&folder.join("snapshots"));
        commits.sort_by_key(|commit| (!commit.ends_with(main.trim()), commit.clone()));
        for commit in commits {
            let id = commit.file_name().map(|name| name.to_string_lossy().into_owned());
            let (files, _) = walk(&commit);
            found.extend(files.into_iter().map(|path| Found {
                name: if path.is_dir() { repo.name().to_owned() } else { name_of(&path) },
                sha256: blob_sha256(&path),
                source,
                owner,
                repo: Some(repo.as_str().into()),
                commit: id.clone(),
                projector: None,
                path,
            }));
        }
    }
    found
}

/// The SHA-256 that the blob behind a link is named after: large files are, small ones have another hash.
pub(crate) fn blob_sha256(link: &Path) -> Option<String> {
    let target = fs::read_link(link).ok()?;
    crate::names::parse_sha256(&target.file_name()?.to_string_lossy())
}

/// Every model in a folder and the folders in it.
pub(crate) fn folder(folder: &Path, source: ModelSource, owner: PlaceOwner) -> Scan {
    let (files, problems) = walk(folder);
    let found = files.into_iter().map(|path| Found { source, ..Found::in_place(path, owner) }).collect();
    Scan { found, problems }
}

/// A file's name without its ending. Programs that keep each model in a folder of its own call the file `model`; there the
/// folder has the name.
fn name_of(path: &Path) -> String {
    let own = stem(path);
    let folder = || path.parent().and_then(Path::file_name).map(|name| name.to_string_lossy().into_owned());
    match own.eq_ignore_ascii_case("model") || own.eq_ignore_ascii_case("ggml-model") {
        true => folder().unwrap_or(own),
        false => own,
    }
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

/// Model files and model folders below a folder, in order, and what could not be looked at.
fn walk(folder: &Path) -> (Vec<PathBuf>, Vec<ErrorInfo>) {
    let mut walk = Walk { scan: Scan::default(), files: Vec::new(), seen: HashSet::new(), entries: 0 };
    walk.folder(folder, MAX_DEPTH);
    if walk.entries > MAX_ENTRIES {
        walk.scan.problem(
            "folder_too_large",
            format!("{} has more than {MAX_ENTRIES} files in it; not all were looked at.", folder.display()),
            "Choose the folder that holds the models.",
        );
    }
    (walk.files, walk.scan.problems)
}

struct Walk {
    scan: Scan,
    files: Vec<PathBuf>,
    /// Real paths of folders that were looked at.
    seen: HashSet<PathBuf>,
    entries: usize,
}

impl Walk {
    fn folder(&mut self, folder: &Path, depth: usize) {
        let real = folder.canonicalize();
        if let Err(error) = &real {
            return self.scan.unreadable(folder, error);
        }
        if !real.is_ok_and(|real| self.seen.insert(real)) {
            return;
        }
        if is_model_folder(folder) {
            self.files.push(folder.to_owned());
        }
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => return self.scan.unreadable(folder, &error),
        };
        let mut entries: Vec<_> = entries.flatten().collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return;
            }
            self.entry(&entry, depth);
        }
    }

    fn entry(&mut self, entry: &fs::DirEntry, depth: usize) {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let is_folder = match entry.file_type() {
            Ok(kind) if kind.is_symlink() => path.is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        if is_folder {
            // What programs keep for themselves begins with a dot.
            if depth > 0 && !name.starts_with('.') {
                self.folder(&path, depth - 1);
            }
        } else if is_model(&name) && !name.starts_with("incomplete-") && path.is_file() {
            self.files.push(path);
        }
    }
}

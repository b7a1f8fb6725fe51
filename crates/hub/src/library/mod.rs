//! The model files on this machine, wherever they lie.
//!
//! Three sources: the shared Hugging Face cache, copies in Lantern's own `models` folder, and files of other programs
//! that are used in place. Only headers are read, and each header once: an unchanged file is answered from memory.

mod find;
mod header;
mod import;
mod index;
mod remove;
mod scan;
mod shards;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use lantern_protocol::{ErrorInfo, LibraryModel, ModelSource};

pub(crate) use find::{Match, best_match};
pub use import::ImportMode;
pub use remove::Removed;

use crate::cache::Cache;
use crate::{FilePath, HubError, RepoId, default_cache_dir};
use header::Headers;
use index::Index;
use scan::Found;

/// The library. Its methods read the disk and block for moments; it may be shared between threads.
pub struct ModelLibrary {
    home: PathBuf,
    caches: Vec<PathBuf>,
    headers: Headers,
    /// Serialises changes; a listing needs no lock.
    change: Mutex<()>,
}

impl ModelLibrary {
    /// `home` is Lantern's data folder; `caches` are folders in the Hugging Face cache layout.
    pub fn new(home: impl Into<PathBuf>, caches: Vec<PathBuf>) -> Self {
        Self { home: home.into(), caches, headers: Headers::default(), change: Mutex::default() }
    }

    /// With the cache folder that the environment names.
    pub fn from_env(home: impl Into<PathBuf>) -> Self {
        Self::new(home, vec![default_cache_dir()])
    }

    /// Lantern's own folder of model copies.
    pub fn models_dir(&self) -> PathBuf {
        self.home.join("models")
    }

    fn index(&self) -> Index {
        Index::at(self.home.join("library.json"))
    }

    /// Every model, sorted by name. Files that cannot be read are listed with their error.
    pub fn list(&self) -> Vec<LibraryModel> {
        let mut found = Vec::new();
        for cache in &self.caches {
            found.extend(scan::hub_cache(cache));
        }
        found.extend(scan::folder(&self.models_dir()));
        found.extend(self.index().paths().into_iter().map(|path| Found {
            path,
            source: ModelSource::InPlace,
            repo: None,
        }));
        self.describe(found)
    }

    /// What went wrong with the library's own file since it was last asked, to be shown once.
    pub fn take_notices(&self) -> Vec<ErrorInfo> {
        self.index().repair().into_iter().collect()
    }

    /// Turns paths into models: one entry per file on disk, ids that are unique and stay the same while files stay.
    fn describe(&self, mut found: Vec<Found>) -> Vec<LibraryModel> {
        let mut seen = Vec::new();
        found.retain(|file| {
            let real = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
            let new = !seen.contains(&real);
            seen.push(real);
            new
        });
        let mut models: Vec<LibraryModel> = found.iter().map(|file| self.headers.model(file)).collect();
        models.sort_by(|a, b| (a.id.to_lowercase(), &a.path).cmp(&(b.id.to_lowercase(), &b.path)));
        make_unique(&mut models);
        models
    }

    /// The model of a file that need not be in the library.
    pub fn describe_path(&self, path: &Path) -> LibraryModel {
        self.headers.model(&Found { path: path.to_owned(), source: ModelSource::InPlace, repo: None })
    }

    /// The file of a repository in one of the caches, whatever its revision, without asking the network.
    pub fn cached_file(&self, repo: &str, file: &str) -> Option<PathBuf> {
        let (repo, file) = (RepoId::parse(repo).ok()?, FilePath::parse(file).ok()?);
        self.caches.iter().find_map(|cache| {
            let snapshots = Cache::new(cache.clone()).repo(&repo).join("snapshots");
            let commits = fs::read_dir(snapshots).ok()?;
            commits
                .flatten()
                .map(|commit| file.parts().fold(commit.path(), |path, part| path.join(part)))
                .find(|path| path.is_file())
        })
    }

    fn by_id(&self, id: &str) -> Result<LibraryModel, HubError> {
        let models = self.list();
        match models.iter().find(|model| model.id == id) {
            Some(model) => Ok(model.clone()),
            None => Err(HubError::ModelNotFound {
                query: id.into(),
                suggestions: models.into_iter().map(|model| model.id).take(5).collect(),
            }),
        }
    }
}

/// Files of the same name in different places: the later ones carry their owner, or a number.
fn make_unique(models: &mut [LibraryModel]) {
    for at in 1..models.len() {
        let taken =
            |id: &str, before: &[LibraryModel]| before.iter().any(|model| model.id.eq_ignore_ascii_case(id));
        let (before, rest) = models.split_at_mut(at);
        let model = &mut rest[0];
        if !taken(&model.id, before) {
            continue;
        }
        let base = match model.repo.as_deref().and_then(|repo| repo.split('/').next()) {
            Some(owner) => format!("{}@{owner}", model.id),
            None => format!("{}@{}", model.id, short_hash(&model.path)),
        };
        let mut id = base.clone();
        for number in 2.. {
            if !taken(&id, before) {
                break;
            }
            id = format!("{base}-{number}");
        }
        model.id = id;
    }
}

fn short_hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("{:x}", Sha256::digest(text.as_bytes()))[..6].to_owned()
}

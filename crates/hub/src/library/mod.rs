//! The model files on this machine, wherever they lie.
//!
//! They lie in the shared Hugging Face cache, in Lantern's own `models` folder, in folders of other programs, in folders
//! and files that the user named. Only headers are read, and each once: an unchanged file is answered from memory, or from
//! the index that is kept on disk. The same content at several places is one model.
//!
//! What others own is never altered: it is listed or not, and that is all.

mod details;
mod disk;
mod entries;
mod find;
mod fingerprint;
mod folders;
mod hashes;
mod header;
mod import;
mod index;
mod jan;
mod known;
mod ollama;
mod record;
mod remove;
mod scan;
mod shards;
mod sources;
mod trash;
mod verify;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lantern_protocol::{ErrorInfo, LibraryModel, ModelSource, PlaceOwner};

pub use details::file_details;
pub(crate) use find::{Match, best_match};
pub use hashes::model_files;
pub use import::ImportMode;

use crate::cache::Cache;
use crate::{FilePath, HubError, RepoId, default_cache_dir};
use header::Headers;
use known::Account;
use record::{Change, Record};
use scan::{Found, Scan};

/// The library. Its methods read the disk and block for moments; it may be shared between threads.
pub struct ModelLibrary {
    home: PathBuf,
    caches: Vec<PathBuf>,
    /// Whose programs' folders are looked for; nobody's in a library of its own.
    account: Option<Account>,
    headers: Headers,
    /// Files that are listed as long as this library is used.
    lent: Mutex<Vec<PathBuf>>,
    /// Serialises changes; a listing needs no lock.
    change: Mutex<()>,
}

impl ModelLibrary {
    /// `home` is Lantern's data folder; `caches` are folders in the Hugging Face cache layout. Folders of other programs are
    /// not looked for.
    pub fn new(home: impl Into<PathBuf>, caches: Vec<PathBuf>) -> Self {
        let home = home.into();
        let headers = Headers::at(home.join("library-index.json"));
        Self { home, caches, account: None, headers, lent: Mutex::default(), change: Mutex::default() }
    }

    /// With the cache folder that the environment names, and the folders of other programs.
    pub fn from_env(home: impl Into<PathBuf>) -> Self {
        Self::new(home, vec![default_cache_dir()]).with_other_programs()
    }

    /// Looks for the folders of other programs, too.
    pub fn with_other_programs(self) -> Self {
        Self { account: Account::from_env(), ..self }
    }

    /// Lantern's own folder of model copies.
    pub fn models_dir(&self) -> PathBuf {
        self.home.join("models")
    }

    fn record(&self) -> Record {
        Record::at(self.home.join("library.json"))
    }

    fn lent(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.lent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The model of a file as it is listed. One that is not listed is from now on, as long as this library is used; no record
    /// is kept of that.
    pub fn lend(&self, path: &Path) -> LibraryModel {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let listed = || {
            let is_here =
                |model: &LibraryModel| model.places.iter().any(|place| Path::new(&place.path) == path);
            self.list().into_iter().find(is_here)
        };
        listed().unwrap_or_else(|| {
            self.lent().push(path.clone());
            listed().unwrap_or_else(|| self.describe_path(&path))
        })
    }

    /// Held while something is changed; other processes wait.
    fn begin_change(&self) -> Result<(MutexGuard<'_, ()>, Change), HubError> {
        let here = self.change.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((here, self.record().lock()?))
    }

    /// Every model, sorted by name: one for each content. Files that cannot be read are listed with their error.
    pub fn list(&self) -> Vec<LibraryModel> {
        let record = self.record().content();
        let mut found = self.scan().found;
        for found in found.iter_mut().filter(|found| found.sha256.is_none()) {
            let taken = record.hashes.get(&found.path);
            found.sha256 = taken.filter(|taken| taken.is_of(&found.path)).map(|taken| taken.sha256.clone());
        }
        let mut seen = self.headers.see(found);
        let lent = self.lent().clone();
        seen.retain(|seen| {
            let is_hidden = !lent.contains(&seen.found.path)
                && record.hidden.iter().any(|hidden| {
                    hidden.path == seen.found.path && hidden.content_id == seen.known.content_id
                });
            let is_named = matches!(seen.found.owner, PlaceOwner::File | PlaceOwner::Lantern);
            !is_hidden && (is_named || !seen.known.header.is_part)
        });
        entries::entries(seen)
    }

    /// Every model file, each path once for each of its names, and what could not be looked at.
    fn scan(&self) -> Scan {
        let mut all = Scan::default();
        for cache in &self.caches {
            all.found.extend(scan::hub_cache(cache, ModelSource::HubCache, PlaceOwner::HubCache));
        }
        if self.models_dir().is_dir() {
            all.found
                .extend(scan::folder(&self.models_dir(), ModelSource::Imported, PlaceOwner::Lantern).found);
        }
        let named = self.record().content().in_place.into_iter().chain(self.lent().clone());
        all.found.extend(named.map(|path| Found::in_place(path, PlaceOwner::File)));
        for source in self.used_sources() {
            let scan = source.scan();
            all.found.extend(scan.found);
            all.problems.extend(scan.problems);
        }
        let mut paths = std::collections::HashSet::new();
        all.found.retain(|found| paths.insert((found.path.clone(), found.name.clone())));
        all
    }

    /// Changes when a model file comes, goes or changes; for looking whether there is news.
    pub fn signature(&self) -> u64 {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hash = DefaultHasher::new();
        for found in self.scan().found {
            (&found.path, shards::ModelStamp::of(&found.path)).hash(&mut hash);
        }
        hash.finish()
    }

    /// What went wrong with the library's own file since it was last asked, to be shown once.
    pub fn take_notices(&self) -> Vec<ErrorInfo> {
        self.record().repair().into_iter().collect()
    }

    /// The model of a file that need not be in the library.
    pub fn describe_path(&self, path: &Path) -> LibraryModel {
        let found = Found::in_place(path.to_owned(), PlaceOwner::File);
        entries::alone(self.headers.see_one(found))
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

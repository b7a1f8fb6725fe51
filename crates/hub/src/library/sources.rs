//! Whose folder is laid out how.

use std::path::{Path, PathBuf};

use lantern_protocol::{ModelSource, PlaceOwner};

use super::scan::{self, Scan};
use super::{jan, ollama};
use crate::RepoId;

/// A folder in which models are looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) owner: PlaceOwner,
    pub(crate) path: PathBuf,
    /// Whether it was found without being named.
    pub(crate) known: bool,
}

impl Source {
    /// A folder that the user chose, with the owner that its layout shows.
    pub(crate) fn chosen(path: &Path) -> Self {
        let inside = path.join("models");
        let (owner, path) = match () {
            () if ollama::is_store(path) => (PlaceOwner::Ollama, path.to_owned()),
            () if ollama::is_store(&inside) => (PlaceOwner::Ollama, inside),
            () if jan::is_data_folder(path) => (PlaceOwner::Jan, path.to_owned()),
            () => (PlaceOwner::Folder, path.to_owned()),
        };
        Self { owner, path, known: false }
    }

    /// Its models, all used where they lie.
    pub(crate) fn scan(&self) -> Scan {
        match self.owner {
            PlaceOwner::Ollama => ollama::scan(&self.path),
            PlaceOwner::Jan => jan::scan(&self.path),
            PlaceOwner::LmStudio => lm_studio(&self.path),
            owner => {
                let cached = scan::hub_cache(&self.path, ModelSource::InPlace, owner);
                if !cached.is_empty() {
                    return Scan { found: cached, problems: Vec::new() };
                }
                scan::folder(&self.path, ModelSource::InPlace, owner)
            }
        }
    }
}

/// `<owner>/<repository>/<file>`, both of the Hub.
fn lm_studio(models: &Path) -> Scan {
    let mut scan = scan::folder(models, ModelSource::InPlace, PlaceOwner::LmStudio);
    for found in &mut scan.found {
        let parts: Vec<_> = found.path.strip_prefix(models).unwrap_or(&found.path).iter().collect();
        if let [owner, name, _, ..] = parts.as_slice() {
            let repo = format!("{}/{}", owner.to_string_lossy(), name.to_string_lossy());
            found.repo = RepoId::parse(&repo).ok().map(|repo| repo.as_str().to_owned());
        }
    }
    scan
}

//! Folders in which models are looked for: those of other programs, and those that the user chose.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::LibraryFolder;

use super::record::{self, Content};
use super::scan::Scan;
use super::sources::Source;
use super::{Account, ModelLibrary};
use crate::HubError;

impl ModelLibrary {
    /// Every folder that is used, and those of other programs that could be.
    pub fn folders(&self) -> Vec<LibraryFolder> {
        let content = self.record().content();
        let folder = |source: Source| {
            let used = source.is_used(&content);
            let scan = if used { source.scan() } else { Scan::default() };
            LibraryFolder {
                path: source.path.to_string_lossy().into_owned(),
                owner: source.owner,
                known: source.known,
                used,
                models: u32::try_from(scan.found.len()).unwrap_or(u32::MAX),
                error: scan.problems.into_iter().next(),
            }
        };
        self.sources(&content).into_iter().map(folder).collect()
    }

    /// Uses the models of a folder where they lie, now and later. One of another program is used again.
    pub fn add_folder(&self, path: &Path) -> Result<LibraryFolder, HubError> {
        let path = std::path::absolute(path).map_err(HubError::io("find", path))?;
        fs::read_dir(&path).map_err(HubError::io("read", &path))?;
        let (_here, held) = self.begin_change()?;
        let sources = self.sources(&self.record().content());
        let source = sources.into_iter().find(|source| source.is_at(&path));
        let source = source.unwrap_or_else(|| Source::chosen(&path));
        self.record().change(&held, |content| {
            content.unused.retain(|unused| !source.is_at(unused));
            if !source.known {
                record::add(&mut content.folders, &source.path);
            }
        })?;
        let used = self.folders().into_iter().find(|folder| source.is_at(Path::new(&folder.path)));
        used.ok_or_else(|| HubError::Internal(format!("{} was not added", path.display())))
    }

    /// Leaves a folder alone from now on; nothing in it is touched. Whether it was used.
    pub fn remove_folder(&self, path: &Path) -> Result<bool, HubError> {
        let path = std::path::absolute(path).map_err(HubError::io("find", path))?;
        let (_here, held) = self.begin_change()?;
        let content = self.record().content();
        let Some(source) = self.sources(&content).into_iter().find(|source| source.is_at(&path)) else {
            return Ok(false);
        };
        let was_used = source.is_used(&content);
        self.record().change(&held, |content| {
            content.folders.retain(|folder| !source.is_at(folder));
            if source.known {
                record::add(&mut content.unused, &source.path);
            }
        })?;
        Ok(was_used)
    }

    pub(super) fn used_sources(&self) -> Vec<Source> {
        let content = self.record().content();
        self.sources(&content).into_iter().filter(|source| source.is_used(&content)).collect()
    }

    /// The chosen ones first.
    fn sources(&self, content: &Content) -> Vec<Source> {
        let mut sources: Vec<Source> = content.folders.iter().map(|path| Source::chosen(path)).collect();
        let known = self.account.as_ref().map(Account::folders).unwrap_or_default();
        for (owner, path) in known {
            if !sources.iter().any(|source| source.is_at(&path)) {
                sources.push(Source { owner, path, known: true });
            }
        }
        sources
    }
}

impl Source {
    fn is_used(&self, content: &Content) -> bool {
        !self.known || !content.unused.iter().any(|unused| self.is_at(unused))
    }

    /// Whether this is the folder at a path, whatever links lead there; for Ollama's store the folder around it, too.
    fn is_at(&self, path: &Path) -> bool {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (own, other): (PathBuf, PathBuf) = (real(&self.path), real(path));
        own == other || own == real(&Source::chosen(path).path)
    }
}

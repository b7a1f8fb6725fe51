//! Which conversations have a share in which files, so that what was written in one is deleted with it.
//!
//! Each owner has a list of the files it made or used, of all models: lines of `folder/name`, at whose end new ones are
//! added before the file itself is written. A line may name a file that is gone, or was never finished. A file without
//! an owner stays until the quota takes it.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::folder::{DiskCacheOptions, create_private, lock, remove};
use super::name::FileName;
use super::point::{Point, hex};

/// The folder of the lists.
pub(super) const FOLDER: &str = "owners";
/// What a list's name ends in.
pub(super) const EXTENSION: &str = "list";

impl DiskCacheOptions {
    /// Deletes what `owner` alone had a share in, of all models. An engine that is loaded should be asked instead
    /// ([`Engine::forget_prefixes`](crate::Engine::forget_prefixes)), because it may be about to write more.
    pub fn forget(&self, owner: &str) -> io::Result<()> {
        self.forget_all_of(owner).map(drop)
    }

    /// The same; says which files were deleted.
    pub(super) fn forget_all_of(&self, owner: &str) -> io::Result<Vec<PathBuf>> {
        let list = self.list(owner);
        if !list.exists() {
            self.pin(owner, false)?;
            return Ok(Vec::new());
        }
        let Some(_lock) = lock(&self.folder)? else {
            return Err(io::Error::other("another process does not let go of the folder"));
        };
        let others: BTreeSet<String> =
            self.lists().iter().filter(|other| **other != list).flat_map(|other| lines(other)).collect();
        let mut removed = Vec::new();
        for line in lines(&list).difference(&others) {
            if let Some(path) = self.path_of(line) {
                remove(&path)?;
                removed.push(path);
            }
        }
        self.pin(owner, false)?;
        // Last of all: after a failure, another attempt finds what is left.
        remove(&list)?;
        Ok(removed)
    }

    /// What is to be added to an owner's list for a share in files of a model's folder; empty when all of it is there.
    /// The caller holds the lock.
    pub(super) fn new_lines(&self, owner: &str, folder: &str, names: &[FileName]) -> String {
        let known = lines(&self.list(owner));
        let new = names.iter().map(|name| format!("{folder}/{name}")).filter(|line| !known.contains(line));
        // A line that was cut short by a crash must not swallow the next one, and an empty line names nothing.
        new.map(|line| format!("\n{line}\n")).collect()
    }

    /// Adds lines to an owner's list. The caller holds the lock.
    pub(super) fn add_lines(&self, owner: &str, lines: &str) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        create_private(&self.folder.join(FOLDER))?;
        let mut file = File::options().append(true).create(true).open(self.list(owner))?;
        file.write_all(lines.as_bytes())?;
        file.sync_data()
    }

    /// Drops lists of which no file is left. The caller holds the lock.
    pub(super) fn drop_empty_lists(&self) {
        let is_there = |line: &String| self.path_of(line).is_some_and(|path| path.exists());
        for list in self.lists().iter().filter(|list| !lines(list).iter().any(is_there)) {
            // Another attempt is made at the next start.
            let _ = remove(list);
        }
    }

    /// All lists.
    pub(super) fn lists(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.join(FOLDER)).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == EXTENSION)).collect()
    }

    pub(super) fn list(&self, owner: &str) -> PathBuf {
        let name = hex(&Sha256::digest(owner)[..16]);
        self.folder.join(FOLDER).join(name).with_extension(EXTENSION)
    }

    /// The file that a line names; nothing outside of the folder, whatever it says.
    pub(super) fn path_of(&self, line: &str) -> Option<PathBuf> {
        let (folder, name) = line.split_once('/')?;
        let name: FileName = name.parse().ok()?;
        // A model's folder is named like a point.
        Point::from_hex(folder)?;
        Some(self.folder.join(folder).join(name.to_string()))
    }
}

/// A list's lines. What cannot be read has none.
pub(super) fn lines(list: &Path) -> BTreeSet<String> {
    let text = fs::read(list).unwrap_or_default();
    String::from_utf8_lossy(&text).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

//! The part file of a download: bytes that have arrived, in any order, and the journal that says which.
//!
//! `blobs/<tag>.lantern.incomplete` holds the bytes, `….json` beside it is the [`Journal`]. The name is not the one that
//! Python's tools use for theirs: they take the length of a part for what has arrived, which is wrong where ranges are
//! written in any order. Their parts, which grow from the beginning, are taken over. The lock is held as long as the part
//! is open, so two programs never write into one file.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::HubError;
use crate::transfer::Journal;

const SUFFIX: &str = ".lantern.incomplete";
/// How others call a part, and Lantern did once.
const OTHERS: &str = ".incomplete";

/// An open part file.
pub(crate) struct Part {
    pub(crate) file: Arc<File>,
    pub(crate) journal: Journal,
    path: PathBuf,
    blob: PathBuf,
    _lock: File,
}

impl Part {
    /// Opens the part of `blob`, takes over another program's, or creates one. What is known to be on the disk is in its
    /// journal.
    pub(crate) fn open(blob: &Path, wanted: Journal, lock: File) -> Result<Self, HubError> {
        let path = with_suffix(blob, SUFFIX);
        let found = Journal::read(&journal_path(&path)).filter(|found| found.continues(&wanted));
        let known = path.exists();
        let mut journal = Journal { have: Default::default(), ..wanted };
        match found {
            Some(found) if known => journal.have = found.have,
            _ if !known => take_over(blob, &path, &mut journal)?,
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(HubError::write("open", &path))?;
        // Somebody may have shortened the file, or put another in its place.
        let length = file.metadata().map_err(HubError::io("read", &path))?.len();
        journal.have = journal.have.below(length);
        if journal.have.total() == 0 || length > journal.total {
            file.set_len(journal.have.total().min(journal.total))
                .map_err(HubError::write("shorten", &path))?;
            journal.have = journal.have.below(journal.total);
        }
        journal.write(&journal_path(&path))?;
        Ok(Self { file: Arc::new(file), journal, path, blob: blob.to_owned(), _lock: lock })
    }

    /// Makes all bytes of `have` durable, then says so in the journal.
    pub(crate) fn keep(&mut self, have: crate::transfer::Ranges) -> Result<(), HubError> {
        self.file.sync_data().map_err(HubError::write("write", &self.path))?;
        self.check_place()?;
        self.journal.have = have;
        self.journal.write(&journal_path(&self.path))
    }

    /// Whether the file is still under its name: bytes written into a deleted file are lost.
    fn check_place(&self) -> Result<(), HubError> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let own = self.file.metadata().map_err(HubError::io("read", &self.path))?;
            let there = fs::metadata(&self.path).ok();
            if there.is_none_or(|there| (there.dev(), there.ino()) != (own.dev(), own.ino())) {
                return Err(HubError::PartGone { path: self.path.clone() });
            }
        }
        Ok(())
    }

    /// Throws the bytes away and begins anew.
    pub(crate) fn restart(&mut self) -> Result<(), HubError> {
        self.keep(Default::default())?;
        self.file.set_len(0).map_err(HubError::write("shorten", &self.path))
    }

    /// Turns the part into the blob.
    pub(crate) fn finish(self) -> Result<(), HubError> {
        self.file.sync_all().map_err(HubError::write("write", &self.path))?;
        self.check_place()?;
        fs::rename(&self.path, &self.blob).map_err(HubError::write("rename", &self.path))?;
        let _ = fs::remove_file(journal_path(&self.path));
        sync_folder(&self.blob);
        Ok(())
    }

    /// Puts bytes that turned out to be wrong aside, where nothing takes them for a model, and says where.
    pub(crate) fn quarantine(self) -> Result<PathBuf, HubError> {
        let aside = with_suffix(&self.blob, ".quarantine");
        let _ = fs::remove_file(journal_path(&self.path));
        fs::rename(&self.path, &aside).map_err(HubError::write("rename", &self.path))?;
        Ok(aside)
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the part of another program, or of an older Lantern, our own. Its bytes go from the beginning to its end; that
/// they are the right ones is known only from the hash.
fn take_over(blob: &Path, path: &Path, journal: &mut Journal) -> Result<(), HubError> {
    let theirs = with_suffix(blob, OTHERS);
    let note = with_suffix(&theirs, ".json");
    let length = fs::metadata(&theirs).ok().filter(|meta| meta.is_file()).map_or(0, |meta| meta.len());
    // An older Lantern wrote down what the bytes are of.
    let of_another = fs::read(&note).ok().and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let fits = of_another.is_none_or(|note| {
        note["etag"] == journal.etag.as_str() && note["sha256"].as_str() == journal.sha256.as_deref()
    });
    if length == 0 || length > journal.total || journal.sha256.is_none() || !fits {
        return Ok(());
    }
    // Before the file has its new name: a journal of a file that is not there says nothing.
    journal.have.insert(0..length);
    journal.write(&journal_path(path))?;
    fs::rename(&theirs, path).map_err(HubError::write("rename", &theirs))?;
    let _ = fs::remove_file(note);
    Ok(())
}

/// Makes a rename last. Where folders cannot be synced the system does it in its own time.
fn sync_folder(path: &Path) {
    #[cfg(unix)]
    if let Some(folder) = path.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = folder.sync_all();
    }
    #[cfg(not(unix))]
    let _ = path;
}

fn journal_path(part: &Path) -> PathBuf {
    with_suffix(part, ".json")
}

/// Writes at a place without moving anybody's.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let mut done = 0;
        while done < bytes.len() {
            match file.seek_write(&bytes[done..], at + done as u64)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => done += n,
            }
        }
        Ok(())
    }
}

/// Reads what is at a place, at most as much as `buffer` takes.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::read_at(file, buffer, at)
    }
    #[cfg(windows)]
    {
        std::os::windows::fs::FileExt::seek_read(file, buffer, at)
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::Ranges;

    fn journal(etag: &str, sha256: Option<&str>) -> Journal {
        Journal { sha256: sha256.map(str::to_owned), ..Journal::new("o/n", "f.gguf", "c", etag, 10) }
    }

    fn open(dir: &Path, wanted: Journal) -> Part {
        Part::open(&dir.join("blob"), wanted, File::create(dir.join("lock")).unwrap()).unwrap()
    }

    #[test]
    fn only_what_the_journal_says_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = open(dir.path(), journal("a", None));
        write_all_at(&part.file, b"89", 8).unwrap();
        part.keep(Ranges::from(vec![(8, 10)])).unwrap();
        write_all_at(&part.file, b"01", 0).unwrap();
        drop(part);
        let part = open(dir.path(), journal("a", None));
        assert_eq!(part.journal.have, Ranges::from(vec![(8, 10)]), "the file is as long as the whole");
        drop(part);
        fs::write(dir.path().join("blob.lantern.incomplete"), b"012345678").unwrap();
        assert_eq!(open(dir.path(), journal("a", None)).journal.have, Ranges::from(vec![(8, 9)]));
        assert_eq!(open(dir.path(), journal("b", None)).journal.have, Ranges::default());
        assert_eq!(fs::metadata(dir.path().join("blob.lantern.incomplete")).unwrap().len(), 0);
    }

    #[test]
    fn parts_that_grew_from_the_beginning_are_taken_over_if_a_hash_will_check_them() {
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("blob.incomplete");
        fs::write(&theirs, b"01234").unwrap();
        assert_eq!(open(dir.path(), journal("a", None)).journal.have.total(), 0);
        fs::remove_file(dir.path().join("blob.lantern.incomplete")).unwrap();
        fs::write(dir.path().join("blob.incomplete.json"), br#"{"etag":"other","sha256":"h"}"#).unwrap();
        assert_eq!(open(dir.path(), journal("a", Some("h"))).journal.have.total(), 0);
        fs::remove_file(dir.path().join("blob.lantern.incomplete")).unwrap();
        fs::write(dir.path().join("blob.incomplete.json"), br#"{"etag":"a","sha256":"h"}"#).unwrap();
        assert_eq!(open(dir.path(), journal("a", Some("h"))).journal.have, Ranges::from(vec![(0, 5)]));
        assert!(!theirs.exists());
    }

    #[test]
    #[cfg(unix)]
    fn a_part_that_was_deleted_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = open(dir.path(), journal("a", None));
        fs::remove_file(part.path()).unwrap();
        let error = part.keep(Ranges::from(vec![(0, 5)])).unwrap_err();
        assert_eq!(error.code(), "part_file_gone");
    }
}

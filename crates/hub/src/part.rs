//! The part file of a download: bytes that have arrived, their running hash, and a small journal beside them.
//!
//! `blobs/<tag>.incomplete` holds the bytes, `blobs/<tag>.incomplete.json` says what they belong to. The lock is held as
//! long as the part is open, so two programs never write into one file. After a crash the hash is taken anew from the
//! bytes on disk: what is verified at the end is what lies there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::HubError;
use crate::cache::write_atomically;

/// What the bytes of a part belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) repo: String,
    pub(crate) file: String,
    pub(crate) commit: String,
    pub(crate) etag: String,
    pub(crate) total: Option<u64>,
    pub(crate) sha256: Option<String>,
    /// Strong entity tag of the server that sent the bytes, for `If-Range`.
    pub(crate) validator: Option<String>,
}

impl Journal {
    /// Whether the bytes of `self` may be continued as `wanted`. A hash makes the commit irrelevant.
    fn continues(&self, wanted: &Self) -> bool {
        self.etag == wanted.etag && self.total == wanted.total && self.sha256 == wanted.sha256
    }
}

/// An open part file.
pub(crate) struct Part {
    file: File,
    path: PathBuf,
    journal: Journal,
    len: u64,
    hash: Sha256,
    _lock: File,
}

impl Part {
    /// Opens or creates the part of `blob`, and hashes what is there. `tick` is told how far the hashing is and may
    /// stop it by returning false.
    pub(crate) fn open(
        blob: &Path,
        wanted: Journal,
        lock: File,
        mut tick: impl FnMut(u64) -> bool,
    ) -> Result<Self, HubError> {
        let path = with_suffix(blob, ".incomplete");
        let found = read_journal(&path);
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(HubError::io("open", &path))?;
        let len = file.metadata().map_err(HubError::io("read", &path))?.len();
        let usable = match &found {
            Some(found) => found.continues(&wanted),
            // Other tools keep no journal, but name the part after the hash, which will be verified.
            None => wanted.sha256.is_some(),
        } && wanted.total.is_none_or(|total| len <= total);
        let validator = found.filter(|_| usable).and_then(|found| found.validator);
        let mut part = Self {
            file,
            path,
            journal: Journal { validator, ..wanted },
            len: 0,
            hash: Sha256::new(),
            _lock: lock,
        };
        if usable {
            part.rehash(&mut tick)?;
        } else {
            part.restart()?;
        }
        part.write_journal()?;
        Ok(part)
    }

    fn rehash(&mut self, tick: &mut impl FnMut(u64) -> bool) -> Result<(), HubError> {
        let mut buffer = vec![0; 1 << 20];
        let fail = HubError::io("read", &self.path);
        let mut step = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(0))?;
            loop {
                let n = self.file.read(&mut buffer)?;
                self.hash.update(&buffer[..n]);
                self.len += n as u64;
                if n == 0 || !tick(self.len) {
                    return Ok(());
                }
            }
        };
        step().map_err(fail)
    }

    /// Bytes on disk, all of them hashed.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn validator(&self) -> Option<&str> {
        self.journal.validator.as_deref()
    }

    /// Remembers which server's bytes these are.
    pub(crate) fn set_validator(&mut self, validator: Option<String>) -> Result<(), HubError> {
        if self.journal.validator == validator {
            return Ok(());
        }
        self.journal.validator = validator;
        self.write_journal()
    }

    /// Throws the bytes away and begins at zero.
    pub(crate) fn restart(&mut self) -> Result<(), HubError> {
        self.len = 0;
        self.hash = Sha256::new();
        let cut = self.file.set_len(0).and_then(|()| self.file.seek(SeekFrom::Start(0)));
        cut.map(|_| ()).map_err(HubError::io("shorten", &self.path))
    }

    /// Adds bytes. After an error the file ends where it ended before.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(bytes) {
            self.file.set_len(self.len)?;
            self.file.seek(SeekFrom::Start(self.len))?;
            return Err(error);
        }
        self.hash.update(bytes);
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// SHA-256 of everything so far, in hex.
    pub(crate) fn sha256(&self) -> String {
        format!("{:x}", self.hash.clone().finalize())
    }

    /// Turns the part into the blob.
    pub(crate) fn finish(self, blob: &Path) -> Result<(), HubError> {
        self.file.sync_all().map_err(HubError::io("write", &self.path))?;
        fs::rename(&self.path, blob).map_err(HubError::io("rename", &self.path))?;
        let _ = fs::remove_file(journal_path(&self.path));
        Ok(())
    }

    /// Deletes bytes that turned out to be wrong.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(journal_path(&self.path));
    }

    fn write_journal(&self) -> Result<(), HubError> {
        let json = serde_json::to_vec_pretty(&self.journal)
            .map_err(|error| HubError::Internal(error.to_string()))?;
        write_atomically(&journal_path(&self.path), &json)
    }
}

/// A journal that is missing or cut short counts as none.
fn read_journal(part: &Path) -> Option<Journal> {
    serde_json::from_slice(&fs::read(journal_path(part)).ok()?).ok()
}

fn journal_path(part: &Path) -> PathBuf {
    with_suffix(part, ".json")
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(etag: &str) -> Journal {
        Journal {
            repo: "o/n".into(),
            file: "f.gguf".into(),
            commit: "c".into(),
            etag: etag.into(),
            total: Some(10),
            sha256: None,
            validator: None,
        }
    }

    fn open(dir: &Path, wanted: Journal) -> Part {
        let lock = File::create(dir.join("lock")).unwrap();
        Part::open(&dir.join("blob"), wanted, lock, |_| true).unwrap()
    }

    #[test]
    fn a_part_is_continued_with_the_same_hash_as_if_it_had_never_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let mut part = open(dir.path(), journal("a"));
        part.append(b"01234").unwrap();
        part.set_validator(Some("\"v\"".into())).unwrap();
        drop(part);
        let mut part = open(dir.path(), journal("a"));
        assert_eq!((part.len(), part.validator()), (5, Some("\"v\"")));
        part.append(b"56789").unwrap();
        assert_eq!(part.sha256(), format!("{:x}", Sha256::digest(b"0123456789")));
        part.finish(&dir.path().join("blob")).unwrap();
        assert_eq!(fs::read(dir.path().join("blob")).unwrap(), b"0123456789");
    }

    #[test]
    fn a_part_of_other_content_is_not_continued() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path(), journal("a")).append(b"01234").unwrap();
        assert_eq!(open(dir.path(), journal("b")).len(), 0);
    }

    #[test]
    fn a_damaged_journal_costs_the_part_only_when_nothing_else_identifies_it() {
        let dir = tempfile::tempdir().unwrap();
        for (sha256, kept) in [(None, 0), (Some("0".repeat(64)), 5)] {
            open(dir.path(), journal("a")).append(b"01234").unwrap();
            fs::write(dir.path().join("blob.incomplete.json"), b"{\"repo\":").unwrap();
            assert_eq!(open(dir.path(), Journal { sha256, ..journal("a") }).len(), kept);
        }
    }
}

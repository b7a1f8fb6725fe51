//! What is known of a part file, durably: whose bytes they are, and which of them are on the disk.
//!
//! The journal is a small JSON file beside the part. It is replaced as a whole (draft, fsync, rename) and only ever says of
//! bytes that they are there after they were synced, so it is right after a kill and after a loss of power; the length of
//! the part file means nothing, since ranges are written in any order. It carries a checksum of itself: a journal that is
//! damaged, cut short or of another version counts as none.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ranges::Ranges;
use crate::HubError;
use crate::cache::write_atomically;

const VERSION: u32 = 2;

/// What the bytes of a part belong to, and which are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Journal {
    pub(crate) version: u32,
    pub(crate) repo: String,
    pub(crate) file: String,
    pub(crate) commit: String,
    pub(crate) etag: String,
    pub(crate) total: u64,
    pub(crate) sha256: Option<String>,
    pub(crate) have: Ranges,
}

/// As it lies on the disk.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// SHA-256 of the journal as JSON without spaces.
    check: String,
    journal: Journal,
}

impl Journal {
    pub(crate) fn new(repo: &str, file: &str, commit: &str, etag: &str, total: u64) -> Self {
        Self {
            version: VERSION,
            repo: repo.into(),
            file: file.into(),
            commit: commit.into(),
            etag: etag.into(),
            total,
            sha256: None,
            have: Ranges::default(),
        }
    }

    pub(crate) fn read(path: &Path) -> Option<Self> {
        let sealed: Sealed = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
        let journal = sealed.journal;
        let right = journal.version == VERSION && check(&journal).ok()? == sealed.check;
        right.then(|| Self { have: journal.have.below(journal.total), ..journal })
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), HubError> {
        let sealed = Sealed { check: check(self)?, journal: self.clone() };
        write_atomically(path, &json(&sealed)?)
    }

    /// Whether the bytes of `self` may be continued as `wanted`. The entity tag names the content, so it does not matter at
    /// which commit or under which name it was begun.
    pub(crate) fn continues(&self, wanted: &Self) -> bool {
        self.etag == wanted.etag && self.total == wanted.total && self.sha256 == wanted.sha256
    }
}

fn check(journal: &Journal) -> Result<String, HubError> {
    Ok(format!("{:x}", Sha256::digest(json(journal)?)))
}

fn json(value: &impl Serialize) -> Result<Vec<u8>, HubError> {
    serde_json::to_vec(value).map_err(|error| HubError::Internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_is_not_exactly_what_was_written_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.json");
        let mut journal = Journal::new("o/n", "f.gguf", "c", "tag", 100);
        journal.have.insert(10..20);
        journal.write(&path).unwrap();
        assert_eq!(Journal::read(&path).as_ref(), Some(&journal));
        let whole = fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            assert_eq!(Journal::read(&path), None, "cut at {cut}");
        }
        let text = String::from_utf8(whole).unwrap();
        fs::write(&path, text.replace("[10,20]", "[10,90]")).unwrap();
        assert_eq!(Journal::read(&path), None, "more is claimed than was written");
    }
}

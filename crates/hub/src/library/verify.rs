//! Whether a model's bytes are the right ones: every file read whole, its SHA-256 held against what is known of it.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lantern_protocol::{CheckState, FileCheck, LibraryModel};
use sha2::{Digest, Sha256};

use super::ModelLibrary;
use super::entries::identity;
use super::record::Taken;
use super::scan::blob_sha256;
use super::shards::{ModelStamp, files_of};
use crate::HubError;

/// What to compare with, and who says so.
type Expected = (String, &'static str);

impl ModelLibrary {
    /// Reads all files of a model at all its places, each once; `told` hears the bytes read of all bytes and says whether to
    /// go on. What nobody knew before is recorded, and held against the file the next time.
    pub fn verify(
        &self,
        id: &str,
        mut told: impl FnMut(u64, u64) -> bool,
    ) -> Result<Vec<FileCheck>, HubError> {
        let model = self.by_id(id)?;
        let files = files(&model);
        let total = files.iter().map(|file| ModelStamp::of_file(file).size).sum();
        let mut done = 0;
        let mut checks = Vec::new();
        for file in files {
            let stamp = ModelStamp::of_file(&file);
            let actual = hash(&file, |bytes| {
                done += bytes;
                told(done, total)
            })?;
            checks.push(self.judge(&model, file, stamp, actual)?);
        }
        Ok(checks)
    }

    fn judge(
        &self,
        model: &LibraryModel,
        file: PathBuf,
        stamp: ModelStamp,
        actual: Option<String>,
    ) -> Result<FileCheck, HubError> {
        let expected = self.expected(model, &file, stamp);
        let state = match (&actual, &expected) {
            (None, _) => CheckState::Unreadable,
            (Some(actual), Some((expected, _))) if actual == expected => CheckState::Right,
            (Some(_), Some(_)) => CheckState::Wrong,
            (Some(_), None) => CheckState::Recorded,
        };
        if let (CheckState::Recorded, Some(sha256)) = (state, actual.clone()) {
            self.record_hash(&file, sha256, stamp)?;
        }
        Ok(FileCheck {
            path: file.to_string_lossy().into_owned(),
            state,
            sha256: actual,
            known_from: expected.as_ref().map(|(_, who)| (*who).to_owned()),
            expected: expected.map(|(sha256, _)| sha256),
        })
    }

    /// The name of the blob, or an earlier check of a file of this length.
    fn expected(&self, model: &LibraryModel, file: &Path, stamp: ModelStamp) -> Option<Expected> {
        let named = blob_sha256(file).or_else(|| {
            let place = model.places.iter().find(|place| Path::new(&place.path) == file)?;
            let is_named = place.sha256.as_deref().is_some_and(|sha256| place.path.ends_with(sha256));
            place.sha256.clone().filter(|_| is_named)
        });
        let earlier = || {
            let taken = self.record().content().hashes.get(file).cloned()?;
            (taken.stamp.size == stamp.size).then_some((taken.sha256, "earlier check"))
        };
        named.map(|sha256| (sha256, "file name")).or_else(earlier)
    }

    pub(super) fn record_hash(&self, file: &Path, sha256: String, stamp: ModelStamp) -> Result<(), HubError> {
        let (_here, held) = self.begin_change()?;
        self.record().change(&held, |content| {
            content.hashes.retain(|path, _| path.exists());
            content.hashes.insert(file.to_owned(), Taken { sha256, stamp });
        })
    }
}

/// Every file of every place, each content of the disk once.
fn files(model: &LibraryModel) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let all = model.places.iter().flat_map(|place| files_of(Path::new(&place.path)));
    all.filter(|file| seen.insert(identity(file))).collect()
}

/// `None` for a file that cannot be read.
pub(super) fn hash(path: &Path, mut told: impl FnMut(u64) -> bool) -> Result<Option<String>, HubError> {
    let Ok(mut file) = File::open(path) else { return Ok(None) };
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Some(format!("{:x}", hash.finalize()))),
            Ok(n) => {
                hash.update(&buffer[..n]);
                if !told(n as u64) {
                    return Err(HubError::CheckStopped);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
    }
}

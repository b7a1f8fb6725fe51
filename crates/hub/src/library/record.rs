//! What the user said about the library: files and folders used where they lie, what is not to be listed, and hashes that
//! were taken. A small JSON file, old or new, never half.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lantern_protocol::ErrorInfo;
use serde::{Deserialize, Serialize};

use super::shards::ModelStamp;
use crate::HubError;
use crate::cache::{make_parent, write_atomically};
use crate::part::with_suffix;

/// The record on disk.
pub(crate) struct Record {
    path: PathBuf,
}

/// What is in it. Fields of later versions are lost when an older one writes.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Content {
    version: u32,
    /// Files, and folders that are models, used where they lie.
    pub(crate) in_place: Vec<PathBuf>,
    /// Folders in which models are looked for.
    pub(crate) folders: Vec<PathBuf>,
    /// Folders of other programs that are left alone.
    pub(crate) unused: Vec<PathBuf>,
    /// Files in folders that are not listed.
    pub(crate) hidden: Vec<Hidden>,
    /// SHA-256 of files that were read whole, by path.
    pub(crate) hashes: BTreeMap<PathBuf, Taken>,
}

/// A file that is not listed, as long as it has this content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hidden {
    pub(crate) path: PathBuf,
    pub(crate) content_id: String,
}

/// A hash that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Taken {
    /// In hex.
    pub(crate) sha256: String,
    /// How the file was then.
    pub(crate) stamp: ModelStamp,
}

impl Taken {
    /// Whether the file is still as it was.
    pub(crate) fn is_of(&self, path: &Path) -> bool {
        ModelStamp::of_file(path) == self.stamp
    }
}

/// Held while something is changed, in this process and in all others.
pub(crate) struct Change {
    _file: File,
}

enum State {
    Missing,
    Good(Content),
    Damaged(String),
}

impl Record {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Waits a while for other processes.
    pub(crate) fn lock(&self) -> Result<Change, HubError> {
        let path = self.path.with_extension("lock");
        make_parent(&path)?;
        let file = File::create(&path).map_err(HubError::io("create", &path))?;
        for _ in 0..200 {
            match file.try_lock() {
                Ok(()) => return Ok(Change { _file: file }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(50)),
                Err(TryLockError::Error(error)) => return Err(HubError::io("lock", &path)(error)),
            }
        }
        Err(HubError::LibraryBusy)
    }

    fn read(&self) -> State {
        match fs::read(&self.path) {
            Ok(bytes) => match serde_json::from_slice(&bytes) {
                Ok(content) => State::Good(content),
                Err(error) => State::Damaged(error.to_string()),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => State::Missing,
            Err(error) => State::Damaged(error.to_string()),
        }
    }

    /// What is in the record; a damaged one counts as empty until it is repaired.
    pub(crate) fn content(&self) -> Content {
        match self.read() {
            State::Good(content) => content,
            State::Missing | State::Damaged(_) => Content::default(),
        }
    }

    /// Puts a damaged record aside and says so.
    pub(crate) fn repair(&self) -> Option<ErrorInfo> {
        let State::Damaged(why) = self.read() else { return None };
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let aside = with_suffix(&self.path, &format!(".damaged-{seconds}"));
        let kept = fs::rename(&self.path, &aside).is_ok();
        Some(ErrorInfo {
            code: "library_damaged".into(),
            message: format!("The list of model files used in place could not be read ({why})."),
            next_step: if kept {
                format!("It is kept as {}; add those files and folders again with Import.", aside.display())
            } else {
                format!("Check the permissions of {}.", self.path.display())
            },
        })
    }

    pub(crate) fn change(&self, _held: &Change, edit: impl FnOnce(&mut Content)) -> Result<(), HubError> {
        if let Some(notice) = self.repair() {
            tracing::warn!("{notice}");
        }
        let mut content = self.content();
        edit(&mut content);
        content.version = 2;
        let json =
            serde_json::to_vec_pretty(&content).map_err(|error| HubError::Internal(error.to_string()))?;
        write_atomically(&self.path, &json)
    }
}

/// Adds what is not there yet.
pub(crate) fn add(paths: &mut Vec<PathBuf>, path: &Path) {
    if !paths.iter().any(|known| known == path) {
        paths.push(path.to_owned());
    }
}

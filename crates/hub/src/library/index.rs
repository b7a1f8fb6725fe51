//! The list of files that are used where they lie: a small JSON file, old or new, never half.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use lantern_protocol::ErrorInfo;
use serde::{Deserialize, Serialize};

use crate::HubError;
use crate::cache::write_atomically;
use crate::part::with_suffix;

/// The list on disk.
pub(crate) struct Index {
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Content {
    version: u32,
    in_place: Vec<PathBuf>,
}

enum State {
    Missing,
    Good(Content),
    Damaged(String),
}

impl Index {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path }
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

    /// Files in the list; a damaged list counts as empty until it is repaired.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        match self.read() {
            State::Good(content) => content.in_place,
            State::Missing | State::Damaged(_) => Vec::new(),
        }
    }

    /// Puts a damaged list aside and says so.
    pub(crate) fn repair(&self) -> Option<ErrorInfo> {
        let State::Damaged(why) = self.read() else { return None };
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let aside = with_suffix(&self.path, &format!(".damaged-{seconds}"));
        let kept = fs::rename(&self.path, &aside).is_ok();
        Some(ErrorInfo {
            code: "library_damaged".into(),
            message: format!("The list of model files used in place could not be read ({why})."),
            next_step: if kept {
                format!("It is kept as {}; add those files again with Import.", aside.display())
            } else {
                format!("Check the permissions of {}.", self.path.display())
            },
        })
    }

    pub(crate) fn add(&self, path: &Path) -> Result<(), HubError> {
        self.change(|paths| {
            if !paths.iter().any(|known| known == path) {
                paths.push(path.to_owned());
            }
        })
    }

    pub(crate) fn forget(&self, path: &Path) -> Result<(), HubError> {
        self.change(|paths| paths.retain(|known| known != path))
    }

    fn change(&self, edit: impl FnOnce(&mut Vec<PathBuf>)) -> Result<(), HubError> {
        if let Some(notice) = self.repair() {
            tracing::warn!("{notice}");
        }
        let mut paths = self.paths();
        edit(&mut paths);
        let content = Content { version: 1, in_place: paths };
        let json =
            serde_json::to_vec_pretty(&content).map_err(|error| HubError::Internal(error.to_string()))?;
        write_atomically(&self.path, &json)
    }
}

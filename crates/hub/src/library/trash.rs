//! What was removed and can be restored: files that were moved aside on the disk they lay on, with a note of where they were.
//!
//! The note, `trash/<id>.json` in the data folder, is written before anything moves, so that a removal that was cut short
//! can be taken back like a whole one. A file goes into a folder on its own disk: beside the note, or inside the shared
//! cache's folder of locks, which the cache's other users pass over.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use lantern_protocol::RemovedModel;
use serde::{Deserialize, Serialize};

use super::ModelLibrary;
use super::record::Hidden;
use crate::HubError;
use crate::cache::{make_parent, write_atomically};

/// How long what was removed can be restored.
const KEPT_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// Everything one removal did.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Removal {
    pub(crate) id: String,
    pub(crate) model: String,
    pub(crate) bytes: u64,
    pub(crate) removed_at: i64,
    /// In the order in which they were moved.
    pub(crate) moves: Vec<Move>,
    /// Files that are only no longer listed.
    pub(crate) hidden: Vec<Hidden>,
    pub(crate) in_place: Vec<PathBuf>,
}

/// A file, or a link, that was renamed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Move {
    pub(crate) from: PathBuf,
    pub(crate) to: PathBuf,
}

impl Removal {
    /// Whether it moves this file.
    pub(crate) fn takes(&self, file: &Path) -> bool {
        self.moves.iter().any(|step| step.from == file)
    }

    /// Whether everything it moved went into a folder of its own: nothing else is ever deleted.
    fn is_sound(&self) -> bool {
        let own = |step: &Move| step.to.parent().is_some_and(|folder| folder.ends_with(&self.id));
        !self.id.is_empty() && self.moves.iter().all(own)
    }

    pub(crate) fn told(&self) -> RemovedModel {
        let kept = self.in_place.iter().chain(self.hidden.iter().map(|hidden| &hidden.path));
        RemovedModel {
            id: self.id.clone(),
            model: self.model.clone(),
            bytes: self.bytes,
            kept: kept.filter(|path| path.exists()).map(|path| path.to_string_lossy().into_owned()).collect(),
            removed_at: self.removed_at,
            expires_at: self.removed_at.saturating_add(KEPT_MS),
        }
    }

    fn delete(&self, note: &Path) -> Result<(), HubError> {
        for step in &self.moves {
            gone(fs::remove_file(&step.to)).map_err(HubError::io("delete", &step.to))?;
            step.to.parent().map(fs::remove_dir);
        }
        gone(fs::remove_file(note)).map_err(HubError::io("delete", note))
    }
}

/// What is not there need not be deleted.
fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl ModelLibrary {
    fn trash(&self) -> PathBuf {
        self.home.join("trash")
    }

    fn note(&self, id: &str) -> PathBuf {
        self.trash().join(format!("{id}.json"))
    }

    /// A removal that has not begun yet.
    pub(super) fn new_removal(&self, model: &str) -> Removal {
        let removed_at = jiff::Timestamp::now().as_millisecond();
        let free = (removed_at..).map(|number| format!("{number:x}")).find(|id| !self.note(id).exists());
        Removal {
            id: free.unwrap_or_default(),
            model: model.to_owned(),
            bytes: 0,
            removed_at,
            moves: Vec::new(),
            hidden: Vec::new(),
            in_place: Vec::new(),
        }
    }

    /// Where a file goes that `removal` takes away; `aside` is a folder on its disk, for when the data folder is on another.
    pub(super) fn place_in_trash(&self, removal: &Removal, file: &Path, aside: &Path) -> PathBuf {
        let folder = match same_disk(&self.home, file) {
            true => self.trash(),
            false => aside.to_owned(),
        };
        folder.join(&removal.id).join(removal.moves.len().to_string())
    }

    /// Writes the note, then moves the files. What cannot be moved brings those back that were.
    pub(super) fn carry_out(&self, removal: &Removal) -> Result<(), HubError> {
        let note = self.note(&removal.id);
        let json = serde_json::to_vec(removal).map_err(|error| HubError::Internal(error.to_string()))?;
        write_atomically(&note, &json)?;
        for (done, step) in removal.moves.iter().enumerate() {
            let moved = make_parent(&step.to)
                .and_then(|()| fs::rename(&step.from, &step.to).map_err(HubError::io("move", &step.from)));
            if let Err(error) = moved {
                for step in removal.moves[..done].iter().rev() {
                    move_back(step)?;
                }
                removal.delete(&note)?;
                return Err(error);
            }
        }
        Ok(())
    }

    /// Every removal that can be taken back, the latest first.
    fn all_removals(&self) -> Vec<Removal> {
        let notes = fs::read_dir(self.trash()).into_iter().flatten().flatten().map(|entry| entry.path());
        let notes = notes.filter(|path| path.extension().is_some_and(|end| end == "json"));
        let mut all: Vec<Removal> =
            notes.filter_map(|path| serde_json::from_slice(&fs::read(path).ok()?).ok()).collect();
        all.retain(Removal::is_sound);
        all.sort_by_key(|removal| std::cmp::Reverse(removal.removed_at));
        all
    }

    /// What was removed and can be restored, the latest first.
    pub fn removed(&self) -> Vec<RemovedModel> {
        self.all_removals().iter().map(Removal::told).collect()
    }

    /// Takes a removal back, by its id or the model's, or the latest one: every file is where it was, and listed. A file
    /// that has been fetched again meanwhile stays as it is.
    pub fn restore(&self, which: Option<&str>) -> Result<RemovedModel, HubError> {
        let (_here, held) = self.begin_change()?;
        let all = self.all_removals();
        let is_it = |removal: &&Removal| which.is_none_or(|name| removal.id == name || removal.model == name);
        let removal = all.iter().find(is_it);
        let removal =
            removal.ok_or_else(|| HubError::NotRemoved { name: which.unwrap_or_default().into() })?;
        for step in removal.moves.iter().rev() {
            move_back(step)?;
        }
        self.record().change(&held, |content| {
            content.hidden.retain(|hidden| !removal.hidden.contains(hidden));
            removal.in_place.iter().for_each(|path| super::record::add(&mut content.in_place, path));
        })?;
        let told = removal.told();
        removal.delete(&self.note(&removal.id))?;
        Ok(told)
    }

    /// Deletes what was removed for good: everything, or what has waited long enough. Gives the bytes that the disk has back.
    pub fn empty_trash(&self, everything: bool) -> Result<u64, HubError> {
        if !self.trash().is_dir() {
            return Ok(0);
        }
        let (_here, _held) = self.begin_change()?;
        let now = jiff::Timestamp::now().as_millisecond();
        let mut freed = 0;
        for removal in self.all_removals() {
            if everything || removal.told().expires_at <= now {
                removal.delete(&self.note(&removal.id))?;
                freed += removal.bytes;
            }
        }
        Ok(freed)
    }
}

/// To where it came from, unless something is there now or it is not in the trash.
fn move_back(step: &Move) -> Result<(), HubError> {
    if step.to.symlink_metadata().is_err() || step.from.symlink_metadata().is_ok() {
        return Ok(());
    }
    make_parent(&step.from)?;
    fs::rename(&step.to, &step.from).map_err(HubError::io("restore", &step.from))
}

/// Whether a file can be renamed into a folder, as far as can be told beforehand. Of a link, where the link lies.
fn same_disk(folder: &Path, file: &Path) -> bool {
    let beside = file.parent().unwrap_or(file);
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let disk = |path: &Path| fs::metadata(path).map(|about| about.dev()).ok();
        disk(folder) == disk(beside)
    }
    #[cfg(not(unix))]
    {
        let disk = |path: &Path| {
            path.canonicalize().ok()?.components().next().map(|first| first.as_os_str().to_owned())
        };
        disk(folder) == disk(beside)
    }
}

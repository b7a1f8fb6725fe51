//! Owners whose files are the last to go.
//!
//! A pin is an empty file beside the owner's list; its time says since when. What is pinned counts against the quota like
//! everything else. When pins alone do not fit, the oldest ones count no longer: whoever pins something today wants that.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder::{DiskCacheOptions, create_private, remove};
use super::owners;

/// What a pin's name ends in.
pub(super) const EXTENSION: &str = "pin";

impl DiskCacheOptions {
    /// Pins what an owner has a share in, or lets it go like everything else. Of all models; also what comes later.
    pub fn pin(&self, owner: &str, pinned: bool) -> io::Result<()> {
        let pin = self.list(owner).with_extension(EXTENSION);
        if !pinned {
            return remove(&pin);
        }
        create_private(&self.folder.join(owners::FOLDER))?;
        // One that is there keeps its time.
        File::options().create(true).append(true).open(pin).map(drop)
    }

    /// The files that are pinned, and since when the latest of their pins is there.
    pub(super) fn pinned(&self) -> HashMap<PathBuf, SystemTime> {
        let mut pinned: HashMap<PathBuf, SystemTime> = HashMap::new();
        for pin in self.pins() {
            let since = fs::metadata(&pin).and_then(|about| about.modified());
            let since = since.unwrap_or(SystemTime::UNIX_EPOCH);
            for file in owners::lines(&pin.with_extension(owners::EXTENSION)) {
                if let Some(path) = self.path_of(&file) {
                    let latest = pinned.entry(path).or_insert(since);
                    *latest = since.max(*latest);
                }
            }
        }
        pinned
    }

    fn pins(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(self.folder.join(owners::FOLDER)).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| is_pin(path))
    }
}

/// Whether a file says that somebody is pinned.
pub(super) fn is_pin(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

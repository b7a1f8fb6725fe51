//! The queue on the disk: what was to be fetched when the program ended, in order.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use lantern_protocol::DownloadRequest;
use serde::{Deserialize, Serialize};

use crate::cache::{make_parent, write_atomically};
use crate::part::with_suffix;

const VERSION: u32 = 1;

/// One download.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) request: DownloadRequest,
    pub(super) paused: bool,
}

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    downloads: Vec<Entry>,
}

/// The file, which only one process at a time writes.
pub(super) struct SavedQueue {
    path: PathBuf,
    _lock: File,
}

impl SavedQueue {
    /// Takes the file over, with what is in it; nothing while another process has it. What cannot be read is left out: then
    /// downloads have to be asked for again, and their bytes are still there.
    pub(super) fn open(path: &Path) -> Option<(Self, Vec<Entry>)> {
        make_parent(path).ok()?;
        let lock = File::create(with_suffix(path, ".lock")).ok()?;
        lock.try_lock().ok()?;
        let document = fs::read(path).ok().and_then(|bytes| serde_json::from_slice::<Document>(&bytes).ok());
        let entries =
            document.filter(|document| document.version == VERSION).map(|document| document.downloads);
        Some((Self { path: path.to_owned(), _lock: lock }, entries.unwrap_or_default()))
    }

    pub(super) fn write(&self, downloads: Vec<Entry>) {
        let document = Document { version: VERSION, downloads };
        let written = serde_json::to_vec_pretty(&document)
            .map_err(|error| error.to_string())
            .and_then(|json| write_atomically(&self.path, &json).map_err(|error| error.to_string()));
        if let Err(error) = written {
            tracing::warn!("the queue of downloads could not be saved: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_queue_and_damage_is_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data/downloads.json");
        let request = DownloadRequest { repo: "o/n".into(), file: "f.gguf".into(), revision: None };
        let entries = vec![Entry { request, paused: true }];
        let (queue, before) = SavedQueue::open(&path).unwrap();
        assert_eq!(before, []);
        queue.write(entries.clone());
        assert!(SavedQueue::open(&path).is_none(), "a second one has it, too");
        drop(queue);
        assert_eq!(SavedQueue::open(&path).unwrap().1, entries);
        let half = fs::read(&path).unwrap();
        fs::write(&path, &half[..half.len() / 2]).unwrap();
        assert_eq!(SavedQueue::open(&path).unwrap().1, []);
    }
}

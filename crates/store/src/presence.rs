//! Which processes use a data directory, told by file locks that the system releases however a process ends.
//!
//! `lantern.lock` is held shared by every process for its lifetime and exclusively while one of them, being alone,
//! checks, repairs or migrates the database. Each process also holds `running/<writer>.lock` exclusively; a message that
//! is being written names its writer, so after a crash the others can tell a dead writer's message from a live one.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::StoreError;

/// The shared lock on the directory; released on drop.
#[derive(Debug)]
pub(crate) struct Presence {
    _file: File,
}

impl Presence {
    /// Runs `alone` if no other process uses the directory, then takes the shared lock. Waits while another process
    /// is doing its own `alone`.
    pub(crate) fn take<T>(
        dir: &Path,
        alone: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<(Self, Option<T>), StoreError> {
        let path = dir.join("lantern.lock");
        let file = open_lock(&path)?;
        let prepared = match file.try_lock() {
            Ok(()) => {
                let prepared = alone()?;
                // Not a downgrade: that is not atomic on every system. Nothing of ours is open between the two calls.
                file.unlock().map_err(|e| StoreError::io(&path, e))?;
                Some(prepared)
            }
            Err(TryLockError::WouldBlock) => None,
            Err(TryLockError::Error(e)) => return Err(StoreError::io(&path, e)),
        };
        file.lock_shared().map_err(|e| StoreError::io(&path, e))?;
        Ok((Self { _file: file }, prepared))
    }
}

/// This process as a writer of answers; its file goes away on drop.
#[derive(Debug)]
pub(crate) struct Writer {
    id: String,
    dir: PathBuf,
    _file: File,
}

impl Writer {
    /// A new writer. The caller holds the shared lock on the directory.
    pub(crate) fn register(dir: &Path) -> Result<Self, StoreError> {
        let running = running_dir(dir);
        fs::create_dir_all(&running).map_err(|e| StoreError::io(&running, e))?;
        let id = uuid::Uuid::now_v7().to_string();
        let path = lock_path(dir, &id);
        let file = open_lock(&path)?;
        file.lock().map_err(|e| StoreError::io(&path, e))?;
        Ok(Self { id, dir: dir.to_owned(), _file: file })
    }

    /// What messages name as their writer.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Whether the process that registered `writer` still runs. In doubt it does: a live answer must not be cut off.
    pub(crate) fn is_alive(dir: &Path, writer: &str) -> bool {
        // The name comes from the database, so it is checked before it becomes part of a path.
        if uuid::Uuid::parse_str(writer).is_err() {
            return false;
        }
        match OpenOptions::new().read(true).write(true).open(lock_path(dir, writer)) {
            Ok(file) => file.try_lock().is_err(),
            Err(e) => e.kind() != std::io::ErrorKind::NotFound,
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // A file that stays is harmless: nobody holds its lock, and the next process that is alone sweeps it away.
        let _ = fs::remove_file(lock_path(&self.dir, &self.id));
    }
}

/// Removes what dead writers left behind. Only for a process that is alone on the directory.
pub(crate) fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(running_dir(dir)) else { return };
    for entry in entries.flatten() {
        if entry.path().extension().is_some_and(|e| e == "lock") {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn running_dir(dir: &Path) -> PathBuf {
    dir.join("running")
}

fn lock_path(dir: &Path, writer: &str) -> PathBuf {
    running_dir(dir).join(format!("{writer}.lock"))
}

fn open_lock(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| StoreError::io(path, e))
}

//! The folder of cache files: who writes into it, how much of the disk it takes, and what goes first.
//!
//! A folder may belong to several processes and to any number of models, each with a folder of its own in it. Whoever
//! writes holds the lock, counts anew what is there and makes room before the first byte is written, so that at no moment
//! more lies there than the quota allows, drafts included, whoever is killed when. What was used least recently goes
//! first, unless it is pinned; a file's time of modification says when that was.

use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use super::file::Miss;
use super::name::FileName;
use super::point::ModelKey;
use super::{owners, pins};

/// Locked by whoever writes.
const LOCK: &str = "lock";
/// What is being written. One name is enough: whoever writes holds the lock.
const DRAFT: &str = "draft.tmp";
/// How often a lock is asked for, and how long between: another process holds it as long as one file takes.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// Where prefixes are kept, and how much of the disk they may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskCacheOptions {
    /// The folder; it need not exist yet. Whatever lies in it may be deleted at any time.
    pub folder: PathBuf,
    /// Bytes of all files in it, those of other models included.
    pub quota_bytes: u64,
}

impl DiskCacheOptions {
    /// Bytes of the files that are there.
    pub fn bytes(&self) -> u64 {
        files(&self.folder).iter().map(|file| file.len).sum()
    }

    /// Deletes everything in the folder that belongs to the cache.
    pub fn remove_all(&self) -> io::Result<()> {
        let Some(lock) = lock(&self.folder)? else { return Ok(()) };
        let removed = files(&self.folder).iter().try_for_each(|file| remove(&file.path));
        folders(&self.folder).iter().for_each(|folder| drop(fs::remove_dir(folder)));
        drop(lock);
        removed
    }
}

/// The files of one model in a folder.
#[derive(Debug, Clone)]
pub(crate) struct ModelFolder {
    options: DiskCacheOptions,
    model: ModelKey,
    path: PathBuf,
}

/// What became of a file that was to be written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) is_kept: bool,
    /// Files that had to go for it.
    pub(crate) evicted: Vec<PathBuf>,
}

/// A file in the folder.
struct Entry {
    path: PathBuf,
    len: u64,
    used: SystemTime,
}

impl ModelFolder {
    pub(crate) fn new(options: DiskCacheOptions, model: ModelKey) -> Self {
        ModelFolder { path: options.folder.join(model.folder()), options, model }
    }

    pub(crate) fn model(&self) -> &ModelKey {
        &self.model
    }

    pub(crate) fn path(&self, name: FileName) -> PathBuf {
        self.path.join(name.to_string())
    }

    /// What is there.
    pub(crate) fn names(&self) -> Vec<FileName> {
        let entries = fs::read_dir(&self.path).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }

    /// The name of a file of this model.
    pub(crate) fn name(&self, path: &Path) -> Option<FileName> {
        let name = path.strip_prefix(&self.path).ok()?;
        name.to_str()?.parse().ok()
    }

    /// Deletes a file that does not hold what it should. One that the system refuses to read is left alone.
    pub(crate) fn discard(&self, name: FileName, miss: &Miss) {
        tracing::info!(file = %name, "a cached prefix is not used: {miss}");
        if !matches!(miss, Miss::Unreadable(_)) {
            // It may be gone already, and another attempt is made when it is found again.
            let _ = fs::remove_file(self.path(name));
        }
    }

    /// Brings the folder to its quota and removes what writers left that were killed.
    pub(crate) fn tidy(&self) -> io::Result<()> {
        if let Some(_lock) = lock(&self.options.folder)? {
            self.make_room(0);
            self.options.drop_empty_lists();
        }
        Ok(())
    }

    /// Writes a file in several parts, in place of one of the same name. Nothing is kept when there is no room for it
    /// under the quota, or while another process writes for seconds.
    pub(crate) fn write(&self, name: FileName, parts: &[&[u8]], owner: Option<&str>) -> io::Result<Written> {
        let Some(_lock) = lock(&self.options.folder)? else { return Ok(Written::default()) };
        let len = parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let lines = owner.map_or_else(String::new, |owner| self.new_lines(owner, &[name]));
        let (has_room, evicted) = self.make_room(len + lines.len() as u64);
        if !has_room {
            return Ok(Written { is_kept: false, evicted });
        }
        // First of all: no file may be there of which nobody knows whose it is.
        owner.map_or(Ok(()), |owner| self.options.add_lines(owner, &lines))?;
        create_private(&self.path)?;
        let draft = self.path.join(DRAFT);
        let written = write_draft(&draft, parts).and_then(|()| fs::rename(&draft, self.path(name)));
        if let Err(error) = written {
            // Half a file is of no use to anybody and may be what fills the disk.
            let _ = fs::remove_file(&draft);
            return Err(error);
        }
        Ok(Written { is_kept: true, evicted })
    }

    /// Gives an owner a share in files.
    pub(crate) fn share(&self, owner: &str, names: &[FileName]) -> io::Result<()> {
        let Some(_lock) = lock(&self.options.folder)? else { return Ok(()) };
        let lines = self.new_lines(owner, names);
        // Where there is no room for a line, there is none for a file either.
        match lines.is_empty() || !self.make_room(lines.len() as u64).0 {
            true => Ok(()),
            false => self.options.add_lines(owner, &lines),
        }
    }

    fn new_lines(&self, owner: &str, names: &[FileName]) -> String {
        self.options.new_lines(owner, &self.model.folder(), names)
    }

    /// Deletes what an owner alone had a share in, and says which files of this model that were.
    pub(crate) fn forget(&self, owner: &str) -> io::Result<Vec<FileName>> {
        let removed = self.options.forget_all_of(owner)?;
        Ok(removed.iter().filter_map(|path| self.name(path)).collect())
    }

    /// Marks files as used now, the first ones last: a prefix is useless without its beginning.
    pub(crate) fn touch(&self, names: &[FileName]) {
        let now = SystemTime::now();
        for (name, age) in names.iter().zip(0..) {
            let used = now.checked_sub(Duration::from_millis(age)).unwrap_or(now);
            let file = File::options().write(true).open(self.path(*name));
            // A file that cannot be marked, or is gone, only grows old sooner.
            let _ = file.and_then(|file| file.set_modified(used));
        }
    }

    /// Deletes drafts, and what was used least recently until `more` bytes fit. Whether they do, and what was deleted.
    /// The caller holds the lock.
    fn make_room(&self, more: u64) -> (bool, Vec<PathBuf>) {
        let is_left = |entry: &Entry| entry.path.ends_with(DRAFT) && remove(&entry.path).is_ok();
        let mut kept = files(&self.options.folder);
        kept.retain(|entry| !is_left(entry));
        let quota = self.options.quota_bytes;
        let mut total: u64 = kept.iter().map(|entry| entry.len).sum();
        let mut evicted = Vec::new();
        if more <= quota && total.saturating_add(more) > quota {
            let pinned = self.options.pinned();
            // What is not pinned first, then the oldest pins.
            kept.sort_by_cached_key(|entry| {
                (pinned.get(&entry.path).copied(), entry.used, entry.path.clone())
            });
            for entry in kept.into_iter().filter(|entry| !entry.is_list()) {
                if total.saturating_add(more) <= quota {
                    break;
                }
                if remove(&entry.path).is_ok() {
                    total = total.saturating_sub(entry.len);
                    evicted.push(entry.path);
                }
            }
        }
        (total.saturating_add(more) <= quota, evicted)
    }
}

impl Entry {
    /// Whether it says who owns or has pinned what, which is counted but never driven out.
    fn is_list(&self) -> bool {
        pins::is_pin(&self.path)
            || self.path.extension().is_some_and(|extension| extension == owners::EXTENSION)
    }
}

/// Waits for its turn to write; `None` when another process does not let go.
pub(super) fn lock(folder: &Path) -> io::Result<Option<File>> {
    create_private(folder)?;
    let file = File::options().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::WouldBlock) => sleep(LOCK_PAUSE),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}

fn write_draft(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut file = File::create(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))?;
    file.sync_all()
}

/// A folder that only its owner may look into: what people wrote can be told from the files in it.
pub(super) fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(folder)
}

/// The folders of models.
fn folders(root: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    folders.map(|entry| entry.path()).collect()
}

/// All files of all models.
fn files(root: &Path) -> Vec<Entry> {
    let mut files = Vec::new();
    for folder in folders(root) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            // What vanishes meanwhile takes no room.
            let Ok(about) = entry.metadata() else { continue };
            if about.is_file() && is_ours(&entry.file_name()) {
                let used = about.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                files.push(Entry { path: entry.path(), len: about.len(), used });
            }
        }
    }
    files
}

/// Whether a file is one that this module writes. Others are nobody's business here.
fn is_ours(name: &OsStr) -> bool {
    let is_list = Path::new(name).extension().is_some_and(|extension| extension == owners::EXTENSION);
    is_list
        || pins::is_pin(Path::new(name))
        || name.to_str().is_some_and(|name| name == DRAFT || name.parse::<FileName>().is_ok())
}

/// Deletes a file that may be gone already.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

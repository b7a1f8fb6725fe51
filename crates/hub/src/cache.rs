//! The folder layout that every Hugging Face tool shares.
//!
//! ```text
//! models--owner--name/blobs/<entity tag>                  the bytes
//! models--owner--name/snapshots/<commit>/<file>           a relative link to them
//! models--owner--name/refs/<revision>                     the commit it stood for
//! .locks/models--owner--name/<entity tag>.lock            held while the bytes are written
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::names::BlobName;
use crate::part::with_suffix;
use crate::remote::RemoteMeta;
use crate::{Commit, FilePath, HubError, RepoId, Revision};

/// Paths below the cache folder. Only checked names get in.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root }
    }

    pub(crate) fn repo(&self, repo: &RepoId) -> PathBuf {
        self.root.join(repo.folder())
    }

    pub(crate) fn blob(&self, repo: &RepoId, blob: &BlobName) -> PathBuf {
        self.repo(repo).join("blobs").join(blob.as_str())
    }

    pub(crate) fn snapshot(&self, repo: &RepoId, commit: &Commit, file: &FilePath) -> PathBuf {
        let mut path = self.repo(repo).join("snapshots").join(commit.as_str());
        path.extend(file.parts());
        path
    }

    /// The right to write a blob, or nothing while another program has it. Python's tools take the same lock.
    pub(crate) fn try_lock(&self, repo: &RepoId, blob: &BlobName) -> Result<Option<File>, HubError> {
        let path = self.root.join(".locks").join(repo.folder()).join(format!("{}.lock", blob.as_str()));
        make_parent(&path)?;
        let lock = File::create(&path).map_err(HubError::write("create", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Some(lock)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(HubError::io("lock", &path)(error)),
        }
    }

    /// Makes a finished blob visible under its file name, and remembers what the revision stood for.
    pub(crate) fn publish(
        &self,
        repo: &RepoId,
        revision: &Revision,
        file: &FilePath,
        meta: &RemoteMeta,
    ) -> Result<PathBuf, HubError> {
        let link = self.snapshot(repo, &meta.commit, file);
        make_parent(&link)?;
        let blob = self.blob(repo, &meta.blob);
        if !same_file(&link, &blob) {
            place(&blob, &relative(&meta.blob, file), &link).map_err(HubError::write("link", &link))?;
        }
        if revision.as_str() != meta.commit.as_str() {
            let mut path = self.repo(repo).join("refs");
            path.extend(revision.as_str().split('/'));
            make_parent(&path)?;
            write_through(&own_draft_of(&path), &path, meta.commit.as_str().as_bytes())?;
        }
        Ok(link)
    }
}

/// From the folder of `snapshots/<commit>/<file>` to the blob.
fn relative(blob: &BlobName, file: &FilePath) -> PathBuf {
    let mut path = PathBuf::new();
    for _ in 0..file.parts().count() + 1 {
        path.push("..");
    }
    path.join("blobs").join(blob.as_str())
}

fn same_file(link: &Path, blob: &Path) -> bool {
    match (link.canonicalize(), blob.canonicalize()) {
        (Ok(link), Ok(blob)) => link == blob,
        _ => false,
    }
}

/// Puts a link beside its place and renames it, so that a reader never meets a missing file.
#[cfg(unix)]
fn place(_blob: &Path, target: &Path, link: &Path) -> io::Result<()> {
    let draft = own_draft_of(link);
    // A crash may have left one of the same name.
    let _ = fs::remove_file(&draft);
    std::os::unix::fs::symlink(target, &draft)?;
    fs::rename(&draft, link)
}

/// Windows gives symbolic links to administrators alone; a hard link costs as little, a copy is the last resort.
#[cfg(not(unix))]
fn place(blob: &Path, _target: &Path, link: &Path) -> io::Result<()> {
    let draft = own_draft_of(link);
    // A crash may have left one of the same name.
    let _ = fs::remove_file(&draft);
    fs::hard_link(blob, &draft).or_else(|_| fs::copy(blob, &draft).map(|_| ()))?;
    fs::rename(&draft, link)
}

/// A name beside the path that nobody else has: other files of the repository may be published at the same moment.
fn own_draft_of(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    with_suffix(path, &format!(".{}-{number}.draft", std::process::id()))
}

/// Creates the folder that a file goes into.
pub(crate) fn make_parent(path: &Path) -> Result<(), HubError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(HubError::write("create", parent))
}

/// Draft, fsync, rename: the file is old or new, never half. For files that one task at a time writes.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    make_parent(path)?;
    write_through(&with_suffix(path, ".draft"), path, bytes)
}

fn write_through(draft: &Path, path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    let write = || {
        let mut file = File::create(draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(draft, path)
    };
    write().map_err(HubError::write("write", path))
}

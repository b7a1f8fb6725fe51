//! Headers of files on the Hub that were read before, on disk. Whatever is not as it was written is a miss.
//!
//! A file here is its content's SHA-256 and the content: a header, or for a model whose other file's header is here too
//! the key of that and the part of this one in which its tensor table lies.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use lantern_gguf::{GgufHead, HeadRead};
use sha2::{Digest, Sha256};

use super::repository::Listing;
use crate::RemoteFile;
use crate::cache::write_atomically;

/// Most bytes of all of them; the ones not used for longest go first.
const QUOTA: u64 = 256 << 20;
const HASH: usize = 32;

/// Names the header of one content of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key(String);

impl Key {
    /// A large file goes by its hash; of another one the commit says what it holds.
    pub(super) fn of(listing: &Listing, file: &RemoteFile) -> Self {
        let content = file.sha256.as_deref().unwrap_or(listing.revision.as_str());
        let all = format!("{}\n{}\n{content}\n{}", listing.repo.as_str(), file.path, file.size);
        Self(format!("{:x}", Sha256::digest(all.as_bytes())))
    }
}

/// The folder. Its methods never fail: without it everything is read again.
#[derive(Clone)]
pub(super) struct HeadCache {
    folder: PathBuf,
}

impl HeadCache {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// The header of a file that has `file_len` bytes.
    pub(super) async fn load(&self, key: &Key, file_len: u64) -> Option<GgufHead> {
        let (cache, key) = (self.clone(), key.clone());
        tokio::task::spawn_blocking(move || cache.load_now(&key, file_len)).await.ok()?
    }

    fn load_now(&self, key: &Key, file_len: u64) -> Option<GgufHead> {
        if let Some(bytes) = self.content(key, "head") {
            return whole(&bytes, file_len);
        }
        let part = self.content(key, "part")?;
        let (base, rest) = part.split_at_checked(2 * HASH)?;
        let (start, rest) = rest.split_at_checked(8)?;
        let (base_len, table) = rest.split_at_checked(8)?;
        let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
        let base = Key(String::from_utf8(base.to_vec()).ok()?);
        let base = whole(&self.content(&base, "head")?, number(base_len)?)?;
        base.sibling(table, number(start)?, file_len)
    }

    /// Keeps a header.
    pub(super) async fn store(&self, key: &Key, bytes: Vec<u8>) {
        self.write(key, "head", bytes).await;
    }

    /// Keeps the part of a file from `start` that has its tensor table, for a model whose other header is `base`.
    pub(super) async fn store_part(&self, key: &Key, base: &Base, start: u64, part: Vec<u8>) {
        let mut bytes = base.key.0.clone().into_bytes();
        bytes.extend(start.to_le_bytes());
        bytes.extend(base.file_len.to_le_bytes());
        bytes.extend(part);
        self.write(key, "part", bytes).await;
    }

    async fn write(&self, key: &Key, kind: &str, bytes: Vec<u8>) {
        let (cache, path) = (self.clone(), self.path(key, kind));
        let write = tokio::task::spawn_blocking(move || {
            let mut content = Sha256::digest(&bytes).to_vec();
            content.extend(bytes);
            let written = write_atomically(&path, &content);
            cache.shrink();
            written
        });
        if let Ok(Err(error)) = write.await {
            tracing::info!(code = error.code(), "a header is not kept: {error}");
        }
    }

    fn path(&self, key: &Key, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", key.0))
    }

    fn content(&self, key: &Key, kind: &str) -> Option<Vec<u8>> {
        let path = self.path(key, kind);
        let content = fs::read(&path).ok()?;
        let (hash, bytes) = content.split_at_checked(HASH)?;
        if Sha256::digest(bytes).as_slice() != hash {
            return None;
        }
        if let Ok(file) = fs::File::options().append(true).open(&path) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(bytes.to_vec())
    }

    /// Deletes the ones not used for longest until all are within the quota.
    fn shrink(&self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<_> = entries
            .filter_map(|entry| {
                let about = entry.metadata().ok().filter(fs::Metadata::is_file)?;
                Some((about.modified().ok(), about.len(), entry.path()))
            })
            .collect();
        files.sort();
        let mut all: u64 = files.iter().map(|(_, len, _)| len).sum();
        for (_, len, path) in files {
            if all <= QUOTA {
                break;
            }
            if fs::remove_file(path).is_ok() {
                all -= len;
            }
        }
    }
}

/// A header that was read whole, which others refer to.
#[derive(Debug, Clone)]
pub(super) struct Base {
    pub(super) key: Key,
    /// Length of its file.
    pub(super) file_len: u64,
}

fn whole(bytes: &[u8], file_len: u64) -> Option<GgufHead> {
    match GgufHead::read(bytes, file_len).ok()? {
        HeadRead::Whole(head) => Some(*head),
        HeadRead::More { .. } => None,
    }
}

//! Files in memory: the one place that maps, and what the system says of a file without reading it.
//!
//! Knows no format: a map is bytes, of which [`TensorBytes`] are parts.

use std::fs::{File, Metadata};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use memmap2::Mmap;

use crate::direct::Mapped;
use crate::{GgufError, TensorBytes};

/// A whole file, mapped. Cloning is cheap; the map lives as long as a clone or a part of it.
#[derive(Debug, Clone)]
pub struct FileMap {
    map: Arc<Mapped>,
    stamp: FileStamp,
}

/// What the system keeps about a file's content: no program changes the content without changing one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Length in bytes.
    pub len: u64,
    /// When the content was changed last, in nanoseconds since 1970; programs may set it to what they like.
    pub modified: u64,
    /// When content or attributes were changed last, which programs cannot set; elsewhere than on Unix when the file was
    /// made.
    pub changed: u64,
    /// The file's number on its disk (Unix), else 0.
    pub number: u64,
}

impl FileMap {
    /// Maps a file.
    pub fn open(path: &Path) -> Result<Self, GgufError> {
        let io = |error: std::io::Error| GgufError::Io {
            path: path.to_owned(),
            not_found: error.kind() == std::io::ErrorKind::NotFound,
            reason: error.to_string(),
        };
        let file = File::open(path).map_err(io)?;
        let about = file.metadata().map_err(io)?;
        if !about.is_file() {
            return Err(GgufError::Io {
                path: path.to_owned(),
                not_found: false,
                reason: "it is not a file".to_owned(),
            });
        }
        // SAFETY: a map is sound as long as nobody changes the file beneath it. Files of weights are written under
        // another name and renamed when complete, and are never written in place afterwards.
        #[allow(unsafe_code)]
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(FileMap { map: Arc::new(Mapped::new(map, file)), stamp: FileStamp::of(&about) })
    }

    /// What the system said about the file as it was opened.
    pub fn stamp(&self) -> FileStamp {
        self.stamp
    }

    /// A part of the file; `None` when it does not lie inside.
    pub fn bytes(&self, start: usize, len: usize) -> Option<TensorBytes> {
        TensorBytes::mapped(&self.map, start, len)
    }

    /// Asks the system to read the file soon, in large pages where it can. A hint: nothing waits for it, and where it is
    /// refused pages come as they are used.
    ///
    /// For files that are read from end to end. Of others, large pages would bring much that nobody asked for.
    pub fn will_need_all(&self) {
        #[cfg(target_os = "linux")]
        let _ = self.map.advise(memmap2::Advice::HugePage);
        #[cfg(unix)]
        let _ = self.map.advise(memmap2::Advice::WillNeed);
    }
}

impl Deref for FileMap {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.map
    }
}

impl FileStamp {
    /// One stamp for two files, in which a change of either shows.
    pub(crate) fn and(self, other: FileStamp) -> Self {
        // An odd factor keeps every bit of the first, and tells one order of files from another.
        let mix = |a: u64, b: u64| a.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(b);
        FileStamp {
            len: self.len.wrapping_add(other.len),
            modified: mix(self.modified, other.modified),
            changed: mix(self.changed, other.changed),
            number: mix(self.number, other.number),
        }
    }

    /// The stamp of a file whose metadata these are.
    pub fn of(about: &Metadata) -> Self {
        let (changed, number) = changed_and_number(about);
        FileStamp { len: about.len(), modified: about.modified().map_or(0, nanoseconds), changed, number }
    }
}

#[cfg(unix)]
fn changed_and_number(about: &Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt;
    let nanoseconds = about.ctime().wrapping_mul(1_000_000_000).wrapping_add(about.ctime_nsec());
    (nanoseconds as u64, about.ino())
}

#[cfg(not(unix))]
fn changed_and_number(about: &Metadata) -> (u64, u64) {
    (about.created().map_or(0, nanoseconds), 0)
}

fn nanoseconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_written_again_has_another_stamp() {
        let path = std::env::temp_dir().join(format!("lantern-stamp-{}", std::process::id()));
        let stamp = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            // So that the clock of the file system has moved on before the next.
            std::thread::sleep(std::time::Duration::from_millis(20));
            FileMap::open(&path).unwrap().stamp()
        };
        let (first, second) = (stamp(b"abc"), stamp(b"abd"));
        assert_eq!((first.len, second.len), (3, 3));
        assert_ne!(first, second, "the same length, but written later");
        assert_eq!(FileMap::open(&path).unwrap().stamp(), second, "nobody wrote");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn parts_lie_inside() {
        let map = FileMap::open(&std::env::current_exe().unwrap()).unwrap();
        assert_eq!(map.bytes(1, 3).as_deref(), Some(&map[1..4]));
        assert!(map.bytes(map.len(), 0).is_some_and(|part| part.is_empty()));
        assert!(map.bytes(map.len(), 1).is_none() && map.bytes(usize::MAX, 2).is_none());
    }
}

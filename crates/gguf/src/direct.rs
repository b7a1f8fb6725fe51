//! Reading a mapped file past the system's page cache, which would hold a second copy of what is kept elsewhere. On Linux;
//! other systems, and file systems that refuse it, have the map alone.

use std::ops::{Deref, Range};
use std::sync::OnceLock;

#[cfg(target_os = "linux")]
use std::fs::File;

use memmap2::Mmap;

use crate::TensorBytes;

/// Memory, lengths and places in the file are multiples of this, which is enough for every disk.
pub const DIRECT_ALIGN: usize = 4096;

/// A mapped file.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Mmap,
    /// The same file once more, opened for direct reads at the first; `None` where there are none.
    #[cfg(target_os = "linux")]
    direct: OnceLock<Option<File>>,
    #[cfg(target_os = "linux")]
    file: File,
    #[cfg(not(target_os = "linux"))]
    direct: OnceLock<()>,
}

impl Deref for Mapped {
    type Target = Mmap;

    fn deref(&self) -> &Mmap {
        &self.map
    }
}

impl Mapped {
    /// A map and the file it is of.
    pub(crate) fn new(map: Mmap, file: std::fs::File) -> Self {
        #[cfg(not(target_os = "linux"))]
        drop(file);
        Mapped {
            map,
            direct: OnceLock::new(),
            #[cfg(target_os = "linux")]
            file,
        }
    }

    /// Reads `part` of the file to `buffer`, and more around it up to whole pages. Where in the buffer it begins.
    #[cfg(target_os = "linux")]
    fn read(&self, part: Range<usize>, buffer: &mut [u8]) -> Option<usize> {
        use std::os::fd::AsRawFd;
        use std::os::unix::fs::{FileExt, OpenOptionsExt};

        let open = || {
            // The very file that is mapped, whatever has its name by now.
            let path = format!("/proc/self/fd/{}", self.file.as_raw_fd());
            File::options().read(true).custom_flags(libc::O_DIRECT).open(path).ok()
        };
        let file = self.direct.get_or_init(open).as_ref()?;
        let start = part.start / DIRECT_ALIGN * DIRECT_ALIGN;
        let skipped = part.start - start;
        let wanted = skipped + part.len();
        let buffer = buffer.get_mut(..wanted.checked_next_multiple_of(DIRECT_ALIGN)?)?;
        let read = loop {
            match file.read_at(buffer, start as u64) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                other => break other.ok()?,
            }
        };
        (read >= wanted).then_some(skipped)
    }

    #[cfg(not(target_os = "linux"))]
    fn read(&self, _part: Range<usize>, _buffer: &mut [u8]) -> Option<usize> {
        let _ = &self.direct;
        None
    }
}

impl TensorBytes {
    /// Bytes of a buffer that is enough for [`Self::read_direct`] of `len` bytes.
    pub fn direct_len(len: usize) -> usize {
        (len / DIRECT_ALIGN + 2) * DIRECT_ALIGN
    }

    /// Reads a part of a mapped file's bytes past the page cache, to a buffer that begins at a multiple of
    /// [`DIRECT_ALIGN`]: where in it they are. `None` where that cannot be done, or was not done whole; the bytes can then be
    /// had from the map.
    pub fn read_direct(&self, part: Range<usize>, buffer: &mut [u8]) -> Option<Range<usize>> {
        let (mapped, start) = self.mapped_at()?;
        let len = part.len();
        if part.end > self.len() || !buffer.as_ptr().addr().is_multiple_of(DIRECT_ALIGN) {
            return None;
        }
        let first = mapped.read(start + part.start..start + part.end, buffer)?;
        Some(first..first + len)
    }
}

#[cfg(test)]
mod tests {
    use crate::FileMap;

    use super::*;

    /// A part of some memory that begins as it must.
    fn aligned(memory: &mut [u8]) -> &mut [u8] {
        let skipped = memory.as_ptr().align_offset(DIRECT_ALIGN);
        &mut memory[skipped..]
    }

    #[test]
    fn direct_reads_give_the_bytes_of_the_map() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let content: Vec<u8> = (0..50_000u32).map(|i| ((i * i) >> 7) as u8).collect();
        std::fs::write(&path, &content).expect("it is written");
        let bytes = FileMap::open(&path).expect("it opens").bytes(33, 49_900).expect("it lies inside");
        let mut memory = vec![0; TensorBytes::direct_len(49_900) + DIRECT_ALIGN];
        let buffer = aligned(&mut memory);
        let mut read = 0;
        for part in [0..1, 0..49_900, 4063..4064, 12_345..30_000, 49_899..49_900, 7..7] {
            if let Some(place) = bytes.read_direct(part.clone(), buffer) {
                assert_eq!(buffer[place], bytes[part.clone()], "{part:?}");
                read += 1;
            }
        }
        assert!(read == 6 || read == 0, "{read} of 6; a file system gives all of them or none");
        assert_eq!(bytes.read_direct(0..49_901, buffer), None, "beyond the end");
        assert_eq!(bytes.read_direct(0..40_000, &mut buffer[..36_864]), None, "too small");
        assert_eq!(bytes.read_direct(0..10, &mut buffer[1..]), None, "not aligned");
        let in_memory = TensorBytes::from(content);
        assert_eq!(in_memory.read_direct(0..10, buffer), None);
    }
}

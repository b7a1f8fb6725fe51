//! Memory for weights: reserved once for a whole model, and moved to large pages when there is time.
//!
//! A matrix product reads every byte of a model for each token. With pages of 4 KiB the processor then spends a part of
//! its time looking addresses up; pages of 2 MiB make that disappear. But the system has to find and clear a large page
//! before it is first written, which takes it longer than a load should wait, above all on a virtual machine. So weights
//! are written to small pages, and [`Arena::settle`] moves them once the model is ready.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::MmapMut;

use crate::KernelError;

/// Every piece begins at a multiple of this many bytes: a line of the processor's cache.
const LINE: usize = 64;
/// A large page of x86-64, and of AArch64 with small pages of 4 KiB.
const LARGE_PAGE: usize = 2 << 20;

/// Reserved memory; its pages are taken from the system as they are first written.
#[derive(Clone)]
pub struct Arena {
    region: Arc<Region>,
}

struct Region {
    start: *mut u8,
    len: usize,
    used: AtomicUsize,
    /// Large pages that [`Arena::settle`] was through with.
    settled: AtomicUsize,
    /// Held for its destructor; only `start` is used.
    _map: Option<MmapMut>,
}

// SAFETY: the pointer is only handed out in pieces that do not overlap, each to one owner.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

/// A piece of an arena, zeroed, with one owner.
pub struct ArenaBytes {
    region: Arc<Region>,
    start: usize,
    len: usize,
}

impl Arena {
    /// Reserves `bytes` bytes of address space.
    pub fn new(bytes: usize) -> Result<Self, KernelError> {
        let region = |start, map| {
            let (used, settled) = Default::default();
            Arena { region: Arc::new(Region { start, len: bytes, used, settled, _map: map }) }
        };
        if bytes == 0 {
            return Ok(region(std::ptr::dangling_mut(), None));
        }
        // Address space costs nothing: enough for whole large pages, wherever the map begins.
        let room = bytes.checked_next_multiple_of(LARGE_PAGE).and_then(|len| len.checked_add(LARGE_PAGE));
        let refused = || KernelError::OutOfMemory { bytes };
        let mut map = MmapMut::map_anon(room.ok_or_else(refused)?).map_err(|_| refused())?;
        #[cfg(target_os = "linux")]
        if !large_pages::can_be_moved_to() && map.advise(memmap2::Advice::HugePage).is_err() {
            // A system without large pages: slower, not wrong.
        }
        let start = map.as_mut_ptr();
        Ok(region(start.wrapping_add(start.align_offset(LARGE_PAGE)), Some(map)))
    }

    /// Moves the next piece of what was handed out to a large page; whether there may be more to move. For times with
    /// nothing else to do: reads go on meanwhile, but one that meets the page on its way waits for it, some milliseconds.
    ///
    /// Linux can be asked for this from 6.1 on. An older one is asked for large pages from the start; other systems
    /// decide for themselves.
    pub fn settle(&self) -> bool {
        #[cfg(target_os = "linux")]
        if self.region.settled.load(Ordering::Relaxed) * LARGE_PAGE < self.used()
            && large_pages::can_be_moved_to()
        {
            let page = self.region.settled.fetch_add(1, Ordering::Relaxed);
            if page * LARGE_PAGE < self.used() {
                large_pages::move_to(self.region.start.wrapping_add(page * LARGE_PAGE));
            }
            return true;
        }
        false
    }

    /// The next `len` bytes, or memory of their own where the arena has not so much left.
    pub fn take(&self, len: usize) -> Result<ArenaBytes, KernelError> {
        let room = len.checked_next_multiple_of(LINE).ok_or(KernelError::OutOfMemory { bytes: len })?;
        let fits = |used: usize| used.checked_add(room).filter(|&end| end <= self.region.len);
        match self.region.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits) {
            Ok(start) => Ok(ArenaBytes { region: Arc::clone(&self.region), start, len }),
            Err(_) if len == 0 => Ok(ArenaBytes { region: Arc::clone(&self.region), start: 0, len }),
            Err(_) => Arena::new(room)?.take(len),
        }
    }

    /// Bytes handed out so far.
    pub fn used(&self) -> usize {
        self.region.used.load(Ordering::Relaxed)
    }
}

impl Deref for ArenaBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: `take` gave this part of the region to this owner alone, and the region is alive and initialised
        // (fresh memory of the system is zero).
        unsafe { std::slice::from_raw_parts(self.region.start.wrapping_add(self.start), self.len) }
    }
}

impl DerefMut for ArenaBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.region.start.wrapping_add(self.start), self.len) }
    }
}

impl std::fmt::Debug for ArenaBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ArenaBytes({} bytes)", self.len)
    }
}

#[cfg(target_os = "linux")]
mod large_pages {
    use super::LARGE_PAGE;

    /// `MADV_COLLAPSE` of `asm-generic/mman-common.h`.
    const COLLAPSE: libc::c_int = 25;

    /// Whether this system knows the request.
    pub fn can_be_moved_to() -> bool {
        // SAFETY: about no memory at all, which is right unless the request is unknown.
        unsafe { libc::madvise(std::ptr::null_mut(), 0, COLLAPSE) == 0 }
    }

    /// Moves the memory that begins at `start`, a multiple of the page's size, to one large page. Where there is none
    /// left it stays where it is.
    pub fn move_to(start: *mut u8) {
        // SAFETY: whatever is mapped there keeps its content and its address, and what is not mapped is refused.
        unsafe { libc::madvise(start.cast(), LARGE_PAGE, COLLAPSE) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settling_keeps_every_byte_and_comes_to_an_end() {
        let arena = Arena::new(3 * LARGE_PAGE).unwrap();
        let mut piece = arena.take(2 * LARGE_PAGE + 12_345).unwrap();
        let value = |i: usize| (i * 7 + i / 4096) as u8;
        piece.iter_mut().enumerate().for_each(|(i, byte)| *byte = value(i));
        let moves = (0..10).take_while(|_| arena.settle()).count();
        assert!(moves == 3 || moves == 0, "{moves} moves of 3 large pages, where there are any");
        assert!(!arena.settle(), "there is nothing left");
        assert!(piece.iter().enumerate().all(|(i, byte)| *byte == value(i)), "a byte has changed");
    }

    #[test]
    fn pieces_are_aligned_zeroed_and_apart() {
        let arena = Arena::new(1000).unwrap();
        let mut a = arena.take(100).unwrap();
        let mut b = arena.take(3).unwrap();
        assert!(a.iter().chain(b.iter()).all(|&byte| byte == 0));
        a.fill(1);
        b.fill(2);
        assert!(a.iter().all(|&byte| byte == 1));
        assert_eq!(b.as_ptr() as usize % LINE, 0);
        assert_eq!(arena.used(), 192);
    }

    #[test]
    fn what_does_not_fit_gets_memory_of_its_own() {
        let arena = Arena::new(64).unwrap();
        let big = arena.take(10_000).unwrap();
        assert_eq!((big.len(), arena.used()), (10_000, 0));
        assert_eq!(Arena::new(0).unwrap().take(0).unwrap().len(), 0);
    }

    #[test]
    fn a_piece_outlives_its_arena() {
        let mut piece = Arena::new(4096).unwrap().take(4096).unwrap();
        piece.fill(7);
        assert!(piece.iter().all(|&byte| byte == 7));
    }
}

//! Memory for weights: reserved once for a whole model, in large pages where the system has them.
//!
//! A matrix product reads every byte of a model for each token. With pages of 4 KiB the processor then spends a good
//! part of its time looking addresses up; pages of 2 MiB make that disappear. An arena asks for them and hands its
//! memory out in pieces that live as long as their owners.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use memmap2::MmapMut;

use crate::KernelError;
use crate::pool::Pool;
use crate::share::Shared;

/// Every piece begins at a multiple of this many bytes: a line of the processor's cache.
const LINE: usize = 64;
/// A large page, and what an arena's memory begins at a multiple of where the system can arrange it.
const LARGE_PAGE: usize = 2 << 20;
/// The smallest page of any system.
const PAGE: usize = 4096;

/// Reserved memory; its pages are taken from the system as they are first written.
#[derive(Clone)]
pub struct Arena {
    region: Arc<Region>,
}

struct Region {
    start: *mut u8,
    len: usize,
    used: AtomicUsize,
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
        if bytes == 0 {
            let empty =
                Region { start: std::ptr::dangling_mut(), len: 0, used: AtomicUsize::new(0), _map: None };
            return Ok(Arena { region: Arc::new(empty) });
        }
        let refused = |_| KernelError::OutOfMemory { bytes };
        // Whole large pages begin at one; the last costs nothing until it is written.
        let room = if bytes < LARGE_PAGE { Some(bytes) } else { bytes.checked_next_multiple_of(LARGE_PAGE) };
        let mut map = MmapMut::map_anon(room.ok_or(KernelError::OutOfMemory { bytes })?).map_err(refused)?;
        #[cfg(target_os = "linux")]
        if map.advise(memmap2::Advice::HugePage).is_err() {
            // A kernel without large pages: slower, not wrong.
        }
        let start = map.as_mut_ptr();
        let region = Region { start, len: bytes, used: AtomicUsize::new(0), _map: Some(map) };
        Ok(Arena { region: Arc::new(region) })
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

/// Makes the system give the memory of `fresh`, a piece of an arena that was not written yet, in parallel.
///
/// The system clears a page when it is first written. Threads that pack rows side by side would reach each new page at
/// the same time, and each would clear one, of which all but one are thrown away.
pub(crate) fn take_pages(pool: &Pool, fresh: &mut [u8]) {
    let before = fresh.as_ptr().align_offset(LARGE_PAGE).min(fresh.len());
    let len = fresh.len();
    // Where the pages end, from the start of `fresh`.
    let end = |page: usize| before.saturating_add(page.saturating_mul(LARGE_PAGE)).min(len);
    let fresh = Shared::new(fresh);
    pool.run((len - before).div_ceil(LARGE_PAGE) + 1, &|page| {
        let start = if page == 0 { 0 } else { end(page - 1) };
        // SAFETY: each part is touched by the task that has its number.
        let part = unsafe { fresh.piece(start, end(page) - start) };
        for small_page in part.chunks_mut(PAGE) {
            // SAFETY: a valid place; volatile, so that writing the zero that is there already is not left out.
            unsafe { std::ptr::write_volatile(&raw mut small_page[0], 0) };
        }
    });
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

#[cfg(test)]
mod tests {
    use super::*;

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
    fn taking_pages_changes_nothing() {
        let pool = Pool::new(2);
        let mut piece = Arena::new(3 * LARGE_PAGE).unwrap().take(3 * LARGE_PAGE).unwrap();
        for (start, len) in [(0, 0), (5, 1), (100, LARGE_PAGE), (LINE, 2 * LARGE_PAGE + 17)] {
            take_pages(&pool, &mut piece[start..start + len]);
        }
        assert!(piece.iter().all(|&byte| byte == 0));
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

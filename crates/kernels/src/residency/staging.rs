//! Buffers for matrices on their way from the file, and who has one.

use lantern_gguf::{DIRECT_ALIGN, TensorBytes};

use super::reader::{Answer, Reader, Request};
use super::slots::MatrixId;
use super::stack::Stack;
use crate::KernelError;
use crate::arena::{Arena, ArenaBytes};

/// Buffers there are at most: enough for the three matrices of eight experts, and some more.
const BUFFERS: usize = 32;
/// They take no more than one part in so many of all memory for experts.
const SHARE: usize = 16;

/// Reads ahead, as long as there are buffers.
#[derive(Debug)]
pub(super) struct Staging {
    reader: Reader,
    free: Vec<ArenaBytes>,
    /// Those that were asked for and not fetched.
    pending: Vec<MatrixId>,
    count: usize,
}

impl Staging {
    /// Buffers for matrices of up to `len` bytes within a share of `budget`; `None` when there is no room for enough of them.
    pub(super) fn new(len: usize, budget: usize) -> Result<Option<Self>, KernelError> {
        let each = TensorBytes::direct_len(len);
        let count = (budget / SHARE / each).min(BUFFERS);
        // Fewer are not worth threads of their own.
        if count < BUFFERS / 4 {
            return Ok(None);
        }
        let Some(reader) = Reader::start(count) else { return Ok(None) };
        let memory = Arena::new(count * each)?;
        let free = (0..count).map(|_| memory.take(each)).collect::<Result<Vec<_>, _>>()?;
        debug_assert!(free.iter().all(|buffer| buffer.as_ptr().addr().is_multiple_of(DIRECT_ALIGN)));
        Ok(Some(Staging { reader, free, pending: Vec::with_capacity(count), count }))
    }

    /// Bytes of the buffers.
    pub(super) fn bytes(&self) -> usize {
        self.free.iter().map(|buffer| buffer.len()).sum()
    }

    /// Experts that one product should have read at a time, so that others find buffers as well.
    pub(super) fn wave(&self) -> usize {
        (self.count / 4).max(1)
    }

    /// Has a matrix read, unless it is on its way, in the page cache, or there is no buffer. Whether it is on its way.
    pub(super) fn ask(&mut self, id: MatrixId, stack: &Stack) -> bool {
        if self.pending.contains(&id) {
            return true;
        }
        let part = stack.part(id.matrix);
        if self.free.is_empty() || is_cached(&stack.bytes[part.clone()]) {
            return false;
        }
        let Some(buffer) = self.free.pop() else { return false };
        self.pending.push(id);
        self.reader.ask(Request { id, bytes: stack.bytes.clone(), part, buffer });
        true
    }

    /// A matrix that was read, or is read now; `None` when it has to come from the map.
    pub(super) fn fetch(&mut self, id: MatrixId, stack: &Stack) -> Option<Answer> {
        if !self.ask(id, stack) {
            return None;
        }
        let answer = self.reader.wait(id);
        self.pending.retain(|&other| other != id);
        Some(answer)
    }

    /// Matrices that were asked for and not fetched.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Takes a buffer back.
    pub(super) fn give_back(&mut self, buffer: ArenaBytes) {
        self.free.push(buffer);
    }
}

/// Whether all of a mapped file's bytes are in the system's page cache already.
#[cfg(target_os = "linux")]
fn is_cached(bytes: &[u8]) -> bool {
    /// Pages that are asked for at once.
    const PAGES: usize = 256;
    let before = bytes.as_ptr().addr() % DIRECT_ALIGN;
    let (first, all) = (bytes.as_ptr().wrapping_sub(before), before + bytes.len());
    (0..if bytes.is_empty() { 0 } else { all }).step_by(PAGES * DIRECT_ALIGN).all(|from| {
        let len = (all - from).min(PAGES * DIRECT_ALIGN);
        let mut pages = [0u8; PAGES];
        // SAFETY: it writes a byte for each page of the range, of which there are no more than `pages` has, and reads
        // nothing there. Where pages are larger it refuses the address or writes fewer.
        let known = unsafe {
            libc::mincore(first.wrapping_add(from).cast_mut().cast(), len, pages.as_mut_ptr()) == 0
        };
        known && pages[..len.div_ceil(DIRECT_ALIGN)].iter().all(|page| page & 1 == 1)
    })
}

#[cfg(not(target_os = "linux"))]
fn is_cached(_bytes: &[u8]) -> bool {
    false
}

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
    pending: Vec<Pending>,
    count: usize,
}

#[derive(Debug)]
struct Pending {
    id: MatrixId,
    want: Want,
}

/// How sure it is that a matrix will be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Want {
    /// It was foreseen, and was not needed. It may be the next time.
    No,
    /// It is foreseen.
    Soon,
    /// It will be.
    Now,
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
    pub(super) fn ask(&mut self, id: MatrixId, stack: &Stack, want: Want) -> bool {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.id == id) {
            if want == Want::Now && pending.want < want {
                self.reader.hurry(id);
            }
            pending.want = pending.want.max(want);
            return true;
        }
        let part = stack.part(id.matrix);
        if is_cached(&stack.bytes[part.clone()]) {
            return false;
        }
        let Some(buffer) = self.free.pop().or_else(|| self.take_back(want)) else { return false };
        self.pending.push(Pending { id, want });
        self.reader.ask(Request { id, bytes: stack.bytes.clone(), part, buffer }, want == Want::Now);
        true
    }

    /// The buffer of something that is wanted less; of what was asked for first, if there are several.
    fn take_back(&mut self, want: Want) -> Option<ArenaBytes> {
        let less = |pending: &Pending| pending.want < want;
        let (at, buffer) = (self.pending.iter().enumerate().filter(|(_, pending)| less(pending)))
            .find_map(|(at, pending)| Some((at, self.reader.take_back(pending.id)?)))?;
        self.pending.remove(at);
        Some(buffer)
    }

    /// Of a stack, nothing is foreseen any more: what is needed of it is known.
    pub(super) fn know(&mut self, stack: usize) {
        let foreseen = |pending: &&mut Pending| pending.id.stack == stack && pending.want == Want::Soon;
        self.pending.iter_mut().filter(foreseen).for_each(|pending| pending.want = Want::No);
    }

    /// A matrix that was read, or is read now; `None` when it has to come from the map.
    pub(super) fn fetch(&mut self, id: MatrixId, stack: &Stack) -> Option<Answer> {
        if !self.ask(id, stack, Want::Now) {
            return None;
        }
        let answer = self.reader.wait(id);
        self.pending.retain(|other| other.id != id);
        Some(answer)
    }

    /// Matrices that were asked for and not fetched.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.pending.len()
    }

    /// Whether a matrix was asked for and not fetched.
    #[cfg(test)]
    pub(super) fn has(&self, id: MatrixId) -> bool {
        self.pending.iter().any(|pending| pending.id == id)
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

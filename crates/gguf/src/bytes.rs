//! Bytes of a tensor where they lie: in the memory map of the file, or in memory of their own.

use std::ops::{Deref, Range};
use std::sync::Arc;

#[cfg(unix)]
use memmap2::UncheckedAdvice;

use crate::direct::Mapped;

/// Bytes that Linux maps around a page of a file that is touched, as long as they are in memory anyway.
pub const FAULT_AROUND: usize = 64 << 10;

/// A tensor's bytes. Cloning is cheap; a clone keeps the map alive.
#[derive(Clone)]
pub struct TensorBytes {
    owner: Owner,
    start: usize,
    len: usize,
}

#[derive(Clone)]
enum Owner {
    Map(Arc<Mapped>),
    Memory(Arc<Vec<u8>>),
}

impl TensorBytes {
    /// A part of a map; `None` when it does not lie inside.
    pub(crate) fn mapped(map: &Arc<Mapped>, start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len)?;
        (end <= map.len()).then(|| TensorBytes { owner: Owner::Map(Arc::clone(map)), start, len })
    }

    /// The mapped file they are of, and where in it they begin.
    pub(crate) fn mapped_at(&self) -> Option<(&Mapped, usize)> {
        match &self.owner {
            Owner::Map(map) => Some((map, self.start)),
            Owner::Memory(_) => None,
        }
    }

    /// Tells the system that a part of these bytes is not needed for now, so that a mapped file's pages stop counting as memory of
    /// this process. Reading them again brings them back. What the system maps around a page that is read goes with it, also
    /// where it belongs to other bytes of the file.
    pub fn release(&self, part: Range<usize>) {
        let end = part.end.min(self.len);
        #[cfg(not(unix))]
        let _ = end;
        #[cfg(unix)]
        if let Owner::Map(map) = &self.owner
            && part.start < end
        {
            let start = (self.start + part.start).saturating_sub(FAULT_AROUND);
            let len = (self.start + end + FAULT_AROUND).min(map.len()) - start;
            // SAFETY: the map is shared with the file and never written, so its pages come back as they were. A refusal
            // only means that they stay.
            #[allow(unsafe_code)]
            let _ = unsafe { map.unchecked_advise_range(UncheckedAdvice::DontNeed, start, len) };
        }
    }

    /// Asks the system to read a part of these bytes soon. A hint: nothing waits for it, and where it is refused pages
    /// come one by one as they are used.
    pub fn will_need(&self, part: Range<usize>) {
        let len = part.end.min(self.len).saturating_sub(part.start);
        #[cfg(not(unix))]
        let _ = len;
        #[cfg(unix)]
        if let Owner::Map(map) = &self.owner
            && len > 0
        {
            let _ = map.advise_range(memmap2::Advice::WillNeed, self.start + part.start, len);
        }
    }
}

/// Bytes made in memory, for tests and for tensors that are computed.
impl From<Vec<u8>> for TensorBytes {
    fn from(bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        TensorBytes { owner: Owner::Memory(Arc::new(bytes)), start: 0, len }
    }
}

impl Deref for TensorBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        let whole: &[u8] = match &self.owner {
            Owner::Map(map) => map.as_ref(),
            Owner::Memory(bytes) => bytes,
        };
        &whole[self.start..self.start + self.len]
    }
}

impl std::fmt::Debug for TensorBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TensorBytes({} bytes at {})", self.len, self.start)
    }
}

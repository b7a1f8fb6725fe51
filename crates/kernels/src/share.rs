//! A slice that several tasks of a pool write to, each in its own places.

use std::marker::PhantomData;

/// An exclusive slice lent out in disjoint pieces.
///
/// The compiler cannot see that tasks write to different places, so handing out a piece is `unsafe` and every
/// caller says why its pieces do not meet.
pub(crate) struct Shared<'a, T> {
    start: *mut T,
    len: usize,
    lent: PhantomData<&'a mut [T]>,
}

// SAFETY: it is a `&mut [T]` whose pieces may be used on any thread; `piece`'s contract keeps them apart.
unsafe impl<T: Send> Sync for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub(crate) fn new(slice: &'a mut [T]) -> Self {
        Shared { start: slice.as_mut_ptr(), len: slice.len(), lent: PhantomData }
    }

    /// The piece `[start, start + len)`.
    ///
    /// # Safety
    /// No other piece that overlaps it may be alive.
    ///
    /// # Panics
    /// When the piece does not lie inside.
    #[allow(clippy::mut_from_ref)]
    pub(crate) unsafe fn piece(&self, start: usize, len: usize) -> &mut [T] {
        assert!(start <= self.len && len <= self.len - start, "piece outside its slice");
        // SAFETY: inside the slice by the assertion, alone by the caller's word, alive as long as `'a`.
        unsafe { std::slice::from_raw_parts_mut(self.start.wrapping_add(start), len) }
    }
}

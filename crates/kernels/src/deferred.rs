//! Matrices that are packed when they are first used: of a layer of experts, one token passes few.
//!
//! Room for all of them is reserved while a model loads, so that nothing can fail later for want of memory; its pages are
//! taken from the system matrix by matrix, as the file's are let go. What is never chosen is never read.

use std::ops::Range;
use std::sync::{Mutex, OnceLock, PoisonError};

use lantern_gguf::TensorBytes;

use crate::KernelError;
use crate::arena::{Arena, ArenaBytes};
use crate::isa::isa;
use crate::packed::{Packing, ROWS, pack};
use crate::pool::Pool;

/// Matrices of one shape, each with tiles of its own from its first use on.
#[derive(Debug)]
pub(crate) struct Deferred {
    /// All matrices as in the file.
    bytes: TensorBytes,
    packing: Packing,
    row_bytes: usize,
    /// For each matrix: memory for its tiles, until they are there. Held while one is packed.
    room: Mutex<Vec<Option<ArenaBytes>>>,
    tiles: Box<[OnceLock<ArenaBytes>]>,
}

impl Deferred {
    /// `count` matrices of `bytes`, each of whose tiles take `tiles_len` bytes of the arena.
    pub(crate) fn new(
        bytes: TensorBytes,
        packing: Packing,
        row_bytes: usize,
        (count, tiles_len): (usize, usize),
        arena: &Arena,
    ) -> Result<Self, KernelError> {
        let room = (0..count).map(|_| arena.take(tiles_len).map(Some)).collect::<Result<_, _>>()?;
        let tiles = (0..count).map(|_| OnceLock::new()).collect();
        Ok(Deferred { bytes, packing, row_bytes, room: Mutex::new(room), tiles })
    }

    /// The tiles of matrix `i`, once it is packed.
    pub(crate) fn tiles(&self, i: usize) -> Option<&[u8]> {
        self.tiles[i].get().map(|tiles| &tiles[..])
    }

    /// All matrices as in the file.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Packs those of the matrices that are not packed yet. Fails when one cannot be, because packing it has failed before.
    pub(crate) fn prepare(
        &self,
        which: impl Iterator<Item = usize> + Clone,
        pool: &Pool,
    ) -> Result<(), KernelError> {
        let missing = which.filter(|&i| self.tiles[i].get().is_none());
        // The disk gets to know of all of them before the first is waited for.
        missing.clone().for_each(|i| self.bytes.will_need(self.part(i)));
        for i in missing {
            self.pack(i, pool);
            if self.tiles[i].get().is_none() {
                return Err(KernelError::NotPacked { ty: self.packing.ty });
            }
        }
        Ok(())
    }

    /// Packs one more matrix; whether there was one.
    pub(crate) fn prepare_next(&self, pool: &Pool) -> bool {
        let next = self.room().iter().position(Option::is_some);
        if let Some(i) = next {
            self.pack(i, pool);
        }
        next.is_some()
    }

    fn pack(&self, i: usize, pool: &Pool) {
        let mut room = self.room();
        // Somebody else may have been first.
        if let Some(mut tiles) = room[i].take() {
            pack_and_release(pool, &self.packing, &self.bytes, self.part(i), self.row_bytes, &mut tiles);
            // It is empty: only who had the room fills it.
            let _ = self.tiles[i].set(tiles);
        }
    }

    fn room(&self) -> std::sync::MutexGuard<'_, Vec<Option<ArenaBytes>>> {
        // Should packing panic, its room is gone from the list, and the list is whole.
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where matrix `i` is among the bytes.
    fn part(&self, i: usize) -> Range<usize> {
        let len = self.bytes.len() / self.tiles.len();
        i * len..(i + 1) * len
    }
}

/// Packs a part of the file's bytes, letting go of it piece by piece: at no time are there two copies of much.
pub(crate) fn pack_and_release(
    pool: &Pool,
    packing: &Packing,
    bytes: &TensorBytes,
    part: Range<usize>,
    row_bytes: usize,
    to: &mut [u8],
) {
    /// About so many bytes are packed at once.
    const PIECE: usize = 16 << 20;
    if to.is_empty() {
        return;
    }
    let tile_bytes = ROWS * row_bytes;
    let piece = (PIECE / tile_bytes).max(1) * tile_bytes;
    for (start, to) in part.clone().step_by(piece).zip(to.chunks_mut(piece)) {
        let from = start..part.end.min(start + piece);
        pack(isa(), pool, packing, &bytes[from.clone()], row_bytes, to);
        bytes.release(from);
    }
}

#[cfg(test)]
mod tests {
    use lantern_gguf::GgmlType;

    use crate::{Arena, ExpertRows, MatrixShape, Pool, Product, QMatrix, matmul_experts};

    #[test]
    fn each_matrix_is_packed_once_and_when_it_is_used() {
        let (pool, shape) = (Pool::new(2), MatrixShape { count: 4, rows: 20, cols: 64 });
        let bytes: Vec<u8> = (0..4 * 20 * 68).map(|i| (i * i % 61) as u8).collect();
        let new = || QMatrix::new(GgmlType::Q8_0, shape, bytes.clone().into()).unwrap();
        let arena = Arena::new(1 << 20).unwrap();
        let (packed, deferred) = (new().pack(&arena, &pool).unwrap(), new().pack_when_used(&arena).unwrap());
        let x: Vec<f32> = (0..64).map(|i| (i as f32).sin()).collect();
        let product = |weights: &QMatrix, expert| {
            let mut out = vec![f32::NAN; 20];
            let groups = [ExpertRows { expert, first: 0, len: 1 }];
            let mut products = [Product { weights, out: &mut out }];
            matmul_experts(&pool, &x, 1, &[0], &groups, &mut products).unwrap();
            out
        };
        let there = |i: usize| deferred.packed(i, None).is_some();
        assert!((0..4).all(|i| !there(i)), "packed before any use");
        for _ in 0..2 {
            assert_eq!(product(&deferred, 2), product(&packed, 2));
            assert_eq!((0..4).map(there).collect::<Vec<_>>(), [false, false, true, false]);
        }
        let used = arena.used();
        let more = (0..10).take_while(|_| deferred.pack_next(&pool)).count();
        assert_eq!(more, 3, "the others, one at a time");
        for i in 0..4 {
            assert_eq!(deferred.packed(i, None), packed.packed(i, None), "matrix {i}");
        }
        assert_eq!(arena.used(), used, "all room was reserved at once");
    }
}

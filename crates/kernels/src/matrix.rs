//! Weight matrices: checked once, so that kernels may trust their size, and packed for products.

use std::ops::Deref;
use std::sync::Arc;

use lantern_gguf::blocks::affine;
use lantern_gguf::{GgmlType, TensorBytes, dequantize};

use crate::KernelError;
use crate::arena::{Arena, ArenaBytes};
use crate::deferred::{Deferred, pack_and_release};
use crate::error::check_len;
use crate::matmul::ExpertRows;
use crate::packed::{Packing, ROWS, packing, unpack_row};
use crate::pool::Pool;
use crate::residency::{ExpertStore, Residents, Stack};

/// The sizes of one matrix, or of several of the same shape that lie behind each other (the experts of a layer).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixShape {
    /// How many matrices.
    pub count: usize,
    /// Rows of each, which is the number of outputs.
    pub rows: usize,
    /// Columns of each, which is the number of inputs.
    pub cols: usize,
}

impl MatrixShape {
    /// The shape of a single matrix.
    pub fn one(rows: usize, cols: usize) -> Self {
        MatrixShape { count: 1, rows, cols }
    }
}

/// Weights: where the file's map has them, or packed in tiles (see `packed`) of as many bytes.
#[derive(Debug)]
pub struct QMatrix {
    ty: GgmlType,
    shape: MatrixShape,
    row_bytes: usize,
    weights: Storage,
}

#[derive(Debug)]
enum Storage {
    /// Whole rows, as in the file.
    Rows(TensorBytes),
    /// Tiles; those of the next matrix begin with a new one.
    Tiles(Packing, Tiles),
    /// Rows of the file, and tiles of the matrices that were used.
    Deferred(Deferred),
    /// Rows of the file, and the number of the matrices in a store that has tiles of some.
    Stored(TensorBytes, Arc<ExpertStore>, usize),
}

/// Where tiles are.
#[derive(Debug)]
enum Tiles {
    /// In memory, packed by this process.
    Packed(ArenaBytes),
    /// In the map of a file that an earlier process wrote.
    Kept(TensorBytes),
}

impl Deref for Tiles {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Tiles::Packed(bytes) => bytes,
            Tiles::Kept(bytes) => bytes,
        }
    }
}

impl QMatrix {
    /// Takes `bytes` as matrices where they lie: enough for [`embed`] and for plain floats. Fails when the type has no
    /// kernel or the bytes do not fill the matrices exactly.
    pub fn new(ty: GgmlType, shape: MatrixShape, bytes: TensorBytes) -> Result<Self, KernelError> {
        let plain = matches!(ty, GgmlType::F32 | GgmlType::F16 | GgmlType::BF16);
        if !plain && affine(ty).is_none() {
            return Err(KernelError::UnsupportedType { ty });
        }
        let rows = shape.count.checked_mul(shape.rows);
        let row_bytes = ty.row_bytes(shape.cols);
        match row_bytes.filter(|&of_row| rows.and_then(|rows| rows.checked_mul(of_row)) == Some(bytes.len()))
        {
            Some(row_bytes) => Ok(QMatrix { ty, shape, row_bytes, weights: Storage::Rows(bytes) }),
            None => {
                let rows = rows.unwrap_or(usize::MAX);
                Err(KernelError::WeightSize { ty, rows, cols: shape.cols, bytes: bytes.len() })
            }
        }
    }

    /// Packs quantised weights into memory from `arena`, which products need. Pages of the file's map that were read
    /// for it are let go.
    pub fn pack(self, arena: &Arena, pool: &Pool) -> Result<Self, KernelError> {
        let (Some(packing), Storage::Rows(bytes)) = (packing(self.ty), &self.weights) else {
            return Ok(self);
        };
        let from_len = self.shape.rows * self.row_bytes;
        let to_len = self.tiles() * self.tile_bytes();
        let mut tiles = arena.take(self.packed_len()?)?;
        for i in 0..self.shape.count {
            let to = &mut tiles[i * to_len..(i + 1) * to_len];
            pack_and_release(pool, &packing, bytes, i * from_len..(i + 1) * from_len, self.row_bytes, to);
        }
        Ok(QMatrix { weights: Storage::Tiles(packing, Tiles::Packed(tiles)), ..self })
    }

    /// Like [`Self::pack`], but each matrix is packed when it first meets rows, or by [`Self::pack_next`] before. For
    /// matrices of which few are used at a time.
    pub fn pack_when_used(self, arena: &Arena) -> Result<Self, KernelError> {
        let (Some(packing), Storage::Rows(bytes)) = (packing(self.ty), &self.weights) else {
            return Ok(self);
        };
        self.packed_len()?;
        let each = (self.shape.count, self.tiles() * self.tile_bytes());
        let deferred = Deferred::new(bytes.clone(), packing, self.row_bytes, each, arena)?;
        Ok(QMatrix { weights: Storage::Deferred(deferred), ..self })
    }

    /// Like [`Self::pack_when_used`], but only some of the matrices have tiles at a time: those for which the store has room.
    pub fn keep_in(self, store: &Arc<ExpertStore>) -> Result<Self, KernelError> {
        let (Some(packing), Storage::Rows(bytes)) = (packing(self.ty), &self.weights) else {
            return Ok(self);
        };
        self.packed_len()?;
        let each = (self.shape.count, self.tiles() * self.tile_bytes());
        let stack = store.add(Stack::new(bytes.clone(), packing, self.row_bytes, each));
        Ok(QMatrix { weights: Storage::Stored(bytes.clone(), Arc::clone(store), stack), ..self })
    }

    /// Says which of the matrices meet rows soon: those that a store has not are read meanwhile.
    pub fn announce(&self, groups: &[ExpertRows]) {
        if let Storage::Stored(_, store, stack) = &self.weights
            && groups.iter().all(|group| (group.expert as usize) < self.shape.count)
        {
            store.announce(*stack, groups);
        }
    }

    /// Says which of the matrices may meet rows in a while: those that a store has not are read if nothing else is to be.
    pub fn foresee(&self, groups: &[ExpertRows]) {
        if let Storage::Stored(_, store, stack) = &self.weights
            && groups.iter().all(|group| (group.expert as usize) < self.shape.count)
        {
            store.foresee(*stack, groups);
        }
    }

    /// Whether a product reads nothing from the file.
    pub fn is_resident(&self) -> bool {
        self.store().is_none_or(|(store, stack)| store.has_all(stack))
    }

    /// The store that has tiles of some of the matrices, and their number there.
    pub(crate) fn store(&self) -> Option<(&Arc<ExpertStore>, usize)> {
        match &self.weights {
            Storage::Stored(_, store, stack) => Some((store, *stack)),
            _ => None,
        }
    }

    /// Packs one of the matrices that wait for their first use; whether there was one.
    pub fn pack_next(&self, pool: &Pool) -> bool {
        matches!(&self.weights, Storage::Deferred(deferred) if deferred.prepare_next(pool))
    }

    /// Whether matrices are packed when they are first used.
    pub fn is_deferred(&self) -> bool {
        matches!(self.weights, Storage::Deferred(_))
    }

    /// Takes tiles that [`Self::packed_bytes`] of the same weights gave before, instead of packing. They must come from
    /// this version of the packing ([`PACKING_VERSION`]): of others the numbers would be wrong.
    ///
    /// [`PACKING_VERSION`]: crate::PACKING_VERSION
    pub fn with_tiles(self, tiles: TensorBytes) -> Result<Self, KernelError> {
        let (ty, bytes) = (self.ty, tiles.len());
        match packing(ty) {
            Some(packing) if self.packed_len() == Ok(bytes) => {
                Ok(QMatrix { weights: Storage::Tiles(packing, Tiles::Kept(tiles)), ..self })
            }
            _ => Err(KernelError::WeightSize { ty, rows: self.shape.rows, cols: self.shape.cols, bytes }),
        }
    }

    /// Lets go of the pages of the file's map that reading rows has brought into memory; the next reading brings them back.
    pub fn release(&self) {
        if let Storage::Rows(bytes) = &self.weights {
            bytes.release(0..bytes.len());
        }
    }

    /// All tiles, when the weights were packed as a whole.
    pub fn packed_bytes(&self) -> Option<&[u8]> {
        match &self.weights {
            Storage::Tiles(_, tiles) => Some(tiles),
            Storage::Rows(_) | Storage::Deferred(_) | Storage::Stored(..) => None,
        }
    }

    /// Bytes that all tiles take, or would take.
    pub fn packed_len(&self) -> Result<usize, KernelError> {
        let of_one = self.tiles().checked_mul(self.tile_bytes());
        let len = of_one.and_then(|len| len.checked_mul(self.shape.count));
        len.ok_or(KernelError::OutOfMemory { bytes: usize::MAX })
    }

    /// The sizes.
    pub fn shape(&self) -> MatrixShape {
        self.shape
    }

    /// Rows of each matrix, which is the number of outputs.
    pub fn rows(&self) -> usize {
        self.shape.rows
    }

    /// Number of columns, which is the number of inputs.
    pub fn cols(&self) -> usize {
        self.shape.cols
    }

    /// The block type.
    pub fn ty(&self) -> GgmlType {
        self.ty
    }

    /// Whether the weights are of a type with tiles and were not packed.
    pub(crate) fn wants_packing(&self) -> bool {
        packing(self.ty).is_some() && matches!(self.weights, Storage::Rows(_))
    }

    /// Makes sure that these of the matrices are packed, if they are to be when they are used.
    pub(crate) fn prepare(
        &self,
        which: impl Iterator<Item = usize> + Clone,
        pool: &Pool,
    ) -> Result<(), KernelError> {
        match &self.weights {
            Storage::Deferred(deferred) => deferred.prepare(which, pool),
            Storage::Rows(_) | Storage::Tiles(..) | Storage::Stored(..) => Ok(()),
        }
    }

    /// Bytes of one tile: sixteen rows.
    pub(crate) fn tile_bytes(&self) -> usize {
        ROWS * self.row_bytes
    }

    /// Tiles of one matrix.
    pub(crate) fn tiles(&self) -> usize {
        self.shape.rows.div_ceil(ROWS)
    }

    /// The tiles of matrix `i`, when the weights are packed; of matrices in a store, when it has them.
    pub(crate) fn packed<'a>(&'a self, i: usize, residents: Option<&'a Residents>) -> Option<&'a [u8]> {
        let len = self.tiles() * self.tile_bytes();
        match &self.weights {
            Storage::Rows(_) => None,
            Storage::Stored(_, _, stack) => residents?.tiles(*stack, i),
            Storage::Tiles(_, tiles) => Some(&tiles[i * len..(i + 1) * len]),
            Storage::Deferred(deferred) => deferred.tiles(i),
        }
    }

    /// The bytes of matrix `i` as in the file; nothing when the weights are packed.
    pub(crate) fn plain_rows(&self, i: usize) -> &[u8] {
        let len = self.shape.rows * self.row_bytes;
        let bytes: &[u8] = match &self.weights {
            Storage::Rows(bytes) | Storage::Stored(bytes, ..) => bytes,
            Storage::Deferred(deferred) => deferred.bytes(),
            Storage::Tiles(..) => return &[],
        };
        &bytes[i * len..(i + 1) * len]
    }

    /// The bytes of a row of matrix `i` as in the file; nothing when the weights are packed.
    pub(crate) fn plain_row(&self, i: usize, row: usize) -> &[u8] {
        self.plain_rows(i).get(row * self.row_bytes..(row + 1) * self.row_bytes).unwrap_or_default()
    }

    /// Writes the values of a row of the first matrix to `out`, which has room for exactly that.
    fn row_values(&self, row: usize, out: &mut [f32]) -> Result<(), KernelError> {
        match &self.weights {
            Storage::Rows(_) | Storage::Deferred(_) | Storage::Stored(..) => {
                dequantize(self.ty, self.plain_row(0, row), out)?
            }
            Storage::Tiles(packing, tiles) => {
                let tile = &tiles[row / ROWS * self.tile_bytes()..][..self.tile_bytes()];
                unpack_row(packing, tile, row % ROWS, out);
            }
        }
        Ok(())
    }
}

/// Whether products with weights of type `ty` are slow: there is no kernel that reads its blocks, so they are unpacked
/// one by one, again for every step.
pub fn is_slow(ty: GgmlType) -> bool {
    ty.is_quantised() && packing(ty).is_none()
}

/// Writes the values of the rows `ids` to `out`, `[ids.len(), cols]`.
pub fn embed(w: &QMatrix, ids: &[u32], out: &mut [f32]) -> Result<(), KernelError> {
    check_len("the embedding's output", out.len(), ids.len().checked_mul(w.cols()))?;
    if w.cols() == 0 {
        return Ok(());
    }
    for (&id, values) in ids.iter().zip(out.chunks_exact_mut(w.cols())) {
        let row = id as usize;
        if row >= w.rows() {
            return Err(KernelError::Index { what: "token id", index: row, limit: w.rows() });
        }
        w.row_values(row, values)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(ty: GgmlType, rows: usize, cols: usize, bytes: Vec<u8>) -> Result<QMatrix, KernelError> {
        QMatrix::new(ty, MatrixShape::one(rows, cols), bytes.into())?.pack(&Arena::new(0)?, &Pool::new(1))
    }

    #[test]
    fn sizes_and_types_are_checked() {
        let q8 = |rows, cols, bytes| matrix(GgmlType::Q8_0, rows, cols, vec![0; bytes]);
        assert!(q8(2, 64, 136).is_ok());
        assert_eq!(q8(2, 64, 135).unwrap_err().code(), "bad_tensor");
        assert_eq!(q8(2, 65, 136).unwrap_err().code(), "bad_tensor");
        assert_eq!(q8(usize::MAX, 64, 136).unwrap_err().code(), "bad_tensor");
        let odd = matrix(GgmlType::Q8K, 1, 256, vec![0; 292]);
        assert_eq!(odd.unwrap_err().code(), "unsupported_tensor_type");
    }

    #[test]
    fn embedding_takes_rows_in_any_order() {
        let values: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let w = matrix(GgmlType::F32, 3, 2, values).unwrap();
        let mut out = [0.0; 6];
        embed(&w, &[2, 0, 2], &mut out).unwrap();
        assert_eq!(out, [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
        let error = embed(&w, &[3], &mut out[..2]).unwrap_err();
        assert_eq!(error, KernelError::Index { what: "token id", index: 3, limit: 3 });
    }

    #[test]
    fn an_embedding_reads_packed_rows() {
        let (rows, cols) = (18, 32);
        let mut bytes = Vec::new();
        for row in 0..rows {
            bytes.extend(half::f16::from_f32(0.5).to_le_bytes());
            bytes.extend((0..cols).map(|col| (row + col) as u8));
        }
        let w = matrix(GgmlType::Q8_0, rows, cols, bytes).unwrap();
        let mut out = vec![0.0; 2 * cols];
        embed(&w, &[17, 3], &mut out).unwrap();
        assert_eq!((out[0], out[31], out[32]), (8.5, 24.0, 1.5));
    }
}

//! From tiles back to numbers: one row for an embedding, sixteen for the portable kernels.

use lantern_gguf::blocks::{Unpacked, unpack};

use super::{PART, Packing, Planes, ROWS, UNIT};

/// The largest block of a file, in bytes.
const MAX_BLOCK_BYTES: usize = 256;

/// A block of sixteen rows.
#[derive(Clone, Copy)]
pub struct Tile<'a> {
    packing: &'a Packing,
    bytes: &'a [u8],
}

impl<'a> Tile<'a> {
    /// `bytes` must be one block of a tile.
    pub fn new(packing: &'a Packing, bytes: &'a [u8]) -> Self {
        debug_assert_eq!(bytes.len(), packing.tile_block_bytes());
        Tile { packing, bytes }
    }

    /// The integers, scales and minimums of row `r`, as `lantern_gguf::blocks::unpack` gives them.
    pub fn row(&self, r: usize, to: &mut Unpacked) {
        let mut block = [0; MAX_BLOCK_BYTES];
        let block = &mut block[..self.packing.ty.block_bytes()];
        let mut start = 0;
        for piece in self.packing.header {
            for word in 0..piece.words {
                let from = &self.bytes[start + r * piece.width..][..piece.width];
                block[piece.at + word * piece.width..][..piece.width].copy_from_slice(from);
                start += ROWS * piece.width;
            }
        }
        // The scales are read by the type's own code, from a block whose integers are still zero.
        unpack(self.packing.ty, block, to);
        let parts = self.bytes[start..].chunks_exact(self.packing.planes.bytes());
        for (planes, values) in parts.zip(to.q.as_chunks_mut::<PART>().0) {
            unpack_part(self.packing, planes, r, values);
        }
    }
}

/// The integers of row `r` in one part.
fn unpack_part(packing: &Packing, planes: &[u8], r: usize, values: &mut [u8; PART]) {
    let word = |unit: usize| {
        let bytes = &planes[unit * UNIT + 4 * r..][..4];
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    };
    for (i, value) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let nibbles = || word(i / 2) >> (4 * (i % 2)) & 0x0f0f_0f0f;
        let pairs = |first: usize| word(first + i / 4) >> (2 * (i % 4)) & 0x0303_0303;
        let bits = |unit: usize| word(unit) >> i & 0x0101_0101;
        let four = match packing.planes {
            Planes::Nibbles => nibbles(),
            Planes::NibblesBits => nibbles() | bits(4) << 4,
            Planes::NibblesPairs => nibbles() | pairs(4) << 4,
            Planes::Bytes => word(i),
            Planes::Pairs => pairs(0),
            Planes::PairsBits => pairs(0) | bits(2) << 2,
        };
        *value = four.to_le_bytes();
        if let Some(table) = packing.table {
            *value = value.map(|index| table[usize::from(index)]);
        }
    }
}

/// Writes the values of row `r` of a tile (all its blocks, one after the other) to `out`.
pub fn unpack_row(packing: &Packing, tile: &[u8], r: usize, out: &mut [f32]) {
    let size = packing.ty.block_size();
    let mut unpacked = Unpacked::new();
    let blocks = tile.chunks_exact(packing.tile_block_bytes());
    for (bytes, values) in blocks.zip(out.chunks_exact_mut(size)) {
        Tile::new(packing, bytes).row(r, &mut unpacked);
        unpacked.values(packing.form, values);
    }
}

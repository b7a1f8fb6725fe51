//! Quantised weights in tiles: sixteen rows side by side, in as many bytes as the file takes for them.
//!
//! A file keeps a matrix row after row; a processor multiplies many rows at once. A tile holds a block of each of
//! sixteen rows so that one load brings the same place of eight or sixteen of them:
//!
//! ```text
//! tile   = for each block of a row: headers, then for each part of 32 columns: its planes
//! header = the block's scales as the file has them, word by word, sixteen rows of a word side by side
//! plane  = units of 64 bytes, four columns (j) of each of sixteen rows (r); byte 4·r + j of unit u holds
//!   bytes    columns 4u + j                                          8 units
//!   nibbles  columns 8u + j in the low half, 8u + 4 + j in the high  4 units
//!   pairs    columns 16u + 4i + j at bits 2i                         2 units
//!   bits     columns 4i + j at bit i                                 1 unit
//! ```
//!
//! The integers are those of `lantern_gguf::blocks` (or the index into their table), so every type with the same
//! number of bits looks the same. The last tile of a matrix is filled up with rows of zeros.

mod integers;
mod pack;
mod turn;
mod unpack;

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::{Affine, affine, codebook};

pub use pack::pack;
pub use unpack::{Tile, unpack_row};

/// The version of everything this module says about tiles.
///
/// Tiles are kept on disk and used by later programs, which know them by this number alone. **It goes up by one with
/// every change to a byte of the tiles of any type**, and when a type begins or ceases to be packed; a test notices
/// when that was forgotten.
pub const PACKING_VERSION: u32 = 1;

/// Rows in a tile.
pub const ROWS: usize = 16;
/// Columns in a part of a block.
pub const PART: usize = 32;
/// Bytes in a unit of a plane: four columns of every row.
pub const UNIT: usize = 4 * ROWS;

/// The planes of a part, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planes {
    /// Four bits, perhaps an index into a table.
    Nibbles,
    /// Four bits and a fifth.
    NibblesBits,
    /// Four bits and two more.
    NibblesPairs,
    /// Eight bits.
    Bytes,
    /// Two bits.
    Pairs,
    /// Two bits and a third.
    PairsBits,
}

impl Planes {
    /// Bytes of all planes of a part.
    pub const fn bytes(self) -> usize {
        UNIT * match self {
            Planes::Nibbles => 4,
            Planes::NibblesBits => 5,
            Planes::NibblesPairs => 6,
            Planes::Bytes => 8,
            Planes::Pairs => 2,
            Planes::PairsBits => 3,
        }
    }
}

/// A piece of a block's header: `words` words of `width` bytes from byte `at` on.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    pub at: usize,
    pub width: usize,
    pub words: usize,
}

/// How a type is packed.
#[derive(Debug, Clone, Copy)]
pub struct Packing {
    pub ty: GgmlType,
    pub form: Affine,
    pub planes: Planes,
    /// The header's pieces; together they are all bytes of a block that are not integers.
    pub header: &'static [Words],
    /// What a nibble stands for, where it is not itself.
    pub table: Option<&'static [u8; 16]>,
}

/// How `ty` is packed; `None` for types that stay as the file has them.
pub const fn packing(ty: GgmlType) -> Option<Packing> {
    const HALF: &[Words] = &[Words { at: 0, width: 2, words: 1 }];
    const TWO_HALVES: &[Words] = &[Words { at: 0, width: 4, words: 1 }];
    const SIX_BIT_SCALES: &[Words] = &[Words { at: 0, width: 4, words: 4 }];
    let (planes, header): (_, &[Words]) = match ty {
        GgmlType::Q4_0 | GgmlType::IQ4NL => (Planes::Nibbles, HALF),
        GgmlType::Q4_1 => (Planes::Nibbles, TWO_HALVES),
        GgmlType::Q5_0 => (Planes::NibblesBits, HALF),
        GgmlType::Q5_1 => (Planes::NibblesBits, TWO_HALVES),
        GgmlType::Q8_0 => (Planes::Bytes, HALF),
        GgmlType::Q2K => {
            (Planes::Pairs, &[Words { at: 0, width: 4, words: 4 }, Words { at: 80, width: 4, words: 1 }])
        }
        GgmlType::Q3K => (
            Planes::PairsBits,
            &[Words { at: 96, width: 4, words: 3 }, Words { at: 108, width: 2, words: 1 }],
        ),
        GgmlType::Q4K => (Planes::Nibbles, SIX_BIT_SCALES),
        GgmlType::Q5K => (Planes::NibblesBits, SIX_BIT_SCALES),
        GgmlType::Q6K => (
            Planes::NibblesPairs,
            &[Words { at: 192, width: 4, words: 4 }, Words { at: 208, width: 2, words: 1 }],
        ),
        GgmlType::IQ4XS => (Planes::Nibbles, &[Words { at: 0, width: 4, words: 2 }]),
        GgmlType::MXFP4 => (Planes::Nibbles, &[Words { at: 0, width: 1, words: 1 }]),
        _ => return None,
    };
    match affine(ty) {
        Some(form) => Some(Packing { ty, form, planes, header, table: codebook(ty) }),
        None => None,
    }
}

impl Packing {
    /// Bytes of a block of sixteen rows: sixteen times a block of the file.
    pub fn tile_block_bytes(&self) -> usize {
        ROWS * self.ty.block_bytes()
    }

    /// Bytes of the headers of sixteen rows.
    pub fn header_bytes(&self) -> usize {
        self.header.iter().map(|piece| ROWS * piece.width * piece.words).sum()
    }
}

#[cfg(test)]
mod tests;

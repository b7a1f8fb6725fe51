//! From the file's rows to tiles.

use lantern_gguf::blocks::{Unpacked, unpack};

use super::{PART, Packing, Planes, ROWS, UNIT};
use crate::pool::Pool;
use crate::share::Shared;

/// Packs `rows` rows of `row_bytes` bytes each into `out`, which holds [`ROWS`] rows for each tile begun.
///
/// `out` must be zeroed: rows that do not exist stay zero.
pub fn pack(pool: &Pool, packing: &Packing, from: &[u8], row_bytes: usize, out: &mut [u8]) {
    let tile_bytes = ROWS * row_bytes;
    if from.is_empty() || tile_bytes == 0 {
        return;
    }
    let inverse = inverse(packing);
    let out = Shared::new(out);
    pool.run(from.len().div_ceil(tile_bytes), &|tile| {
        let rows = &from[tile * tile_bytes..from.len().min((tile + 1) * tile_bytes)];
        // SAFETY: each tile is written by the task that has its number.
        let out = unsafe { out.piece(tile * tile_bytes, tile_bytes) };
        pack_tile(packing, &inverse, rows, row_bytes, out);
    });
}

/// The index of each integer in the type's table; the integer itself without one.
fn inverse(packing: &Packing) -> [u8; 256] {
    let mut inverse = std::array::from_fn(|q| q as u8);
    if let Some(table) = packing.table {
        for (index, &q) in table.iter().enumerate() {
            inverse[usize::from(q)] = index as u8;
        }
    }
    inverse
}

fn pack_tile(packing: &Packing, inverse: &[u8; 256], rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    let (block_bytes, header) = (packing.ty.block_bytes(), packing.header_bytes());
    let mut unpacked = Unpacked::new();
    for (r, row) in rows.chunks_exact(row_bytes).enumerate() {
        let blocks = row.chunks_exact(block_bytes);
        for (block, out) in blocks.zip(out.chunks_exact_mut(packing.tile_block_bytes())) {
            let (head, planes) = out.split_at_mut(header);
            pack_header(packing, block, r, head);
            unpack(packing.ty, block, &mut unpacked);
            let values = &mut unpacked.q[..packing.ty.block_size()];
            if packing.table.is_some() {
                values.iter_mut().for_each(|q| *q = inverse[usize::from(*q)]);
            }
            let parts = values.as_chunks::<PART>().0.iter();
            for (values, planes) in parts.zip(planes.chunks_exact_mut(packing.planes.bytes())) {
                pack_part(packing.planes, values, r, planes);
            }
        }
    }
}

/// Puts the header's words of row `r` between those of the other rows.
fn pack_header(packing: &Packing, block: &[u8], r: usize, head: &mut [u8]) {
    let mut start = 0;
    for piece in packing.header {
        for word in 0..piece.words {
            let from = &block[piece.at + word * piece.width..][..piece.width];
            head[start + r * piece.width..][..piece.width].copy_from_slice(from);
            start += ROWS * piece.width;
        }
    }
}

/// Puts 32 integers of row `r` into the planes of their part. Works on four columns at a time, as the bytes of a word.
fn pack_part(planes: Planes, values: &[u8; PART], r: usize, out: &mut [u8]) {
    let mut fours = [0u32; PART / 4];
    for (four, bytes) in fours.iter_mut().zip(values.as_chunks::<4>().0) {
        *four = u32::from_le_bytes(*bytes);
    }
    let mut unit = 0;
    let mut put = |word: u32| {
        out[unit * UNIT + 4 * r..][..4].copy_from_slice(&word.to_le_bytes());
        unit += 1;
    };
    match planes {
        Planes::Bytes => fours.iter().for_each(|&four| put(four)),
        Planes::Pairs | Planes::PairsBits => pairs(&fours, 0).into_iter().for_each(&mut put),
        Planes::Nibbles | Planes::NibblesBits | Planes::NibblesPairs => {
            let low = |four: u32| four & 0x0f0f_0f0f;
            fours.as_chunks::<2>().0.iter().for_each(|[a, b]| put(low(*a) | low(*b) << 4));
        }
    }
    match planes {
        Planes::NibblesBits => put(bits(&fours, 4)),
        Planes::PairsBits => put(bits(&fours, 2)),
        Planes::NibblesPairs => pairs(&fours, 4).into_iter().for_each(put),
        Planes::Nibbles | Planes::Bytes | Planes::Pairs => {}
    }
}

/// Bit `from` of each integer: the bytes of word `i` go to bit `i`.
fn bits(fours: &[u32; PART / 4], from: u32) -> u32 {
    fours.iter().enumerate().fold(0, |all, (i, four)| all | (four >> from & 0x0101_0101) << i)
}

/// Two bits of each integer, from bit `from` on: four words' bytes side by side in a byte.
fn pairs(fours: &[u32; PART / 4], from: u32) -> [u32; 2] {
    let mut units = [0; 2];
    for (i, four) in fours.iter().enumerate() {
        units[i / 4] |= (four >> from & 0x0303_0303) << (2 * (i % 4));
    }
    units
}

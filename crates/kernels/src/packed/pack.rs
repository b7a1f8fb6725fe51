//! From the file's rows to tiles.

use lantern_gguf::GgmlType;

use super::integers::integers;
#[cfg(target_arch = "x86_64")]
use super::turn::Avx2;
use super::turn::{Eight, Portable, ROWS_TURNED, Turn};
use super::{Packing, Planes, ROWS, UNIT};
use crate::isa::Isa;
use crate::pool::Pool;
use crate::share::Shared;

/// Packs rows of `row_bytes` bytes into `out`, which holds [`ROWS`] rows for each tile begun.
///
/// `out` must be zeroed: rows that do not exist stay zero.
pub fn pack(isa: Isa, pool: &Pool, packing: &Packing, from: &[u8], row_bytes: usize, out: &mut [u8]) {
    let tile_bytes = ROWS * row_bytes;
    if from.is_empty() || tile_bytes == 0 {
        return;
    }
    let out = Shared::new(out);
    pool.run(from.len().div_ceil(tile_bytes), &|tile| {
        let rows = &from[tile * tile_bytes..from.len().min((tile + 1) * tile_bytes)];
        // SAFETY: each tile is written by the task that has its number.
        let out = unsafe { out.piece(tile * tile_bytes, tile_bytes) };
        pack_tile(isa, packing, rows, row_bytes, out);
    });
}

fn pack_tile(isa: Isa, packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        // SAFETY: this instruction set was detected.
        return unsafe { pack_tile_avx2(packing, rows, row_bytes, out) };
    }
    let _ = isa;
    // SAFETY: it needs no instructions of its own.
    unsafe { pack_tile_here::<Portable>(packing, rows, row_bytes, out) };
}

/// The portable code, compiled for AVX2.
///
/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pack_tile_avx2(packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    // SAFETY: the caller vouches for AVX2.
    unsafe { pack_tile_here::<Avx2>(packing, rows, row_bytes, out) };
}

/// One loop for each type, so that the type is known inside of it.
///
/// # Safety
/// The processor must have the instructions of `T`.
#[inline(always)]
unsafe fn pack_tile_here<T: Turn>(packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    macro_rules! for_type {
        ($($ty:ident),*) => {
            match packing.ty {
                $(GgmlType::$ty => {
                    const PACKING: Option<Packing> = super::packing(GgmlType::$ty);
                    if let Some(packing) = &PACKING {
                        // SAFETY: the caller's promise.
                        unsafe { blocks::<T>(packing, rows, row_bytes, out) };
                    }
                })*
                other => unreachable!("{other} is not packed"),
            }
        };
    }
    for_type!(Q4_0, Q4_1, IQ4NL, IQ4XS, MXFP4, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0, Q2K, Q3K);
}

/// Every block of the tile.
///
/// # Safety
/// As for [`pack_tile_here`].
#[inline(always)]
unsafe fn blocks<T: Turn>(packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    let (block_bytes, header, planes) = (packing.ty.block_bytes(), packing.header_bytes(), packing.planes);
    for (b, out) in out.chunks_exact_mut(ROWS * block_bytes).enumerate() {
        let (head, parts) = out.split_at_mut(header);
        for (r, row) in rows.chunks_exact(row_bytes).enumerate() {
            pack_header(packing, &row[b * block_bytes..][..block_bytes], r, head);
        }
        for (part, out) in parts.chunks_exact_mut(planes.bytes()).enumerate() {
            for (half, rows) in rows.chunks(ROWS_TURNED * row_bytes).enumerate() {
                let mut words = [[0; 8]; ROWS_TURNED];
                for (words, row) in words.iter_mut().zip(rows.chunks_exact(row_bytes)) {
                    *words = integers(packing.ty, &row[b * block_bytes..][..block_bytes], part);
                }
                // SAFETY: the caller's promise.
                pack_part(planes, &unsafe { T::turn(&words) }, half, out);
            }
        }
    }
}

/// Puts the header's words of row `r` between those of the other rows.
#[inline(always)]
fn pack_header(packing: &Packing, block: &[u8], r: usize, head: &mut [u8]) {
    let mut start = 0;
    for piece in packing.header {
        let from = &block[piece.at..][..piece.words * piece.width];
        let to = &mut head[start..][..ROWS * piece.words * piece.width];
        // With the width known, a word is moved and not copied by a call.
        match piece.width {
            1 => pack_words::<1>(from, r, to),
            2 => pack_words::<2>(from, r, to),
            4 => pack_words::<4>(from, r, to),
            width => unreachable!("no header has words of {width} bytes"),
        }
        start += to.len();
    }
}

/// Eight of `WIDTH` bytes, each into the place of row `r` among sixteen.
#[inline(always)]
fn pack_words<const WIDTH: usize>(from: &[u8], r: usize, to: &mut [u8]) {
    for (word, rows) in from.as_chunks::<WIDTH>().0.iter().zip(to.chunks_exact_mut(ROWS * WIDTH)) {
        rows[r * WIDTH..][..WIDTH].copy_from_slice(word);
    }
}

/// Puts the integers of eight rows, the first or the second of a tile, into the planes of their part: `places[i]` holds
/// columns 4i to 4i + 3 of each.
#[inline(always)]
fn pack_part(planes: Planes, places: &[Eight; 8], half: usize, out: &mut [u8]) {
    let mut put = |unit: usize, words: Eight| {
        let out = &mut out[unit * UNIT + half * (UNIT / 2)..][..UNIT / 2];
        for (out, word) in out.as_chunks_mut().0.iter_mut().zip(words) {
            *out = word.to_le_bytes();
        }
    };
    // Loops, because a closure for each unit would be called and not become part of the code.
    match planes {
        Planes::Bytes => {
            for (unit, &words) in places.iter().enumerate() {
                put(unit, words);
            }
        }
        Planes::Pairs | Planes::PairsBits => {
            for unit in 0..2 {
                put(unit, side_by_side(&places[4 * unit..4 * unit + 4], 0, 0x0303_0303, 2));
            }
        }
        Planes::Nibbles | Planes::NibblesBits | Planes::NibblesPairs => {
            for unit in 0..4 {
                put(unit, side_by_side(&places[2 * unit..2 * unit + 2], 0, 0x0f0f_0f0f, 4));
            }
        }
    }
    match planes {
        Planes::NibblesBits => put(4, side_by_side(places, 4, 0x0101_0101, 1)),
        Planes::PairsBits => put(2, side_by_side(places, 2, 0x0101_0101, 1)),
        Planes::NibblesPairs => {
            for unit in 0..2 {
                put(4 + unit, side_by_side(&places[4 * unit..4 * unit + 4], 4, 0x0303_0303, 2));
            }
        }
        Planes::Nibbles | Planes::Bytes | Planes::Pairs => {}
    }
}

/// Of the bytes of each place `bits` bits from bit `from` on, which are those of `mask`; the first place's lowest.
#[inline(always)]
fn side_by_side(places: &[Eight], from: usize, mask: u32, bits: usize) -> Eight {
    let mut all = [0; 8];
    for (i, words) in places.iter().enumerate() {
        for (all, word) in all.iter_mut().zip(words) {
            *all |= (word >> from & mask) << (bits * i);
        }
    }
    all
}

//! From the file's rows to tiles.

use lantern_gguf::GgmlType;

use super::integers::{Fours, integers};
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
    pack_tile_here(packing, rows, row_bytes, out);
}

/// The portable code, compiled for AVX2.
///
/// # Safety
/// The processor must have AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn pack_tile_avx2(packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    pack_tile_here(packing, rows, row_bytes, out);
}

/// One loop for each type, so that the type is known inside of it.
#[inline(always)]
fn pack_tile_here(packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    macro_rules! for_type {
        ($($ty:ident $planes:ident),*) => {
            match packing.ty {
                $(GgmlType::$ty => blocks(GgmlType::$ty, Planes::$planes, packing, rows, row_bytes, out),)*
                other => unreachable!("{other} is not packed"),
            }
        };
    }
    for_type!(
        Q4_0 Nibbles, Q4_1 Nibbles, IQ4NL Nibbles, IQ4XS Nibbles, MXFP4 Nibbles, Q4K Nibbles, Q5_0 NibblesBits,
        Q5_1 NibblesBits, Q5K NibblesBits, Q6K NibblesPairs, Q8_0 Bytes, Q2K Pairs, Q3K PairsBits
    );
}

#[inline(always)]
fn blocks(ty: GgmlType, planes: Planes, packing: &Packing, rows: &[u8], row_bytes: usize, out: &mut [u8]) {
    let (block_bytes, header) = (ty.block_bytes(), packing.header_bytes());
    for (b, out) in out.chunks_exact_mut(ROWS * block_bytes).enumerate() {
        let (head, parts) = out.split_at_mut(header);
        for (r, row) in rows.chunks_exact(row_bytes).enumerate() {
            let block = &row[b * block_bytes..][..block_bytes];
            pack_header(packing, block, r, head);
            for (part, out) in parts.chunks_exact_mut(planes.bytes()).enumerate() {
                pack_part(planes, &integers(ty, block, part), r, out);
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

/// Words of `WIDTH` bytes, each into the place of row `r` among sixteen.
#[inline(always)]
fn pack_words<const WIDTH: usize>(from: &[u8], r: usize, to: &mut [u8]) {
    for (word, rows) in from.as_chunks::<WIDTH>().0.iter().zip(to.chunks_exact_mut(ROWS * WIDTH)) {
        rows[r * WIDTH..][..WIDTH].copy_from_slice(word);
    }
}

/// Puts the integers of row `r` into the planes of their part.
#[inline(always)]
fn pack_part(planes: Planes, fours: &Fours, r: usize, out: &mut [u8]) {
    let mut put = |unit: usize, word: u32| {
        out[unit * UNIT + 4 * r..][..4].copy_from_slice(&word.to_le_bytes());
    };
    // Loops, because a closure for each unit would be called and not become part of the code.
    match planes {
        Planes::Bytes => {
            for (unit, &four) in fours.iter().enumerate() {
                put(unit, four);
            }
        }
        Planes::Pairs | Planes::PairsBits => {
            for unit in 0..2 {
                put(unit, pairs(fours, unit, 0));
            }
        }
        Planes::Nibbles | Planes::NibblesBits | Planes::NibblesPairs => {
            for unit in 0..4 {
                put(unit, fours[2 * unit] & 0x0f0f_0f0f | (fours[2 * unit + 1] & 0x0f0f_0f0f) << 4);
            }
        }
    }
    match planes {
        Planes::NibblesBits => put(4, bits(fours, 4)),
        Planes::PairsBits => put(2, bits(fours, 2)),
        Planes::NibblesPairs => {
            for unit in 0..2 {
                put(4 + unit, pairs(fours, unit, 4));
            }
        }
        Planes::Nibbles | Planes::Bytes | Planes::Pairs => {}
    }
}

/// Bit `from` of each integer: the bytes of word `i` go to bit `i`.
#[inline(always)]
fn bits(fours: &Fours, from: u32) -> u32 {
    let mut all = 0;
    for (i, four) in fours.iter().enumerate() {
        all |= (four >> from & 0x0101_0101) << i;
    }
    all
}

/// Two bits of each integer of half a part, from bit `from` on: four words' bytes side by side in a byte.
#[inline(always)]
fn pairs(fours: &Fours, half: usize, from: u32) -> u32 {
    let mut all = 0;
    for (i, four) in fours[4 * half..4 * half + 4].iter().enumerate() {
        all |= (four >> from & 0x0303_0303) << (2 * i);
    }
    all
}

//! Where each type's tiles have their integers and scales; see `packed` for the planes and `lantern_gguf::blocks` for
//! what the bytes of a header mean.

use lantern_gguf::GgmlType;

use super::simd::{Simd, highest, lowest};
use crate::packed::{PART, Packing, Planes, ROWS, UNIT, packing};

/// A type's tiles. `lane` counts vectors of a tile: the rows from `lane · LANES` on.
pub trait Layout {
    /// The type.
    const TY: GgmlType;
    /// How it is packed.
    const PACKING: Packing = packing(Self::TY).expect("a type with a layout is packed");
    /// Bytes of a block of sixteen rows.
    const BYTES: usize = ROWS * Self::TY.block_bytes();
    /// Parts of 32 columns in a block: 1 or 8.
    const PARTS: usize = Self::TY.block_size() / PART;
    /// Bytes of a part's planes.
    const PART_BYTES: usize = Self::PACKING.planes.bytes();
    /// Bytes of a block's header.
    const HEADER: usize = Self::BYTES - Self::PARTS * Self::PART_BYTES;
    /// As in `lantern_gguf::blocks::Affine`.
    const BITS: u32 = Self::PACKING.form.bits;
    /// As in `lantern_gguf::blocks::Affine`.
    const GROUP: usize = Self::PACKING.form.group;
    /// As in `lantern_gguf::blocks::Affine`.
    const MIN: bool = Self::PACKING.form.has_min;

    /// What the scales of a block's groups are made of.
    type Header<S: Simd>: Copy;

    /// Reads a block's header.
    ///
    /// # Safety
    /// The instruction set; `header` must lead to a block's header.
    unsafe fn header<S: Simd>(header: *const u8, lane: usize) -> Self::Header<S>;

    /// The scale and the minimum of a group; types without minimums give anything for it.
    ///
    /// # Safety
    /// The instruction set.
    unsafe fn scales<S: Simd>(header: &Self::Header<S>, group: usize) -> (S::F, S::F);

    /// The integers of a part: vector `i` has columns `4i` to `4i + 3`.
    ///
    /// # Safety
    /// The instruction set; `part` must lead to a part's planes.
    #[inline(always)]
    unsafe fn integers<S: Simd>(part: *const u8, lane: usize) -> [S::I; 8] {
        // SAFETY: passed on.
        unsafe {
            let mut out = planes::<S>(Self::PACKING.planes, part.wrapping_add(4 * S::LANES * lane));
            if let Some(table) = Self::PACKING.table {
                for i in 0..8 {
                    out[i] = S::look_up(table, out[i]);
                }
            }
            out
        }
    }
}

/// The integers of a part whose planes begin (for these rows) at `from`.
#[inline(always)]
unsafe fn planes<S: Simd>(planes: Planes, from: *const u8) -> [S::I; 8] {
    // SAFETY: the callers' promises: every unit of the planes is readable.
    unsafe {
        match planes {
            Planes::Nibbles => nibbles::<S>(from),
            Planes::NibblesBits => {
                with_high::<S>(nibbles::<S>(from), bits::<S>(from.wrapping_add(4 * UNIT), 4))
            }
            Planes::NibblesPairs => {
                with_high::<S>(nibbles::<S>(from), pairs::<S>(from.wrapping_add(4 * UNIT), 4))
            }
            Planes::Bytes => bytes::<S>(from),
            Planes::Pairs => pairs::<S>(from, 0),
            Planes::PairsBits => {
                with_high::<S>(pairs::<S>(from, 0), bits::<S>(from.wrapping_add(2 * UNIT), 2))
            }
        }
    }
}

#[inline(always)]
unsafe fn bytes<S: Simd>(from: *const u8) -> [S::I; 8] {
    // SAFETY: as `planes`.
    unsafe {
        let mut out = [S::zero(); 8];
        for (i, out) in out.iter_mut().enumerate() {
            *out = S::load(from.wrapping_add(i * UNIT));
        }
        out
    }
}

#[inline(always)]
unsafe fn nibbles<S: Simd>(from: *const u8) -> [S::I; 8] {
    // SAFETY: as `planes`.
    unsafe {
        let (mut out, low) = ([S::zero(); 8], S::splat_bytes(15));
        for i in 0..4 {
            let both = S::load(from.wrapping_add(i * UNIT));
            out[2 * i] = S::and(both, low);
            out[2 * i + 1] = S::and(S::right16::<4>(both), low);
        }
        out
    }
}

/// The pairs of two units, moved to bit `to` (0 or 4) of each byte.
#[inline(always)]
unsafe fn pairs<S: Simd>(from: *const u8, to: u32) -> [S::I; 8] {
    // SAFETY: as `planes`.
    unsafe {
        let (mut out, mask) = ([S::zero(); 8], S::splat_bytes(3 << to));
        for unit in 0..2 {
            let four = S::load(from.wrapping_add(unit * UNIT));
            let moved = if to == 0 {
                [four, S::right16::<2>(four), S::right16::<4>(four), S::right16::<6>(four)]
            } else {
                [S::left16::<4>(four), S::left16::<2>(four), four, S::right16::<2>(four)]
            };
            for i in 0..4 {
                out[4 * unit + i] = S::and(moved[i], mask);
            }
        }
        out
    }
}

/// The bits of a unit, moved to bit `to` (2 or 4) of each byte.
#[inline(always)]
unsafe fn bits<S: Simd>(from: *const u8, to: u32) -> [S::I; 8] {
    // SAFETY: as `planes`.
    unsafe {
        let (eight, mask) = (S::load(from), S::splat_bytes(1 << to));
        let moved = if to == 4 {
            [
                S::left16::<4>(eight),
                S::left16::<3>(eight),
                S::left16::<2>(eight),
                S::left16::<1>(eight),
                eight,
                S::right16::<1>(eight),
                S::right16::<2>(eight),
                S::right16::<3>(eight),
            ]
        } else {
            [
                S::left16::<2>(eight),
                S::left16::<1>(eight),
                eight,
                S::right16::<1>(eight),
                S::right16::<2>(eight),
                S::right16::<3>(eight),
                S::right16::<4>(eight),
                S::right16::<5>(eight),
            ]
        };
        let mut out = [eight; 8];
        for i in 0..8 {
            out[i] = S::and(moved[i], mask);
        }
        out
    }
}

#[inline(always)]
unsafe fn with_high<S: Simd>(mut low: [S::I; 8], high: [S::I; 8]) -> [S::I; 8] {
    for i in 0..8 {
        // SAFETY: the caller's instruction set.
        low[i] = unsafe { S::or(low[i], high[i]) };
    }
    low
}

/// Declares a layout by its type, what it keeps of a block's header, and how that gives the scales of a group.
macro_rules! layout {
    (
        $($name:ident),*: $kept:ty;
        |$header:ident, $lane:ident| $read:block
        |$pattern:pat, $group:ident| $scales:block
    ) => {
        $(
            #[allow(non_camel_case_types)]
            pub struct $name;

            impl Layout for $name {
                const TY: GgmlType = GgmlType::$name;
                type Header<S: Simd> = $kept;

                #[inline(always)]
                unsafe fn header<S: Simd>($header: *const u8, $lane: usize) -> $kept {
                    // SAFETY: every load stays inside the header, which the caller vouches for.
                    unsafe { $read }
                }

                #[inline(always)]
                unsafe fn scales<S: Simd>(header: &$kept, $group: usize) -> (S::F, S::F) {
                    let $pattern = header;
                    // SAFETY: register arithmetic only, if anything.
                    #[allow(unused_unsafe)]
                    unsafe {
                        $scales
                    }
                }
            }
        )*
    };
}

/// Where the words of these rows begin: word `index` of those that are `width` bytes wide and follow `before` bytes of
/// header in each row.
#[inline(always)]
fn word<S: Simd>(header: *const u8, lane: usize, before: usize, width: usize, index: usize) -> *const u8 {
    header.wrapping_add(ROWS * (before + width * index) + width * S::LANES * lane)
}

layout! { Q4_0, Q5_0, Q8_0, IQ4NL: S::F;
    |header, lane| { S::load_halves(word::<S>(header, lane, 0, 2, 0)) }
    |d, _group| { (*d, *d) }
}

layout! { Q4_1, Q5_1: (S::F, S::F);
    |header, lane| { S::load_two_halves(word::<S>(header, lane, 0, 4, 0)) }
    |both, _group| { *both }
}

layout! { MXFP4: S::F;
    |header, lane| { S::power_of_two(S::load_bytes(word::<S>(header, lane, 0, 1, 0))) }
    |d, _group| { (*d, *d) }
}

/// Scales and minimums as bytes, four groups a word, with their factors.
#[derive(Clone, Copy)]
pub struct TwoLevels<S: Simd, const WORDS: usize> {
    d: S::F,
    minus: S::F,
    scales: [S::I; WORDS],
    mins: [S::I; WORDS],
}

layout! { Q4K, Q5K: TwoLevels<S, 2>;
    |header, lane| {
        let (d, dmin) = S::load_two_halves(word::<S>(header, lane, 0, 4, 0));
        let a = S::load(word::<S>(header, lane, 0, 4, 1));
        let b = S::load(word::<S>(header, lane, 0, 4, 2));
        let c = S::load(word::<S>(header, lane, 0, 4, 3));
        let six = S::splat_bytes(0x3f);
        let scales = [S::and(a, six), six_bits::<S>(c, a)];
        let mins = [S::and(b, six), six_bits::<S>(S::right32::<4>(c), b)];
        TwoLevels { d, minus: S::negate(dmin), scales, mins }
    }
    |TwoLevels { d, minus, scales, mins }, group| {
        let scale = S::to_f(S::pick(scales[group / 4], lowest(group % 4)));
        let min = S::to_f(S::pick(mins[group / 4], lowest(group % 4)));
        (S::mul(*d, scale), S::mul(*minus, min))
    }
}

layout! { Q2K: TwoLevels<S, 4>;
    |header, lane| {
        let (d, dmin) = S::load_two_halves(word::<S>(header, lane, 16, 4, 0));
        let (mut scales, mut mins, low) = ([S::zero(); 4], [S::zero(); 4], S::splat_bytes(15));
        for i in 0..4 {
            let both = S::load(word::<S>(header, lane, 0, 4, i));
            (scales[i], mins[i]) = (S::and(both, low), S::and(S::right16::<4>(both), low));
        }
        TwoLevels { d, minus: S::negate(dmin), scales, mins }
    }
    |TwoLevels { d, minus, scales, mins }, group| {
        let scale = S::to_f(S::pick(scales[group / 4], lowest(group % 4)));
        let min = S::to_f(S::pick(mins[group / 4], lowest(group % 4)));
        (S::mul(*d, scale), S::mul(*minus, min))
    }
}

layout! { Q6K: (S::F, [S::I; 4]);
    |header, lane| {
        let mut scales = [S::zero(); 4];
        for i in 0..4 {
            scales[i] = S::load(word::<S>(header, lane, 0, 4, i));
        }
        (S::load_halves(word::<S>(header, lane, 16, 2, 0)), scales)
    }
    |(d, scales), group| {
        let top = S::pick(scales[group / 4], highest(group % 4));
        (S::mul(*d, S::to_f(S::right_signed::<24>(top))), *d)
    }
}

layout! { Q3K: (S::F, [S::I; 4]);
    |header, lane| {
        let a = S::load(word::<S>(header, lane, 0, 4, 0));
        let b = S::load(word::<S>(header, lane, 0, 4, 1));
        let c = S::load(word::<S>(header, lane, 0, 4, 2));
        let (low, two) = (S::splat_bytes(15), S::splat_bytes(3));
        let upper = [c, S::right16::<2>(c), S::right16::<4>(c), S::right16::<6>(c)];
        let mut scales = [a, b, S::right16::<4>(a), S::right16::<4>(b)];
        for i in 0..4 {
            scales[i] = S::or(S::and(scales[i], low), S::left16::<4>(S::and(upper[i], two)));
        }
        (S::load_halves(word::<S>(header, lane, 12, 2, 0)), scales)
    }
    |(d, scales), group| {
        let scale = S::sub32(S::pick(scales[group / 4], lowest(group % 4)), S::splat(32));
        (S::mul(*d, S::to_f(scale)), *d)
    }
}

layout! { IQ4XS: (S::F, [S::I; 2]);
    |header, lane| {
        // The first word has the half float below the upper bits of the scales.
        let first = S::load(word::<S>(header, lane, 0, 4, 0));
        let low = S::load(word::<S>(header, lane, 0, 4, 1));
        let (nibble, pair) = (S::splat(15), S::splat(3));
        let mut scales = [S::zero(); 2];
        macro_rules! scale {
            ($($g:literal),*) => {$({
                let low = S::and(S::right32::<{ 4 * $g }>(low), nibble);
                let high = S::and(S::right32::<{ 16 + 2 * $g }>(first), pair);
                let scale = S::or(low, S::left32::<4>(high));
                scales[$g / 4] = S::or(scales[$g / 4], S::left32::<{ 8 * ($g % 4) }>(scale));
            })*};
        }
        scale!(0, 1, 2, 3, 4, 5, 6, 7);
        (S::load_two_halves(word::<S>(header, lane, 0, 4, 0)).0, scales)
    }
    |(d, scales), group| {
        let scale = S::sub32(S::pick(scales[group / 4], lowest(group % 4)), S::splat(32));
        (S::mul(*d, S::to_f(scale)), *d)
    }
}

/// In each byte, the lower half of `low` and above it the highest two bits of `high`.
#[inline(always)]
unsafe fn six_bits<S: Simd>(low: S::I, high: S::I) -> S::I {
    // SAFETY: the caller's instruction set.
    unsafe {
        let high = S::and(S::right32::<2>(high), S::splat_bytes(0x30));
        S::or(S::and(low, S::splat_bytes(0x0f)), high)
    }
}

//! The IQ types below four bits: indices of points on a grid, signs, and scales.
//!
//! In IQ2 and IQ3 a point holds magnitudes and signs are stored beside it; where seven bits say the signs of eight values,
//! the last one makes the number of minuses even. In IQ1 a point holds signed values, to which an eighth is added or
//! subtracted; in eighths all of them are integers.

use super::{Unpacked, grids, half_at};

/// Half of the integers of IQ2 and IQ3_XXS.
const MIDDLE: u8 = 128;

/// d; for each 32 values four indices of a byte, then four times seven signs below four bits of scale.
pub fn iq2_xxs(block: &[u8], to: &mut Unpacked) {
    let d = half_at(block, 0);
    for (g, q) in to.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let at = 2 + 8 * g;
        let word = word_at(block, at + 4);
        to.scales[g] = d * (0.5 + (word >> 28) as f32) * 0.25;
        for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            signed(&grids::IQ2_XXS[usize::from(block[at + i])], even(word >> (7 * i)), MIDDLE, q);
        }
    }
}

/// d, 32 words of nine bits of index and seven signs, 16 scales of four bits.
pub fn iq2_xs(block: &[u8], to: &mut Unpacked) {
    quarter_scales(half_at(block, 0), &block[66..74], to);
    for (i, q) in to.q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let word = u16::from_le_bytes([block[2 + 2 * i], block[3 + 2 * i]]);
        signed(&grids::IQ2_XS[usize::from(word & 511)], even((word >> 9).into()), MIDDLE, q);
    }
}

/// d, 32 bytes of indices, 32 of signs, 8 of upper pairs of bits of indices, 16 scales of four bits.
pub fn iq2_s(block: &[u8], to: &mut Unpacked) {
    quarter_scales(half_at(block, 0), &block[74..82], to);
    for (i, q) in to.q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let index = usize::from(block[2 + i]) | usize::from(block[66 + i / 4] >> (2 * (i % 4)) & 3) << 8;
        signed(&grids::IQ2_S[index], block[34 + i], MIDDLE, q);
    }
}

/// d, 64 bytes of indices, then for each 32 values four times seven signs below four bits of scale.
pub fn iq3_xxs(block: &[u8], to: &mut Unpacked) {
    let d = half_at(block, 0);
    for (g, q) in to.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let word = word_at(block, 66 + 4 * g);
        to.scales[g] = d * (0.5 + (word >> 28) as f32) * 0.5;
        for (i, q) in q.as_chunks_mut::<4>().0.iter_mut().enumerate() {
            let signs = even(word >> (7 * (i / 2))) >> (4 * (i % 2));
            signed(&grids::IQ3_XXS[usize::from(block[2 + 8 * g + i])], signs, MIDDLE, q);
        }
    }
}

/// d, 64 bytes of indices, 8 of their ninth bits, 32 of signs, 8 scales of four bits.
pub fn iq3_s(block: &[u8], to: &mut Unpacked) {
    let d = half_at(block, 0);
    for (g, scale) in to.scales[..8].iter_mut().enumerate() {
        *scale = d * f32::from(1 + 2 * nibble(&block[106..110], g));
    }
    for (i, q) in to.q.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let index = usize::from(block[2 + i]) | usize::from(block[66 + i / 8] >> (i % 8) & 1) << 8;
        signed(&grids::IQ3_S[index], block[74 + i / 2] >> (4 * (i % 2)), 16, q);
    }
}

/// d, 32 bytes of indices, then for each 32 values a word: three upper bits of each of four indices, three bits of scale,
/// and the sign of the eighth.
pub fn iq1_s(block: &[u8], to: &mut Unpacked) {
    let d = half_at(block, 0);
    for (g, q) in to.q.as_chunks_mut::<32>().0.iter_mut().enumerate() {
        let word = u16::from_le_bytes([block[34 + 2 * g], block[35 + 2 * g]]);
        to.scales[g] = d * f32::from(2 * (word >> 12 & 7) + 1) * 0.125;
        for (i, q) in q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let index = usize::from(block[2 + 4 * g + i]) | usize::from(word >> (3 * i) & 7) << 8;
            moved(&grids::IQ1[index], word >> 15 == 1, q);
        }
    }
}

/// 32 bytes of indices, 32 halves of a byte with three upper bits of an index and the sign of the eighth, and four words of
/// four scales of three bits, whose highest four bits are together a half float.
pub fn iq1_m(block: &[u8], to: &mut Unpacked) {
    let words = [0, 1, 2, 3].map(|i| u16::from_le_bytes([block[48 + 2 * i], block[49 + 2 * i]]));
    let bits = words.iter().rev().fold(0, |bits, word| bits << 4 | word >> 12);
    let d = half::f16::from_bits(bits).to_f32();
    for (g, scale) in to.scales.iter_mut().enumerate() {
        *scale = d * f32::from(2 * (words[g / 4] >> (3 * (g % 4)) & 7) + 1) * 0.125;
    }
    for (i, q) in to.q.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        let high = nibble(&block[32..48], i);
        moved(&grids::IQ1[usize::from(block[i]) | usize::from(high & 7) << 8], high & 8 != 0, q);
    }
}

/// Sixteen scales of IQ2_XS and IQ2_S.
fn quarter_scales(d: f32, packed: &[u8], to: &mut Unpacked) {
    for (g, scale) in to.scales.iter_mut().enumerate() {
        *scale = d * (0.5 + f32::from(nibble(packed, g))) * 0.25;
    }
}

/// The magnitudes of a point, with a minus where the bit is set, counted from `middle`.
fn signed<const N: usize>(point: &[u8; N], signs: u8, middle: u8, q: &mut [u8; N]) {
    for (i, (q, &magnitude)) in q.iter_mut().zip(point).enumerate() {
        *q = if signs >> i & 1 == 1 { middle - magnitude } else { middle + magnitude };
    }
}

/// The values of a point of IQ1, all an eighth higher or lower.
fn moved(point: &[u8; 8], down: bool, q: &mut [u8; 8]) {
    *q = point.map(|value| if down { value - 1 } else { value + 1 });
}

/// Seven signs, and the eighth that makes their number even.
fn even(signs: u32) -> u8 {
    let seven = (signs & 127) as u8;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// Half `i` of some bytes.
fn nibble(packed: &[u8], i: usize) -> u8 {
    packed[i / 2] >> (4 * (i % 2)) & 15
}

fn word_at(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]])
}

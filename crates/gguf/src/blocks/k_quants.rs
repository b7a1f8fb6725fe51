//! The K types: 256 values with scales of 4 to 8 bits, which a half float multiplies.

use super::{Unpacked, half_at};

/// 16 bytes of scale and minimum halves, 64 bytes of 2-bit values, d, dmin.
pub fn q2_k(block: &[u8], to: &mut Unpacked) {
    let (d, dmin) = (half_at(block, 80), half_at(block, 82));
    for (g, &byte) in block[..16].iter().enumerate() {
        to.scales[g] = d * f32::from(byte & 15);
        to.mins[g] = -(dmin * f32::from(byte >> 4));
    }
    two_bits(&block[16..80], &mut to.q);
}

/// 32 bytes of third bits, 64 bytes of 2-bit values, 16 scales of 6 bits in 12 bytes, d.
pub fn q3_k(block: &[u8], to: &mut Unpacked) {
    let (third, packed, d) = (&block[..32], &block[96..108], half_at(block, 108));
    for g in 0..16 {
        let low = if g < 8 { packed[g] & 15 } else { packed[g - 8] >> 4 };
        let high = packed[8 + g % 4] >> (2 * (g / 4)) & 3;
        to.scales[g] = d * (f32::from(low | high << 4) - 32.0);
    }
    two_bits(&block[32..96], &mut to.q);
    for (i, q) in to.q.iter_mut().enumerate() {
        *q |= (third[i % 32] >> (i / 32) & 1) << 2;
    }
}

/// d, dmin, 8 scales and minimums of 6 bits in 12 bytes, 128 bytes of halves.
pub fn q4_k(block: &[u8], to: &mut Unpacked) {
    six_bit_scales(block, to);
    halves_of_64(&block[16..144], &mut to.q);
}

/// As `q4_k`, with 32 bytes of fifth bits before the halves.
pub fn q5_k(block: &[u8], to: &mut Unpacked) {
    six_bit_scales(block, to);
    halves_of_64(&block[48..176], &mut to.q);
    let fifth = &block[16..48];
    for (i, q) in to.q.iter_mut().enumerate() {
        *q |= (fifth[i % 32] >> (i / 32) & 1) << 4;
    }
}

/// 128 bytes of halves, 64 bytes of upper bit pairs, 16 signed scales, d.
pub fn q6_k(block: &[u8], to: &mut Unpacked) {
    let d = half_at(block, 208);
    for (scale, &byte) in to.scales.iter_mut().zip(&block[192..208]) {
        *scale = d * f32::from(byte.cast_signed());
    }
    for (n, values) in to.q.chunks_exact_mut(128).enumerate() {
        let (low, high) = (&block[n * 64..], &block[128 + n * 32..]);
        for i in 0..32 {
            values[i] = low[i] & 15 | (high[i] & 3) << 4;
            values[i + 32] = low[i + 32] & 15 | (high[i] >> 2 & 3) << 4;
            values[i + 64] = low[i] >> 4 | (high[i] >> 4 & 3) << 4;
            values[i + 96] = low[i + 32] >> 4 | (high[i] >> 6) << 4;
        }
    }
}

/// The header Q4_K and Q5_K share. The sign of the minimum turns here: these types subtract it.
fn six_bit_scales(block: &[u8], to: &mut Unpacked) {
    let (d, dmin, packed) = (half_at(block, 0), half_at(block, 2), &block[4..16]);
    for g in 0..8 {
        let (scale, min) = if g < 4 {
            (packed[g] & 63, packed[g + 4] & 63)
        } else {
            (packed[g + 4] & 15 | packed[g - 4] >> 6 << 4, packed[g + 4] >> 4 | packed[g] >> 6 << 4)
        };
        to.scales[g] = d * f32::from(scale);
        to.mins[g] = -(dmin * f32::from(min));
    }
}

/// Each 32 bytes hold 64 values: the low halves, then the high ones.
fn halves_of_64(packed: &[u8], q: &mut [u8; 256]) {
    for (bytes, values) in packed.chunks_exact(32).zip(q.chunks_exact_mut(64)) {
        for (i, &byte) in bytes.iter().enumerate() {
            values[i] = byte & 15;
            values[i + 32] = byte >> 4;
        }
    }
}

/// Each 32 bytes hold 128 values: first all lowest bit pairs, then the next ones.
pub(super) fn two_bits(packed: &[u8], q: &mut [u8; 256]) {
    for (bytes, values) in packed.chunks_exact(32).zip(q.chunks_exact_mut(128)) {
        for (i, value) in values.iter_mut().enumerate() {
            *value = bytes[i % 32] >> (2 * (i / 32)) & 3;
        }
    }
}

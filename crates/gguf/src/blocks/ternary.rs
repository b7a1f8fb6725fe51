//! Types of one or two bits with one scale a block: −1, 0 and 1, or only the two ends.

use super::{Unpacked, half_at, k_quants::two_bits};

/// 52 bytes of five (the last four: of four) digits of base three, d.
///
/// A byte is its number divided by 3⁵ and multiplied by 256, rounded up, so that the digits come out at the top when it
/// is multiplied by powers of three.
pub fn tq1_0(block: &[u8], to: &mut Unpacked) {
    to.scales[..8].fill(half_at(block, 52));
    let (first, rest) = to.q.split_at_mut(160);
    let (second, third) = rest.split_at_mut(80);
    for (bytes, values) in [(&block[..32], first), (&block[32..48], second), (&block[48..52], third)] {
        let mut power = 1u8;
        for values in values.chunks_exact_mut(bytes.len()) {
            for (value, byte) in values.iter_mut().zip(bytes) {
                *value = ((u16::from(byte.wrapping_mul(power)) * 3) >> 8) as u8;
            }
            power = power.wrapping_mul(3);
        }
    }
}

/// 64 bytes of two bits each, d.
pub fn tq2_0(block: &[u8], to: &mut Unpacked) {
    to.scales[..8].fill(half_at(block, 64));
    two_bits(&block[..64], &mut to.q);
}

/// d, 16 bytes of bits: one end or the other.
pub fn q1_0(block: &[u8], to: &mut Unpacked) {
    to.scales[..4].fill(half_at(block, 0));
    for (i, q) in to.q[..128].iter_mut().enumerate() {
        *q = (block[2 + i / 8] >> (i % 8) & 1) << 1;
    }
}

/// d, 16 bytes of two bits each, in the order of the values.
pub fn q2_0(block: &[u8], to: &mut Unpacked) {
    to.scales[..2].fill(half_at(block, 0));
    for (i, q) in to.q[..64].iter_mut().enumerate() {
        *q = block[2 + i / 4] >> (2 * (i % 4)) & 3;
    }
}

#[cfg(test)]
mod tests {
    use crate::{GgmlType, dequantize};

    #[test]
    fn two_bits_run_from_minus_one_to_two() {
        let mut block = [0; 18];
        block[..2].copy_from_slice(&half::f16::from_f32(0.5).to_le_bytes());
        block[2] = 0b11_10_01_00;
        block[17] = 0b11_00_00_00;
        let mut values = [f32::NAN; 64];
        dequantize(GgmlType::Q2_0, &block, &mut values).unwrap();
        assert_eq!(values[..5], [-0.5, 0.0, 0.5, 1.0, -0.5]);
        assert_eq!(values[62..], [-0.5, 1.0]);
    }
}

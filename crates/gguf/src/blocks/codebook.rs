//! Types whose four bits choose from a table of values instead of counting evenly.

use super::{Unpacked, half_at};

/// The values of IQ4_NL and IQ4_XS plus 128.
pub const IQ4: [u8; 16] = [1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241];

/// Twice the values of an E2M1 float, plus 16.
pub const E2M1: [u8; 16] = [16, 17, 18, 19, 20, 22, 24, 28, 16, 15, 14, 13, 12, 10, 8, 4];

/// d, 16 bytes of halves.
pub fn iq4_nl(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    look_up(&IQ4, &block[2..18], &mut to.q);
}

/// d, upper bit pairs of 8 scales, their lower halves, then as IQ4_NL for each 32 values.
pub fn iq4_xs(block: &[u8], to: &mut Unpacked) {
    let (d, high) = (half_at(block, 0), u16::from_le_bytes([block[2], block[3]]));
    for g in 0..8 {
        let low = block[4 + g / 2] >> (4 * (g % 2)) & 15;
        let scale = u16::from(low) | (high >> (2 * g) & 3) << 4;
        to.scales[g] = d * (f32::from(scale) - 32.0);
        look_up(&IQ4, &block[8 + 16 * g..24 + 16 * g], &mut to.q[32 * g..]);
    }
}

/// A power of two as E8M0, 16 bytes of halves.
pub fn mxfp4(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_of_e8m0(block[0]);
    look_up(&E2M1, &block[1..17], &mut to.q);
}

/// Four scales as unsigned E4M3, then for each 16 values 8 bytes of halves.
pub fn nvfp4(block: &[u8], to: &mut Unpacked) {
    for g in 0..4 {
        to.scales[g] = half_of_ue4m3(block[g]);
        for (i, &byte) in block[4 + 8 * g..12 + 8 * g].iter().enumerate() {
            to.q[16 * g + i] = E2M1[usize::from(byte & 15)];
            to.q[16 * g + 8 + i] = E2M1[usize::from(byte >> 4)];
        }
    }
}

/// Half of an unsigned E4M3 float, for the same reason as below. The one pattern that stands for no number gives 0, and the
/// bit that would be a sign says nothing.
fn half_of_ue4m3(bits: u8) -> f32 {
    let (exponent, fraction) = (bits >> 3 & 15, f32::from(bits & 7));
    match (bits, exponent) {
        (0x7f, _) => 0.0,
        (_, 0) => fraction / 1024.0,
        _ => (1.0 + fraction / 8.0) * f32::from_bits((u32::from(exponent) + 119) << 23),
    }
}

/// Half of 2^(e − 127): half, because the table holds doubled values.
fn half_of_e8m0(e: u8) -> f32 {
    let bits = if e < 2 { 0x0020_0000 << e } else { (u32::from(e) - 1) << 23 };
    f32::from_bits(bits)
}

fn look_up(table: &[u8; 16], packed: &[u8], q: &mut [u8]) {
    for (i, &byte) in packed[..16].iter().enumerate() {
        q[i] = table[usize::from(byte & 15)];
        q[i + 16] = table[usize::from(byte >> 4)];
    }
}

#[cfg(test)]
mod tests {
    use super::half_of_e8m0;

    #[test]
    fn powers_of_two_reach_into_the_subnormals() {
        assert_eq!(half_of_e8m0(127), 0.5);
        assert_eq!(half_of_e8m0(128), 1.0);
        assert_eq!(half_of_e8m0(0), 2f32.powi(-128));
        assert_eq!(half_of_e8m0(1), 2f32.powi(-127));
        assert_eq!(half_of_e8m0(2), 2f32.powi(-126));
    }
}

//! The simple types: 32 values with one scale (`_0`) or a scale and a minimum (`_1`).

use super::{Unpacked, half_at, nibbles};

/// d, 16 bytes of halves.
pub fn q4_0(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    nibbles(&block[2..18], &mut to.q);
}

/// d, m, 16 bytes of halves.
pub fn q4_1(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    to.mins[0] = half_at(block, 2);
    nibbles(&block[4..20], &mut to.q);
}

/// d, 32 fifth bits, 16 bytes of halves.
pub fn q5_0(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    nibbles(&block[6..22], &mut to.q);
    fifth_bits(&block[2..6], &mut to.q);
}

/// d, m, 32 fifth bits, 16 bytes of halves.
pub fn q5_1(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    to.mins[0] = half_at(block, 2);
    nibbles(&block[8..24], &mut to.q);
    fifth_bits(&block[4..8], &mut to.q);
}

/// d, 32 signed bytes.
pub fn q8_0(block: &[u8], to: &mut Unpacked) {
    to.scales[0] = half_at(block, 0);
    for (q, &byte) in to.q.iter_mut().zip(&block[2..34]) {
        *q = byte ^ 0x80;
    }
}

fn fifth_bits(bits: &[u8], q: &mut [u8]) {
    for (i, q) in q[..32].iter_mut().enumerate() {
        *q |= (bits[i / 8] >> (i % 8) & 1) << 4;
    }
}

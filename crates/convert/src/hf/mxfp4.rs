//! Four-bit floats with a scale for 32 of them (OCP Microscaling Formats, 2023), from the layout of checkpoints to GGUF's.
//!
//! Both keep a byte for the scale and two floats a byte. Checkpoints pair neighbours, GGUF a block's first half with its
//! second, and puts the scale in front.

/// Bytes of a block's floats.
pub const HALF: usize = 16;

/// Adds blocks in GGUF's layout to `out`: `blocks` are bytes of floats, of which each [`HALF`] share one of `scales`.
pub fn repack(blocks: &[u8], scales: &[u8], out: &mut Vec<u8>) {
    for (block, scale) in blocks.as_chunks::<HALF>().0.iter().zip(scales) {
        let float = |i: usize| block[i / 2] >> (4 * (i % 2)) & 15;
        out.push(*scale);
        out.extend((0..HALF).map(|i| float(i) | float(i + HALF) << 4));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_move_apart() {
        // Floats 0 to 31 are 0, 1, … 15, 0, 1, … 15.
        let block: Vec<u8> = (0..16u8).map(|i| (2 * i % 16) | (((2 * i + 1) % 16) << 4)).collect();
        let mut out = Vec::new();
        repack(&block, &[127], &mut out);
        assert_eq!(out[0], 127);
        assert!(out[1..].iter().enumerate().all(|(i, &byte)| usize::from(byte) == i * 17), "{out:?}");
    }
}

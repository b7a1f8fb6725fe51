//! Where the file's blocks keep their integers, read four columns at a time.
//!
//! The same integers as `lantern_gguf::blocks::unpack` gives, but four of them as the bytes of a word, and indices into
//! a table instead of what the table holds: what packing moves about.

use lantern_gguf::GgmlType;

use super::PART;

/// Four integers, one a byte, for each four columns of a part.
pub type Fours = [u32; PART / 4];

/// The integers of part `part` of a block.
#[inline(always)]
pub fn integers(ty: GgmlType, block: &[u8], part: usize) -> Fours {
    match ty {
        GgmlType::Q4_0 | GgmlType::IQ4NL => halves_of_16(block, 2),
        GgmlType::Q4_1 => halves_of_16(block, 4),
        GgmlType::MXFP4 => halves_of_16(block, 1),
        GgmlType::IQ4XS => halves_of_16(block, 8 + 16 * part),
        GgmlType::Q5_0 => with(halves_of_16(block, 6), fifth_of_word(block, 2)),
        GgmlType::Q5_1 => with(halves_of_16(block, 8), fifth_of_word(block, 4)),
        GgmlType::Q8_0 => moved(block, 2, 0, 0xff, 0).map(|four| four ^ 0x8080_8080),
        GgmlType::Q2K => moved(block, 16 + part / 4 * 32, 2 * (part % 4), 3, 0),
        GgmlType::Q3K => {
            with(moved(block, 32 + part / 4 * 32, 2 * (part % 4), 3, 0), moved(block, 0, part, 1, 2))
        }
        GgmlType::Q4K => moved(block, 16 + part / 2 * 32, 4 * (part % 2), 15, 0),
        GgmlType::Q5K => {
            with(moved(block, 48 + part / 2 * 32, 4 * (part % 2), 15, 0), moved(block, 16, part, 1, 4))
        }
        GgmlType::Q6K => with(
            moved(block, part / 4 * 64 + part % 2 * 32, 4 * (part / 2 % 2), 15, 0),
            moved(block, 128 + part / 4 * 32, 2 * (part % 4), 3, 4),
        ),
        other => unreachable!("{other} is not packed"),
    }
}

/// 32 bytes from `at` on; of each the bits of `mask` above `from`, moved up by `to`.
#[inline(always)]
fn moved(block: &[u8], at: usize, from: usize, mask: u32, to: usize) -> Fours {
    let (mut fours, mask) = ([0; PART / 4], mask * 0x0101_0101);
    for (four, bytes) in fours.iter_mut().zip(block[at..at + PART].as_chunks::<4>().0) {
        *four = (u32::from_le_bytes(*bytes) >> from & mask) << to;
    }
    fours
}

/// 16 bytes from `at` on: the lower halves, then the upper ones.
#[inline(always)]
fn halves_of_16(block: &[u8], at: usize) -> Fours {
    let mut fours = [0; PART / 4];
    for (i, bytes) in block[at..at + 16].as_chunks::<4>().0.iter().enumerate() {
        let word = u32::from_le_bytes(*bytes);
        fours[i] = word & 0x0f0f_0f0f;
        fours[i + 4] = word >> 4 & 0x0f0f_0f0f;
    }
    fours
}

/// 32 bits from `at` on, each as the fifth bit of an integer.
#[inline(always)]
fn fifth_of_word(block: &[u8], at: usize) -> Fours {
    let all = u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let mut fours = [0; PART / 4];
    for (i, four) in fours.iter_mut().enumerate() {
        // The factor copies four bits so that each lands at the bottom of a byte of its own.
        *four = ((all >> (4 * i) & 15).wrapping_mul(0x0020_4081) & 0x0101_0101) << 4;
    }
    fours
}

#[inline(always)]
fn with(low: Fours, high: Fours) -> Fours {
    let mut both = low;
    both.iter_mut().zip(high).for_each(|(both, high)| *both |= high);
    both
}

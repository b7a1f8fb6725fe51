//! Numbers of a cache as integers of 8 or 4 bits with a common scale.
//!
//! A scale is kept in 16 bits. What is stored is the rounded scale, so that is what numbers are divided by.

use half::f16;

use super::cache::{PANEL, SCALED};

/// Adding 1.5·2²³ rounds to an integer and leaves it in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Rounds numbers to 8 bits and gives their scale.
pub(super) fn to_8_bits(numbers: &[f32], to: &mut [i8; SCALED]) -> f16 {
    let largest = numbers.iter().fold(0.0f32, |largest, number| largest.max(number.abs()));
    let scale = f16::from_f32(largest / 127.0);
    round(numbers, scale, -127.0, 127.0, to);
    scale
}

/// Rounds numbers to 4 bits, −8 to 7, and gives their scale.
///
/// The one that is furthest from zero becomes −8, whatever its sign, so all sixteen integers are of use. The integers
/// being known, the scale is the one with the least squared error.
pub(super) fn to_4_bits(numbers: &[f32], to: &mut [i8; SCALED]) -> f16 {
    let scale = f16::from_f32(furthest(numbers) / -8.0);
    round(numbers, scale, -8.0, 7.0, to);
    let (mut products, mut squares) = ([0.0; 8], 0);
    for (numbers, quants) in numbers.as_chunks::<8>().0.iter().zip(to.as_chunks::<8>().0) {
        for ((sum, number), quant) in products.iter_mut().zip(numbers).zip(quants) {
            *sum += number * f32::from(*quant);
            squares += i32::from(*quant) * i32::from(*quant);
        }
    }
    if squares == 0 { scale } else { f16::from_f32(products.iter().sum::<f32>() / squares as f32) }
}

/// The number that is furthest from zero. In eight lanes, so that all of them are compared at once.
fn furthest(numbers: &[f32]) -> f32 {
    let (mut low, mut high) = ([0.0f32; 8], [0.0f32; 8]);
    for eight in numbers.as_chunks::<8>().0 {
        for ((low, high), number) in low.iter_mut().zip(&mut high).zip(eight) {
            *low = if *number < *low { *number } else { *low };
            *high = if *number > *high { *number } else { *high };
        }
    }
    let (low, high) = (low.into_iter().fold(0.0, f32::min), high.into_iter().fold(0.0, f32::max));
    if -low > high { low } else { high }
}

fn round(numbers: &[f32], scale: f16, least: f32, most: f32, to: &mut [i8; SCALED]) {
    let inverse = if scale != f16::ZERO { 1.0 / scale.to_f32() } else { 0.0 };
    for (to, number) in to.iter_mut().zip(numbers) {
        *to = ((number * inverse).clamp(least, most) + ROUND).to_bits() as i8;
    }
}

/// Two integers to a byte: of sixteen, the first eight are the low halves and the other eight the high ones.
fn place(at: usize) -> (usize, usize) {
    (at / PANEL * (PANEL / 2) + at % (PANEL / 2), at % PANEL / (PANEL / 2) * 4)
}

/// Writes the `at`-th integer of 4 bits.
pub(super) fn put_nibble(to: &mut [u8], at: usize, quant: i8) {
    let (byte, shift) = place(at);
    to[byte] = to[byte] & !(15 << shift) | (quant as u8 & 15) << shift;
}

/// The `at`-th integer of 4 bits.
pub(super) fn nibble(from: &[u8], at: usize) -> i8 {
    let (byte, shift) = place(at);
    ((from[byte] >> shift << 4) as i8) >> 4
}

//! The types of 32 values whose scale follows from their largest value.

use super::{half, inverse};

/// d, 32 signed bytes.
pub fn q8_0(values: &[f32; 32], out: &mut [u8; 34]) {
    let largest = values.iter().fold(0f32, |top, v| top.max(v.abs()));
    let scale = largest / 127.0;
    let per_scale = inverse(scale);
    let (head, q) = out.split_at_mut(2);
    head.copy_from_slice(&half(scale).1);
    for (q, value) in q.iter_mut().zip(values) {
        *q = ((value * per_scale).round() as i8).cast_unsigned();
    }
}

/// d, 32 fifth bits, 16 bytes of halves. The largest value, whatever its sign, is given the end of the range that
/// reaches further, −16.
pub fn q5_0(values: &[f32; 32], out: &mut [u8; 22]) {
    let largest = values.iter().fold(0f32, |top, v| if v.abs() > top.abs() { *v } else { top });
    let scale = largest / -16.0;
    let per_scale = inverse(scale);
    out[..2].copy_from_slice(&half(scale).1);
    let q = values.map(|value| ((value * per_scale).round() as i32 + 16).clamp(0, 31) as u32);
    let fifth = q.iter().enumerate().fold(0u32, |bits, (i, q)| bits | (q >> 4) << i);
    out[2..6].copy_from_slice(&fifth.to_le_bytes());
    for (i, byte) in out[6..].iter_mut().enumerate() {
        *byte = (q[i] & 15 | (q[i + 16] & 15) << 4) as u8;
    }
}

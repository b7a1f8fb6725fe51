//! Q4_K and Q6_K: groups with small integer scales below a half float.
//!
//! The scales of the groups are found one by one and then rounded to the integers they are kept as. Rounding moves a scale
//! away from what was best for its group, so the integers beside it are tried too.

use super::fit::{self, WithMin};
use super::{half, inverse};

/// Most that a scale or a minimum of Q4_K can be.
const SIX_BITS: f32 = 63.0;

/// d, dmin, 8 scales and minimums of 6 bits in 12 bytes, 128 bytes of halves.
pub fn q4_k(values: &[f32; 256], out: &mut [u8; 144]) {
    const TOP: f32 = 15.0;
    let groups: &[[f32; 32]] = values.as_chunks().0;
    let mut found = [WithMin::default(); 8];
    let mut weights = [[0f32; 32]; 8];
    for (g, group) in groups.iter().enumerate() {
        let rms = (group.iter().map(|v| v * v).sum::<f32>() / 32.0).sqrt();
        weights[g] = group.map(|v| rms + v.abs());
        found[g] = fit::with_min(group, &weights[g], TOP);
    }
    let largest = |of: fn(&WithMin) -> f32| found.iter().map(of).fold(0f32, f32::max);
    let (d, d_bytes) = half(largest(|f| f.scale) / SIX_BITS);
    let (dmin, dmin_bytes) = half(largest(|f| f.min) / SIX_BITS);
    out[..2].copy_from_slice(&d_bytes);
    out[2..4].copy_from_slice(&dmin_bytes);
    let mut codes = [(0u8, 0u8); 8];
    let mut q = [0u8; 256];
    for (g, group) in groups.iter().enumerate() {
        let (scale, min) = rounded(found[g], (d, dmin), group, &weights[g], TOP);
        codes[g] = (scale, min);
        let kept = WithMin { scale: d * f32::from(scale), min: dmin * f32::from(min) };
        for (q, value) in q[32 * g..].iter_mut().zip(group) {
            *q = kept.q(*value, TOP) as u8;
        }
    }
    six_bit_codes(&codes, &mut out[4..16]);
    for (bytes, q) in out[16..].as_chunks_mut::<32>().0.iter_mut().zip(q.as_chunks::<64>().0) {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = q[i] | q[i + 32] << 4;
        }
    }
}

/// The integers for a scale and a minimum: the nearest ones, or neighbours that lose less.
fn rounded(
    wanted: WithMin,
    (d, dmin): (f32, f32),
    group: &[f32; 32],
    weights: &[f32; 32],
    top: f32,
) -> (u8, u8) {
    let near = |value: f32, unit: f32| {
        let nearest = (value * inverse(unit)).round();
        [0.0, -1.0, 1.0].map(|step| (nearest + step).clamp(0.0, SIX_BITS))
    };
    let (mut best, mut least) = ((0.0, 0.0), f32::INFINITY);
    for scale in near(wanted.scale, d) {
        for min in near(wanted.min, dmin) {
            let error = WithMin { scale: d * scale, min: dmin * min }.error(group, weights, top);
            if error < least {
                (best, least) = ((scale, min), error);
            }
        }
    }
    (best.0 as u8, best.1 as u8)
}

/// Scales and minimums as Q4_K keeps them: six bits of the first four, then four bits of the others, whose upper two lie
/// above the first.
fn six_bit_codes(codes: &[(u8, u8); 8], out: &mut [u8]) {
    for g in 0..4 {
        let ((scale, min), (later_scale, later_min)) = (codes[g], codes[g + 4]);
        out[g] = scale | later_scale >> 4 << 6;
        out[g + 4] = min | later_min >> 4 << 6;
        out[g + 8] = later_scale & 15 | later_min << 4;
    }
}

/// 128 bytes of halves, 64 bytes of upper bit pairs, 16 signed scales, d.
pub fn q6_k(values: &[f32; 256], out: &mut [u8; 210]) {
    const REACH: f32 = 32.0;
    let groups: &[[f32; 16]] = values.as_chunks().0;
    let mut found = [0f32; 16];
    for (scale, group) in found.iter_mut().zip(groups) {
        *scale = fit::signed(group, &group.map(|v| v * v), REACH);
    }
    let largest = found.iter().fold(0f32, |top, v| if v.abs() > top.abs() { *v } else { top });
    let (d, d_bytes) = half(largest / -128.0);
    out[208..].copy_from_slice(&d_bytes);
    let mut q = [0u8; 256];
    for (g, group) in groups.iter().enumerate() {
        let scale = rounded_signed(found[g], d, group, REACH);
        out[192 + g] = scale.cast_unsigned();
        let per_scale = inverse(d * f32::from(scale));
        for (q, value) in q[16 * g..].iter_mut().zip(group) {
            *q = ((value * per_scale).round().clamp(-REACH, REACH - 1.0) + REACH) as u8;
        }
    }
    for (n, q) in q.as_chunks::<128>().0.iter().enumerate() {
        for i in 0..32 {
            let [a, b, c, e] = [q[i], q[i + 32], q[i + 64], q[i + 96]];
            out[64 * n + i] = a & 15 | c << 4;
            out[64 * n + 32 + i] = b & 15 | e << 4;
            out[128 + 32 * n + i] = a >> 4 | b >> 4 << 2 | c >> 4 << 4 | e >> 4 << 6;
        }
    }
}

/// As [`rounded`], for a signed scale of eight bits.
fn rounded_signed(wanted: f32, d: f32, group: &[f32; 16], reach: f32) -> i8 {
    let nearest = (wanted * inverse(d)).round();
    let (mut best, mut least) = (0.0, f32::INFINITY);
    for code in [0.0, -1.0, 1.0].map(|step| (nearest + step).clamp(-128.0, 127.0)) {
        let scale: f32 = d * code;
        let per_scale = inverse(scale);
        let lost = |v: &f32| scale * (v * per_scale).round().clamp(-reach, reach - 1.0) - v;
        let error = group.iter().map(|v| (v * lost(v)).powi(2)).sum::<f32>();
        if error < least {
            (best, least) = (code, error);
        }
    }
    best as i8
}

//! Weights of eight bits for instructions that multiply signed bytes: `Σ q·x = Σ (q − 128)·x + 128·Σx`.

use std::arch::aarch64::*;

use super::lanes8::Integers;

/// q − 128 for each byte.
#[inline(always)]
pub unsafe fn less_128<const W: usize>(mut q: [Integers; W]) -> [Integers; W] {
    // SAFETY: every AArch64 processor has NEON.
    unsafe {
        let top = vreinterpretq_s32_u8(vdupq_n_u8(0x80));
        for q in &mut q {
            *q = int32x4x2_t(veorq_s32(q.0, top), veorq_s32(q.1, top));
        }
    }
    q
}

/// 128·Σx over `4 W` activations, for each row.
#[inline(always)]
pub unsafe fn times_128<const W: usize>(x: *const i8) -> Integers {
    // SAFETY: the caller vouches for the activations, which are a multiple of sixteen.
    unsafe {
        let mut pairs = vdupq_n_s16(0);
        for at in (0..4 * W).step_by(16) {
            pairs = vpadalq_s8(pairs, vld1q_s8(x.wrapping_add(at)));
        }
        let all = vshlq_n_s32::<7>(vdupq_n_s32(vaddlvq_s16(pairs)));
        int32x4x2_t(all, all)
    }
}

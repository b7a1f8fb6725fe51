//! Two NEON registers as eight lanes.

use std::arch::aarch64::*;
use std::arch::asm;

use half::f16;

use super::Lanes;

/// Lanes 0 to 3, then lanes 4 to 7.
#[derive(Clone, Copy)]
pub struct Neon(float32x4_t, float32x4_t);

// SAFETY of every block below: every AArch64 processor has NEON.
impl Lanes for Neon {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        unsafe { Neon(vdupq_n_f32(value), vdupq_n_f32(value)) }
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; 8]) -> Self {
        unsafe { Neon(vld1q_f32(from.as_ptr()), vld1q_f32(from[4..].as_ptr())) }
    }

    #[inline(always)]
    unsafe fn load_half(from: &[f16; 8]) -> Self {
        unsafe {
            let halves = vreinterpretq_f16_u16(vld1q_u16(from.as_ptr().cast()));
            Neon(vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves))
        }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; 8]) -> Self {
        unsafe { from_bytes(vld1_s8(from.as_ptr())) }
    }

    #[inline(always)]
    unsafe fn load_nibbles(from: &[u8; 8]) -> [Self; 2] {
        unsafe {
            let both = vld1_s8(from.as_ptr().cast());
            let (low, high) = (vshr_n_s8::<4>(vshl_n_s8::<4>(both)), vshr_n_s8::<4>(both));
            [from_bytes(low), from_bytes(high)]
        }
    }

    #[inline(always)]
    fn hadamard(self) -> Self {
        // Each lane becomes its neighbour plus or minus itself; a product with ±1 is exact.
        unsafe {
            let alternating = vld1q_f32([1.0, -1.0, 1.0, -1.0].as_ptr());
            let halves = vcombine_f32(vdup_n_f32(1.0), vdup_n_f32(-1.0));
            let pairs = [self.0, self.1].map(|v| vfmaq_f32(vrev64q_f32(v), v, alternating));
            let [a, b] = pairs.map(|v| vfmaq_f32(vextq_f32::<2>(v, v), v, halves));
            Neon(vaddq_f32(a, b), vsubq_f32(a, b))
        }
    }

    #[inline(always)]
    fn prefetch<T>(at: *const T) {
        unsafe { asm!("prfm pldl1keep, [{}]", in(reg) at, options(readonly, nostack, preserves_flags)) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 8]) {
        unsafe {
            vst1q_f32(to.as_mut_ptr(), self.0);
            vst1q_f32(to[4..].as_mut_ptr(), self.1);
        }
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        unsafe { Neon(vaddq_f32(self.0, other.0), vaddq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        unsafe { Neon(vsubq_f32(self.0, other.0), vsubq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        unsafe { Neon(vmulq_f32(self.0, other.0), vmulq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        unsafe { Neon(vdivq_f32(self.0, other.0), vdivq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        unsafe { Neon(vfmaq_f32(addend.0, self.0, factor.0), vfmaq_f32(addend.1, self.1, factor.1)) }
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        unsafe { Neon(vmaxq_f32(self.0, other.0), vmaxq_f32(self.1, other.1)) }
    }

    #[inline(always)]
    fn bound(self, low: Self, high: Self) -> Self {
        // A NaN in either operand stays one.
        self.max(low).min(high)
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        let of = |v| unsafe {
            let exponent = vaddq_s32(vreinterpretq_s32_f32(v), vdupq_n_s32(127));
            vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
        };
        Neon(of(self.0), of(self.1))
    }

    #[inline(always)]
    fn sum(self) -> f32 {
        unsafe {
            let halves = vaddq_f32(self.0, self.1);
            vpadds_f32(vadd_f32(vget_low_f32(halves), vget_high_f32(halves)))
        }
    }
}

/// Eight bytes as floats.
#[inline(always)]
fn from_bytes(bytes: int8x8_t) -> Neon {
    // SAFETY: as above.
    unsafe {
        let v = vmovl_s8(bytes);
        Neon(vcvtq_f32_s32(vmovl_s16(vget_low_s16(v))), vcvtq_f32_s32(vmovl_high_s16(v)))
    }
}

impl Neon {
    #[inline(always)]
    fn min(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Neon(vminq_f32(self.0, other.0), vminq_f32(self.1, other.1)) }
    }
}

//! Everything of [`Simd`] on AArch64 but the dot product, in which the instruction sets differ.

use std::arch::aarch64::*;
use std::arch::asm;
use std::marker::PhantomData;

use crate::dot::simd::Simd;

/// Eight 32-bit integers: rows 0 to 3, then rows 4 to 7.
pub type Integers = int32x4x2_t;

/// The dot product of an instruction set.
///
/// # Safety
/// As [`Simd`].
pub unsafe trait Dot: Copy {
    /// As [`Simd::dot`].
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: [[Integers; W]; H],
        x: [*const i8; N],
    ) -> [[Integers; N]; H];
}

/// Vectors of eight rows whose dot product is that of `D`.
#[derive(Clone, Copy)]
pub struct Lanes8<D>(PhantomData<D>);

/// The same of both registers.
macro_rules! both {
    ($vectors:ident(|$($v:ident),+| $of:expr)) => {{
        let first = { $(let $v = $v.0;)+ $of };
        let second = { $(let $v = $v.1;)+ $of };
        $vectors(first, second)
    }};
}

/// Moves bits by as much as a constant says; the shifts by a literal cannot take the trait's constants.
macro_rules! moved {
    ($v:ident, $shift:ident, $to:ident, $back:ident, $by:expr) => {
        both!(int32x4x2_t(|$v| $back($shift($to($v), $by))))
    };
}

// SAFETY: the functions do what their names say, on the instruction set their callers vouch for.
unsafe impl<D: Dot> Simd for Lanes8<D> {
    const LANES: usize = 8;
    type I = Integers;
    type F = float32x4x2_t;

    #[inline(always)]
    unsafe fn prefetch(start: *const u8, len: usize) {
        for at in (0..len).step_by(64) {
            let at = start.wrapping_add(at);
            unsafe { asm!("prfm pldl1keep, [{}]", in(reg) at, options(readonly, nostack, preserves_flags)) };
        }
    }
    #[inline(always)]
    unsafe fn zero() -> Integers {
        unsafe { Self::splat(0) }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> Integers {
        unsafe { int32x4x2_t(vld1q_s32(from.cast()), vld1q_s32(from.wrapping_add(16).cast())) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, v: Integers) {
        unsafe {
            vst1q_s32(to.cast(), v.0);
            vst1q_s32(to.wrapping_add(16).cast(), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> Integers {
        unsafe {
            let wide = vmovl_u8(vld1_u8(from));
            let (first, second) = (vmovl_u16(vget_low_u16(wide)), vmovl_high_u16(wide));
            int32x4x2_t(vreinterpretq_s32_u32(first), vreinterpretq_s32_u32(second))
        }
    }
    #[inline(always)]
    unsafe fn splat_bytes(v: u8) -> Integers {
        unsafe {
            let bytes = vreinterpretq_s32_u8(vdupq_n_u8(v));
            int32x4x2_t(bytes, bytes)
        }
    }
    #[inline(always)]
    unsafe fn splat(v: i32) -> Integers {
        unsafe { int32x4x2_t(vdupq_n_s32(v), vdupq_n_s32(v)) }
    }
    #[inline(always)]
    unsafe fn and(a: Integers, b: Integers) -> Integers {
        unsafe { both!(int32x4x2_t(|a, b| vandq_s32(a, b))) }
    }
    #[inline(always)]
    unsafe fn or(a: Integers, b: Integers) -> Integers {
        unsafe { both!(int32x4x2_t(|a, b| vorrq_s32(a, b))) }
    }
    #[inline(always)]
    unsafe fn left16<const BITS: u32>(v: Integers) -> Integers {
        unsafe {
            moved!(v, vshlq_u16, vreinterpretq_u16_s32, vreinterpretq_s32_u16, vdupq_n_s16(BITS as i16))
        }
    }
    #[inline(always)]
    unsafe fn right16<const BITS: u32>(v: Integers) -> Integers {
        unsafe {
            moved!(v, vshlq_u16, vreinterpretq_u16_s32, vreinterpretq_s32_u16, vdupq_n_s16(-(BITS as i16)))
        }
    }
    #[inline(always)]
    unsafe fn left32<const BITS: u32>(v: Integers) -> Integers {
        unsafe { both!(int32x4x2_t(|v| vshlq_s32(v, vdupq_n_s32(BITS as i32)))) }
    }
    #[inline(always)]
    unsafe fn right32<const BITS: u32>(v: Integers) -> Integers {
        unsafe {
            moved!(v, vshlq_u32, vreinterpretq_u32_s32, vreinterpretq_s32_u32, vdupq_n_s32(-(BITS as i32)))
        }
    }
    #[inline(always)]
    unsafe fn right_signed<const BITS: u32>(v: Integers) -> Integers {
        unsafe { both!(int32x4x2_t(|v| vshlq_s32(v, vdupq_n_s32(-(BITS as i32))))) }
    }
    #[inline(always)]
    unsafe fn sub32(a: Integers, b: Integers) -> Integers {
        unsafe { both!(int32x4x2_t(|a, b| vsubq_s32(a, b))) }
    }
    #[inline(always)]
    unsafe fn power_of_two(e: Integers) -> float32x4x2_t {
        unsafe {
            both!(float32x4x2_t(|e| {
                let normal = vshlq_n_s32::<23>(vsubq_s32(e, vdupq_n_s32(1)));
                let subnormal = vshlq_s32(vdupq_n_s32(0x0020_0000), e);
                let small = vcltq_s32(e, vdupq_n_s32(2));
                vreinterpretq_f32_s32(vbslq_s32(small, subnormal, normal))
            }))
        }
    }
    #[inline(always)]
    unsafe fn pick(v: Integers, which: &[u8; 16]) -> Integers {
        unsafe {
            let which = vld1q_u8(which.as_ptr());
            both!(int32x4x2_t(|v| vreinterpretq_s32_u8(vqtbl1q_u8(vreinterpretq_u8_s32(v), which))))
        }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 16], v: Integers) -> Integers {
        unsafe {
            let table = vld1q_u8(table.as_ptr());
            both!(int32x4x2_t(|v| vreinterpretq_s32_u8(vqtbl1q_u8(table, vreinterpretq_u8_s32(v)))))
        }
    }

    #[inline(always)]
    unsafe fn zero_f() -> float32x4x2_t {
        unsafe { Self::splat_f(0.0) }
    }
    #[inline(always)]
    unsafe fn load_f(from: *const f32) -> float32x4x2_t {
        unsafe { float32x4x2_t(vld1q_f32(from), vld1q_f32(from.wrapping_add(4))) }
    }
    #[inline(always)]
    unsafe fn store_f(to: *mut f32, v: float32x4x2_t) {
        unsafe {
            vst1q_f32(to, v.0);
            vst1q_f32(to.wrapping_add(4), v.1);
        }
    }
    #[inline(always)]
    unsafe fn splat_f(v: f32) -> float32x4x2_t {
        unsafe { float32x4x2_t(vdupq_n_f32(v), vdupq_n_f32(v)) }
    }
    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> float32x4x2_t {
        unsafe { from_halves(vld1q_u16(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_two_halves(from: *const u8) -> (float32x4x2_t, float32x4x2_t) {
        unsafe {
            let (a, b) = (vld1q_u16(from.cast()), vld1q_u16(from.wrapping_add(16).cast()));
            (from_halves(vuzp1q_u16(a, b)), from_halves(vuzp2q_u16(a, b)))
        }
    }
    #[inline(always)]
    unsafe fn to_f(v: Integers) -> float32x4x2_t {
        unsafe { both!(float32x4x2_t(|v| vcvtq_f32_s32(v))) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4x2_t, b: float32x4x2_t) -> float32x4x2_t {
        unsafe { both!(float32x4x2_t(|a, b| vmulq_f32(a, b))) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: float32x4x2_t, b: float32x4x2_t, c: float32x4x2_t) -> float32x4x2_t {
        unsafe { both!(float32x4x2_t(|a, b, c| vfmaq_f32(c, a, b))) }
    }
    #[inline(always)]
    unsafe fn negate(v: float32x4x2_t) -> float32x4x2_t {
        unsafe { both!(float32x4x2_t(|v| vnegq_f32(v))) }
    }

    #[inline(always)]
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: [[Integers; W]; H],
        x: [*const i8; N],
    ) -> [[Integers; N]; H] {
        unsafe { D::dot::<BITS, W, N, H>(q, x) }
    }
}

/// Eight half floats, as they are.
#[inline(always)]
unsafe fn from_halves(halves: uint16x8_t) -> float32x4x2_t {
    // SAFETY: every AArch64 processor has NEON.
    unsafe {
        let halves = vreinterpretq_f16_u16(halves);
        float32x4x2_t(vcvt_f32_f16(vget_low_f16(halves)), vcvt_high_f32_f16(halves))
    }
}

//! AVX-512 with VNNI: all sixteen rows of a tile in one vector.

use std::arch::x86_64::*;

use crate::dot::PAIR_ROWS;
use crate::dot::simd::{Between, Fours, Nothing, Simd};

/// Vectors of 512 bits.
#[derive(Clone, Copy)]
pub struct Avx512;

// SAFETY: the functions do what their names say, on the instruction set their callers vouch for.
unsafe impl Simd for Avx512 {
    const LANES: usize = 16;
    type I = __m512i;
    type F = __m512;

    #[inline(always)]
    unsafe fn prefetch(start: *const u8, len: usize) {
        for at in (0..len).step_by(64) {
            unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
        }
    }
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn load(from: *const u8) -> __m512i {
        unsafe { _mm512_loadu_si512(from.cast()) }
    }
    #[inline(always)]
    unsafe fn store(to: *mut u8, v: __m512i) {
        unsafe { _mm512_storeu_si512(to.cast(), v) }
    }
    #[inline(always)]
    unsafe fn load_bytes(from: *const u8) -> __m512i {
        unsafe { _mm512_cvtepu8_epi32(_mm_loadu_si128(from.cast())) }
    }
    #[inline(always)]
    unsafe fn splat_bytes(v: u8) -> __m512i {
        unsafe { _mm512_set1_epi8(v.cast_signed()) }
    }
    #[inline(always)]
    unsafe fn splat(v: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(v) }
    }
    #[inline(always)]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_and_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn left16<const BITS: u32>(v: __m512i) -> __m512i {
        unsafe { _mm512_slli_epi16(v, BITS) }
    }
    #[inline(always)]
    unsafe fn right16<const BITS: u32>(v: __m512i) -> __m512i {
        unsafe { _mm512_srli_epi16(v, BITS) }
    }
    #[inline(always)]
    unsafe fn left32<const BITS: u32>(v: __m512i) -> __m512i {
        unsafe { _mm512_slli_epi32(v, BITS) }
    }
    #[inline(always)]
    unsafe fn right32<const BITS: u32>(v: __m512i) -> __m512i {
        unsafe { _mm512_srli_epi32(v, BITS) }
    }
    #[inline(always)]
    unsafe fn right_signed<const BITS: u32>(v: __m512i) -> __m512i {
        unsafe { _mm512_srai_epi32(v, BITS) }
    }
    #[inline(always)]
    unsafe fn sub32(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn power_of_two(e: __m512i) -> __m512 {
        unsafe {
            let normal = _mm512_slli_epi32(_mm512_sub_epi32(e, _mm512_set1_epi32(1)), 23);
            let subnormal = _mm512_sllv_epi32(_mm512_set1_epi32(0x0020_0000), e);
            let small = _mm512_cmplt_epi32_mask(e, _mm512_set1_epi32(2));
            _mm512_castsi512_ps(_mm512_mask_blend_epi32(small, normal, subnormal))
        }
    }
    #[inline(always)]
    unsafe fn pick(v: __m512i, which: &[u8; 16]) -> __m512i {
        unsafe {
            let which = _mm_loadu_si128(which.as_ptr().cast());
            _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(which))
        }
    }
    #[inline(always)]
    unsafe fn look_up(table: &[u8; 16], v: __m512i) -> __m512i {
        unsafe {
            let table = _mm512_broadcast_i32x4(_mm_loadu_si128(table.as_ptr().cast()));
            _mm512_shuffle_epi8(table, v)
        }
    }

    #[inline(always)]
    unsafe fn zero_f() -> __m512 {
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load_f(from: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(from) }
    }
    #[inline(always)]
    unsafe fn store_f(to: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(to, v) }
    }
    #[inline(always)]
    unsafe fn splat_f(v: f32) -> __m512 {
        unsafe { _mm512_set1_ps(v) }
    }
    #[inline(always)]
    unsafe fn load_halves(from: *const u8) -> __m512 {
        unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())) }
    }
    #[inline(always)]
    unsafe fn load_two_halves(from: *const u8) -> (__m512, __m512) {
        unsafe {
            let pairs = _mm512_loadu_si512(from.cast());
            let low = _mm512_cvtepi32_epi16(pairs);
            let high = _mm512_cvtepi32_epi16(_mm512_srli_epi32(pairs, 16));
            (_mm512_cvtph_ps(low), _mm512_cvtph_ps(high))
        }
    }
    #[inline(always)]
    unsafe fn to_f(v: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(v) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn negate(v: __m512) -> __m512 {
        unsafe {
            let sign = _mm512_set1_epi32(i32::MIN);
            _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(v), sign))
        }
    }

    #[inline(always)]
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: [[__m512i; W]; H],
        x: [*const i8; N],
    ) -> [[__m512i; N]; H] {
        unsafe { Self::dot_and::<BITS, W, N, H>(q, x, &mut Nothing) }
    }

    #[inline(always)]
    unsafe fn dot_and<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: impl Fours<Self, H>,
        x: [*const i8; N],
        other: &mut impl Between,
    ) -> [[__m512i; N]; H] {
        unsafe {
            let mut dots = [[_mm512_setzero_si512(); N]; H];
            // Written out, because the compiler keeps a loop as long as this one, and then all of `q` in memory.
            step::<0, W, N, H>(q, x, &mut dots, other);
            step::<1, W, N, H>(q, x, &mut dots, other);
            step::<2, W, N, H>(q, x, &mut dots, other);
            step::<3, W, N, H>(q, x, &mut dots, other);
            step::<4, W, N, H>(q, x, &mut dots, other);
            step::<5, W, N, H>(q, x, &mut dots, other);
            step::<6, W, N, H>(q, x, &mut dots, other);
            step::<7, W, N, H>(q, x, &mut dots, other);
            dots
        }
    }
}

/// Adds the products of the `I`-th four columns, if there are as many, and does a part of the other work.
#[inline(always)]
unsafe fn step<const I: usize, const W: usize, const N: usize, const H: usize>(
    q: impl Fours<Avx512, H>,
    x: [*const i8; N],
    dots: &mut [[__m512i; N]; H],
    other: &mut impl Between,
) {
    if I >= W {
        return;
    }
    // SAFETY: the caller's promises.
    unsafe {
        let mut weights = [_mm512_setzero_si512(); H];
        for h in 0..H {
            weights[h] = q.four(h, I);
        }
        for c in 0..N {
            let four = _mm512_set1_epi32(x[c].wrapping_add(I * 4).cast::<i32>().read_unaligned());
            for h in 0..H {
                dots[h][c] = _mm512_dpbusd_epi32(dots[h][c], weights[h], four);
            }
        }
        other.part(I, W);
    }
}

crate::dot::kernels::kernels!(Avx512, "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni", Some(pair));

/// # Safety
/// As [`Kernel`] says.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn pair(
    form: Affine,
    panels: [&Panel; 2],
    x: Columns<'_>,
    rows: &[[u32; PAIR_ROWS]],
    sums: [&mut [[[f32; ROWS]; PAIR_ROWS]]; 2],
) {
    // SAFETY: passed on.
    unsafe { panel::pair::<Avx512>(form, panels, x, rows, sums) }
}

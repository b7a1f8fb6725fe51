//! Everything of [`Simd`](crate::dot::simd::Simd) on AVX2 but the dot product, in which AVX-VNNI differs.

/// Implements the trait for a type; `$dot` is the body of its `dot`.
macro_rules! simd_of_eight_lanes {
    ($name:ident, |$q:ident, $x:ident| $dot:block) => {
        /// Vectors of 256 bits.
        #[derive(Clone, Copy)]
        pub struct $name;

        // SAFETY: the functions do what their names say, on the instruction set their callers vouch for.
        unsafe impl crate::dot::simd::Simd for $name {
            const LANES: usize = 8;
            type I = __m256i;
            type F = __m256;

            #[inline(always)]
            unsafe fn prefetch(start: *const u8, len: usize) {
                for at in (0..len).step_by(64) {
                    unsafe { _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(at).cast()) };
                }
            }
            #[inline(always)]
            unsafe fn zero() -> __m256i {
                unsafe { _mm256_setzero_si256() }
            }
            #[inline(always)]
            unsafe fn load(from: *const u8) -> __m256i {
                unsafe { _mm256_loadu_si256(from.cast()) }
            }
            #[inline(always)]
            unsafe fn store(to: *mut u8, v: __m256i) {
                unsafe { _mm256_storeu_si256(to.cast(), v) }
            }
            #[inline(always)]
            unsafe fn load_bytes(from: *const u8) -> __m256i {
                unsafe { _mm256_cvtepu8_epi32(_mm_loadl_epi64(from.cast())) }
            }
            #[inline(always)]
            unsafe fn splat_bytes(v: u8) -> __m256i {
                unsafe { _mm256_set1_epi8(v.cast_signed()) }
            }
            #[inline(always)]
            unsafe fn splat(v: i32) -> __m256i {
                unsafe { _mm256_set1_epi32(v) }
            }
            #[inline(always)]
            unsafe fn and(a: __m256i, b: __m256i) -> __m256i {
                unsafe { _mm256_and_si256(a, b) }
            }
            #[inline(always)]
            unsafe fn or(a: __m256i, b: __m256i) -> __m256i {
                unsafe { _mm256_or_si256(a, b) }
            }
            #[inline(always)]
            unsafe fn left16<const BITS: u32>(v: __m256i) -> __m256i {
                unsafe { _mm256_sll_epi16(v, _mm_cvtsi32_si128(BITS as i32)) }
            }
            #[inline(always)]
            unsafe fn right16<const BITS: u32>(v: __m256i) -> __m256i {
                unsafe { _mm256_srl_epi16(v, _mm_cvtsi32_si128(BITS as i32)) }
            }
            #[inline(always)]
            unsafe fn left32<const BITS: u32>(v: __m256i) -> __m256i {
                unsafe { _mm256_sll_epi32(v, _mm_cvtsi32_si128(BITS as i32)) }
            }
            #[inline(always)]
            unsafe fn right32<const BITS: u32>(v: __m256i) -> __m256i {
                unsafe { _mm256_srl_epi32(v, _mm_cvtsi32_si128(BITS as i32)) }
            }
            #[inline(always)]
            unsafe fn right_signed<const BITS: u32>(v: __m256i) -> __m256i {
                unsafe { _mm256_sra_epi32(v, _mm_cvtsi32_si128(BITS as i32)) }
            }
            #[inline(always)]
            unsafe fn sub32(a: __m256i, b: __m256i) -> __m256i {
                unsafe { _mm256_sub_epi32(a, b) }
            }
            #[inline(always)]
            unsafe fn power_of_two(e: __m256i) -> __m256 {
                unsafe {
                    let normal = _mm256_slli_epi32(_mm256_sub_epi32(e, _mm256_set1_epi32(1)), 23);
                    let subnormal = _mm256_sllv_epi32(_mm256_set1_epi32(0x0020_0000), e);
                    let small = _mm256_cmpgt_epi32(_mm256_set1_epi32(2), e);
                    _mm256_castsi256_ps(_mm256_blendv_epi8(normal, subnormal, small))
                }
            }
            #[inline(always)]
            unsafe fn pick(v: __m256i, which: &[u8; 16]) -> __m256i {
                unsafe {
                    let which = _mm_loadu_si128(which.as_ptr().cast());
                    _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(which))
                }
            }
            #[inline(always)]
            unsafe fn look_up(table: &[u8; 16], v: __m256i) -> __m256i {
                unsafe {
                    let table = _mm256_broadcastsi128_si256(_mm_loadu_si128(table.as_ptr().cast()));
                    _mm256_shuffle_epi8(table, v)
                }
            }

            #[inline(always)]
            unsafe fn zero_f() -> __m256 {
                unsafe { _mm256_setzero_ps() }
            }
            #[inline(always)]
            unsafe fn load_f(from: *const f32) -> __m256 {
                unsafe { _mm256_loadu_ps(from) }
            }
            #[inline(always)]
            unsafe fn store_f(to: *mut f32, v: __m256) {
                unsafe { _mm256_storeu_ps(to, v) }
            }
            #[inline(always)]
            unsafe fn splat_f(v: f32) -> __m256 {
                unsafe { _mm256_set1_ps(v) }
            }
            #[inline(always)]
            unsafe fn load_halves(from: *const u8) -> __m256 {
                unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
            }
            #[inline(always)]
            unsafe fn load_two_halves(from: *const u8) -> (__m256, __m256) {
                unsafe {
                    let pairs = _mm256_loadu_si256(from.cast());
                    let low = _mm256_and_si256(pairs, _mm256_set1_epi32(0xffff));
                    let both = _mm256_packus_epi32(low, _mm256_srli_epi32(pairs, 16));
                    let both = _mm256_permute4x64_epi64(both, 0b11_01_10_00);
                    let high = _mm256_extracti128_si256(both, 1);
                    (_mm256_cvtph_ps(_mm256_castsi256_si128(both)), _mm256_cvtph_ps(high))
                }
            }
            #[inline(always)]
            unsafe fn to_f(v: __m256i) -> __m256 {
                unsafe { _mm256_cvtepi32_ps(v) }
            }
            #[inline(always)]
            unsafe fn mul(a: __m256, b: __m256) -> __m256 {
                unsafe { _mm256_mul_ps(a, b) }
            }
            #[inline(always)]
            unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
                unsafe { _mm256_fmadd_ps(a, b, c) }
            }
            #[inline(always)]
            unsafe fn negate(v: __m256) -> __m256 {
                unsafe { _mm256_xor_ps(v, _mm256_set1_ps(-0.0)) }
            }

            #[inline(always)]
            unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
                $q: [[__m256i; W]; H],
                $x: [*const i8; N],
            ) -> [[__m256i; N]; H] {
                unsafe { $dot }
            }
        }
    };
}
pub(super) use simd_of_eight_lanes;

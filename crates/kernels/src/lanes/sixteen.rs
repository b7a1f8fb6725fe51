//! Sixteen floats that are computed together: two vectors of [`Lanes`], or one register of AVX-512.
//!
//! There is nothing here that adds lanes up, so the same operations give the same bits, however wide a register is.

use half::f16;

use super::Lanes;

/// Sixteen floats; made and used as [`Lanes`] are.
pub trait Sixteen: Copy {
    /// What computes eight.
    type Lanes: Lanes;
    /// How many of them are worked on together where there are enough: registers are for more sums, and one waits for the
    /// sum before it.
    const AT_ONCE: usize;

    /// The same number sixteen times.
    ///
    /// # Safety
    /// Here and below: the type's instruction set must be there.
    unsafe fn splat(value: f32) -> Self;

    /// Sixteen numbers in a row.
    ///
    /// # Safety
    /// As [`Sixteen::splat`].
    unsafe fn load(from: &[f32; 16]) -> Self;

    /// Sixteen 16-bit numbers in a row.
    ///
    /// # Safety
    /// As [`Sixteen::splat`].
    unsafe fn load_half(from: &[f16; 16]) -> Self;

    /// Sixteen 8-bit integers in a row.
    ///
    /// # Safety
    /// As [`Sixteen::splat`].
    unsafe fn load_bytes(from: &[i8; 16]) -> Self;

    /// As [`Lanes::load_nibbles`].
    ///
    /// # Safety
    /// As [`Sixteen::splat`].
    unsafe fn load_nibbles(from: &[u8; 8]) -> Self;

    /// Writes the numbers.
    fn store(self, to: &mut [f32; 16]);

    /// self · factor + addend, with one rounding where the instruction set has it.
    fn mul_add(self, factor: Self, addend: Self) -> Self;
}

/// Eight and eight.
#[derive(Clone, Copy)]
pub struct Two<L>([L; 2]);

impl<L: Lanes> Sixteen for Two<L> {
    type Lanes = L;
    const AT_ONCE: usize = 1;

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: here and below: the caller's promise.
        Two([unsafe { L::splat(value) }; 2])
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; 16]) -> Self {
        let (eights, _) = from.as_chunks::<8>();
        unsafe { Two([L::load(&eights[0]), L::load(&eights[1])]) }
    }

    #[inline(always)]
    unsafe fn load_half(from: &[f16; 16]) -> Self {
        let (eights, _) = from.as_chunks::<8>();
        unsafe { Two([L::load_half(&eights[0]), L::load_half(&eights[1])]) }
    }

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; 16]) -> Self {
        let (eights, _) = from.as_chunks::<8>();
        unsafe { Two([L::load_bytes(&eights[0]), L::load_bytes(&eights[1])]) }
    }

    #[inline(always)]
    unsafe fn load_nibbles(from: &[u8; 8]) -> Self {
        unsafe { Two(L::load_nibbles(from)) }
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 16]) {
        let (to, _) = to.as_chunks_mut::<8>();
        self.0[0].store(&mut to[0]);
        self.0[1].store(&mut to[1]);
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        let [a, b] = self.0;
        Two([a.mul_add(factor.0[0], addend.0[0]), b.mul_add(factor.0[1], addend.0[1])])
    }
}

/// One register of AVX-512.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx512(std::arch::x86_64::__m512);

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use std::arch::x86_64::*;

    use half::f16;

    use super::{Avx512, Sixteen};
    use crate::lanes::Avx;

    // SAFETY of every block below: an `Avx512` exists, or its maker's caller says so, only where AVX-512 does.
    impl Sixteen for Avx512 {
        type Lanes = Avx;
        const AT_ONCE: usize = 2;

        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx512(unsafe { _mm512_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: &[f32; 16]) -> Self {
            Avx512(unsafe { _mm512_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        unsafe fn load_half(from: &[f16; 16]) -> Self {
            Avx512(unsafe { _mm512_cvtph_ps(_mm256_loadu_si256(from.as_ptr().cast())) })
        }

        #[inline(always)]
        unsafe fn load_bytes(from: &[i8; 16]) -> Self {
            Avx512(unsafe { _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(from.as_ptr().cast()))) })
        }

        #[inline(always)]
        unsafe fn load_nibbles(from: &[u8; 8]) -> Self {
            unsafe {
                let bytes = _mm_loadl_epi64(from.as_ptr().cast());
                // The halves that are meant, as the high ones of sixteen bytes.
                let highs = _mm_unpacklo_epi64(_mm_slli_epi16::<4>(bytes), bytes);
                Avx512(_mm512_cvtepi32_ps(_mm512_srai_epi32::<4>(_mm512_cvtepi8_epi32(highs))))
            }
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; 16]) {
            unsafe { _mm512_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            Avx512(unsafe { _mm512_fmadd_ps(self.0, factor.0, addend.0) })
        }
    }
}

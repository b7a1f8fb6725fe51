//! Eight floats that are computed together: in plain Rust, in one AVX register, or in two of NEON's; and [`sixteen`].
//!
//! Kernels over floats are written once against [`Lanes`]. The vector type fuses multiply-adds, the plain one rounds
//! twice; both add their lanes up in the same order.

#[cfg(target_arch = "aarch64")]
mod neon;
mod sixteen;

use half::f16;

#[cfg(target_arch = "x86_64")]
use sixteen::Avx512;
pub use sixteen::{Sixteen, Two};

/// The vector type of this architecture, for those families that have one ([`crate::Isa::has_vectors`]).
#[cfg(target_arch = "x86_64")]
pub type Vector = Avx;
/// The vector type of this architecture, for those families that have one ([`crate::Isa::has_vectors`]).
#[cfg(target_arch = "aarch64")]
pub type Vector = neon::Neon;
/// The vector type of this architecture: none is known.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub type Vector = Plain;

/// Sixteen floats, for those families that have a register for them ([`crate::Isa::has_wide_vectors`]).
#[cfg(target_arch = "x86_64")]
pub type WideVector = Avx512;
/// Sixteen floats: no family of this architecture has a register for them.
#[cfg(not(target_arch = "x86_64"))]
pub type WideVector = Two<Vector>;

/// Eight floats.
///
/// A value can only be made by the `unsafe` functions, whose caller vouches for the instruction set; so everything
/// done with a value is safe. All functions are inlined into the entry point that enables the instruction set.
pub trait Lanes: Copy {
    /// The same number eight times.
    ///
    /// # Safety
    /// The type's instruction set must be there.
    unsafe fn splat(value: f32) -> Self;

    /// Eight numbers in a row.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    unsafe fn load(from: &[f32; 8]) -> Self;

    /// Eight 16-bit numbers in a row.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    unsafe fn load_half(from: &[f16; 8]) -> Self;

    /// Eight 8-bit integers in a row.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    unsafe fn load_bytes(from: &[i8; 8]) -> Self;

    /// Sixteen 4-bit integers: the low halves of eight bytes, then the high ones, in two's complement.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    #[inline(always)]
    unsafe fn load_nibbles(from: &[u8; 8]) -> [Self; 2] {
        let (low, high) = (from.map(|byte| (byte << 4) as i8 >> 4), from.map(|byte| byte as i8 >> 4));
        // SAFETY: the caller's promise.
        unsafe { [Self::load_bytes(&low), Self::load_bytes(&high)] }
    }

    /// Eight numbers in a row, as little-endian bytes of type bfloat16.
    ///
    /// # Safety
    /// As [`Lanes::splat`].
    #[inline(always)]
    unsafe fn load_brain(from: &[u8; 16]) -> Self {
        let mut values = [0.0; 8];
        for (value, raw) in values.iter_mut().zip(from.as_chunks::<2>().0) {
            *value = f32::from_bits(u32::from(u16::from_le_bytes(*raw)) << 16);
        }
        // SAFETY: the caller's promise.
        unsafe { Self::load(&values) }
    }

    /// Asks for the line of memory at an address to be brought near; any address will do.
    #[inline(always)]
    fn prefetch<T>(_at: *const T) {}

    /// Writes the numbers.
    fn store(self, to: &mut [f32; 8]);

    /// self + other
    fn add(self, other: Self) -> Self;

    /// self − other
    fn sub(self, other: Self) -> Self;

    /// self · other
    fn mul(self, other: Self) -> Self;

    /// self / other
    fn div(self, other: Self) -> Self;

    /// self · factor + addend, with one rounding where the instruction set has it.
    fn mul_add(self, factor: Self, addend: Self) -> Self;

    /// The larger one of each lane.
    fn max(self, other: Self) -> Self;

    /// Not below `low` nor above `high`; NaN stays NaN.
    fn bound(self, low: Self, high: Self) -> Self;

    /// 2ⁿ, where each lane is n + 1.5·2²³ (an integer left in the low bits), −127 < n < 128.
    fn power_of_two(self) -> Self;

    /// Sums and differences of neighbouring lanes, then of those two apart, then of those four apart: eight numbers
    /// times the Walsh-Hadamard matrix. The same bits from every type.
    #[inline(always)]
    fn hadamard(self) -> Self {
        let mut l = [0.0; 8];
        self.store(&mut l);
        for step in [1, 2, 4] {
            l = std::array::from_fn(|i| if i & step == 0 { l[i] + l[i ^ step] } else { l[i ^ step] - l[i] });
        }
        // SAFETY: a value of this type exists, so its instruction set is there.
        unsafe { Self::load(&l) }
    }

    /// Adds the lanes: halves, then quarters, then pairs.
    #[inline(always)]
    fn sum(self) -> f32 {
        let mut l = [0.0; 8];
        self.store(&mut l);
        ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
    }
}

/// Plain Rust.
#[derive(Clone, Copy)]
pub struct Plain([f32; 8]);

impl Plain {
    #[inline(always)]
    fn each(self, other: Self, f: impl Fn(f32, f32) -> f32) -> Self {
        Plain(std::array::from_fn(|i| f(self.0[i], other.0[i])))
    }
}

impl Lanes for Plain {
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        Plain([value; 8])
    }

    #[inline(always)]
    unsafe fn load(from: &[f32; 8]) -> Self {
        Plain(*from)
    }

    #[inline(always)]
    unsafe fn load_half(from: &[f16; 8]) -> Self {
        Plain(from.map(f16::to_f32))
    }

    #[inline(always)]
    unsafe fn load_bytes(from: &[i8; 8]) -> Self {
        Plain(from.map(f32::from))
    }

    #[inline(always)]
    fn store(self, to: &mut [f32; 8]) {
        *to = self.0;
    }

    #[inline(always)]
    fn add(self, other: Self) -> Self {
        self.each(other, |a, b| a + b)
    }

    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        self.each(other, |a, b| a - b)
    }

    #[inline(always)]
    fn mul(self, other: Self) -> Self {
        self.each(other, |a, b| a * b)
    }

    #[inline(always)]
    fn div(self, other: Self) -> Self {
        self.each(other, |a, b| a / b)
    }

    #[inline(always)]
    fn mul_add(self, factor: Self, addend: Self) -> Self {
        self.mul(factor).add(addend)
    }

    #[inline(always)]
    fn max(self, other: Self) -> Self {
        self.each(other, |a, b| if a > b { a } else { b })
    }

    #[inline(always)]
    fn bound(self, low: Self, high: Self) -> Self {
        // Comparisons with a NaN are false, so it passes.
        let above = self.each(low, |v, low| if v < low { low } else { v });
        above.each(high, |v, high| if v > high { high } else { v })
    }

    #[inline(always)]
    fn power_of_two(self) -> Self {
        Plain(self.0.map(|v| f32::from_bits(v.to_bits().wrapping_add(127) << 23)))
    }
}

/// One AVX register.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub struct Avx(std::arch::x86_64::__m256);

#[cfg(target_arch = "x86_64")]
mod avx {
    use std::arch::x86_64::*;

    use half::f16;

    use super::{Avx, Lanes};

    // SAFETY of every block below: an `Avx` exists, or its maker's caller says so, only where AVX2, FMA and F16C do.
    impl Lanes for Avx {
        #[inline(always)]
        unsafe fn splat(value: f32) -> Self {
            Avx(unsafe { _mm256_set1_ps(value) })
        }

        #[inline(always)]
        unsafe fn load(from: &[f32; 8]) -> Self {
            Avx(unsafe { _mm256_loadu_ps(from.as_ptr()) })
        }

        #[inline(always)]
        unsafe fn load_half(from: &[f16; 8]) -> Self {
            Avx(unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.as_ptr().cast())) })
        }

        #[inline(always)]
        unsafe fn load_bytes(from: &[i8; 8]) -> Self {
            Avx(unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()))) })
        }

        #[inline(always)]
        unsafe fn load_nibbles(from: &[u8; 8]) -> [Self; 2] {
            unsafe {
                let bytes = _mm256_cvtepi8_epi32(_mm_loadl_epi64(from.as_ptr().cast()));
                let low = _mm256_srai_epi32(_mm256_slli_epi32(bytes, 28), 28);
                let high = _mm256_srai_epi32(bytes, 4);
                [Avx(_mm256_cvtepi32_ps(low)), Avx(_mm256_cvtepi32_ps(high))]
            }
        }

        #[inline(always)]
        fn hadamard(self) -> Self {
            // Each lane becomes its neighbour plus or minus itself; a product with ±1 is exact.
            unsafe {
                let signs = _mm256_setr_ps(1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0);
                let pairs = _mm256_fmadd_ps(self.0, signs, _mm256_permute_ps(self.0, 0b10_11_00_01));
                let signs = _mm256_setr_ps(1.0, 1.0, -1.0, -1.0, 1.0, 1.0, -1.0, -1.0);
                let quarters = _mm256_fmadd_ps(pairs, signs, _mm256_permute_ps(pairs, 0b01_00_11_10));
                let signs = _mm256_setr_ps(1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0, -1.0);
                Avx(_mm256_fmadd_ps(quarters, signs, _mm256_permute2f128_ps(quarters, quarters, 1)))
            }
        }

        #[inline(always)]
        fn prefetch<T>(at: *const T) {
            unsafe { _mm_prefetch(at.cast(), _MM_HINT_T0) }
        }

        #[inline(always)]
        fn store(self, to: &mut [f32; 8]) {
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            Avx(unsafe { _mm256_add_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn sub(self, other: Self) -> Self {
            Avx(unsafe { _mm256_sub_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul(self, other: Self) -> Self {
            Avx(unsafe { _mm256_mul_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn div(self, other: Self) -> Self {
            Avx(unsafe { _mm256_div_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn mul_add(self, factor: Self, addend: Self) -> Self {
            Avx(unsafe { _mm256_fmadd_ps(self.0, factor.0, addend.0) })
        }

        #[inline(always)]
        fn max(self, other: Self) -> Self {
            Avx(unsafe { _mm256_max_ps(self.0, other.0) })
        }

        #[inline(always)]
        fn bound(self, low: Self, high: Self) -> Self {
            // Where one operand is a NaN, these give the second one.
            Avx(unsafe { _mm256_min_ps(high.0, _mm256_max_ps(low.0, self.0)) })
        }

        #[inline(always)]
        fn power_of_two(self) -> Self {
            unsafe {
                let exponent = _mm256_add_epi32(_mm256_castps_si256(self.0), _mm256_set1_epi32(127));
                Avx(_mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)))
            }
        }

        #[inline(always)]
        fn sum(self) -> f32 {
            unsafe {
                let halves = _mm_add_ps(_mm256_castps256_ps128(self.0), _mm256_extractf128_ps(self.0, 1));
                let quarters = _mm_add_ps(halves, _mm_movehl_ps(halves, halves));
                _mm_cvtss_f32(_mm_add_ss(quarters, _mm_shuffle_ps(quarters, quarters, 1)))
            }
        }
    }
}

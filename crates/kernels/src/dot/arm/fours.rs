//! What SDOT and USDOT share: both take any four of sixteen activations for all rows.

use std::arch::aarch64::*;

use super::lanes8::Integers;

/// One of the two instructions.
///
/// # Safety
/// The function wants the instruction.
pub unsafe trait AddFour {
    /// `sum + Σ q·x` for four rows, with the four activations that `WHICH` (0 to 3) numbers.
    unsafe fn add_four<const WHICH: usize>(sum: int32x4_t, q: int32x4_t, x: int8x16_t) -> int32x4_t;
}

/// Implements [`AddFour`] by the name of the instruction, for which Rust has no stable intrinsic.
macro_rules! add_four {
    ($name:ident, $instruction:literal) => {
        // SAFETY: the instruction does what the trait says; the callers vouch that it is there.
        unsafe impl crate::dot::arm::fours::AddFour for $name {
            #[inline(always)]
            unsafe fn add_four<const WHICH: usize>(
                mut sum: int32x4_t,
                q: int32x4_t,
                x: int8x16_t,
            ) -> int32x4_t {
                unsafe {
                    std::arch::asm!(
                        concat!($instruction, " {sum:v}.4s, {q:v}.16b, {x:v}.4b[{which}]"),
                        sum = inlateout(vreg) sum,
                        q = in(vreg) q,
                        x = in(vreg) x,
                        which = const WHICH,
                        options(pure, nomem, nostack, preserves_flags),
                    );
                }
                sum
            }
        }
    };
}
pub(super) use add_four;

/// Adds Σ q·x to `dots`.
///
/// # Safety
/// As [`crate::dot::simd::Simd::dot`].
#[inline(always)]
pub unsafe fn add_products<A: AddFour, const W: usize, const N: usize, const H: usize>(
    dots: &mut [[Integers; N]; H],
    q: &[[Integers; W]; H],
    x: [*const i8; N],
) {
    // SAFETY: the caller's promises.
    unsafe {
        // Written out, because a loop around these loops would not be unrolled, and `q` would go through memory.
        add_sixteen::<A, W, N, H>(dots, q, x, 0);
        if W == 8 {
            add_sixteen::<A, W, N, H>(dots, q, x, 4);
        }
    }
}

/// The sixteen columns of the vectors from `first` on.
#[inline(always)]
unsafe fn add_sixteen<A: AddFour, const W: usize, const N: usize, const H: usize>(
    dots: &mut [[Integers; N]; H],
    q: &[[Integers; W]; H],
    x: [*const i8; N],
    first: usize,
) {
    // SAFETY: the caller's promises.
    unsafe {
        for c in 0..N {
            let x = vld1q_s8(x[c].wrapping_add(4 * first));
            for h in 0..H {
                let dot = &mut dots[h][c];
                add_eight_rows::<A, 0>(dot, q[h][first], x);
                add_eight_rows::<A, 1>(dot, q[h][first + 1], x);
                add_eight_rows::<A, 2>(dot, q[h][first + 2], x);
                add_eight_rows::<A, 3>(dot, q[h][first + 3], x);
            }
        }
    }
}

#[inline(always)]
unsafe fn add_eight_rows<A: AddFour, const WHICH: usize>(dot: &mut Integers, q: Integers, x: int8x16_t) {
    // SAFETY: the caller's promises.
    unsafe {
        dot.0 = A::add_four::<WHICH>(dot.0, q.0, x);
        dot.1 = A::add_four::<WHICH>(dot.1, q.1, x);
    }
}

//! NEON alone: products of bytes are added up in 16 bits, which limits how many may be.

use std::arch::aarch64::*;
use std::arch::asm;

use super::lanes8::{Dot, Integers, Lanes8};
use super::signed::{less_128, times_128};

/// SMLAL and SADALP.
#[derive(Clone, Copy)]
pub struct Smlal;

/// `sum + q·x` for the upper eight bytes. The intrinsic would not do: the compiler sees that `x` has the same bytes above
/// and below, takes the ones below, and moves `q` down to them.
#[inline(always)]
unsafe fn add_upper(sum: int16x8_t, q: int8x16_t, x: int8x16_t) -> int16x8_t {
    let added: int16x8_t;
    // SAFETY: every AArch64 processor has NEON.
    unsafe {
        asm!(
            "smlal2 {sum:v}.8h, {q:v}.16b, {x:v}.16b",
            sum = inlateout(vreg) sum => added,
            q = in(vreg) q,
            x = in(vreg) x,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    added
}

// SAFETY: every AArch64 processor has NEON.
unsafe impl Dot for Smlal {
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        mut q: [[Integers; W]; H],
        x: [*const i8; N],
    ) -> [[Integers; N]; H] {
        // A product is at most 127 · (2^BITS − 1), or 127 · 128 once signed; so many of them fit 15 bits:
        let safe = match BITS {
            0..=5 => 8,
            6 => 4,
            _ => 2,
        };
        // SAFETY: the caller's promises.
        unsafe {
            let zero = vdupq_n_s32(0);
            let mut dots = [[int32x4x2_t(zero, zero); N]; H];
            for h in 0..H {
                if BITS == 8 {
                    q[h] = less_128(q[h]);
                }
                for c in 0..N {
                    // Rows 0 and 1, 2 and 3, …: two sums a row.
                    let mut pairs = [zero; 4];
                    for start in (0..W).step_by(safe) {
                        let mut products = [vdupq_n_s16(0); 4];
                        let mut i = start;
                        while i < start + safe && i < W {
                            let four = x[c].wrapping_add(4 * i).cast::<i32>().read_unaligned();
                            let four = vreinterpretq_s8_s32(vdupq_n_s32(four));
                            let (a, b) = (vreinterpretq_s8_s32(q[h][i].0), vreinterpretq_s8_s32(q[h][i].1));
                            products[0] = vmlal_s8(products[0], vget_low_s8(a), vget_low_s8(four));
                            products[1] = add_upper(products[1], a, four);
                            products[2] = vmlal_s8(products[2], vget_low_s8(b), vget_low_s8(four));
                            products[3] = add_upper(products[3], b, four);
                            i += 1;
                        }
                        for (pairs, products) in pairs.iter_mut().zip(products) {
                            *pairs = vpadalq_s16(*pairs, products);
                        }
                    }
                    dots[h][c] = int32x4x2_t(vpaddq_s32(pairs[0], pairs[1]), vpaddq_s32(pairs[2], pairs[3]));
                    if BITS == 8 {
                        let more = times_128::<W>(x[c]);
                        dots[h][c] =
                            int32x4x2_t(vaddq_s32(dots[h][c].0, more.0), vaddq_s32(dots[h][c].1, more.1));
                    }
                }
            }
            dots
        }
    }
}

crate::dot::kernels::kernels!(Lanes8<Smlal>, "neon");

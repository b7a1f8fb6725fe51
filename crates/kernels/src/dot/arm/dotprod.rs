//! The dot product of Armv8.2: four products of signed bytes are added to 32 bits in one instruction.

use std::arch::aarch64::*;

use super::fours::{add_four, add_products};
use super::lanes8::{Dot, Integers, Lanes8};
use super::signed::{less_128, times_128};

/// SDOT.
#[derive(Clone, Copy)]
pub struct Sdot;

add_four!(Sdot, "sdot");

// SAFETY: the functions that this becomes part of enable SDOT.
unsafe impl Dot for Sdot {
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        mut q: [[Integers; W]; H],
        x: [*const i8; N],
    ) -> [[Integers; N]; H] {
        // SAFETY: the caller's promises.
        unsafe {
            let mut dots = [[int32x4x2_t(vdupq_n_s32(0), vdupq_n_s32(0)); N]; H];
            if BITS == 8 {
                for h in 0..H {
                    q[h] = less_128(q[h]);
                    for c in 0..N {
                        dots[h][c] = times_128::<W>(x[c]);
                    }
                }
            }
            add_products::<Self, W, N, H>(&mut dots, &q, x);
            dots
        }
    }
}

crate::dot::kernels::kernels!(Lanes8<Sdot>, "neon,dotprod");

//! I8MM of Armv8.6: as the dot product of Armv8.2, but of unsigned with signed bytes.

use std::arch::aarch64::*;

use super::fours::{add_four, add_products};
use super::lanes8::{Dot, Integers, Lanes8};

/// USDOT.
#[derive(Clone, Copy)]
pub struct Usdot;

add_four!(Usdot, "usdot");

// SAFETY: the functions that this becomes part of enable USDOT.
unsafe impl Dot for Usdot {
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const W: usize, const N: usize, const H: usize>(
        q: [[Integers; W]; H],
        x: [*const i8; N],
    ) -> [[Integers; N]; H] {
        // SAFETY: the caller's promises.
        unsafe {
            let mut dots = [[int32x4x2_t(vdupq_n_s32(0), vdupq_n_s32(0)); N]; H];
            add_products::<Self, W, N, H>(&mut dots, &q, x);
            dots
        }
    }
}

crate::dot::kernels::kernels!(Lanes8<Usdot>, "neon,i8mm");

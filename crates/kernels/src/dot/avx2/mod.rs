//! The AVX2 kernels: what a block type must say about itself ([`Layout`]) and the loops that work for any.
//!
//! The small functions here are `inline(always)` and carry no target feature themselves: they become part of the
//! entry points, which do. Calling one outside of such an entry point would be slow but not wrong, as long as the
//! processor has AVX2. Pointers move by `wrapping_add`, because every address is checked by arithmetic at the edge
//! ([`Weights`], the row slices) and not by each step.

mod columns;
mod fill;
mod integers;
mod layouts;
mod loads;
mod tile;

use std::arch::x86_64::*;

use lantern_gguf::GgmlType;

pub use columns::{PanelDot, columns, columns_with};
pub use layouts::specialised;

use super::{Panel, Weights};

/// How a block type's bytes become vectors. `SUBS` parts of 32 values each make a block.
pub trait Layout {
    /// Bytes in a block.
    const BYTES: usize;
    /// Parts of 32 values in a block: 1 or 8.
    const SUBS: usize;
    /// As in `lantern_gguf::blocks::Affine`.
    const BITS: u32;
    /// As in `lantern_gguf::blocks::Affine`.
    const GROUP: usize;
    /// As in `lantern_gguf::blocks::Affine`.
    const MIN: bool;

    /// The 32 integers of part `J`, in order; with 8 bits they are signed and the offset is already taken off.
    ///
    /// # Safety
    /// AVX2; `block` must lead to a whole block.
    unsafe fn quants<const J: usize>(block: *const u8) -> __m256i;

    /// Σ q·x over part `J` of eight rows, for each of its groups (the second is unused when there is one).
    ///
    /// # Safety
    /// AVX2; `block` and the seven that follow at distance `stride` must be whole blocks, `x` must lead to 32
    /// integers.
    #[inline(always)]
    unsafe fn dots<const J: usize>(block: *const u8, stride: usize, x: *const i8) -> [__m256i; 2]
    where
        Self: Sized,
    {
        // SAFETY: passed on.
        unsafe { integers::row_by_row::<Self, J>(block, stride, x) }
    }

    /// Scales and minimums of the blocks of eight rows, one vector for each group.
    ///
    /// # Safety
    /// AVX2 and F16C; `block` and the seven that follow at distance `stride` must be whole blocks.
    unsafe fn scales(block: *const u8, stride: usize, to: &mut Scales);
}

/// Scales and minimums of one block in each of eight rows.
pub struct Scales {
    pub scale: [__m256; 16],
    pub min: [__m256; 16],
}

/// The type of a fill kernel.
pub type Fill = unsafe fn(GgmlType, Weights, &mut Panel);

/// The entry points of a layout, to be named in a table: what fills a panel and what multiplies a tile.
macro_rules! entry_points {
    ($layout:ty) => {{
        /// # Safety
        /// As `Kernel` says.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn fill(
            _: lantern_gguf::GgmlType,
            weights: crate::dot::Weights,
            panel: &mut crate::dot::Panel,
        ) {
            // SAFETY: passed on.
            unsafe { super::fill::fill_panel::<$layout>(weights, panel) }
        }
        /// # Safety
        /// As `Kernel` says.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn tile(weights: crate::dot::Weights, x: crate::quantize::Row<'_>) -> [f32; crate::dot::ROWS] {
            // SAFETY: passed on.
            unsafe { super::tile::multiply_tile::<$layout>(weights, x) }
        }
        (fill as super::Fill, tile as crate::dot::TileFn)
    }};
}
use entry_points;

/// Calls `$step::<…, J>` for each part of a block.
macro_rules! each_part {
    ($layout:ident, $step:ident, $($argument:expr),*) => {{
        $step::<$layout, 0>($($argument),*);
        if $layout::SUBS == 8 {
            $step::<$layout, 1>($($argument),*);
            $step::<$layout, 2>($($argument),*);
            $step::<$layout, 3>($($argument),*);
            $step::<$layout, 4>($($argument),*);
            $step::<$layout, 5>($($argument),*);
            $step::<$layout, 6>($($argument),*);
            $step::<$layout, 7>($($argument),*);
        }
    }};
}
use each_part;

#[inline(always)]
unsafe fn no_scales() -> Scales {
    // SAFETY: register arithmetic only.
    unsafe { Scales { scale: [_mm256_setzero_ps(); 16], min: [_mm256_setzero_ps(); 16] } }
}

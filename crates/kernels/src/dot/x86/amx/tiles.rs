//! The tile registers and the four things done with them, as one instruction each.
//!
//! What the instructions mean is said in Intel's *Architectures Software Developer's Manual*, volume 2; `twin` says it
//! again in plain Rust. Rust's own functions for them are not stable, hence assembly. Nothing here knows weights.

use std::arch::asm;

/// Rows of the largest tile.
pub const TILE_ROWS: usize = 16;
/// Bytes in a row of the largest tile.
pub const TILE_ROW_BYTES: usize = 64;
/// Tiles there are.
pub const TILES: usize = 8;

/// The shapes of all tiles, as `LDTILECFG` reads them (palette 1).
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shapes {
    pub palette: u8,
    pub start_row: u8,
    pub reserved: [u8; 14],
    /// Bytes in a row of each tile; the second half names tiles that do not exist.
    pub row_bytes: [u16; 2 * TILES],
    /// Rows of each tile; likewise.
    pub rows: [u8; 2 * TILES],
}

/// The tile registers of a thread.
///
/// # Safety
/// Every function wants the instructions of the implementor and, but for the first, shapes that fit them; loads and
/// stores want memory for all rows of their tile, each `stride` bytes after the one before.
pub unsafe trait Tiles {
    /// Gives the tiles their shapes and zeros them.
    unsafe fn configure(&mut self, shapes: &Shapes);
    /// Takes the shapes away, after which the system has nothing of them to save.
    unsafe fn release(&mut self);
    /// Tile `T` ← 0
    unsafe fn zero<const T: usize>(&mut self);
    /// Tile `T` ← memory
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize);
    /// Memory ← tile `T`
    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize);
    /// `C[m][n] ← C[m][n] + Σ A[m][4k + j] · B[k][4n + j]` over all k and j < 4, of signed bytes, in 32 bits.
    unsafe fn multiply<const C: usize, const A: usize, const B: usize>(&mut self);
}

/// The processor's tiles.
pub struct Amx;

// SAFETY: each function is the instruction that its contract describes. Tiles are no registers that compiled code uses,
// so nothing has to be declared as overwritten; no block says `nomem`, so memory is up to date around each of them.
unsafe impl Tiles for Amx {
    #[inline(always)]
    unsafe fn configure(&mut self, shapes: &Shapes) {
        unsafe {
            asm!("ldtilecfg [{}]", in(reg) shapes, options(nostack, preserves_flags, readonly));
        }
    }

    #[inline(always)]
    unsafe fn release(&mut self) {
        unsafe {
            asm!("tilerelease", options(nostack, preserves_flags));
        }
    }

    #[inline(always)]
    unsafe fn zero<const T: usize>(&mut self) {
        unsafe {
            asm!("tilezero tmm{}", const T, options(nostack, preserves_flags, nomem));
        }
    }

    #[inline(always)]
    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        unsafe {
            asm!(
                "tileloadd tmm{}, [{} + {}]",
                const T,
                in(reg) from,
                in(reg) stride,
                options(nostack, preserves_flags, readonly)
            );
        }
    }

    #[inline(always)]
    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize) {
        unsafe {
            asm!(
                "tilestored [{} + {}], tmm{}",
                in(reg) to,
                in(reg) stride,
                const T,
                options(nostack, preserves_flags)
            );
        }
    }

    #[inline(always)]
    unsafe fn multiply<const C: usize, const A: usize, const B: usize>(&mut self) {
        unsafe {
            asm!("tdpbssd tmm{}, tmm{}, tmm{}", const C, const A, const B, options(nostack, preserves_flags, nomem));
        }
    }
}

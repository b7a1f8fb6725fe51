//! Dot products of packed weights with quantised activations.
//!
//! Weights come as `scale · (q − offset) + min` in groups of 16 or 32 (see `lantern_gguf::blocks`), activations as
//! 8-bit integers with a scale for 32. Every kernel computes, for each group in the order of the columns,
//!
//! ```text
//! dot ← Σ q · x − offset · Σ x                            exact: all of it fits 24 bits
//! sum ← sum + (scale · x_scale) · dot                     the product rounded, then one fused multiply-add
//! sum ← sum + min · (x_scale · Σ x)                       likewise, only for types with minimums
//! ```
//!
//! so no order of adding the integers shows: kernels are free to choose any, and all of them (portable or SIMD, one
//! column or many) give the same bits.
//!
//! Two shapes of kernel: a *direct* one takes a tile and a few columns and unpacks as it multiplies, for
//! generation; a *panel* is a tile unpacked once and multiplied with many columns, for prompts (with AVX-512 those of two tiles
//! at once). [`direct`] and
//! [`panel`] are written once over [`Simd`], of which each instruction set has an implementation (`x86`, `arm`);
//! [`layouts`] says where each type has its integers and scales. AMX multiplies panels in a way of its own (`x86/amx`).

// Several arrays are walked in step here, with counts that are known when this is compiled.
#![allow(clippy::needless_range_loop)]

#[cfg(target_arch = "aarch64")]
mod arm;
mod direct;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod kernels;
mod layouts;
mod panel;
mod portable;
pub mod rows;
mod simd;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "x86_64")]
pub use x86::amx::available as amx_available;

use std::marker::PhantomData;

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::{Affine, Unpacked, affine};

use crate::isa::Isa;
use crate::packed::{Packing, ROWS, packing};
use crate::quantize::Activations;

/// Most rows of activations that any direct kernel takes.
pub const DIRECT: usize = direct::most_rows(ROWS);

/// Most columns of weights in a panel; a multiple of every block size.
pub const PANEL: usize = 512;

/// Rows of activations that panels of two tiles are multiplied with at once.
pub const PAIR_ROWS: usize = 4;

/// Sixteen rows of weights, unpacked.
#[repr(C, align(64))]
pub struct Panel {
    /// For each 4 columns, for each row: four integers.
    q: [u8; ROWS * PANEL],
    /// For each group of columns, for each row.
    scales: [[f32; ROWS]; PANEL / 16],
    /// As `scales`.
    mins: [[f32; ROWS]; PANEL / 16],
    /// What the next panel is filled with, asked for while this one is multiplied.
    pub ahead: Ahead,
}

/// Weights that will be wanted soon and may still be in memory alone. They need not exist: nobody reads them.
#[derive(Clone, Copy)]
pub struct Ahead {
    /// Where they begin.
    pub first: *const u8,
    /// Bytes.
    pub len: usize,
}

impl Ahead {
    /// No weights.
    pub const NOTHING: Ahead = Ahead { first: std::ptr::null(), len: 0 };

    /// Piece `index` of `count` about equal ones.
    #[inline(always)]
    fn piece(self, index: usize, count: usize) -> Ahead {
        let len = self.len / count;
        Ahead { first: self.first.wrapping_add(index * len), len }
    }
}

impl Panel {
    /// Puts block `b` of row `row` in its place.
    fn put(&mut self, b: usize, row: usize, ty: GgmlType, form: Affine, block: &Unpacked) {
        let size = ty.block_size();
        for (i, four) in block.q[..size].chunks_exact(4).enumerate() {
            self.q[(b * size / 4 + i) * 4 * ROWS + 4 * row..][..4].copy_from_slice(four);
        }
        for g in 0..size / form.group {
            self.scales[b * size / form.group + g][row] = block.scales[g];
            self.mins[b * size / form.group + g][row] = block.mins[g];
        }
    }
}

impl Default for Panel {
    /// An empty panel.
    fn default() -> Self {
        Panel {
            q: [0; ROWS * PANEL],
            scales: [[0.0; ROWS]; PANEL / 16],
            mins: [[0.0; ROWS]; PANEL / 16],
            ahead: Ahead::NOTHING,
        }
    }
}

/// Some rows of activations, and which of their columns.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// The activations.
    pub all: &'a Activations,
    /// The first of the columns; a multiple of 32.
    pub start: usize,
    /// How many; a multiple of 32.
    pub len: usize,
}

/// Where a piece of a row of activations begins.
#[derive(Clone, Copy)]
struct RowStart {
    q: *const i8,
    scales: *const f32,
    terms: *const f32,
}

impl Columns<'_> {
    /// Where the pieces of the rows `rows` begin, for weights in groups of `group`; all lie inside the activations.
    #[inline(always)]
    fn pointers<const N: usize>(&self, rows: [u32; N], group: usize, has_min: bool) -> [RowStart; N] {
        let all = self.all.parts(group, has_min);
        let cols = self.all.cols();
        assert!(
            self.len.is_multiple_of(32) && self.start.is_multiple_of(32) && self.start + self.len <= cols
        );
        assert!(all.scales.len() * 32 >= all.q.len() && all.terms.len() * group >= all.q.len());
        // A loop, because a closure would not become part of the kernel.
        let mut starts =
            [RowStart { q: all.q.as_ptr(), scales: all.scales.as_ptr(), terms: all.terms.as_ptr() }; N];
        for (start, row) in starts.iter_mut().zip(rows) {
            let at = row as usize * cols + self.start;
            assert!(at + self.len <= all.q.len(), "a row outside the activations");
            start.q = start.q.wrapping_add(at);
            start.scales = start.scales.wrapping_add(at / 32);
            start.terms = start.terms.wrapping_add(at / group);
        }
        starts
    }
}

/// Blocks of a tile.
#[derive(Clone, Copy)]
pub struct TileBlocks {
    /// The first.
    pub first: *const u8,
    /// How many.
    pub count: usize,
}

/// The type of [`Kernel::columns`].
pub type ColumnsFn = unsafe fn(Affine, &Panel, Columns<'_>, rows: &[u32], &mut [[f32; ROWS]]);

/// The type of [`Kernel::pair`].
pub type PairFn = unsafe fn(
    Affine,
    [&Panel; 2],
    Columns<'_>,
    rows: &[[u32; PAIR_ROWS]],
    [&mut [[[f32; ROWS]; PAIR_ROWS]]; 2],
);

/// The type of [`Direct::multiply`].
pub type DirectFn = unsafe fn(TileBlocks, Columns<'_>, rows: &[u32], &mut [[f32; ROWS]]);

/// What multiplies a tile without a panel.
#[derive(Clone, Copy)]
pub struct Direct {
    /// Adds a tile's products with the rows `rows` to their sums.
    pub multiply: DirectFn,
    /// Most rows for which it is faster than a panel.
    pub most_rows: usize,
}

/// Registers that a thread sets up before it multiplies panels: AMX's tiles must be given shapes.
///
/// Both are unsafe to call: the instruction set must be there.
#[derive(Clone, Copy)]
pub struct Registers {
    /// Sets them up on this thread.
    pub set_up: unsafe fn(),
    /// Gives them back.
    pub release: unsafe fn(),
}

/// A thread's registers are set up as long as this lives; see [`Kernel::set_up`].
pub struct SetUp {
    registers: Option<Registers>,
    /// Registers belong to a thread, so this may not move to another.
    on_this_thread: PhantomData<*const ()>,
}

impl Drop for SetUp {
    fn drop(&mut self) {
        if let Some(registers) = self.registers {
            // SAFETY: the caller of `Kernel::set_up` vouched for the instruction set.
            unsafe { (registers.release)() }
        }
    }
}

/// The kernels of one weight type on one instruction set.
///
/// All are unsafe to call: the instruction set must be there, [`TileBlocks`] must lead to readable blocks, and for
/// `columns` the thread must be [set up](Kernel::set_up).
#[derive(Clone, Copy)]
pub struct Kernel {
    /// What the integers of a panel stand for.
    pub form: Affine,
    /// What reads tiles; `None` for types that are not packed, whose panels are filled by [`rows::fill`].
    pub tiles: Option<TileKernel>,
    /// Adds a panel's products with some columns of the rows `rows` to their sums.
    pub columns: ColumnsFn,
    /// The same for the panels of two tiles, where that is faster than one after the other.
    pub pair: Option<PairFn>,
    /// What a thread sets up before `columns`, with [`Kernel::set_up`].
    pub registers: Option<Registers>,
}

/// The kernels of one weight type that read its tiles; as [`Kernel`].
#[derive(Clone, Copy)]
pub struct TileKernel {
    /// How the weights are packed.
    pub packing: Packing,
    /// Fills a panel with a tile's blocks.
    pub fill: unsafe fn(&Packing, TileBlocks, &mut Panel),
    /// For few rows; `None` where panels do as well.
    pub direct: Option<Direct>,
}

impl Kernel {
    /// Sets this thread's registers up for `columns`. Costs some hundred cycles where there is anything to do: a task
    /// does it once, not for each panel.
    ///
    /// # Safety
    /// The instruction set must be there.
    pub unsafe fn set_up(&self) -> SetUp {
        if let Some(registers) = self.registers {
            // SAFETY: the caller's promise.
            unsafe { (registers.set_up)() }
        }
        SetUp { registers: self.registers, on_this_thread: PhantomData }
    }
}

/// The kernel for weights of type `ty` on `isa`; `None` for types that are not quantised.
///
/// `isa` must be one of [`Isa::available`].
pub fn kernel(isa: Isa, ty: GgmlType) -> Option<Kernel> {
    if let Some(packing) = packing(ty) {
        return of_tiles(isa, packing);
    }
    let form = affine(ty)?;
    // Panels look alike whatever filled them, so they are multiplied as those of another type with such groups are.
    let like = if form.group == 16 { GgmlType::Q6K } else { GgmlType::Q8_0 };
    Some(Kernel { form, tiles: None, ..of_tiles(isa, packing(like)?)? })
}

fn of_tiles(isa: Isa, packing: Packing) -> Option<Kernel> {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2 => x86::avx2::kernel(packing),
        #[cfg(target_arch = "x86_64")]
        Isa::AvxVnni => x86::avx_vnni::kernel(packing),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni => x86::avx512::kernel(packing),
        #[cfg(target_arch = "x86_64")]
        Isa::Amx => x86::amx::kernel(packing),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon => arm::neon::kernel(packing),
        #[cfg(target_arch = "aarch64")]
        Isa::Dotprod => arm::dotprod::kernel(packing),
        #[cfg(target_arch = "aarch64")]
        Isa::I8mm => arm::i8mm::kernel(packing),
        _ => Some(Kernel {
            form: packing.form,
            tiles: Some(TileKernel { packing, fill: portable::fill, direct: None }),
            columns: portable::columns,
            pair: None,
            registers: None,
        }),
    }
}

#[cfg(test)]
pub(crate) mod tests;

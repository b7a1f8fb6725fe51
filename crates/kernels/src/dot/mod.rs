//! Dot products of quantised weights with quantised activations.
//!
//! Weights come as `scale · (q − offset) + min` in groups of 16 or 32 (see `lantern_gguf::blocks`), activations as
//! 8-bit integers with a scale for 32. Every kernel computes, for each group in the order of the columns,
//!
//! ```text
//! sum ← sum + (scale · x_scale) · float(Σ (q − offset) · x)        the integer sum is exact
//! sum ← sum + min · (x_scale · Σ x)                                 only for types with minimums
//! ```
//!
//! with each operation rounded once. The integers fit 24 bits, so no order of adding them shows: kernels are free to
//! choose any, and all of them (portable or SIMD, one column or many) give the same bits.
//!
//! Two shapes of kernel: a *tile* takes eight rows as they lie in the file and one column, for generation; a *panel*
//! holds eight rows with their integers interleaved by four and is multiplied with many columns, for prompts.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
#[cfg(target_arch = "x86_64")]
mod vnni;

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::{Affine, affine};

use crate::isa::Isa;
use crate::quantize::{Activations, Row};

/// Rows of weights that are multiplied together.
pub const ROWS: usize = 8;

/// Most columns of weights in a panel; a multiple of every block size.
pub const PANEL: usize = 1024;

/// Eight rows of weights, ready to be multiplied with many columns.
#[repr(C, align(64))]
pub struct Panel {
    /// For each 32 columns, for each 4 of them, for each row: four integers.
    q: [u8; ROWS * PANEL],
    /// For each group of columns, for each row.
    scales: [[f32; ROWS]; PANEL / 16],
    /// As `scales`.
    mins: [[f32; ROWS]; PANEL / 16],
}

impl Panel {
    /// An empty panel.
    pub fn new() -> Box<Self> {
        Box::new(Panel {
            q: [0; ROWS * PANEL],
            scales: [[0.0; ROWS]; PANEL / 16],
            mins: [[0.0; ROWS]; PANEL / 16],
        })
    }
}

/// Eight rows of weights in the file's layout, from some block on.
#[derive(Clone, Copy)]
pub struct Weights {
    /// The first row's first block.
    pub first: *const u8,
    /// Bytes from one row to the next; 0 to take one row eight times.
    pub stride: usize,
    /// Blocks in each row.
    pub blocks: usize,
}

/// A piece of the columns of all activations.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    /// The activations.
    pub all: &'a Activations,
    /// The first of the panel's columns.
    pub start: usize,
    /// How many.
    pub len: usize,
}

impl<'a> Columns<'a> {
    /// The piece of row `i`, for weights in groups of `group`.
    fn row(&self, i: usize, group: usize) -> Row<'a> {
        let (row, end) = (self.all.row(i), self.start + self.len);
        Row {
            q: &row.q[self.start..end],
            scales: &row.scales[self.start / 32..end / 32],
            terms: &row.terms[self.start / group..end / group],
        }
    }
}

/// Where a piece of a row of activations begins.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
struct RowStart {
    q: *const i8,
    scales: *const f32,
    terms: *const f32,
}

#[cfg(target_arch = "x86_64")]
impl Columns<'_> {
    /// The beginnings of `N` rows from row `first` on; the pieces lie inside the activations and fit a panel.
    #[inline(always)]
    fn pointers<const N: usize>(&self, first: usize, group: usize) -> [RowStart; N] {
        let (q, scales, terms, cols) = self.all.parts();
        assert!(self.len <= PANEL && self.len.is_multiple_of(32) && self.start.is_multiple_of(32));
        assert!(self.start + self.len <= cols && (first + N) * cols <= q.len());
        assert!(scales.len() * 32 >= q.len() && terms.len() * group >= q.len());
        std::array::from_fn(|c| {
            let at = (first + c) * cols + self.start;
            RowStart {
                q: q.as_ptr().wrapping_add(at),
                scales: scales.as_ptr().wrapping_add(at / 32),
                terms: terms.as_ptr().wrapping_add(at / group),
            }
        })
    }
}

/// The type of [`Kernel::tile`].
pub type TileFn = unsafe fn(Weights, Row<'_>) -> [f32; ROWS];

/// The kernels of one weight type on one instruction set.
///
/// All three are unsafe to call: the instruction set must be there, and [`Weights`] must lead to `blocks` readable
/// blocks in each of its rows.
#[derive(Clone, Copy)]
pub struct Kernel {
    /// The form of the weights.
    pub form: Affine,
    /// Fills a panel with all of `Weights`.
    pub fill: unsafe fn(GgmlType, Weights, &mut Panel),
    /// Adds the products with the columns to the sums of each row of activations, from row `first` on.
    pub columns: unsafe fn(Affine, &Panel, Columns<'_>, usize, &mut [[f32; ROWS]]),
    /// All eight sums for one row of activations; `None` where a panel does as well.
    pub tile: Option<TileFn>,
}

/// The kernel for weights of type `ty` on `isa`; `None` for types that are not quantised.
///
/// `isa` must be one of [`Isa::available`].
pub fn kernel(isa: Isa, ty: GgmlType) -> Option<Kernel> {
    let form = affine(ty)?;
    let portable = Kernel { form, fill: portable::fill, columns: portable::columns, tile: None };
    #[cfg(target_arch = "x86_64")]
    if isa >= Isa::Avx2 {
        let columns = match isa {
            Isa::AvxVnni => vnni::columns_avx_vnni,
            Isa::Avx512Vnni => vnni::columns_avx512_vnni,
            _ => avx2::columns,
        };
        return Some(match avx2::specialised(ty) {
            Some((fill, tile)) => Kernel { form, fill, columns, tile: Some(tile) },
            None => Kernel { columns, ..portable },
        });
    }
    let _ = isa;
    Some(portable)
}

#[cfg(test)]
pub(crate) mod tests;

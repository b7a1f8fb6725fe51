//! AMX: for prompts, tile instructions multiply a panel with sixteen rows of activations at once.
//!
//! Unpacking, scales and products of a few rows stay with AVX-512. None of this has run on a processor with AMX yet: the
//! kernel is tested with a twin of the instructions in plain Rust, and with the instructions where there are some.

mod block;
mod multiply;
mod permission;
#[cfg(test)]
mod tests;
mod tiles;
#[cfg(test)]
mod twin;

use lantern_gguf::blocks::Affine;

use super::avx512::{self, Avx512};
use crate::dot::{Columns, Kernel, Panel, ROWS, Registers};
use crate::packed::Packing;
use tiles::{Amx, Tiles};

pub use permission::available;

/// The kernels of a type.
pub fn kernel(packing: Packing) -> Option<Kernel> {
    let set_up = if packing.form.group == 16 { set_up::<16> } else { set_up::<32> };
    let registers = Some(Registers { set_up, release });
    Some(Kernel { columns, pair: None, registers, ..avx512::kernel(packing)? })
}

/// # Safety
/// As [`Kernel`] says.
unsafe fn set_up<const GROUP: usize>() {
    // SAFETY: passed on.
    unsafe { Amx.configure(const { &multiply::shapes(GROUP) }) }
}

/// # Safety
/// As [`Kernel`] says.
unsafe fn release() {
    // SAFETY: passed on.
    unsafe { Amx.release() }
}

/// # Safety
/// As [`Kernel`] says.
#[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn columns(form: Affine, panel: &Panel, x: Columns<'_>, rows: &[u32], sums: &mut [[f32; ROWS]]) {
    // SAFETY: passed on.
    unsafe { multiply::columns::<Avx512, Amx>(&mut Amx, form, panel, x, rows, sums) }
}

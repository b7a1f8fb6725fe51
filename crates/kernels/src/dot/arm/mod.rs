//! The instruction sets of AArch64: vectors of 8 rows, each a pair of registers of 128 bits.
//!
//! Rust's intrinsics for SDOT and USDOT are not stable, so these instructions are written out. The matrix products of
//! I8MM (USMMLA) are left alone: rows and activations would have to be interleaved for them first, which at four rows
//! of activations takes as many instructions as it saves.

pub mod dotprod;
mod fours;
pub mod i8mm;
mod lanes8;
pub mod neon;
mod signed;

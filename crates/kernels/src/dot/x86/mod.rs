//! The instruction sets of x86-64: vectors of 8 rows with AVX2, of 16 with AVX-512, and tiles with AMX.

pub mod amx;
pub mod avx2;
pub mod avx512;
pub mod avx_vnni;
mod lanes8;

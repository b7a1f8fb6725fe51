//! The kernel with the twin of the tile instructions, against portable code, bit for bit; the twin against a product
//! written down by hand; and the processor's own instructions, where there are some, against the twin.

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::affine;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::multiply::{columns, shapes};
use super::tiles::{Amx, Shapes, TILE_ROW_BYTES, TILE_ROWS, Tiles};
use super::twin::Twin;
use super::*;
use crate::dot::portable;
use crate::dot::simd::Simd;
use crate::dot::tests::{Fill, activations, blocks, quantised_types};
use crate::dot::x86::avx2::Avx2;
use crate::dot::{PANEL, rows};
use crate::isa::Isa;
use crate::quantize::Activations;

fn here(isa: Isa) -> bool {
    Isa::available().contains(&isa)
}

/// A panel of one type, and activations.
struct Case {
    ty: GgmlType,
    form: Affine,
    panel: Box<Panel>,
    acts: Activations,
}

impl Case {
    fn new(ty: GgmlType, m: usize, cols: usize, fill: Fill, rng: &mut StdRng) -> Self {
        let form = affine(ty).unwrap();
        let bytes = blocks(ty, ROWS * PANEL / ty.block_size(), fill, rng);
        let mut panel = Box::<Panel>::default();
        rows::fill(ty, form, &bytes, bytes.len() / ROWS, 0..PANEL / ty.block_size(), &mut panel);
        let acts = activations(Isa::Scalar, m, cols, matches!(fill, Fill::Ends), rng);
        Case { ty, form, panel, acts }
    }

    /// Compares the products with `len` columns from `start` on of the rows `rows`.
    fn check<S: Simd, T: Tiles>(&self, tiles: &mut T, start: usize, len: usize, rows: &[u32]) {
        let x = Columns { all: &self.acts, start, len };
        // What is there already must be kept.
        let before: Vec<[f32; ROWS]> = rows.iter().map(|row| [0.5 - *row as f32; ROWS]).collect();
        let (mut want, mut got) = (before.clone(), before);
        // SAFETY: the callers' instruction sets.
        unsafe {
            portable::columns(self.form, &self.panel, x, rows, &mut want);
            tiles.configure(&shapes(self.form.group));
            columns::<S, T>(tiles, self.form, &self.panel, x, rows, &mut got);
            tiles.release();
        }
        assert!(got == want, "{}, columns {start} + {len}, rows {rows:?}", self.ty);
    }
}

/// Every type, number of rows, and way in which rows and columns can lie.
fn kernel_agrees<S: Simd, T: Tiles>(tiles: &mut T) {
    let mut rng = StdRng::seed_from_u64(31);
    for ty in quantised_types() {
        for fill in [Fill::Random, Fill::Ends] {
            let case = Case::new(ty, 41, 1056, fill, &mut rng);
            let in_order: Vec<u32> = (0..41).collect();
            let mixed: Vec<u32> = (0..41).map(|_| rng.random_range(0..41)).collect();
            for m in 1..=40 {
                case.check::<S, T>(tiles, 512, PANEL, &in_order[1..=m]);
                case.check::<S, T>(tiles, 0, PANEL, &mixed[..m]);
            }
            for len in (32..=PANEL).step_by(32) {
                case.check::<S, T>(tiles, 544, len.min(512), &in_order[..17]);
                case.check::<S, T>(tiles, 32, len, &mixed[..24]);
            }
            // Rows so far apart that they are copied.
            Case::new(ty, 16, 4096, fill, &mut rng).check::<S, T>(tiles, 3584, PANEL, &in_order[..16]);
        }
    }
}

#[test]
fn products_with_tiles_have_the_bits_of_portable_code() {
    if here(Isa::Avx2) {
        kernel_agrees::<Avx2, _>(&mut Twin::new());
    }
    if here(Isa::Avx512Vnni) {
        kernel_agrees::<Avx512, _>(&mut Twin::new());
    }
    if here(Isa::Amx) {
        kernel_agrees::<Avx512, _>(&mut Amx);
    }
}

/// Loads two tiles, adds their product to a third one that held ones, and stores it.
fn product<T: Tiles>(tiles: &mut T, shapes: &Shapes, a: &[u8], b: &[u8]) -> [[i32; 16]; TILE_ROWS] {
    let (mut c, stride) = ([[1; 16]; TILE_ROWS], TILE_ROW_BYTES);
    // SAFETY: the callers' instructions; all slices have sixteen rows of 64 bytes.
    unsafe {
        tiles.configure(shapes);
        tiles.load::<2>(c.as_ptr().cast(), stride);
        tiles.load::<4>(a.as_ptr(), stride);
        tiles.load::<7>(b.as_ptr(), stride);
        tiles.multiply::<2, 4, 7>();
        tiles.store::<2>(c.as_mut_ptr().cast(), stride);
        tiles.release();
    }
    c
}

#[test]
fn tiles_multiply_as_the_manual_says() {
    let mut small = shapes(32);
    // C is 2 × 3 words, A is 2 × 8 bytes, B is 2 × 3 words.
    (small.rows[2], small.row_bytes[2]) = (2, 12);
    (small.rows[4], small.row_bytes[4]) = (2, 8);
    (small.rows[7], small.row_bytes[7]) = (2, 12);
    let (mut a, mut b) = ([99; 1024], [99; 1024]);
    a[..8].copy_from_slice(&[1, 2, 3, 4, 0xff, 0xfe, 0x80, 0x7f]);
    a[64..72].copy_from_slice(&[0, 0, 0, 10, 1, 0, 0, 0]);
    b[..12].copy_from_slice(&[1, 1, 1, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0x80]);
    b[64..76].copy_from_slice(&[0, 0, 0, 0, 0, 0, 0x80, 0x80, 1, 2, 3, 4]);
    let mut want = [[1; 16]; TILE_ROWS];
    want[0][..3].copy_from_slice(&[1 + 10, 1 - 10 + 16384 - 16256, 1 - 512 - 1 - 4 - 384 + 508]);
    want[1][..3].copy_from_slice(&[1 + 10, 1 - 10, 1 - 1280 + 1]);
    assert_eq!(product(&mut Twin::new(), &small, &a, &b), want, "the twin");
    if here(Isa::Amx) {
        assert_eq!(product(&mut Amx, &small, &a, &b), want, "the processor");
    }
}

#[test]
#[should_panic(expected = "shapes before they are used")]
fn tiles_without_shapes_are_a_fault() {
    // SAFETY: nothing is touched before the fault.
    unsafe { Twin::new().zero::<0>() };
}

#[test]
#[should_panic(expected = "four bytes for each row of the second operand")]
fn shapes_that_do_not_fit_are_a_fault() {
    let mut wrong = shapes(32);
    wrong.rows[7] = 7;
    product(&mut Twin::new(), &wrong, &[0; 1024], &[0; 1024]);
}

//! The loops of the AVX2 kernels, for any [`Layout`].
//!
//! The small functions here are `inline(always)` and carry no target feature themselves: they become part of the
//! entry points, which do. Calling one outside of such an entry point would be slow but not wrong, as long as the
//! processor has AVX2. Pointers move by `wrapping_add`, because every address is checked by arithmetic at the edge
//! ([`super::Weights`], the row slices) and not by each step.

use std::arch::x86_64::*;

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::Affine;

use super::{Columns, PANEL, Panel, ROWS, Weights};
use crate::quantize::Row;

/// How far ahead of the weights in use the next ones are asked for, in bytes.
const AHEAD: usize = 16 * 1024;

/// How a block type's bytes become vectors. `SUBS` parts of 32 values each make a block.
pub trait Layout {
    /// Bytes in a block.
    const BYTES: usize;
    /// Parts of 32 values in a block: 1 or 8.
    const SUBS: usize;
    /// As in [`Affine`].
    const BITS: u32;
    /// As in [`Affine`].
    const GROUP: usize;
    /// As in [`Affine`].
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
        unsafe { row_by_row::<Self, J>(block, stride, x) }
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

/// The entry points of a layout, to be named in a table.
macro_rules! entry_points {
    ($layout:ty) => {{
        /// # Safety
        /// As [`super::Kernel`] says.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn fill(_: lantern_gguf::GgmlType, weights: super::Weights, panel: &mut super::Panel) {
            // SAFETY: passed on.
            unsafe { super::avx2::fill_panel::<$layout>(weights, panel) }
        }
        /// # Safety
        /// As [`super::Kernel`] says.
        #[target_feature(enable = "avx2,fma,f16c")]
        unsafe fn tile(weights: super::Weights, x: crate::quantize::Row<'_>) -> [f32; super::ROWS] {
            // SAFETY: passed on.
            unsafe { super::avx2::multiply_tile::<$layout>(weights, x) }
        }
        (fill as Fill, tile as Tile)
    }};
}
pub(super) use entry_points;

/// The type of a fill kernel.
pub type Fill = unsafe fn(GgmlType, Weights, &mut Panel);
/// The type of a tile kernel.
pub type Tile = unsafe fn(Weights, Row<'_>) -> [f32; ROWS];

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

/// # Safety
/// AVX2, FMA, F16C and `weights` as its type says; at most [`PANEL`] columns.
#[inline(always)]
pub unsafe fn fill_panel<L: Layout>(weights: Weights, panel: &mut Panel) {
    let per_block = L::SUBS * 32 / L::GROUP;
    assert!(weights.blocks * L::SUBS * 32 <= PANEL, "more columns than a panel has");
    // SAFETY: stores stay inside the panel by the assertion; loads are the caller's promise.
    unsafe {
        let mut scales = no_scales();
        for b in 0..weights.blocks {
            let block = weights.first.wrapping_add(b * L::BYTES);
            L::scales(block, weights.stride, &mut scales);
            for g in 0..per_block {
                _mm256_storeu_ps(panel.scales[b * per_block + g].as_mut_ptr(), scales.scale[g]);
                if L::MIN {
                    _mm256_storeu_ps(panel.mins[b * per_block + g].as_mut_ptr(), scales.min[g]);
                }
            }
            let to = panel.q.as_mut_ptr().wrapping_add(b * L::SUBS * 32 * ROWS);
            each_part!(L, interleave, block, weights.stride, to);
        }
    }
}

/// Stores part `J` of eight rows, four bytes of each row in turn.
#[inline(always)]
unsafe fn interleave<L: Layout, const J: usize>(block: *const u8, stride: usize, to: *mut u8) {
    // SAFETY: the caller's promises, passed on; `to` has room for every part of the block.
    unsafe {
        let mut rows = [_mm256_setzero_si256(); ROWS];
        for (r, row) in rows.iter_mut().enumerate() {
            *row = L::quants::<J>(block.wrapping_add(r * stride));
            if L::BITS == 8 {
                *row = _mm256_xor_si256(*row, _mm256_set1_epi8(-128));
            }
        }
        let to = to.wrapping_add(J * 32 * ROWS);
        for (g, vector) in transpose(rows).into_iter().enumerate() {
            _mm256_storeu_si256(to.wrapping_add(g * 32).cast(), vector);
        }
    }
}

/// Transposes eight rows of eight 32-bit lanes.
#[inline(always)]
unsafe fn transpose(v: [__m256i; 8]) -> [__m256i; 8] {
    // SAFETY: register arithmetic only.
    unsafe {
        let mut pairs = v;
        for i in [0, 2, 4, 6] {
            pairs[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
        }
        let mut quads = v;
        for i in [0, 4] {
            quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
            quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
            quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
            quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
        }
        let mut out = v;
        for i in 0..4 {
            out[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
            out[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
        }
        out
    }
}

/// What a tile's steps share.
struct TileState<'a> {
    stride: usize,
    x: Row<'a>,
    scales: Scales,
    sum: __m256,
}

/// # Safety
/// AVX2, FMA, F16C and `weights` as its type says.
#[inline(always)]
pub unsafe fn multiply_tile<L: Layout>(weights: Weights, x: Row<'_>) -> [f32; ROWS] {
    let parts = weights.blocks * L::SUBS;
    assert!(x.q.len() == parts * 32 && x.scales.len() == parts && x.terms.len() == parts * 32 / L::GROUP);
    // SAFETY: activations are as long as the assertion says; weights are the caller's promise.
    unsafe {
        let mut state =
            TileState { stride: weights.stride, x, scales: no_scales(), sum: _mm256_setzero_ps() };
        for b in 0..weights.blocks {
            let block = weights.first.wrapping_add(b * L::BYTES);
            prefetch(weights.first.wrapping_add(b * L::BYTES * ROWS + AHEAD), L::BYTES * ROWS);
            L::scales(block, weights.stride, &mut state.scales);
            each_part!(L, tile_step, block, b, &mut state);
        }
        let mut sums = [0.0; ROWS];
        _mm256_storeu_ps(sums.as_mut_ptr(), state.sum);
        sums
    }
}

/// Asks for `len` bytes from `start` on. Any address is allowed: a prefetch never faults.
#[inline(always)]
unsafe fn prefetch(start: *const u8, len: usize) {
    let mut at = 0;
    while at < len {
        // SAFETY: a hint.
        unsafe { _mm_prefetch(start.wrapping_add(at).cast(), _MM_HINT_T0) };
        at += 64;
    }
}

/// Adds part `J` of block `b` for eight rows.
#[inline(always)]
unsafe fn tile_step<L: Layout, const J: usize>(block: *const u8, b: usize, state: &mut TileState<'_>) {
    // SAFETY: part `b * SUBS + J` exists in the activations by `multiply_tile`'s assertion.
    unsafe {
        let part = b * L::SUBS + J;
        let x_scale = _mm256_set1_ps(*state.x.scales.as_ptr().wrapping_add(part));
        let terms = state.x.terms.as_ptr().wrapping_add(part * 32 / L::GROUP);
        let dots = L::dots::<J>(block, state.stride, state.x.q.as_ptr().wrapping_add(part * 32));
        if L::GROUP == 32 {
            add_group::<L>(state, J, dots[0], x_scale, terms);
        } else {
            add_group::<L>(state, 2 * J, dots[0], x_scale, terms);
            add_group::<L>(state, 2 * J + 1, dots[1], x_scale, terms.wrapping_add(1));
        }
    }
}

/// [`Layout::dots`] from the integers of each row.
#[inline(always)]
unsafe fn row_by_row<L: Layout, const J: usize>(
    block: *const u8,
    stride: usize,
    x: *const i8,
) -> [__m256i; 2] {
    // SAFETY: the caller's promises, passed on.
    unsafe {
        let x = _mm256_loadu_si256(x.cast());
        let mut products = [_mm256_setzero_si256(); ROWS];
        for (r, product) in products.iter_mut().enumerate() {
            let q = L::quants::<J>(block.wrapping_add(r * stride));
            *product = if L::BITS == 8 {
                _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q))
            } else {
                _mm256_maddubs_epi16(q, x)
            };
        }
        let halves =
            if L::BITS <= 5 { rows_from_i16(products) } else { rows_from_i32(products, L::BITS == 8) };
        if L::GROUP == 32 { [_mm256_add_epi32(halves.0, halves.1), halves.1] } else { [halves.0, halves.1] }
    }
}

/// [`Layout::dots`] for types that keep 32 values as 16 bytes of halves: `packed` leads to them, `fifth` to the fifth
/// bits where `BITS` is 5.
///
/// Rows `i` and `i + 4` share a register, so their lower and upper halves of bytes are added without moving.
///
/// # Safety
/// AVX2; 16 readable bytes at `packed` and 4 at `fifth` in each of eight rows, 32 at `x`.
#[inline(always)]
pub unsafe fn two_rows_at_once<const BITS: u32>(
    packed: *const u8,
    fifth: *const u8,
    stride: usize,
    x: *const i8,
) -> [__m256i; 2] {
    // SAFETY: the caller's promises.
    unsafe {
        let x_low = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.cast()));
        let x_high = _mm256_broadcastsi128_si256(_mm_loadu_si128(x.wrapping_add(16).cast()));
        let mut products = [_mm256_setzero_si256(); 4];
        for (i, product) in products.iter_mut().enumerate() {
            let (row, other) = (packed.wrapping_add(i * stride), packed.wrapping_add((i + 4) * stride));
            let bytes = _mm256_set_m128i(_mm_loadu_si128(other.cast()), _mm_loadu_si128(row.cast()));
            let mut low = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
            let mut high = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
            if BITS == 5 {
                let bits = fifth.wrapping_add(i * stride).cast::<i32>().read_unaligned();
                let other = fifth.wrapping_add((i + 4) * stride).cast::<i32>().read_unaligned();
                let bits = _mm256_blend_epi32(_mm256_set1_epi32(bits), _mm256_set1_epi32(other), 0xf0);
                low = _mm256_or_si256(
                    low,
                    sixteen_where_set(bits, 0x0000_0000_0000_0000, 0x0101_0101_0101_0101),
                );
                high = _mm256_or_si256(
                    high,
                    sixteen_where_set(bits, 0x0202_0202_0202_0202, 0x0303_0303_0303_0303),
                );
            }
            *product = _mm256_add_epi16(_mm256_maddubs_epi16(low, x_low), _mm256_maddubs_epi16(high, x_high));
        }
        // A lane now holds four products, at most 4 · 127 · (2^BITS − 1): 5 bits allow one more addition, 4 bits two.
        let one = _mm256_set1_epi16(1);
        let (a, b) = (fold_i16(products[0], products[1]), fold_i16(products[2], products[3]));
        let sums = if BITS == 5 {
            fold_i32(_mm256_madd_epi16(a, one), _mm256_madd_epi16(b, one))
        } else {
            let rows = _mm256_add_epi16(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            _mm256_madd_epi16(rows, one)
        };
        [sums, sums]
    }
}

/// 16 for each bit that is set: the first eight bytes of each half take the bits of byte `first`, the others of byte
/// `second` (each repeated eight times).
#[inline(always)]
unsafe fn sixteen_where_set(bits: __m256i, first: i64, second: i64) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe {
        let mask = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64.cast_signed());
        let spread = _mm256_shuffle_epi8(bits, _mm256_setr_epi64x(first, second, first, second));
        let set = _mm256_cmpeq_epi8(_mm256_and_si256(spread, mask), mask);
        _mm256_and_si256(set, _mm256_set1_epi8(16))
    }
}

/// The definition in [`super`], for one group of eight rows.
#[inline(always)]
unsafe fn add_group<L: Layout>(
    state: &mut TileState<'_>,
    group: usize,
    dots: __m256i,
    x_scale: __m256,
    term: *const f32,
) {
    // SAFETY: `term` is one of the activations' terms.
    unsafe {
        let term = _mm256_set1_ps(*term);
        let mut dots = _mm256_cvtepi32_ps(dots);
        if !L::MIN && L::BITS < 8 {
            dots = _mm256_sub_ps(dots, term);
        }
        let scale = _mm256_mul_ps(state.scales.scale[group], x_scale);
        state.sum = _mm256_add_ps(state.sum, _mm256_mul_ps(scale, dots));
        if L::MIN {
            state.sum = _mm256_add_ps(state.sum, _mm256_mul_ps(state.scales.min[group], term));
        }
    }
}

/// Sums each of eight vectors of 16-bit lanes; gives the sums of the lower halves and of the upper halves.
///
/// Two rounds of adding stay in 16 bits: right for lanes up to 8191 in magnitude, which 5-bit weights keep.
#[inline(always)]
unsafe fn rows_from_i16(v: [__m256i; 8]) -> (__m256i, __m256i) {
    // SAFETY: register arithmetic only.
    unsafe {
        let mut fours = [_mm256_set1_epi16(1); 2];
        for (i, four) in fours.iter_mut().enumerate() {
            let (ab, cd) = (fold_i16(v[4 * i], v[4 * i + 1]), fold_i16(v[4 * i + 2], v[4 * i + 3]));
            let rows = _mm256_add_epi16(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
            *four = _mm256_madd_epi16(rows, *four);
        }
        (
            _mm256_permute2x128_si256(fours[0], fours[1], 0x20),
            _mm256_permute2x128_si256(fours[0], fours[1], 0x31),
        )
    }
}

/// As [`rows_from_i16`] for larger lanes: `full` when a lane may use all 15 bits, else one 16-bit addition is safe.
#[inline(always)]
unsafe fn rows_from_i32(v: [__m256i; 8], full: bool) -> (__m256i, __m256i) {
    // SAFETY: register arithmetic only.
    unsafe {
        let one = _mm256_set1_epi16(1);
        let mut pairs = [one; 4];
        for (i, pair) in pairs.iter_mut().enumerate() {
            let (a, b) = (v[2 * i], v[2 * i + 1]);
            *pair = if full {
                let (a, b) = (_mm256_madd_epi16(a, one), _mm256_madd_epi16(b, one));
                _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b))
            } else {
                _mm256_madd_epi16(fold_i16(a, b), one)
            };
        }
        let first = fold_i32(pairs[0], pairs[1]);
        let last = fold_i32(pairs[2], pairs[3]);
        (_mm256_permute2x128_si256(first, last, 0x20), _mm256_permute2x128_si256(first, last, 0x31))
    }
}

/// Pairs of 16-bit lanes of `a` and `b` in turn, the two halves of each 128 bits added.
#[inline(always)]
unsafe fn fold_i16(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe { _mm256_add_epi16(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b)) }
}

/// The last round of adding in 32 bits.
#[inline(always)]
unsafe fn fold_i32(a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: register arithmetic only.
    unsafe { _mm256_add_epi32(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b)) }
}

#[inline(always)]
unsafe fn no_scales() -> Scales {
    // SAFETY: register arithmetic only.
    unsafe { Scales { scale: [_mm256_setzero_ps(); 16], min: [_mm256_setzero_ps(); 16] } }
}

/// Panel products on AVX2.
///
/// # Safety
/// As [`super::Kernel`] says.
#[target_feature(enable = "avx2,fma,f16c")]
pub unsafe fn columns(form: Affine, panel: &Panel, x: Columns<'_>, first: usize, sums: &mut [[f32; ROWS]]) {
    // SAFETY: passed on.
    unsafe { columns_with::<MulAdd>(form, panel, x, first, sums) }
}

/// How integers of a panel are multiplied: the part in which instruction sets differ.
pub trait PanelDot {
    /// Σ q·x of `GROUP` columns, starting at `q` (a panel's integers) and `x` (a row's).
    ///
    /// # Safety
    /// The implementor's instruction set; `q` must lead to `8 · GROUP` bytes and each `x` to `GROUP`.
    unsafe fn dot<const BITS: u32, const GROUP: usize, const N: usize>(
        q: *const u8,
        x: [*const i8; N],
    ) -> [__m256i; N];
}

/// Multiply-add instructions of AVX2. They add pairs in 16 bits, which limits how many may be added up.
struct MulAdd;

impl PanelDot for MulAdd {
    #[inline(always)]
    unsafe fn dot<const BITS: u32, const GROUP: usize, const N: usize>(
        q: *const u8,
        x: [*const i8; N],
    ) -> [__m256i; N] {
        // A pair is at most 2 · 127 · (2^BITS − 1); so many of them fit 15 bits:
        let safe = match BITS {
            8 | 0..=4 => 8,
            5 => 4,
            _ => 2,
        };
        // SAFETY: as the trait says.
        unsafe {
            let (one, low_half) = (_mm256_set1_epi16(1), _mm256_set1_epi8(15));
            let mut dots = [_mm256_setzero_si256(); N];
            let mut start = 0;
            while start < GROUP / 4 {
                let mut low = [_mm256_setzero_si256(); N];
                let mut high = [_mm256_setzero_si256(); N];
                let mut g = start;
                while g < start + safe && g < GROUP / 4 {
                    let w = _mm256_loadu_si256(q.wrapping_add(g * 32).cast());
                    // Eight bits would overflow: their halves are multiplied apart.
                    let (w, w_high) = if BITS == 8 {
                        let upper = _mm256_and_si256(_mm256_srli_epi16(w, 4), low_half);
                        (_mm256_and_si256(w, low_half), upper)
                    } else {
                        (w, w)
                    };
                    for c in 0..N {
                        let four = _mm256_set1_epi32(x[c].wrapping_add(g * 4).cast::<i32>().read_unaligned());
                        low[c] = _mm256_add_epi16(low[c], _mm256_maddubs_epi16(w, four));
                        if BITS == 8 {
                            high[c] = _mm256_add_epi16(high[c], _mm256_maddubs_epi16(w_high, four));
                        }
                    }
                    g += 1;
                }
                for c in 0..N {
                    dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(low[c], one));
                    if BITS == 8 {
                        let sixteen = _mm256_set1_epi16(16);
                        dots[c] = _mm256_add_epi32(dots[c], _mm256_madd_epi16(high[c], sixteen));
                    }
                }
                start += safe;
            }
            dots
        }
    }
}

/// # Safety
/// The instruction set of `D` and AVX2.
#[inline(always)]
pub unsafe fn columns_with<D: PanelDot>(
    form: Affine,
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]],
) {
    // SAFETY: passed on.
    unsafe {
        match (form.bits, form.group, form.has_min) {
            (0..=4, 32, true) => all_columns::<D, 4, 32, true>(panel, x, first, sums),
            (0..=4, 32, false) => all_columns::<D, 4, 32, false>(panel, x, first, sums),
            (5, 32, true) => all_columns::<D, 5, 32, true>(panel, x, first, sums),
            (5, 32, false) => all_columns::<D, 5, 32, false>(panel, x, first, sums),
            (0..=4, 16, true) => all_columns::<D, 4, 16, true>(panel, x, first, sums),
            (0..=6, 16, false) => all_columns::<D, 6, 16, false>(panel, x, first, sums),
            (8, 32, false) => all_columns::<D, 8, 32, false>(panel, x, first, sums),
            _ => unreachable!("no block type has the form {form:?}"),
        }
    }
}

#[inline(always)]
unsafe fn all_columns<D: PanelDot, const BITS: u32, const GROUP: usize, const MIN: bool>(
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]],
) {
    let (fours, rest) = sums.as_chunks_mut::<4>();
    let after = first + 4 * fours.len();
    // SAFETY: passed on.
    unsafe {
        for (i, sums) in fours.iter_mut().enumerate() {
            some_columns::<D, BITS, GROUP, MIN, 4>(panel, x, first + 4 * i, sums);
        }
        for (i, sums) in rest.iter_mut().enumerate() {
            some_columns::<D, BITS, GROUP, MIN, 1>(panel, x, after + i, std::array::from_mut(sums));
        }
    }
}

/// Adds the products of a panel with `N` rows of activations.
#[inline(always)]
unsafe fn some_columns<D: PanelDot, const BITS: u32, const GROUP: usize, const MIN: bool, const N: usize>(
    panel: &Panel,
    x: Columns<'_>,
    first: usize,
    sums: &mut [[f32; ROWS]; N],
) {
    let rows = x.pointers::<N>(first, GROUP);
    // SAFETY: `pointers` checks that every row has `len` integers, `len / 32` scales and `len / GROUP` terms, and that
    // a panel has room for `len` columns.
    unsafe {
        let mut total = [_mm256_setzero_ps(); N];
        let mut x_q = [std::ptr::null(); N];
        for c in 0..N {
            total[c] = _mm256_loadu_ps(sums[c].as_ptr());
        }
        for g in 0..x.len / GROUP {
            for c in 0..N {
                x_q[c] = rows[c].q.wrapping_add(g * GROUP);
            }
            let q = panel.q.as_ptr().wrapping_add(g * GROUP * ROWS);
            let dots = D::dot::<BITS, GROUP, N>(q, x_q);
            let scale = _mm256_loadu_ps(panel.scales.as_ptr().wrapping_add(g).cast());
            for c in 0..N {
                let term = _mm256_set1_ps(*rows[c].terms.wrapping_add(g));
                let x_scale = _mm256_set1_ps(*rows[c].scales.wrapping_add(g * GROUP / 32));
                let mut dot = _mm256_cvtepi32_ps(dots[c]);
                if !MIN {
                    dot = _mm256_sub_ps(dot, term);
                }
                total[c] = _mm256_add_ps(total[c], _mm256_mul_ps(_mm256_mul_ps(scale, x_scale), dot));
                if MIN {
                    let min = _mm256_loadu_ps(panel.mins.as_ptr().wrapping_add(g).cast());
                    total[c] = _mm256_add_ps(total[c], _mm256_mul_ps(min, term));
                }
            }
        }
        for c in 0..N {
            _mm256_storeu_ps(sums[c].as_mut_ptr(), total[c]);
        }
    }
}

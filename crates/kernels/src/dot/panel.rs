//! A tile unpacked once and multiplied with many columns: what reading a prompt asks for.

use lantern_gguf::blocks::Affine;

#[cfg(target_arch = "x86_64")]
use super::PAIR_ROWS;
use super::layouts::Layout;
use super::simd::{Between, Fours, Nothing, Simd};
use super::{Ahead, Columns, PANEL, Panel, ROWS, RowStart, TileBlocks};
use crate::packed::UNIT;

/// Fills a panel with a tile's blocks.
///
/// # Safety
/// As `Kernel` says.
#[inline(always)]
pub unsafe fn fill<S: Simd, L: Layout>(tile: TileBlocks, panel: &mut Panel) {
    let per_block = L::PARTS * 32 / L::GROUP;
    assert!(tile.count * L::PARTS * 32 <= PANEL, "more columns than a panel has");
    // SAFETY: stores stay inside the panel by the assertion; loads are the caller's promise.
    unsafe {
        for b in 0..tile.count {
            let block = tile.first.wrapping_add(b * L::BYTES);
            for lane in 0..ROWS / S::LANES {
                let header = L::header::<S>(block, lane);
                for g in 0..per_block {
                    let (scale, min) = L::scales::<S>(&header, g);
                    let place = panel.scales[b * per_block + g].as_mut_ptr().wrapping_add(lane * S::LANES);
                    S::store_f(place, scale);
                    if L::MIN {
                        let place = panel.mins[b * per_block + g].as_mut_ptr().wrapping_add(lane * S::LANES);
                        S::store_f(place, min);
                    }
                }
                for part in 0..L::PARTS {
                    let q = L::integers::<S>(block.wrapping_add(L::HEADER + part * L::PART_BYTES), lane);
                    let first = (b * L::PARTS + part) * 8 * UNIT + lane * 4 * S::LANES;
                    for (i, q) in q.into_iter().enumerate() {
                        S::store(panel.q.as_mut_ptr().wrapping_add(first + i * UNIT), q);
                    }
                }
            }
        }
    }
}

/// Calls a function made for panels of this form: of so many bits, in such groups, with minimums or without.
macro_rules! for_form {
    ($form:expr, $function:ident::<$simd:ty>($($argument:expr),*)) => {
        match ($form.bits, $form.group, $form.has_min) {
            (0..=4, 32, true) => $function::<$simd, 4, 32, true>($($argument),*),
            (0..=4, 32, false) => $function::<$simd, 4, 32, false>($($argument),*),
            (5, 32, true) => $function::<$simd, 5, 32, true>($($argument),*),
            (5, 32, false) => $function::<$simd, 5, 32, false>($($argument),*),
            (0..=4, 16, true) => $function::<$simd, 4, 16, true>($($argument),*),
            (0..=6, 16, false) => $function::<$simd, 6, 16, false>($($argument),*),
            (8, 32, false) => $function::<$simd, 8, 32, false>($($argument),*),
            (8, 16, false) => $function::<$simd, 8, 16, false>($($argument),*),
            _ => unreachable!("no block type has the form {:?}", $form),
        }
    };
}

/// Adds a panel's products with columns of the rows `rows` to `sums`.
///
/// # Safety
/// As `Kernel` says.
#[inline(always)]
pub unsafe fn columns<S: Simd>(
    form: Affine,
    panel: &Panel,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
) {
    assert!(x.len <= PANEL && rows.len() == sums.len());
    // SAFETY: passed on.
    unsafe { for_form!(form, all::<S>(form, panel, x, rows, sums)) }
}

/// As [`columns`] for panels of two tiles, with rows of activations in fours.
///
/// Activations are what is loaded most here, once for each four columns of weights; two tiles share these loads. Wants
/// registers for twice the sums, so only for vectors of sixteen rows.
///
/// # Safety
/// As `Kernel` says.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub unsafe fn pair<S: Simd>(
    form: Affine,
    panels: [&Panel; 2],
    x: Columns<'_>,
    rows: &[[u32; PAIR_ROWS]],
    sums: [&mut [[[f32; ROWS]; PAIR_ROWS]]; 2],
) {
    // SAFETY: passed on.
    unsafe { for_form!(form, fours::<S>(form, panels, x, rows, sums)) }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn fours<S: Simd, const BITS: u32, const GROUP: usize, const MIN: bool>(
    form: Affine,
    panels: [&Panel; 2],
    x: Columns<'_>,
    rows: &[[u32; PAIR_ROWS]],
    [first, second]: [&mut [[[f32; ROWS]; PAIR_ROWS]]; 2],
) {
    assert!(S::LANES == ROWS && x.len <= PANEL);
    let times = rows.len();
    for (time, ((rows, first), second)) in rows.iter().zip(first).zip(second).enumerate() {
        let ahead = panels.map(|panel| panel.ahead.piece(time, times));
        // SAFETY: passed on.
        unsafe { some::<S, BITS, GROUP, MIN, PAIR_ROWS, 2>(form, panels, x, *rows, [first, second], ahead) };
    }
}

/// Takes as many rows of activations at once as there are registers for.
#[inline(always)]
unsafe fn all<S: Simd, const BITS: u32, const GROUP: usize, const MIN: bool>(
    form: Affine,
    panel: &Panel,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
) {
    let (eights, rows, sums_of_eights, sums) = if S::LANES == 16 {
        let ((eights, rows), (sums_of_eights, sums)) = (rows.as_chunks::<8>(), sums.as_chunks_mut::<8>());
        (eights, rows, sums_of_eights, sums)
    } else {
        (&[][..], rows, &mut [][..], sums)
    };
    let ((fours, rows), (sums_of_fours, sums)) = (rows.as_chunks::<4>(), sums.as_chunks_mut::<4>());
    let times = eights.len() + fours.len() + rows.len();
    let mut pieces = (0..times).map(|time| panel.ahead.piece(time, times));
    let mut ahead = || [pieces.next().unwrap_or(Ahead::NOTHING)];
    let panel = [panel];
    // SAFETY: passed on.
    unsafe {
        for (rows, sums) in eights.iter().zip(sums_of_eights) {
            some::<S, BITS, GROUP, MIN, 8, 1>(form, panel, x, *rows, [sums], ahead());
        }
        for (rows, sums) in fours.iter().zip(sums_of_fours) {
            some::<S, BITS, GROUP, MIN, 4, 1>(form, panel, x, *rows, [sums], ahead());
        }
        for (&row, sums) in rows.iter().zip(sums) {
            some::<S, BITS, GROUP, MIN, 1, 1>(form, panel, x, [row], [std::array::from_mut(sums)], ahead());
        }
    }
}

/// Adds the products of `T` panels with `N` rows of activations, and asks for what lies ahead meanwhile.
#[inline(always)]
unsafe fn some<
    S: Simd,
    const BITS: u32,
    const GROUP: usize,
    const MIN: bool,
    const N: usize,
    const T: usize,
>(
    form: Affine,
    panels: [&Panel; T],
    x: Columns<'_>,
    rows: [u32; N],
    sums: [&mut [[f32; ROWS]; N]; T],
    ahead: [Ahead; T],
) {
    let (starts, groups) = (x.pointers(rows, GROUP, MIN), x.len / GROUP);
    let mut ahead = ahead;
    for t in 0..T {
        ahead[t] = ahead[t].piece(0, (groups * ROWS / S::LANES).max(1));
    }
    if groups == 0 {
        return;
    }
    // SAFETY: `pointers` vouches for the activations, and a panel has room for `len` columns.
    unsafe {
        for lane in 0..ROWS / S::LANES {
            let mut total = [[S::zero_f(); N]; T];
            for t in 0..T {
                for c in 0..N {
                    total[t][c] = S::load_f(sums[t][c].as_ptr().wrapping_add(lane * S::LANES));
                }
            }
            let mut last = Products { dots: [[S::zero(); N]; T], form, panels, starts: &starts, lane, g: 0 };
            last.dots = dot::<S, BITS, GROUP, N, T>(panels, &starts, (lane, groups), 0, ahead, &mut Nothing);
            for g in 1..groups {
                let mut add = Add::<S, GROUP, MIN, N, T> { products: last, total: &mut total };
                let dots = dot::<S, BITS, GROUP, N, T>(panels, &starts, (lane, groups), g, ahead, &mut add);
                last = Products { dots, g, ..last };
            }
            Add::<S, GROUP, MIN, N, T> { products: last, total: &mut total }.part(0, 1);
            for t in 0..T {
                for c in 0..N {
                    S::store_f(sums[t][c].as_mut_ptr().wrapping_add(lane * S::LANES), total[t][c]);
                }
            }
        }
    }
}

/// The dot products of group `g` and all of `other`.
#[inline(always)]
unsafe fn dot<S: Simd, const BITS: u32, const GROUP: usize, const N: usize, const T: usize>(
    panels: [&Panel; T],
    starts: &[RowStart; N],
    (lane, groups): (usize, usize),
    g: usize,
    ahead: [Ahead; T],
    other: &mut impl Between,
) -> [[S::I; N]; T] {
    let (mut x, mut q) = ([std::ptr::null(); N], InMemory([std::ptr::null(); T]));
    for c in 0..N {
        x[c] = starts[c].q.wrapping_add(g * GROUP);
    }
    // SAFETY: the caller's promises: a panel has the group, and so have the rows.
    unsafe {
        for t in 0..T {
            let Ahead { first, len } = ahead[t];
            S::prefetch(first.wrapping_add((lane * groups + g) * len), len);
            q.0[t] = panels[t].q.as_ptr().wrapping_add(g * GROUP * ROWS + lane * 4 * S::LANES);
        }
        if GROUP == 32 {
            S::dot_and::<BITS, 8, N, T>(q, x, other)
        } else {
            S::dot_and::<BITS, 4, N, T>(q, x, other)
        }
    }
}

/// Where the panels' groups begin.
#[derive(Clone, Copy)]
struct InMemory<const T: usize>([*const u8; T]);

impl<S: Simd, const T: usize> Fours<S, T> for InMemory<T> {
    #[inline(always)]
    unsafe fn four(self, t: usize, i: usize) -> S::I {
        // SAFETY: the caller's promise.
        unsafe { S::load(self.0[t].wrapping_add(i * UNIT)) }
    }
}

/// The dot products of group `g`, which are not in the sums yet.
#[derive(Clone, Copy)]
struct Products<'a, S: Simd, const N: usize, const T: usize> {
    dots: [[S::I; N]; T],
    form: Affine,
    panels: [&'a Panel; T],
    starts: &'a [RowStart; N],
    lane: usize,
    g: usize,
}

/// Adds them to the sums, as the definition in `dot` says.
struct Add<'a, S: Simd, const GROUP: usize, const MIN: bool, const N: usize, const T: usize> {
    products: Products<'a, S, N, T>,
    total: &'a mut [[S::F; N]; T],
}

impl<S: Simd, const GROUP: usize, const MIN: bool, const N: usize, const T: usize> Between
    for Add<'_, S, GROUP, MIN, N, T>
{
    #[inline(always)]
    unsafe fn part(&mut self, index: usize, count: usize) {
        let Products { dots, form, panels, starts, lane, g } = self.products;
        let at = (g * ROWS + lane * S::LANES) * size_of::<f32>();
        for one in index * N * T / count..(index + 1) * N * T / count {
            let (c, t) = (one / T, one % T);
            // SAFETY: the caller's promises.
            unsafe {
                let term = S::splat_f(*starts[c].terms.wrapping_add(g));
                let x_scale = S::splat_f(*starts[c].scales.wrapping_add(g * GROUP / 32));
                let scale = S::load_f(panels[t].scales.as_ptr().wrapping_byte_add(at).cast());
                let mut dot = S::to_f(dots[t][c]);
                if !MIN {
                    dot = S::mul_add(S::splat_f(-f32::from(form.offset)), term, dot);
                }
                let total = &mut self.total[t][c];
                *total = S::mul_add(S::mul(scale, x_scale), dot, *total);
                if MIN {
                    let min = S::load_f(panels[t].mins.as_ptr().wrapping_byte_add(at).cast());
                    *total = S::mul_add(min, term, *total);
                }
            }
        }
    }
}

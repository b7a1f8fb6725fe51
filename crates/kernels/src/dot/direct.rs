//! A tile times a few columns, unpacked on the way: what writing asks for, of one answer or of several at once.

use std::marker::PhantomData;

use super::layouts::Layout;
use super::simd::{Between, Simd};
use super::{Ahead, Columns, ROWS, RowStart, TileBlocks};

/// How far ahead of the weights in use the next ones are asked for, in bytes, where a tile is walked through once.
const AHEAD: usize = 4096;

/// Most rows of activations for which this is faster than a panel, on vectors of so many lanes. With vectors of sixteen rows
/// eight columns are multiplied at once, and unpacking twice costs less than a panel, which waits for memory.
pub const fn most_rows(lanes: usize) -> usize {
    if lanes == ROWS { 31 } else { 4 }
}

/// Adds the products of a tile with the rows `rows` to `sums`.
///
/// # Safety
/// As `Kernel` says.
#[inline(always)]
pub unsafe fn multiply<S: Simd, L: Layout>(
    tile: TileBlocks,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
) {
    assert!(tile.count * L::PARTS * 32 == x.len && rows.len() == sums.len());
    // SAFETY: passed on; the activations are as long as the assertion says.
    unsafe {
        if S::LANES != ROWS {
            return by_fours::<S, L, 2>(tile, x, rows, sums, 0, rows.len().div_ceil(4));
        }
        let ((eights, rest), (sums_of_eights, sums)) = (rows.as_chunks::<8>(), sums.as_chunks_mut::<8>());
        let times = eights.len() + rest.len().div_ceil(4);
        for (time, (rows, sums)) in eights.iter().zip(sums_of_eights).enumerate() {
            some::<S, L, 8, 1>(tile, x, *rows, sums, ahead::<L>(tile, time, times));
        }
        by_fours::<S, L, 1>(tile, x, rest, sums, eights.len(), times);
    }
}

/// What is asked for while a tile is walked through for the `time`-th of so many times. Once alone, it is the tile itself
/// and the beginning of the next, a little ahead; otherwise each time takes its share of the next tile, so that memory is
/// never waited for by one time and idle in the others.
#[inline(always)]
fn ahead<L: Layout>(tile: TileBlocks, time: usize, times: usize) -> Ahead {
    let len = tile.count * L::BYTES;
    if times <= 1 {
        return Ahead { first: tile.first.wrapping_add(AHEAD), len };
    }
    Ahead { first: tile.first.wrapping_add(len), len }.piece(time, times)
}

/// Four rows at once, and the last ones; `H` vectors make sixteen rows of weights. The first of them walk through the
/// tile for the `time`-th of so many times.
#[inline(always)]
unsafe fn by_fours<S: Simd, L: Layout, const H: usize>(
    tile: TileBlocks,
    x: Columns<'_>,
    rows: &[u32],
    sums: &mut [[f32; ROWS]],
    mut time: usize,
    times: usize,
) {
    let ((fours, rest), (sums_of_fours, sums)) = (rows.as_chunks::<4>(), sums.as_chunks_mut::<4>());
    // SAFETY: passed on.
    unsafe {
        for (rows, sums) in fours.iter().zip(sums_of_fours) {
            some::<S, L, 4, H>(tile, x, *rows, sums, ahead::<L>(tile, time, times));
            time += 1;
        }
        let ahead = ahead::<L>(tile, time, times);
        match (rest, sums) {
            (&[a], [sums]) => some::<S, L, 1, H>(tile, x, [a], std::array::from_mut(sums), ahead),
            (&[a, b], sums) => some::<S, L, 2, H>(tile, x, [a, b], exactly(sums), ahead),
            (&[a, b, c], sums) => some::<S, L, 3, H>(tile, x, [a, b, c], exactly(sums), ahead),
            _ => {}
        }
    }
}

/// The sums of `N` rows.
#[inline(always)]
fn exactly<const N: usize>(sums: &mut [[f32; ROWS]]) -> &mut [[f32; ROWS]; N] {
    sums.as_mut_array().expect("as many sums as rows")
}

#[inline(always)]
unsafe fn some<S: Simd, L: Layout, const N: usize, const H: usize>(
    tile: TileBlocks,
    x: Columns<'_>,
    rows: [u32; N],
    sums: &mut [[f32; ROWS]; N],
    ahead: Ahead,
) {
    let (of_part, step) = (L::BYTES / L::PARTS, ahead.len / (tile.count * L::PARTS).max(1));
    let x = x.pointers(rows, L::GROUP, L::MIN);
    // SAFETY: the caller's promises; a block's parts lie inside it by `Layout`'s constants.
    unsafe {
        let mut total = [[S::zero_f(); N]; H];
        for h in 0..H {
            for c in 0..N {
                total[h][c] = S::load_f(sums[c].as_ptr().wrapping_add(h * S::LANES));
            }
        }
        let mut last = Products::nothing(&x);
        for b in 0..tile.count {
            let block = tile.first.wrapping_add(b * L::BYTES);
            let mut headers = [L::header::<S>(block, 0); H];
            for h in 1..H {
                headers[h] = L::header::<S>(block, h);
            }
            for part in 0..L::PARTS {
                // A piece at a time: a processor tracks only some twenty missing lines.
                let first = ahead.first.wrapping_add((b * L::PARTS + part) * step);
                // With a known length it is a few instructions.
                if step == of_part {
                    S::prefetch(first, of_part)
                } else {
                    S::prefetch(first, step)
                }
                let planes = block.wrapping_add(L::HEADER + part * L::PART_BYTES);
                let at = b * L::PARTS + part;
                last = with_part::<S, L, N, H>(planes, part, at, &headers, last, &mut total);
            }
        }
        Add::<S, L, N, H> { products: last, total: &mut total, layout: PhantomData }.part(0, 1);
        for h in 0..H {
            for c in 0..N {
                S::store_f(sums[c].as_mut_ptr().wrapping_add(h * S::LANES), total[h][c]);
            }
        }
    }
}

/// The products of part `part` of a block, which is part `at` of the row; those before are added to the sums meanwhile.
#[inline(always)]
unsafe fn with_part<'a, S: Simd, L: Layout, const N: usize, const H: usize>(
    planes: *const u8,
    part: usize,
    at: usize,
    headers: &[L::Header<S>; H],
    last: Products<'a, S, N, H>,
    total: &mut [[S::F; N]; H],
) -> Products<'a, S, N, H> {
    // SAFETY: the caller's promises.
    unsafe {
        let mut q = [[S::zero(); 8]; H];
        for h in 0..H {
            q[h] = L::integers::<S>(planes, h);
        }
        if L::GROUP == 32 {
            return with_group::<S, L, 8, N, H>(q, headers, part, at * 32, last, total);
        }
        let (mut first, mut second) = ([[S::zero(); 4]; H], [[S::zero(); 4]; H]);
        for h in 0..H {
            let [a, b, c, d, e, f, g, i] = q[h];
            (first[h], second[h]) = ([a, b, c, d], [e, f, g, i]);
        }
        let last = with_group::<S, L, 4, N, H>(first, headers, 2 * part, at * 32, last, total);
        with_group::<S, L, 4, N, H>(second, headers, 2 * part + 1, at * 32 + 16, last, total)
    }
}

/// The same for a group, which begins at column `column` of the row.
#[inline(always)]
unsafe fn with_group<'a, S: Simd, L: Layout, const W: usize, const N: usize, const H: usize>(
    q: [[S::I; W]; H],
    headers: &[L::Header<S>; H],
    group: usize,
    column: usize,
    last: Products<'a, S, N, H>,
    total: &mut [[S::F; N]; H],
) -> Products<'a, S, N, H> {
    let x = last.x;
    let mut from = [std::ptr::null(); N];
    for c in 0..N {
        from[c] = x[c].q.wrapping_add(column);
    }
    let mut add = Add::<S, L, N, H> { products: last, total, layout: PhantomData };
    // SAFETY: the caller's promises.
    unsafe {
        let dots = match L::BITS {
            0..=4 => S::dot_and::<4, W, N, H>(q, from, &mut add),
            5 => S::dot_and::<5, W, N, H>(q, from, &mut add),
            6 => S::dot_and::<6, W, N, H>(q, from, &mut add),
            _ => S::dot_and::<8, W, N, H>(q, from, &mut add),
        };
        let mut scales = [(S::zero_f(), S::zero_f()); H];
        for h in 0..H {
            scales[h] = L::scales::<S>(&headers[h], group);
        }
        Products { dots, scales, x, column }
    }
}

/// The dot products of a group, which are not in the sums yet.
#[derive(Clone, Copy)]
struct Products<'a, S: Simd, const N: usize, const H: usize> {
    dots: [[S::I; N]; H],
    /// Scales and minimums.
    scales: [(S::F, S::F); H],
    x: &'a [RowStart; N],
    /// Where the group begins.
    column: usize,
}

impl<'a, S: Simd, const N: usize, const H: usize> Products<'a, S, N, H> {
    /// Products that change no sum.
    #[inline(always)]
    unsafe fn nothing(x: &'a [RowStart; N]) -> Self {
        // SAFETY: the caller's promises.
        unsafe {
            Products { dots: [[S::zero(); N]; H], scales: [(S::zero_f(), S::zero_f()); H], x, column: 0 }
        }
    }
}

/// Adds them to the sums, as the definition in `dot` says: activations have a scale for 32 columns and a term for each group.
struct Add<'a, 'b, S: Simd, L, const N: usize, const H: usize> {
    products: Products<'a, S, N, H>,
    total: &'b mut [[S::F; N]; H],
    layout: PhantomData<L>,
}

impl<S: Simd, L: Layout, const N: usize, const H: usize> Between for Add<'_, '_, S, L, N, H> {
    #[inline(always)]
    unsafe fn part(&mut self, index: usize, count: usize) {
        let Products { dots, scales, x, column } = self.products;
        for one in index * N * H / count..(index + 1) * N * H / count {
            let (c, h) = (one / H, one % H);
            // SAFETY: the caller's promises.
            unsafe {
                let term = S::splat_f(*x[c].terms.wrapping_add(column / L::GROUP));
                let x_scale = S::splat_f(*x[c].scales.wrapping_add(column / 32));
                let (scale, min) = scales[h];
                let mut dot = S::to_f(dots[h][c]);
                if !L::MIN {
                    dot = S::mul_add(S::splat_f(-(L::PACKING.form.offset as f32)), term, dot);
                }
                let total = &mut self.total[h][c];
                *total = S::mul_add(S::mul(scale, x_scale), dot, *total);
                if L::MIN {
                    *total = S::mul_add(min, term, *total);
                }
            }
        }
    }
}

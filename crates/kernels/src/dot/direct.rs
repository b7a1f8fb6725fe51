//! A tile times a few columns, unpacked on the way: what writing one token asks for.

use super::layouts::{Layout, Scales};
use super::simd::Simd;
use super::{Columns, DIRECT, ROWS, RowStart, TileBlocks};

/// Adds the products of a tile with the rows `rows` (at most [`DIRECT`]) to `sums`.
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
    assert!(tile.count * L::PARTS * 32 == x.len && rows.len() == sums.len() && rows.len() <= DIRECT);
    // SAFETY: passed on; the activations are as long as the assertion says.
    unsafe {
        match (rows, sums) {
            (&[a], [sa]) => some::<S, L, 1>(tile, x, [a], [sa]),
            (&[a, b], [sa, sb]) => some::<S, L, 2>(tile, x, [a, b], [sa, sb]),
            (&[a, b, c], [sa, sb, sc]) => some::<S, L, 3>(tile, x, [a, b, c], [sa, sb, sc]),
            (&[a, b, c, d], [sa, sb, sc, sd]) => some::<S, L, 4>(tile, x, [a, b, c, d], [sa, sb, sc, sd]),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn some<S: Simd, L: Layout, const N: usize>(
    tile: TileBlocks,
    x: Columns<'_>,
    rows: [u32; N],
    sums: [&mut [f32; ROWS]; N],
) {
    let x = x.pointers(rows, L::GROUP, L::MIN);
    // SAFETY: the caller's promises; a block's parts lie inside it by `Layout`'s constants.
    unsafe {
        let mut scales = Scales::<S>::new();
        // Two vectors for each row of activations: enough for sixteen rows of weights.
        let mut totals = [[S::zero_f(); 2]; N];
        for c in 0..N {
            for lane in 0..ROWS / S::LANES {
                totals[c][lane] = S::load_f(sums[c].as_ptr().wrapping_add(lane * S::LANES));
            }
        }
        for b in 0..tile.count {
            let block = tile.first.wrapping_add(b * L::BYTES);
            for lane in 0..ROWS / S::LANES {
                L::scales(block, lane, &mut scales);
                let mut total = [S::zero_f(); N];
                for c in 0..N {
                    total[c] = totals[c][lane];
                }
                for part in 0..L::PARTS {
                    let planes = block.wrapping_add(L::HEADER + part * L::PART_BYTES);
                    add_part::<S, L, N>(planes, lane, part, b * L::PARTS + part, &scales, &x, &mut total);
                }
                for c in 0..N {
                    totals[c][lane] = total[c];
                }
            }
        }
        for c in 0..N {
            for lane in 0..ROWS / S::LANES {
                S::store_f(sums[c].as_mut_ptr().wrapping_add(lane * S::LANES), totals[c][lane]);
            }
        }
    }
}

/// Adds part `part` of a block, which is part `at` of the row.
#[inline(always)]
unsafe fn add_part<S: Simd, L: Layout, const N: usize>(
    planes: *const u8,
    lane: usize,
    part: usize,
    at: usize,
    scales: &Scales<S>,
    x: &[RowStart; N],
    total: &mut [S::F; N],
) {
    // SAFETY: the caller's promises.
    unsafe {
        let q = L::integers::<S>(planes, lane);
        let mut from = [std::ptr::null(); N];
        for c in 0..N {
            from[c] = x[c].q.wrapping_add(at * 32);
        }
        if L::GROUP == 32 {
            let dots = dot::<S, L, 8, N>(q, from);
            add_group::<S, L, N>(dots, scales, part, at, at, x, total);
        } else {
            let [a, b, c, d, e, f, g, h] = q;
            let dots = dot::<S, L, 4, N>([a, b, c, d], from);
            add_group::<S, L, N>(dots, scales, 2 * part, at, 2 * at, x, total);
            for c in 0..N {
                from[c] = from[c].wrapping_add(16);
            }
            let dots = dot::<S, L, 4, N>([e, f, g, h], from);
            add_group::<S, L, N>(dots, scales, 2 * part + 1, at, 2 * at + 1, x, total);
        }
    }
}

/// The integer sums, by the number of bits.
#[inline(always)]
unsafe fn dot<S: Simd, L: Layout, const W: usize, const N: usize>(
    q: [S::I; W],
    x: [*const i8; N],
) -> [S::I; N] {
    // SAFETY: the caller's promises.
    unsafe {
        match L::BITS {
            0..=4 => S::dot::<4, W, N>(q, x),
            5 => S::dot::<5, W, N>(q, x),
            6 => S::dot::<6, W, N>(q, x),
            _ => S::dot::<8, W, N>(q, x),
        }
    }
}

/// The definition in `dot`, for one group: `group` of the block, scale `block32` and term `term` of the row.
#[inline(always)]
unsafe fn add_group<S: Simd, L: Layout, const N: usize>(
    dots: [S::I; N],
    scales: &Scales<S>,
    group: usize,
    block32: usize,
    term: usize,
    x: &[RowStart; N],
    total: &mut [S::F; N],
) {
    // SAFETY: the caller's promises: activations have a scale for 32 columns and a term for each group.
    unsafe {
        for c in 0..N {
            let term = S::splat_f(*x[c].terms.wrapping_add(term));
            let x_scale = S::splat_f(*x[c].scales.wrapping_add(block32));
            let mut dot = S::to_f(dots[c]);
            if !L::MIN {
                dot = S::mul_add(S::splat_f(-(L::PACKING.form.offset as f32)), term, dot);
            }
            total[c] = S::mul_add(S::mul(scales.scale[group], x_scale), dot, total[c]);
            if L::MIN {
                total[c] = S::mul_add(scales.min[group], term, total[c]);
            }
        }
    }
}

//! The points that the blocks of IQ types choose from: vectors of 8 values of which a type has three, or of 4 of which it
//! has eight.
//!
//! A list is sorted with its first value least significant, so it is kept as a set: `grids.bin` has a bit for each vector
//! there could be, and the n-th bit set is point n. Made by `tests/golden/tools/make_grids.py`.

/// Vectors of eight digits below three.
const OF_THREE: usize = 6561;
/// Vectors of four digits below eight.
const OF_EIGHT: usize = 4096;

const SETS: &[u8] = include_bytes!("grids.bin");

/// Magnitudes of IQ2_XXS, in eights of the scale.
pub static IQ2_XXS: [[u8; 8]; 256] = points(set(0), OF_THREE, [8, 25, 43]);
/// Magnitudes of IQ2_XS.
pub static IQ2_XS: [[u8; 8]; 512] = points(set(1), OF_THREE, [8, 25, 43]);
/// Magnitudes of IQ2_S.
pub static IQ2_S: [[u8; 8]; 1024] = points(set(2), OF_THREE, [8, 25, 43]);
/// Values of IQ1_S and IQ1_M, eight times as large, plus 16.
pub static IQ1: [[u8; 8]; 2048] = points(set(3), OF_THREE, [8, 16, 24]);
/// Magnitudes of IQ3_XXS.
pub static IQ3_XXS: [[u8; 4]; 256] = points(set(4), OF_EIGHT, [4, 12, 20, 28, 36, 44, 52, 62]);
/// Magnitudes of IQ3_S.
pub static IQ3_S: [[u8; 4]; 512] = points(set(5), OF_EIGHT, [1, 3, 5, 7, 9, 11, 13, 15]);

/// The bits of a list; the first four are of vectors of three digits.
const fn set(list: usize) -> &'static [u8] {
    let (of_three, of_eight) = (OF_THREE.div_ceil(8), OF_EIGHT / 8);
    let later = list.saturating_sub(4);
    SETS.split_at((list - later) * of_three + later * of_eight).1
}

/// The first `N` points of a set of `D`-digit numbers below `all`, each digit replaced by its value.
const fn points<const N: usize, const D: usize, const V: usize>(
    set: &[u8],
    all: usize,
    values: [u8; V],
) -> [[u8; D]; N] {
    let mut points = [[0; D]; N];
    let (mut number, mut n) = (0, 0);
    while number < all {
        if set[number / 8] >> (number % 8) & 1 == 1 {
            let (mut rest, mut i) = (number, 0);
            while i < D {
                points[n][i] = values[rest % V];
                rest /= V;
                i += 1;
            }
            n += 1;
        }
        number += 1;
    }
    assert!(n == N, "a list has another length than its type");
    points
}

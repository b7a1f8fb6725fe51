//! Turning words of several rows, so that those of one place lie side by side.

/// Rows that are turned at once.
pub const ROWS_TURNED: usize = 8;

/// Eight words: of one row, or of one place in eight rows.
pub type Eight = [u32; 8];

/// A way of turning rows.
pub trait Turn {
    /// Word `i` of row `r` becomes word `r` of place `i`.
    ///
    /// # Safety
    /// The processor must have the instructions that the implementer names.
    unsafe fn turn(rows: &[Eight; ROWS_TURNED]) -> [Eight; 8];
}

/// On any processor.
pub struct Portable;

impl Turn for Portable {
    #[inline(always)]
    unsafe fn turn(rows: &[Eight; ROWS_TURNED]) -> [Eight; 8] {
        let mut places = [[0; ROWS_TURNED]; 8];
        for (r, row) in rows.iter().enumerate() {
            for (place, &word) in places.iter_mut().zip(row) {
                place[r] = word;
            }
        }
        places
    }
}

/// With AVX2.
#[cfg(target_arch = "x86_64")]
pub struct Avx2;

#[cfg(target_arch = "x86_64")]
impl Turn for Avx2 {
    #[inline(always)]
    unsafe fn turn(rows: &[Eight; ROWS_TURNED]) -> [Eight; 8] {
        use std::arch::x86_64::*;
        // SAFETY: the caller vouches for the instructions; loads and stores are of whole arrays.
        unsafe {
            let mut places = [[0; ROWS_TURNED]; 8];
            for first in [0, 4] {
                // Four words of rows r and r + 4 in the halves of a vector: each half is then turned in itself.
                let mut v = [_mm256_setzero_si256(); 4];
                for (r, v) in v.iter_mut().enumerate() {
                    let low = _mm_loadu_si128(rows[r][first..first + 4].as_ptr().cast());
                    let high = _mm_loadu_si128(rows[r + 4][first..first + 4].as_ptr().cast());
                    *v = _mm256_set_m128i(high, low);
                }
                let pairs = [
                    [_mm256_unpacklo_epi32(v[0], v[1]), _mm256_unpacklo_epi32(v[2], v[3])],
                    [_mm256_unpackhi_epi32(v[0], v[1]), _mm256_unpackhi_epi32(v[2], v[3])],
                ];
                for (i, [a, b]) in pairs.into_iter().enumerate() {
                    let to = &mut places[first + 2 * i..];
                    _mm256_storeu_si256(to[0].as_mut_ptr().cast(), _mm256_unpacklo_epi64(a, b));
                    _mm256_storeu_si256(to[1].as_mut_ptr().cast(), _mm256_unpackhi_epi64(a, b));
                }
            }
            places
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_change_places() {
        let rows: [Eight; 8] = std::array::from_fn(|r| std::array::from_fn(|i| (10 * r + i) as u32));
        let expected: [Eight; 8] = std::array::from_fn(|i| std::array::from_fn(|r| (10 * r + i) as u32));
        // SAFETY: it needs no instructions of its own.
        assert_eq!(unsafe { Portable::turn(&rows) }, expected);
        #[cfg(target_arch = "x86_64")]
        if std::is_x86_feature_detected!("avx2") {
            // SAFETY: they were detected.
            assert_eq!(unsafe { Avx2::turn(&rows) }, expected);
        }
    }
}

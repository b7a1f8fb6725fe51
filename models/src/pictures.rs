//! Pictures among the tokens of a sequence: the vectors that stand for them, and where rows turn to.

use std::sync::Arc;

use crate::ModelError;

/// A picture as a model sees it: a vector for each of its parts, row after row.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedPicture {
    /// Parts across and down.
    pub grid: [usize; 2],
    /// For each part the vector that takes a token's place, and behind it those that are added after each of the first
    /// blocks: `[across * down, (1 + levels) * hidden]`.
    pub vectors: Vec<f32>,
    /// Whether its parts see each other in both directions.
    pub together: bool,
}

/// A picture in a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct PlacedPicture {
    /// Position of its first part.
    pub start: usize,
    /// What stands there.
    pub picture: Arc<EncodedPicture>,
}

/// Neighbouring rows of a batch that are parts of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureRows {
    pub(crate) first_row: usize,
    pub(crate) rows: usize,
    /// Which part of the picture the first of them is.
    first_part: usize,
    picture: Arc<EncodedPicture>,
}

impl EncodedPicture {
    /// Its parts.
    pub fn parts(&self) -> usize {
        self.grid[0] * self.grid[1]
    }
}

impl PlacedPicture {
    /// Behind the position of its last part.
    pub fn end(&self) -> usize {
        self.start + self.picture.parts()
    }

    /// The rows of it among `rows` rows of its sequence from position `start` on, of which the first is `first_row` of the
    /// batch.
    pub(crate) fn rows_in(&self, start: usize, rows: usize, first_row: usize) -> Option<PictureRows> {
        let (first, end) = (self.start.max(start), self.end().min(start + rows));
        (first < end).then(|| PictureRows {
            first_row: first_row + first - start,
            rows: end - first,
            first_part: first - self.start,
            picture: Arc::clone(&self.picture),
        })
    }
}

impl PictureRows {
    /// Whether its picture has vectors for a model of this width and so many first blocks that are given one.
    pub(crate) fn check(&self, hidden: usize, levels: usize) -> Result<(), ModelError> {
        let (found, expected) =
            (self.picture.vectors.len(), self.picture.parts().saturating_mul((1 + levels) * hidden));
        if found == expected {
            return Ok(());
        }
        let reason =
            format!("a picture of {} parts has {found} numbers, not {expected}", self.picture.parts());
        Err(ModelError::BadBatch(reason))
    }

    /// Puts its vectors into `x[rows, hidden]`, the rows of the whole batch.
    pub(crate) fn put(&self, x: &mut [f32], hidden: usize) {
        self.each(x, hidden, 0, |row, vector| row.copy_from_slice(vector));
    }

    /// Adds to `x[rows, hidden]` what belongs behind block `level`.
    pub(crate) fn add_level(&self, x: &mut [f32], hidden: usize, level: usize) {
        self.each(x, hidden, level + 1, |row, vector| row.iter_mut().zip(vector).for_each(|(x, v)| *x += v));
    }

    fn each(&self, x: &mut [f32], hidden: usize, which: usize, change: impl Fn(&mut [f32], &[f32])) {
        let width = self.picture.vectors.len() / self.picture.parts().max(1);
        let parts = self.picture.vectors.chunks_exact(width).skip(self.first_part);
        let rows = x.chunks_exact_mut(hidden).skip(self.first_row).take(self.rows);
        for (row, part) in rows.zip(parts) {
            change(row, &part[which * hidden..][..hidden]);
        }
    }
}

/// Where the rows of a sequence from position `start` on turn to, in time, down and across. A picture takes no more time
/// than the longer of its sides; in text all three are the same (Wang et al., 2024, "Qwen2-VL", section 2.1).
pub(crate) fn places(
    pictures: &[PlacedPicture],
    start: usize,
    rows: usize,
) -> impl Iterator<Item = [u32; 3]> + '_ {
    (start..start + rows).map(move |position| {
        let mut saved = 0;
        for picture in pictures.iter().take_while(|picture| picture.start <= position) {
            let [across, down] = picture.picture.grid;
            if position < picture.end() {
                let (base, part) = (picture.start - saved, position - picture.start);
                return [base, base + part / across, base + part % across].map(|place| place as u32);
            }
            saved += picture.picture.parts() - across.max(down);
        }
        [(position - saved) as u32; 3]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(start: usize, grid: [usize; 2]) -> PlacedPicture {
        let vectors = (0..grid[0] * grid[1] * 4).map(|i| i as f32).collect();
        PlacedPicture { start, picture: Arc::new(EncodedPicture { grid, vectors, together: false }) }
    }

    #[test]
    fn text_goes_on_behind_a_picture_s_longer_side() {
        let pictures = [placed(2, [3, 2]), placed(9, [1, 2])];
        let all: Vec<[u32; 3]> = places(&pictures, 0, 12).collect();
        assert_eq!(all[..2], [[0; 3], [1; 3]]);
        assert_eq!(all[2..8], [[2, 2, 2], [2, 2, 3], [2, 2, 4], [2, 3, 2], [2, 3, 3], [2, 3, 4]]);
        assert_eq!(all[8..], [[5; 3], [6, 6, 6], [6, 7, 6], [8; 3]]);
        for start in 0..12 {
            assert!(places(&pictures, start, 12 - start).eq(all[start..].iter().copied()));
        }
    }

    #[test]
    fn rows_find_their_parts_wherever_a_piece_begins() {
        // Six parts of a vector and one level, of two numbers each.
        let picture = placed(2, [3, 2]);
        let rows = picture.rows_in(4, 10, 7).expect("four parts are left");
        assert_eq!((rows.first_row, rows.rows), (7, 4));
        assert!(rows.check(2, 1).is_ok() && rows.check(2, 0).is_err());
        let mut x = vec![0.5; 12 * 2];
        rows.put(&mut x, 2);
        assert_eq!(x[14..22], [8.0, 9.0, 12.0, 13.0, 16.0, 17.0, 20.0, 21.0]);
        assert!(x[..14].iter().chain(&x[22..]).all(|&x| x == 0.5));
        rows.add_level(&mut x, 2, 0);
        assert_eq!(x[14..16], [18.0, 20.0]);
        assert_eq!(picture.rows_in(0, 2, 0), None);
        assert_eq!(picture.rows_in(8, 2, 0), None);
    }
}

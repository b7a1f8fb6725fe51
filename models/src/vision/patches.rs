//! Patches of a picture, row after row: from pixels, and into squares of neighbours that become one token.

use std::sync::Arc;

use super::wrong_target;
use crate::ModelError;
use crate::rows::{HostRows, Workspace};

/// The numbers of each patch of `side` by `side` pixels, line after line of each channel: `[patches, 3 * side * side]` of
/// `pixels[3, height, width]`.
pub(super) fn cut(
    workspace: &Arc<Workspace>,
    pixels: &[f32],
    [width, height]: [usize; 2],
    side: usize,
) -> Result<HostRows, ModelError> {
    if !width.is_multiple_of(side) || !height.is_multiple_of(side) || width == 0 || height == 0 {
        return Err(wrong_target([width, height]));
    }
    if Some(pixels.len()) != width.checked_mul(height).and_then(|count| count.checked_mul(3)) {
        let reason = format!("{} numbers for a picture of {width} by {height} pixels", pixels.len());
        return Err(ModelError::BadBatch(reason));
    }
    let across = width / side;
    let mut patches = HostRows::new(workspace, across * (height / side), 3 * side * side);
    for (index, numbers) in patches.chunks_exact_mut(3 * side * side).enumerate() {
        let (top, left) = (index / across * side, index % across * side);
        for (line, numbers) in numbers.chunks_exact_mut(side).enumerate() {
            let (channel, y) = (line / side, top + line % side);
            numbers.copy_from_slice(&pixels[(channel * height + y) * width + left..][..side]);
        }
    }
    Ok(patches)
}

/// The mean of each square of `side` by `side` patches, where so many patches lie across the picture.
pub(super) fn means(patches: &HostRows, across: usize, side: usize) -> HostRows {
    let mut means = patches.room_for(patches.rows() / (side * side), patches.width());
    means.fill(0.0);
    let share = 1.0 / (side * side) as f32;
    for (index, patch) in patches.chunks_exact(patches.width()).enumerate() {
        let (square, _) = place(index, across, side);
        let mean = &mut means[square * patch.len()..][..patch.len()];
        mean.iter_mut().zip(patch).for_each(|(mean, x)| *mean += share * x);
    }
    means
}

/// The patches of each square beside each other, line after line.
pub(super) fn joined(patches: &HostRows, across: usize, side: usize) -> HostRows {
    let width = patches.width();
    let mut joined = patches.room_for(patches.rows() / (side * side), side * side * width);
    for (index, patch) in patches.chunks_exact(width).enumerate() {
        let (square, within) = place(index, across, side);
        joined[(square * side * side + within) * width..][..width].copy_from_slice(patch);
    }
    joined
}

/// The square of a patch, and its place there.
fn place(index: usize, across: usize, side: usize) -> (usize, usize) {
    let (row, column) = (index / across, index % across);
    let square = row / side * (across / side) + column / side;
    (square, row % side * side + column % side)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patches_are_cut_and_squares_of_them_put_together() {
        let workspace = Arc::new(Workspace::new(1));
        // Six by four pixels in patches of one; channels differ by a hundred.
        let pixels: Vec<f32> = (0..3 * 24).map(|i| (i / 24 * 100 + i % 24) as f32).collect();
        let patches = cut(&workspace, &pixels, [6, 4], 1).expect("cut");
        assert_eq!(patches[3..6], [1.0, 101.0, 201.0]);
        let squares = joined(&patches, 6, 2);
        assert_eq!((squares.rows(), squares.width()), (6, 12));
        let first_channel: Vec<f32> = squares[12..24].iter().step_by(3).copied().collect();
        assert_eq!(first_channel, [2.0, 3.0, 8.0, 9.0], "the second square of the first row");
        assert_eq!(means(&patches, 6, 2)[3..6], [5.5, 105.5, 205.5]);
        let patches = cut(&workspace, &pixels, [6, 4], 2).expect("cut");
        assert_eq!(patches[..8], [0.0, 1.0, 6.0, 7.0, 100.0, 101.0, 106.0, 107.0]);
    }

    #[test]
    fn pictures_that_are_no_whole_patches_are_refused() {
        let workspace = Arc::new(Workspace::new(1));
        for (pixels, size) in [(90, [6, 5]), (71, [6, 4]), (0, [0, 4])] {
            assert!(cut(&workspace, &vec![0.0; pixels], size, 2).is_err(), "{size:?}");
        }
    }
}

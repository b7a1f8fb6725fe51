//! Rotary embedding along the two axes of a picture: half of a head's pairs turn with the column of its patch, half with the
//! row, both by the same frequencies.

use lantern_kernels::{RopePairs, Rotation};

use crate::ModelError;
use crate::rows::HostRows;

/// Which numbers of a head belong to which axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axes {
    /// Pairs reach over the whole head: first those of the row, then those of the column.
    Joined,
    /// The first half of a head turns with the column and the second with the row, each as a head of its own.
    Apart,
}

/// The turns of all patches of a picture.
pub(super) struct AxialRope {
    axes: Axes,
    /// One for each pair of a patch, and of each head where they are apart.
    cos: Vec<f32>,
    sin: Vec<f32>,
    n_heads: usize,
    head_dim: usize,
}

impl AxialRope {
    /// For patches row after row. Frequencies are `base^(-2i / half)` for a half of a head.
    pub(super) fn new(
        axes: Axes,
        [across, down]: [usize; 2],
        base: f32,
        n_heads: usize,
        head_dim: usize,
    ) -> Self {
        let frequency = |i: usize| f64::from(base).powf(-4.0 * i as f64 / head_dim as f64) as f32;
        let frequencies: Vec<f32> = (0..head_dim / 4).map(frequency).collect();
        let of = |position: usize| frequencies.iter().map(move |frequency| position as f32 * frequency);
        let copies = if axes == Axes::Joined { 1 } else { n_heads };
        let mut angles = Vec::with_capacity(across * down * copies * head_dim / 2);
        for patch in 0..across * down {
            let (row, column) = (patch / across, patch % across);
            let (first, second) = if axes == Axes::Joined { (row, column) } else { (column, row) };
            for _ in 0..copies {
                angles.extend(of(first).chain(of(second)));
            }
        }
        let (cos, sin) = angles.iter().map(|angle: &f32| (angle.cos(), angle.sin())).unzip();
        AxialRope { axes, cos, sin, n_heads, head_dim }
    }

    /// Turns the heads of all patches in place.
    pub(super) fn turn(&self, x: &mut HostRows) -> Result<(), ModelError> {
        let (heads, head_dim) = match self.axes {
            Axes::Joined => (self.n_heads, self.head_dim),
            Axes::Apart => (1, self.head_dim / 2),
        };
        let rotation =
            Rotation { pairs: RopePairs::Halves, half: head_dim / 2, cos: &self.cos, sin: &self.sin };
        let (pool, x) = x.pool_and_values();
        Ok(lantern_kernels::rope(pool, &rotation, x, heads, head_dim)?)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::Workspace;

    /// A row of ones for each of 3 by 2 patches, two heads of eight numbers, turned.
    fn turned(axes: Axes) -> Vec<f32> {
        let mut x = HostRows::new(&Arc::new(Workspace::new(1)), 6, 16);
        x.fill(1.0);
        AxialRope::new(axes, [3, 2], 100.0, 2, 8).turn(&mut x).expect("turned");
        x.to_vec()
    }

    #[test]
    fn each_axis_turns_its_numbers() {
        // The patch in column 2 of row 1, for which the frequencies are 1 and 0.1.
        let pair = |angle: f32| [angle.cos() - angle.sin(), angle.cos() + angle.sin()];
        let close = |found: &[f32], angles: [f32; 4], places: [[usize; 2]; 4]| {
            for (angle, place) in angles.into_iter().zip(places) {
                for (expected, at) in pair(angle).into_iter().zip(place) {
                    assert!((found[at] - expected).abs() < 1e-6, "{found:?} at {at}");
                }
            }
        };
        let joined = turned(Axes::Joined);
        let apart = turned(Axes::Apart);
        for head in [5 * 16, 5 * 16 + 8] {
            close(&joined[head..][..8], [1.0, 0.1, 2.0, 0.2], [[0, 4], [1, 5], [2, 6], [3, 7]]);
            close(&apart[head..][..8], [2.0, 0.2, 1.0, 0.1], [[0, 2], [1, 3], [4, 6], [5, 7]]);
        }
    }
}

//! The same matrix of all experts of a layer, and which of them have tiles.

use std::ops::Range;

use lantern_gguf::TensorBytes;

use crate::ExpertRows;
use crate::packed::Packing;

/// The system is told of what is needed in pieces: of a longer one it may read no more than the beginning.
const HINT_BYTES: usize = 128 << 10;

/// The same matrix of all experts of a layer.
#[derive(Debug)]
pub(crate) struct Stack {
    pub(super) bytes: TensorBytes,
    pub(super) packing: Packing,
    pub(super) row_bytes: usize,
    pub(super) tiles_len: usize,
    pub(super) places: Box<[Place]>,
    /// Whether the system knows already which of them come next.
    pub(super) announced: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// Tiles are there.
    In(usize),
    /// It is in the file alone, and so hot.
    Out(f32),
}

impl Stack {
    /// `count` matrices of `bytes`, whose tiles take `tiles_len` bytes each.
    pub(crate) fn new(
        bytes: TensorBytes,
        packing: Packing,
        row_bytes: usize,
        (count, tiles_len): (usize, usize),
    ) -> Self {
        let places = vec![Place::Out(0.0); count].into();
        Stack { bytes, packing, row_bytes, tiles_len, places, announced: false }
    }

    /// Where a matrix is among the bytes.
    pub(super) fn part(&self, matrix: usize) -> Range<usize> {
        let len = self.bytes.len() / self.places.len();
        matrix * len..(matrix + 1) * len
    }

    /// Those of the groups' matrices that are not there.
    pub(super) fn missing(&self, groups: &[ExpertRows]) -> impl Iterator<Item = usize> {
        let matrices = groups.iter().map(|group| group.expert as usize);
        matrices.filter(|&matrix| matches!(self.places[matrix], Place::Out(_)))
    }

    /// Has the system read those of the matrices that are not there, as many as are given at most.
    pub(super) fn will_need(&self, groups: &[ExpertRows], most: usize) {
        for matrix in self.missing(groups).take(most) {
            let part = self.part(matrix);
            part.clone().step_by(HINT_BYTES).for_each(|start| {
                self.bytes.will_need(start..part.end.min(start + HINT_BYTES));
            });
        }
    }
}

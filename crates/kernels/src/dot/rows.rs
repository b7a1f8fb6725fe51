//! Panels of types that are not packed: sixteen rows of the file, unpacked by the scalar reference.
//!
//! Right for every type that has integers and scales, and slow: unpacking costs more than multiplying, and is done
//! again for every step. A type becomes fast by a packing and a layout of its own.

use std::ops::Range;

use lantern_gguf::GgmlType;
use lantern_gguf::blocks::{Affine, Unpacked, unpack};

use super::{PANEL, Panel, ROWS};

/// Fills a panel with the blocks `blocks` of up to sixteen rows of `row_bytes` bytes. Where rows are missing, the panel's
/// integers are those that were there, with scales of zero.
pub fn fill(
    ty: GgmlType,
    form: Affine,
    rows: &[u8],
    row_bytes: usize,
    blocks: Range<usize>,
    panel: &mut Panel,
) {
    assert!(blocks.len() * ty.block_size() <= PANEL, "more columns than a panel has");
    let (bytes, mut unpacked) = (ty.block_bytes(), Unpacked::new());
    if rows.len() < ROWS * row_bytes {
        panel.scales = [[0.0; ROWS]; PANEL / 16];
        panel.mins = [[0.0; ROWS]; PANEL / 16];
    }
    for (r, row) in rows.chunks_exact(row_bytes).take(ROWS).enumerate() {
        let of_panel = &row[blocks.start * bytes..blocks.end * bytes];
        for (b, block) in of_panel.chunks_exact(bytes).enumerate() {
            unpack(ty, block, &mut unpacked);
            panel.put(b, r, ty, form, &unpacked);
        }
    }
}

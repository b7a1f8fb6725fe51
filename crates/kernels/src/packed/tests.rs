//! Packing loses nothing: every value comes back, and no byte is added.

use lantern_gguf::{GgmlType, dequantize};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::dot::tests::{Fill, blocks, quantised_types};
use crate::isa::Isa;
use crate::pool::Pool;

#[test]
fn every_quantised_type_is_packed_in_its_own_size() {
    for ty in quantised_types() {
        let packing = packing(ty).unwrap_or_else(|| panic!("{ty} has no tiles"));
        let planes = packing.planes.bytes() * ty.block_size() / PART;
        assert_eq!(packing.header_bytes() + planes, packing.tile_block_bytes(), "{ty}");
    }
    assert!(packing(GgmlType::F16).is_none());
}

#[test]
fn every_row_comes_back() {
    let mut rng = StdRng::seed_from_u64(11);
    let (pool, cols) = (Pool::new(2), 768);
    for ty in quantised_types() {
        for (rows, fill) in [(37, Fill::Random), (3, Fill::Ends)] {
            let packing = packing(ty).unwrap();
            let row_bytes = ty.row_bytes(cols).unwrap();
            let bytes = blocks(ty, rows * cols / ty.block_size(), fill, &mut rng);
            let mut tiles = vec![0; rows.next_multiple_of(ROWS) * row_bytes];
            pack(Isa::Scalar, &pool, &packing, &bytes, row_bytes, &mut tiles);
            for isa in Isa::available() {
                let mut again = vec![0; tiles.len()];
                pack(isa, &pool, &packing, &bytes, row_bytes, &mut again);
                assert!(again == tiles, "{ty}, {isa}");
            }
            let (mut want, mut got) = (vec![0.0; cols], vec![0.0; cols]);
            for (row, bytes) in bytes.chunks_exact(row_bytes).enumerate() {
                dequantize(ty, bytes, &mut want).unwrap();
                let tile = &tiles[row / ROWS * ROWS * row_bytes..][..ROWS * row_bytes];
                unpack_row(&packing, tile, row % ROWS, &mut got);
                let same = want.iter().zip(&got).all(|(a, b)| a == b);
                assert!(same, "{ty}, row {row} of {rows}");
            }
        }
    }
}

//! Packing loses nothing: every value comes back, and no byte is added.

use lantern_gguf::{GgmlType, dequantize};
use rand::SeedableRng;
use rand::rngs::StdRng;

use super::*;
use crate::dot::tests::{Fill, blocks, packed_types};
use crate::isa::Isa;
use crate::pool::Pool;

#[test]
fn every_packed_type_keeps_its_size() {
    for ty in packed_types() {
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
    for ty in packed_types() {
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

/// The tiles of every type in a checksum (FNV-1a), so that no change of them goes unnoticed.
#[test]
fn tiles_are_those_of_their_version() {
    let (pool, rows, cols) = (Pool::new(1), 18, 512);
    let mut checksum = 0xcbf2_9ce4_8422_2325_u64;
    let mut state = 1u64;
    for &ty in GgmlType::ALL {
        let Some(packing) = packing(ty) else { continue };
        let row_bytes = ty.row_bytes(cols).unwrap();
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..rows * row_bytes).map(|_| next()).collect();
        let mut tiles = vec![0; 2 * ROWS * row_bytes];
        pack(Isa::Scalar, &pool, &packing, &bytes, row_bytes, &mut tiles);
        for &byte in ty.id().to_le_bytes().iter().chain(&tiles) {
            checksum = (checksum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(
        (PACKING_VERSION, checksum),
        (1, 0xd843_ecf3_4eab_e5e3),
        "tiles have changed: raise PACKING_VERSION, so that copies on disk are made anew, and write both numbers here"
    );
}

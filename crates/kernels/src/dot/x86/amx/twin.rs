//! The tile instructions in plain Rust, as Intel's *Architectures Software Developer's Manual* (volume 2: `LDTILECFG`,
//! `TILERELEASE`, `TILEZERO`, `TILELOADD`, `TILESTORED`, `TDPBSSD`) describes them.
//!
//! What the processor answers with a fault is a panic here: tiles without a shape, and shapes that do not fit.

use super::tiles::{Shapes, TILE_ROW_BYTES, TILE_ROWS, TILES, Tiles};

/// A tile's shape and contents.
#[derive(Clone, Copy)]
struct Tile {
    rows: usize,
    row_bytes: usize,
    bytes: [[u8; TILE_ROW_BYTES]; TILE_ROWS],
}

/// The tile registers of a thread that has none.
pub struct Twin {
    /// `None` before tiles have shapes and after they are released.
    tiles: Option<[Tile; TILES]>,
}

impl Twin {
    pub fn new() -> Self {
        Twin { tiles: None }
    }

    fn tile(&mut self, number: usize) -> &mut Tile {
        let tile = &mut self.tiles.as_mut().expect("tiles have shapes before they are used")[number];
        assert!(tile.rows > 0, "tile {number} is used without a shape");
        tile
    }
}

// SAFETY: loads and stores touch the rows of their tile, as their contracts say; nothing else touches memory.
unsafe impl Tiles for Twin {
    unsafe fn configure(&mut self, shapes: &Shapes) {
        assert_eq!(shapes.palette, 1, "the palette with eight tiles");
        assert_eq!((shapes.start_row, shapes.reserved), (0, [0; 14]), "fields that must be zero");
        assert_eq!(shapes.row_bytes[TILES..], [0; TILES], "tiles that do not exist");
        assert_eq!(shapes.rows[TILES..], [0; TILES], "tiles that do not exist");
        let mut tiles = [Tile { rows: 0, row_bytes: 0, bytes: [[0; TILE_ROW_BYTES]; TILE_ROWS] }; TILES];
        for (n, tile) in tiles.iter_mut().enumerate() {
            (tile.rows, tile.row_bytes) = (shapes.rows[n].into(), shapes.row_bytes[n].into());
            assert!(tile.rows <= TILE_ROWS && tile.row_bytes <= TILE_ROW_BYTES, "tile {n} is too large");
            assert_eq!(tile.rows == 0, tile.row_bytes == 0, "tile {n} has half a shape");
        }
        self.tiles = Some(tiles);
    }

    unsafe fn release(&mut self) {
        self.tiles = None;
    }

    unsafe fn zero<const T: usize>(&mut self) {
        self.tile(T).bytes = [[0; TILE_ROW_BYTES]; TILE_ROWS];
    }

    unsafe fn load<const T: usize>(&mut self, from: *const u8, stride: usize) {
        let tile = self.tile(T);
        // What lies outside of the shape becomes zero.
        let mut bytes = [[0; TILE_ROW_BYTES]; TILE_ROWS];
        for (r, row) in bytes.iter_mut().enumerate().take(tile.rows) {
            // SAFETY: the caller's memory.
            unsafe { from.wrapping_add(r * stride).copy_to_nonoverlapping(row.as_mut_ptr(), tile.row_bytes) };
        }
        tile.bytes = bytes;
    }

    unsafe fn store<const T: usize>(&mut self, to: *mut u8, stride: usize) {
        let tile = self.tile(T);
        for (r, row) in tile.bytes.iter().enumerate().take(tile.rows) {
            // SAFETY: the caller's memory.
            unsafe { to.wrapping_add(r * stride).copy_from_nonoverlapping(row.as_ptr(), tile.row_bytes) };
        }
    }

    unsafe fn multiply<const C: usize, const A: usize, const B: usize>(&mut self) {
        assert!(C != A && C != B && A != B, "three different tiles, not {C}, {A}, {B}");
        let (a, b) = (*self.tile(A), *self.tile(B));
        let c = self.tile(C);
        let shapes = [c, &a, &b].map(|tile| (tile.rows, tile.row_bytes));
        assert!(shapes.iter().all(|shape| shape.1.is_multiple_of(4)), "rows of whole words: {shapes:?}");
        assert_eq!(c.rows, a.rows, "a row of sums for each row of the first operand");
        assert_eq!(c.row_bytes, b.row_bytes, "a sum for each column of the second operand");
        assert_eq!(a.row_bytes, 4 * b.rows, "four bytes for each row of the second operand");
        for m in 0..c.rows {
            for n in 0..c.row_bytes / 4 {
                let place: &mut [u8; 4] = c.bytes[m].as_chunks_mut().0.get_mut(n).expect("inside the row");
                let mut sum = i32::from_le_bytes(*place);
                for k in 0..b.rows {
                    for j in 0..4 {
                        let (x, y) =
                            (a.bytes[m][4 * k + j].cast_signed(), b.bytes[k][4 * n + j].cast_signed());
                        sum = sum.wrapping_add(i32::from(x) * i32::from(y));
                    }
                }
                *place = sum.to_le_bytes();
            }
        }
    }
}

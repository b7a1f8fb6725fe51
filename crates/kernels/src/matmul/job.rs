//! One product as tasks, and what a task does.

use std::cell::RefCell;
use std::ops::Range;

use super::{ExpertRows, Input};
use crate::dot::{
    Ahead, Columns, DIRECT, DirectFn, Kernel, PAIR_ROWS, PANEL, PairFn, Panel, TileBlocks, TileKernel, rows,
};
use crate::matrix::QMatrix;
use crate::packed::ROWS;
use crate::quantize::Activations;
use crate::residency::Residents;
use crate::share::Shared;

/// Bytes of weights a task takes at least, so that claiming it costs nothing beside it.
const TASK_BYTES: usize = 32 * 1024;

/// Fewest rows that two tiles at once are faster for: with fewer, filling panels waits for memory, which two do one after the other.
const PAIR_FEWEST: usize = 32;

/// One product, cut into tasks of neighbouring tiles for each group of rows.
pub(super) struct Job<'a> {
    kernel: Kernel,
    w: &'a QMatrix,
    acts: &'a Activations,
    rows: &'a [u32],
    groups: &'a [ExpertRows],
    /// The tiles that are there, if the weights are in a store.
    residents: Option<&'a Residents>,
    out: Shared<'a, f32>,
    tiles_per_task: usize,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    panels: [Panel; 2],
    sums: [Vec<[f32; ROWS]>; 2],
}

impl<'a> Job<'a> {
    pub(super) fn new(
        input: &Input<'a>,
        kernel: Kernel,
        w: &'a QMatrix,
        groups: &'a [ExpertRows],
        out: &'a mut [f32],
        residents: Option<&'a Residents>,
    ) -> Self {
        let (acts, rows, threads) = (input.acts, input.rows, input.pool.threads());
        let rows_per_group = rows.len().div_ceil(groups.len().max(1));
        let least = TASK_BYTES.div_ceil(w.tile_bytes() * rows_per_group.clamp(1, 8));
        let mut tiles_per_task = (groups.len() * w.tiles()).div_ceil(8 * threads).min(w.tiles()).max(least);
        if kernel.pair.is_some() && rows_per_group >= PAIR_FEWEST {
            // No tile of a task is left without another.
            tiles_per_task = (tiles_per_task & !1).max(2);
        }
        Job { kernel, w, acts, rows, groups, residents, out: Shared::new(out), tiles_per_task }
    }

    fn tasks_per_group(&self) -> usize {
        self.w.tiles().div_ceil(self.tiles_per_task)
    }

    pub(super) fn tasks(&self) -> usize {
        self.groups.len() * self.tasks_per_group()
    }

    pub(super) fn run(&self, task: usize) {
        let (group, task) = (self.groups[task / self.tasks_per_group()], task % self.tasks_per_group());
        let tiles = task * self.tiles_per_task..self.w.tiles().min((task + 1) * self.tiles_per_task);
        let weights = match (self.kernel.tiles, self.w.packed(group.expert as usize, self.residents)) {
            (Some(kernel), Some(bytes)) => Source::Tiles(kernel, bytes),
            _ => Source::Rows(self.w.plain_rows(group.expert as usize)),
        };
        let rows = &self.rows[group.first as usize..][..group.len as usize];
        let work = GroupWork { job: self, weights, rows, first_out: group.first as usize };
        match weights {
            Source::Tiles(TileKernel { direct: Some(direct), .. }, bytes)
                if rows.len() <= direct.most_rows =>
            {
                work.directly(direct.multiply, bytes, tiles)
            }
            _ => work.with_panels(tiles),
        }
    }
}

/// Where one matrix is.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// All its tiles, and what reads them.
    Tiles(TileKernel, &'a [u8]),
    /// All its rows, as in the file.
    Rows(&'a [u8]),
}

/// Some tiles of one matrix and the rows they meet.
struct GroupWork<'a> {
    job: &'a Job<'a>,
    weights: Source<'a>,
    rows: &'a [u32],
    first_out: usize,
}

impl GroupWork<'_> {
    /// The bytes of a tile; the last sixteen rows of a file may be fewer.
    fn tile<'b>(&self, all: &'b [u8], tile: usize) -> &'b [u8] {
        let len = self.job.w.tile_bytes();
        &all[tile * len..all.len().min((tile + 1) * len)]
    }

    fn directly(&self, direct: DirectFn, bytes: &[u8], tiles: Range<usize>) {
        let count = self.job.w.cols() / self.job.w.ty().block_size();
        let columns = Columns { all: self.job.acts, start: 0, len: self.job.w.cols() };
        for tile in tiles {
            let blocks = TileBlocks { first: self.tile(bytes, tile).as_ptr(), count };
            let (mut few, mut many);
            // Emptying more than is used would be felt with a single row.
            let sums: &mut [_] = if self.rows.len() <= 4 {
                few = [[0.0; ROWS]; 4];
                &mut few
            } else {
                many = [[0.0; ROWS]; DIRECT];
                &mut many
            };
            let sums = &mut sums[..self.rows.len()];
            // SAFETY: the tile holds all blocks of its rows, and the kernel was chosen for an instruction set that is
            // there.
            unsafe { direct(blocks, columns, self.rows, sums) };
            self.store(tile, sums);
        }
    }

    fn with_panels(&self, mut tiles: Range<usize>) {
        thread_local! {
            static SCRATCH: RefCell<Option<Box<Scratch>>> = RefCell::default();
        }
        let mut scratch = SCRATCH.with(|kept| kept.borrow_mut().take()).unwrap_or_default();
        // SAFETY: the kernel was chosen for an instruction set that is there.
        let _set_up = unsafe { self.job.kernel.set_up() };
        if let Some(pair) = self.job.kernel.pair.filter(|_| self.rows.len() >= PAIR_FEWEST) {
            while tiles.len() >= 2 {
                self.multiply_pair(pair, tiles.start, &mut scratch);
                tiles.start += 2;
            }
        }
        for tile in tiles {
            self.multiply_panels(tile, &mut scratch);
        }
        SCRATCH.with(|kept| *kept.borrow_mut() = Some(scratch));
    }

    /// The pieces of a tile that make a panel each, about equally long.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> {
        let (cols, size) = (self.job.w.cols(), self.job.w.ty().block_size());
        let blocks = (cols / size).div_ceil(cols.div_ceil(PANEL));
        (0..cols / size).step_by(blocks).map(move |start| start..(start + blocks).min(cols / size))
    }

    fn columns(&self, blocks: &Range<usize>) -> Columns<'_> {
        let size = self.job.w.ty().block_size();
        Columns { all: self.job.acts, start: blocks.start * size, len: blocks.len() * size }
    }

    /// What a panel is filled with after the blocks `blocks` of `tile` when `tiles` are multiplied at once.
    fn ahead(&self, tile: usize, blocks: &Range<usize>, tiles: usize) -> Ahead {
        let Source::Tiles(kernel, bytes) = self.weights else { return Ahead::NOTHING };
        let of_tile = self.job.w.tile_bytes();
        let of_blocks = |blocks: usize| blocks * kernel.packing.tile_block_bytes();
        let in_tile = of_blocks(blocks.end);
        let at = if in_tile < of_tile { tile * of_tile + in_tile } else { (tile + tiles) * of_tile };
        Ahead { first: bytes.as_ptr().wrapping_add(at), len: of_blocks(blocks.len()) }
    }

    /// A tile's products with all rows, panel after panel.
    fn multiply_panels(&self, tile: usize, scratch: &mut Scratch) {
        let Scratch { panels: [panel, _], sums: [sums, _] } = scratch;
        empty(sums, self.rows.len());
        for blocks in self.pieces() {
            self.fill(tile, &blocks, panel);
            panel.ahead = self.ahead(tile, &blocks, 1);
            let Kernel { form, columns, .. } = self.job.kernel;
            // SAFETY: the kernel was chosen for an instruction set that is there.
            unsafe { columns(form, panel, self.columns(&blocks), self.rows, sums) };
        }
        self.store(tile, sums);
    }

    /// As [`Self::multiply_panels`] for this tile and the next.
    fn multiply_pair(&self, pair: PairFn, tile: usize, scratch: &mut Scratch) {
        let Scratch { panels: [panel, other], sums: [sums, others] } = scratch;
        empty(sums, self.rows.len());
        empty(others, self.rows.len());
        let (fours, rest) = self.rows.as_chunks::<PAIR_ROWS>();
        for blocks in self.pieces() {
            self.fill(tile, &blocks, panel);
            self.fill(tile + 1, &blocks, other);
            panel.ahead = self.ahead(tile, &blocks, 2);
            other.ahead = self.ahead(tile + 1, &blocks, 2);
            let ((a, rest_a), (b, rest_b)) = (sums.as_chunks_mut(), others.as_chunks_mut());
            let (Kernel { form, columns, .. }, x) = (self.job.kernel, self.columns(&blocks));
            // SAFETY: the kernel was chosen for an instruction set that is there.
            unsafe {
                pair(form, [panel, other], x, fours, [a, b]);
                columns(form, panel, x, rest, rest_a);
                columns(form, other, x, rest, rest_b);
            }
        }
        self.store(tile, sums);
        self.store(tile + 1, others);
    }

    /// Fills a panel with the blocks `blocks` of a tile's rows.
    fn fill(&self, tile: usize, blocks: &Range<usize>, panel: &mut Panel) {
        match self.weights {
            Source::Tiles(kernel, bytes) => {
                let (tile, bytes) = (self.tile(bytes, tile), kernel.packing.tile_block_bytes());
                let of_panel = &tile[blocks.start * bytes..blocks.end * bytes];
                let blocks = TileBlocks { first: of_panel.as_ptr(), count: blocks.len() };
                // SAFETY: the slice holds the blocks, and the kernel was chosen for an instruction set that is there.
                unsafe { (kernel.fill)(&kernel.packing, blocks, panel) }
            }
            Source::Rows(bytes) => {
                let Job { kernel, w, .. } = self.job;
                let row_bytes = w.tile_bytes() / ROWS;
                rows::fill(w.ty(), kernel.form, self.tile(bytes, tile), row_bytes, blocks.clone(), panel);
            }
        }
    }

    fn store(&self, tile: usize, sums: &[[f32; ROWS]]) {
        let outputs = self.job.w.rows();
        let first = tile * ROWS;
        let keep = ROWS.min(outputs - first);
        for (i, sums) in sums.iter().enumerate() {
            let at = (self.first_out + i) * outputs + first;
            // SAFETY: each tile of each group belongs to one task.
            let place = unsafe { self.job.out.piece(at, keep) };
            match place.as_mut_array::<ROWS>() {
                Some(whole) => *whole = *sums,
                None => place.copy_from_slice(&sums[..keep]),
            }
        }
    }
}

/// Makes `len` sums of nothing.
fn empty(sums: &mut Vec<[f32; ROWS]>, len: usize) {
    sums.clear();
    sums.resize(len, [0.0; ROWS]);
}

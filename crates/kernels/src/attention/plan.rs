//! Cuts a batch into tasks. How it is cut decides who computes what and when, never what comes out.

use std::ops::Range;

use super::{AttentionSeq, AttentionShape, CHUNK, seen};

/// Queries that share one pass over their keys, about: their scores and sums are to stay in a core's cache.
const QUERIES_PER_TILE: usize = 48;
/// A share of the work larger than one of so many for each thread is cut into parts of the context.
const SHARES: usize = 4;
/// Parts of the context for each thread.
const PARTS: usize = 8;
/// Partial sums of a tile that is cut may have so many numbers (16 MB).
const PARTIAL_NUMBERS: usize = 4 << 20;

/// Neighbouring rows of one sequence.
#[derive(Debug, Clone)]
pub(super) struct Tile {
    pub(super) seq: AttentionSeq,
    /// Rows, counted from the sequence's first.
    pub(super) rows: Range<usize>,
    /// Chunks of the context that they see.
    pub(super) chunks: Range<usize>,
    /// How many of them a task takes; all of them unless the tile is cut.
    per_task: usize,
    first_task: usize,
    /// For a tile that is cut: where the results of its queries with each chunk begin in the list of them, and the
    /// place of its first counter.
    first_partial: usize,
    first_counter: usize,
}

/// The tiles of a batch; its lists are kept from call to call.
#[derive(Debug, Default)]
pub(super) struct Plan {
    tiles: Vec<Tile>,
    pub(super) tasks: usize,
    pub(super) partials: usize,
    pub(super) counters: usize,
}

/// What one task does: a tile's queries of one key-value head with some chunks.
#[derive(Debug, Clone)]
pub(super) struct Task<'a> {
    pub(super) tile: &'a Tile,
    pub(super) kv_head: usize,
    pub(super) chunks: Range<usize>,
    /// Where partial results go, when other tasks do the other chunks.
    pub(super) shared: Option<SharedParts>,
}

/// The partial results of a tile's queries of one key-value head, chunk after chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct SharedParts {
    pub(super) first: usize,
    pub(super) counter: usize,
    /// How many tasks there are.
    pub(super) tasks: usize,
}

impl Plan {
    pub(super) fn fill(&mut self, shape: &AttentionShape, seqs: &[AttentionSeq], threads: usize) {
        let group = shape.n_heads / shape.n_kv_heads;
        let per_tile = (QUERIES_PER_TILE / group).clamp(1, 32);
        self.tiles.clear();
        for seq in seqs {
            // The last rows see most: started first, they leave no thread alone at the end.
            for start in (0..seq.rows).step_by(per_tile).rev() {
                let rows = start..seq.rows.min(start + per_tile);
                let (first, last) = (seen(shape, seq, rows.start), seen(shape, seq, rows.end - 1));
                let chunks = first.start / CHUNK..last.end.div_ceil(CHUNK);
                let per_task = chunks.len();
                let (seq, first) = (*seq, 0);
                self.tiles.push(Tile {
                    seq,
                    rows,
                    chunks,
                    per_task,
                    first_task: first,
                    first_partial: first,
                    first_counter: first,
                });
            }
        }
        self.cut(shape, threads);
    }

    /// Cuts the tiles that are a large share of the work, and numbers the tasks.
    fn cut(&mut self, shape: &AttentionShape, threads: usize) {
        let total: usize = self.tiles.iter().map(Tile::work).sum();
        let group = shape.n_heads / shape.n_kv_heads;
        (self.tasks, self.partials, self.counters) = (0, 0, 0);
        for tile in &mut self.tiles {
            let partials = tile.work() * shape.n_heads;
            let large = tile.work() * SHARES * threads > total * shape.n_kv_heads;
            if threads > 1 && large && partials.saturating_mul(shape.head_dim) <= PARTIAL_NUMBERS {
                tile.per_task = tile.chunks.len().div_ceil(PARTS * threads);
            }
            tile.first_task = self.tasks;
            self.tasks += tile.parts() * shape.n_kv_heads;
            if tile.parts() > 1 {
                tile.first_partial = self.partials;
                tile.first_counter = self.counters;
                self.partials += tile.work() * group * shape.n_kv_heads;
                self.counters += shape.n_kv_heads;
            }
        }
    }

    pub(super) fn task(&self, shape: &AttentionShape, index: usize) -> Task<'_> {
        let tile = &self.tiles[self.tiles.partition_point(|tile| tile.first_task <= index) - 1];
        let parts = tile.parts();
        let (kv_head, part) = ((index - tile.first_task) / parts, (index - tile.first_task) % parts);
        let first = tile.chunks.start + part * tile.per_task;
        let chunks = first..tile.chunks.end.min(first + tile.per_task);
        let group = shape.n_heads / shape.n_kv_heads;
        let shared = (parts > 1).then(|| SharedParts {
            first: tile.first_partial + kv_head * tile.work() * group,
            counter: tile.first_counter + kv_head,
            tasks: parts,
        });
        Task { tile, kv_head, chunks, shared }
    }
}

impl Tile {
    /// Rows times chunks.
    fn work(&self) -> usize {
        self.rows.len() * self.chunks.len()
    }

    /// How many tasks share a key-value head.
    fn parts(&self) -> usize {
        self.chunks.len().div_ceil(self.per_task.max(1))
    }
}

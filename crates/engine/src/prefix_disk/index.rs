//! Which prefixes of a model are on the disk, as far as the names of its files say; and which files to read for one.
//!
//! A segment is found by its first block. Whether all of it belongs to a prompt is known from its last; only where the
//! two part in the middle of it its header is read. Lives on the engine thread.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use super::file::{Header, Miss};
use super::folder::ModelFolder;
use super::name::FileName;
use super::point::Point;

/// The files of one model.
pub(crate) struct Index {
    folder: ModelFolder,
    block_size: usize,
    /// Whether layers that see everything have to be there up to a point.
    needs_segments: bool,
    /// Whether other layers have to be there at a point.
    needs_snapshots: bool,
    segments: HashMap<Point, Vec<Segment>>,
    snapshots: HashSet<Point>,
}

struct Segment {
    name: FileName,
    last: Point,
    blocks: usize,
    /// The prefixes that end with its blocks, where somebody had to know them.
    inner: Option<Vec<Point>>,
}

/// How to get from a prefix that is there to a longer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Route {
    /// Blocks of the longer prefix.
    pub(crate) to: usize,
    /// Segments in order, each beginning where the one before ended.
    pub(crate) reads: Vec<SegmentRead>,
    /// What is to be read then.
    pub(crate) snapshot: Option<FileName>,
}

/// A part of a segment to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentRead {
    pub(crate) name: FileName,
    /// The first block wanted, counted from the beginning of the prompt.
    pub(crate) start: usize,
    /// How many of the file's blocks go before it.
    pub(crate) skip: usize,
    pub(crate) blocks: usize,
}

/// A segment that belongs to a prompt from `start` to `end`, in blocks.
#[derive(Debug, Clone, Copy)]
struct Cover {
    name: FileName,
    start: usize,
    end: usize,
}

impl Index {
    pub(crate) fn new(
        folder: ModelFolder,
        block_size: usize,
        needs_segments: bool,
        needs_snapshots: bool,
    ) -> Self {
        let names = folder.names();
        let (segments, snapshots) = Default::default();
        let mut index = Index { folder, block_size, needs_segments, needs_snapshots, segments, snapshots };
        names.into_iter().for_each(|name| index.insert(name, None));
        index
    }

    /// Adds a file; `inner` are the prefixes that end with a segment's blocks, where they are known.
    pub(crate) fn insert(&mut self, name: FileName, inner: Option<Vec<Point>>) {
        match name {
            FileName::Snapshot { at } => drop(self.snapshots.insert(at)),
            FileName::Segment { first, last, blocks } => {
                let segments = self.segments.entry(first).or_default();
                if !segments.iter().any(|segment| segment.name == name) {
                    segments.push(Segment { name, last, blocks: blocks as usize, inner });
                }
            }
        }
    }

    /// Forgets a file.
    pub(crate) fn remove(&mut self, name: FileName) {
        match name {
            FileName::Snapshot { at } => drop(self.snapshots.remove(&at)),
            FileName::Segment { first, .. } => {
                if let Some(segments) = self.segments.get_mut(&first) {
                    segments.retain(|segment| segment.name != name);
                }
            }
        }
    }

    pub(crate) fn has_snapshot(&self, at: Point) -> bool {
        self.snapshots.contains(&at)
    }

    /// The files to read for the longest prefix of a chain of points, of which what segments hold of the first `from`
    /// blocks is there already. `None` when it is no longer than `had` blocks.
    pub(crate) fn route(&mut self, points: &[Point], from: usize, had: usize) -> Option<Route> {
        let covers = self.covers(points, from);
        let covered = self.covered(&covers, points, from);
        let to = (had + 1..=covered)
            .rev()
            .find(|&blocks| !self.needs_snapshots || self.snapshots.contains(&points[blocks]))?;
        let (mut reads, mut next) = (Vec::new(), from);
        for Cover { name, start, end } in covers {
            let end = end.min(to);
            if end > next {
                reads.push(SegmentRead { name, start: next, skip: next - start, blocks: end - next });
                next = end;
            }
        }
        let snapshot = self.needs_snapshots.then(|| FileName::Snapshot { at: points[to] });
        Some(Route { to, reads, snapshot })
    }

    /// How many of a chain's blocks, from the first one on, segments hold.
    pub(crate) fn saved(&mut self, points: &[Point]) -> usize {
        let covers = self.covers(points, 0);
        self.covered(&covers, points, 0)
    }

    /// The longest prefix of a chain that the disk alone gives, in blocks.
    pub(crate) fn reach(&mut self, points: &[Point]) -> usize {
        self.route(points, 0, 0).map_or(0, |route| route.to)
    }

    /// The files that a chain goes through, the first one first, and the snapshot at its end.
    pub(crate) fn path(&mut self, points: &[Point]) -> Vec<FileName> {
        let mut path: Vec<_> = self.covers(points, 0).into_iter().map(|cover| cover.name).collect();
        let end = points.last().filter(|end| self.snapshots.contains(end));
        path.extend(end.map(|end| FileName::Snapshot { at: *end }));
        path
    }

    fn covered(&self, covers: &[Cover], points: &[Point], from: usize) -> usize {
        match self.needs_segments {
            true => covers.last().map_or(from, |cover| cover.end.max(from)),
            false => points.len().saturating_sub(1),
        }
    }

    /// Segments that together hold the chain's blocks from some block up to `from` onwards without a gap, as far as
    /// there are any.
    fn covers(&mut self, points: &[Point], from: usize) -> Vec<Cover> {
        let (mut covers, mut covered) = (Vec::new(), 0);
        if !self.needs_segments {
            return covers;
        }
        for start in 0..points.len().saturating_sub(1) {
            if start > covered.max(from) {
                break;
            }
            if let Some(cover) = self.longest(points, start).filter(|cover| cover.end > covered) {
                covered = cover.end;
                covers.push(cover);
            }
        }
        covers
    }

    /// The segment that begins at a block of the chain and has most of it.
    fn longest(&mut self, points: &[Point], start: usize) -> Option<Cover> {
        let first = points[start + 1];
        let mut best: Option<Cover> = None;
        for name in self.segments.get(&first)?.iter().map(|segment| segment.name).collect::<Vec<_>>() {
            match self.common(name, points, start) {
                Ok(blocks) => {
                    let cover = Cover { name, start, end: start + blocks };
                    if blocks > 0 && best.is_none_or(|best| cover.end > best.end) {
                        best = Some(cover);
                    }
                }
                Err(miss) => {
                    self.folder.discard(name, &miss);
                    self.remove(name);
                }
            }
        }
        best
    }

    /// How many blocks of a segment are the chain's.
    fn common(&mut self, name: FileName, points: &[Point], start: usize) -> Result<usize, Miss> {
        let FileName::Segment { first, .. } = name else { return Ok(0) };
        let segments = self.segments.get_mut(&first).map(|segments| segments.iter_mut());
        let Some(segment) = segments.and_then(|mut all| all.find(|segment| segment.name == name)) else {
            return Ok(0);
        };
        if points.get(start + segment.blocks) == Some(&segment.last) {
            return Ok(segment.blocks);
        }
        let inner = match &segment.inner {
            Some(inner) => inner,
            None => {
                let inner = inner_points(&self.folder, name, self.block_size)?;
                segment.inner.insert(inner)
            }
        };
        let same = inner.iter().zip(&points[start + 1..]).take_while(|(inner, point)| inner == point);
        Ok(same.count())
    }
}

/// The prefixes that end with a segment's blocks, from its header.
fn inner_points(folder: &ModelFolder, name: FileName, block_size: usize) -> Result<Vec<Point>, Miss> {
    let header = Header::read(&mut File::open(folder.path(name))?)?;
    let points = header.parent.chain(&header.tokens, block_size).split_off(1);
    let FileName::Segment { first, last, blocks } = name else { return Err(Miss::Other) };
    let is_named = points.first() == Some(&first)
        && points.last() == Some(&last)
        && points.len() == blocks as usize
        && header.kind == name.kind()
        && header.model == *folder.model();
    if is_named { Ok(points) } else { Err(Miss::Other) }
}

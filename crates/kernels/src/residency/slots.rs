//! Memory for tiles, cut into places of a few sizes, and which of them is given up next.

use std::ops::Range;

use crate::KernelError;
use crate::arena::{Arena, ArenaBytes};

/// Places of each size there are at least, or as many as matrices of that size: no product needs more at once for one
/// expert.
const LEAST_SLOTS: usize = crate::MAX_PRODUCTS;
/// Colder than whatever was used or may be.
const FREE: f32 = -1.0;

/// One matrix of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MatrixId {
    pub(super) stack: usize,
    pub(super) matrix: usize,
}

/// All places.
#[derive(Debug, Default)]
pub(super) struct Slots {
    /// Bytes of a place, and which places have that size.
    classes: Vec<(usize, Range<usize>)>,
    memory: Vec<ArenaBytes>,
    owners: Vec<Option<MatrixId>>,
    /// How hot the owner is.
    heat: Vec<f32>,
    /// The last wave that needed it.
    needed: Vec<u64>,
    wave: u64,
}

/// How many matrices of a size a model has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Demand {
    pub(super) tiles_len: usize,
    pub(super) matrices: usize,
}

impl Demand {
    fn least(&self) -> usize {
        self.matrices.min(LEAST_SLOTS)
    }
}

/// Bytes without which some expert could not be computed.
pub(super) fn least_bytes(demands: &[Demand]) -> usize {
    demands.iter().map(|demand| demand.least() * demand.tiles_len).sum()
}

impl Slots {
    /// Divides `budget` bytes among the sizes, so that the same share of each has a place.
    pub(super) fn new(demands: &[Demand], budget: usize, arena: &Arena) -> Result<Self, KernelError> {
        let least = least_bytes(demands);
        let Some(beyond) = budget.checked_sub(least) else {
            return Err(KernelError::ExpertMemory { bytes: budget, least });
        };
        let total: u128 = demands.iter().map(|d| d.matrices as u128 * d.tiles_len as u128).sum();
        let rest = (total - least as u128).max(1);
        let mut slots = Slots { wave: 1, ..Slots::default() };
        for demand in demands {
            let more = (demand.matrices - demand.least()) as u128;
            let more = usize::try_from(more * beyond as u128 / rest).unwrap_or(usize::MAX);
            let count = demand.least().saturating_add(more).min(demand.matrices);
            let first = slots.memory.len();
            for _ in 0..count {
                slots.memory.push(arena.take(demand.tiles_len)?);
            }
            slots.classes.push((demand.tiles_len, first..slots.memory.len()));
        }
        let count = slots.memory.len();
        (slots.owners, slots.heat, slots.needed) = (vec![None; count], vec![FREE; count], vec![0; count]);
        Ok(slots)
    }

    /// The places for tiles of so many bytes.
    pub(super) fn class(&self, tiles_len: usize) -> Range<usize> {
        let found = self.classes.iter().find(|(len, _)| *len == tiles_len);
        found.map_or(0..0, |(_, slots)| slots.clone())
    }

    /// Bytes of all places.
    pub(super) fn bytes(&self) -> usize {
        self.memory.iter().map(|memory| memory.len()).sum()
    }

    /// Whether a place of this class was never filled.
    pub(super) fn has_free(&self, class: Range<usize>) -> bool {
        self.owners[class].contains(&None)
    }

    /// From here on, what was needed before may be given up.
    pub(super) fn begin_wave(&mut self) {
        self.wave += 1;
    }

    /// Keeps a place until the next wave.
    pub(super) fn need(&mut self, slot: usize) {
        self.needed[slot] = self.wave;
    }

    /// Makes whose place it is hotter.
    pub(super) fn warm(&mut self, slot: usize, heat: f32) {
        self.heat[slot] += heat;
    }

    /// Multiplies all heat.
    pub(super) fn scale(&mut self, factor: f32) {
        self.heat.iter_mut().filter(|heat| **heat > 0.0).for_each(|heat| *heat *= factor);
    }

    /// Frees the coldest place of a class that this wave does not need: which, and whose it was with what heat. `None` when
    /// the wave needs them all.
    pub(super) fn give_up(&mut self, class: Range<usize>) -> Option<(usize, Option<(MatrixId, f32)>)> {
        let mut coldest: Option<usize> = None;
        for slot in class.filter(|&slot| self.needed[slot] != self.wave) {
            if coldest.is_none_or(|coldest| self.heat[slot] < self.heat[coldest]) {
                coldest = Some(slot);
            }
        }
        let slot = coldest?;
        let heat = std::mem::replace(&mut self.heat[slot], FREE);
        Some((slot, self.owners[slot].take().map(|owner| (owner, heat))))
    }

    /// Says whose tiles a place has now.
    pub(super) fn settle(&mut self, slot: usize, owner: MatrixId, heat: f32) {
        (self.owners[slot], self.heat[slot]) = (Some(owner), heat);
        self.need(slot);
    }

    pub(super) fn memory(&self, slot: usize) -> &[u8] {
        &self.memory[slot]
    }

    pub(super) fn memory_mut(&mut self, slot: usize) -> &mut [u8] {
        &mut self.memory[slot]
    }
}

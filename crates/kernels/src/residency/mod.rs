//! Experts of a model that is larger than memory: tiles of those that are used most are kept within a number of bytes, and
//! the others are read from the file when a router chooses them.
//!
//! What counts is how many rows an expert had, a row of long ago less than one of now. Who comes in takes the place of the
//! coldest, so nothing cold stays for longer than until the next one that is read. Numbers do not depend on any of this: a
//! product over more experts than there are places for is computed in waves, and a group of rows is the same in each.

mod reader;
mod slots;
mod stack;
mod staging;

use std::sync::{Mutex, MutexGuard, PoisonError};

use self::slots::{Demand, MatrixId, Slots, least_bytes};
use self::stack::Place;
pub(crate) use self::stack::Stack;
use self::staging::{Staging, Want};
use crate::arena::Arena;
use crate::deferred::pack_and_release;
use crate::isa::isa;
use crate::packed::{ROWS, pack};
use crate::pool::Pool;
use crate::{ExpertRows, KernelError};

/// About so many bytes are read and packed before they are multiplied, while the next ones are on their way.
const WAVE_BYTES: usize = 32 << 20;
/// Rows after which a use counts half.
const HALF_LIFE: f32 = 1024.0;
/// Beyond this all heat is brought back to where it began.
const HOT: f32 = 1e18;

/// The experts of a model, with room for some of them.
#[derive(Debug, Default)]
pub struct ExpertStore {
    state: Mutex<Residents>,
}

/// What became of the experts so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpertCounts {
    /// Matrices of experts that some row met.
    pub uses: u64,
    /// Of those, matrices that were in memory.
    pub hits: u64,
    /// Bytes that were read from the file.
    pub read_bytes: u64,
    /// Bytes there is room for.
    pub room_bytes: u64,
    /// Bytes of all of them.
    pub total_bytes: u64,
}

/// Which tiles are there, while a product needs them.
#[derive(Debug, Default)]
pub(crate) struct Residents {
    stacks: Vec<Stack>,
    slots: Slots,
    /// What is on its way; nothing where it comes from the map.
    staging: Option<Staging>,
    /// What a row counts now. It grows, instead of all that was counted before getting smaller.
    row_heat: f32,
    /// Kept for its memory: the groups of a product, those that are there first.
    sorted: Vec<ExpertRows>,
    counts: ExpertCounts,
}

impl ExpertStore {
    /// Takes matrices in, and gives them a number.
    pub(crate) fn add(&self, stack: Stack) -> usize {
        let mut state = self.lock();
        state.stacks.push(stack);
        state.stacks.len() - 1
    }

    /// Makes room for `budget` bytes of tiles, once all matrices are known. Fails with the least number when that is too
    /// little for any product.
    pub fn open(&self, budget: usize, arena: &Arena) -> Result<(), KernelError> {
        let mut state = self.lock();
        let demands = state.demands();
        let largest = demands.iter().map(|demand| demand.tiles_len).max().unwrap_or(0);
        let beyond = budget.saturating_sub(least_bytes(&demands));
        state.staging = Staging::new(largest, beyond.min(budget))?;
        let staged = state.staging.as_ref().map_or(0, Staging::bytes);
        state.slots = Slots::new(&demands, budget - staged, arena)?;
        state.row_heat = 1.0;
        Ok(())
    }

    /// The least that [`Self::open`] takes.
    pub fn least_bytes(&self) -> usize {
        least_bytes(&self.lock().demands())
    }

    /// Packs one more matrix, the hottest, if there is a place that was never used. Whether there was one.
    pub fn fill_next(&self, pool: &Pool) -> bool {
        let mut state = self.lock();
        let Some(next) = state.next_to_fill() else { return false };
        state.slots.begin_wave();
        state.bring(next, pool)
    }

    /// What became of the experts so far.
    pub fn counts(&self) -> ExpertCounts {
        let state = self.lock();
        let of_stack = |stack: &Stack| (stack.places.len() * stack.tiles_len) as u64;
        ExpertCounts {
            room_bytes: state.slots.bytes() as u64,
            total_bytes: state.stacks.iter().map(of_stack).sum(),
            ..state.counts
        }
    }

    /// Says which matrices of a stack come next, so that those that are not there are on their way meanwhile.
    pub(crate) fn announce(&self, stack: usize, groups: &[ExpertRows]) {
        let mut state = self.lock();
        let first = state.groups_per_wave(&[stack]);
        state.read_ahead(stack, groups, first, Want::Now);
        state.stacks[stack].announced = true;
        if let Some(staging) = &mut state.staging {
            staging.know(stack);
        }
    }

    /// Says which matrices of a stack may be needed in a while. Those that are not there are read when there is nothing else
    /// to read, if that can be done beside the page cache.
    pub(crate) fn foresee(&self, stack: usize, groups: &[ExpertRows]) {
        let mut state = self.lock();
        if state.staging.is_some() {
            let first = state.groups_per_wave(&[stack]);
            state.read_ahead(stack, groups, first, Want::Soon);
        }
    }

    /// Whether all matrices of a stack are there.
    pub(crate) fn has_all(&self, stack: usize) -> bool {
        self.lock().stacks[stack].places.iter().all(|place| matches!(place, Place::In(_)))
    }

    /// Calls `multiply` with groups of rows whose matrices in all of `stacks` are there, until all groups had their turn. Those
    /// that were there come first; meanwhile the others are read.
    pub(crate) fn in_waves(
        &self,
        pool: &Pool,
        stacks: &[usize],
        rows: usize,
        groups: &[ExpertRows],
        mut multiply: impl FnMut(&Residents, &[ExpertRows]),
    ) -> Result<(), KernelError> {
        let mut state = self.lock();
        let per_wave = state.groups_per_wave(stacks);
        if let (0, Some(&stack)) = (per_wave, stacks.first()) {
            return Err(KernelError::NotPacked { ty: state.stacks[stack].packing.ty });
        }
        state.note_uses(stacks, rows, groups);
        let mut sorted = std::mem::take(&mut state.sorted);
        let there = state.sort(stacks, groups, &mut sorted);
        let (ready, missing) = sorted.split_at(there);
        state.expect(stacks, &missing[..missing.len().min(per_wave)]);
        if !ready.is_empty() {
            multiply(&state, ready);
        }
        let mut waves = missing.chunks(per_wave).peekable();
        while let Some(wave) = waves.next() {
            state.fetch(stacks, wave, pool);
            if let Some(next) = waves.peek() {
                state.expect(stacks, next);
            }
            multiply(&state, wave);
        }
        state.sorted = sorted;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Residents> {
        // A panic while something is packed leaves its place free, and all else as it was.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Residents {
    /// The tiles of a matrix, if they are there.
    pub(crate) fn tiles(&self, stack: usize, matrix: usize) -> Option<&[u8]> {
        match self.stacks[stack].places[matrix] {
            Place::In(slot) => Some(self.slots.memory(slot)),
            Place::Out(_) => None,
        }
    }

    /// How many matrices there are of each size.
    fn demands(&self) -> Vec<Demand> {
        let mut demands: Vec<Demand> = Vec::new();
        for Stack { tiles_len, places, .. } in &self.stacks {
            match demands.iter_mut().find(|demand| demand.tiles_len == *tiles_len) {
                Some(demand) => demand.matrices += places.len(),
                None => demands.push(Demand { tiles_len: *tiles_len, matrices: places.len() }),
            }
        }
        demands
    }

    /// Groups of rows that can be computed at once, if every one of them needs a new place; 0 before there are places.
    fn groups_per_wave(&self, stacks: &[usize]) -> usize {
        let len = |stack: &usize| self.stacks[*stack].tiles_len;
        let wanted = (WAVE_BYTES / stacks.iter().map(len).sum::<usize>().max(1)).max(1);
        let places = |stack: &usize| {
            let alike = stacks.iter().filter(|other| len(other) == len(stack)).count();
            self.slots.class(len(stack)).len() / alike
        };
        let wanted = self.staging.as_ref().map_or(wanted, |staging| staging.wave().min(wanted));
        stacks.iter().map(places).fold(wanted, usize::min)
    }

    fn note_uses(&mut self, stacks: &[usize], rows: usize, groups: &[ExpertRows]) {
        for &stack in stacks {
            for group in groups {
                let heat = self.row_heat * group.len as f32;
                self.counts.uses += 1;
                match &mut self.stacks[stack].places[group.expert as usize] {
                    Place::In(slot) => {
                        self.counts.hits += 1;
                        self.slots.warm(*slot, heat);
                    }
                    Place::Out(before) => *before += heat,
                }
            }
        }
        let passed = rows as f32 * stacks.len() as f32 / self.stacks.len() as f32;
        self.row_heat *= (passed / HALF_LIFE).exp2();
        if self.row_heat > HOT {
            self.cool(1.0 / self.row_heat);
        }
    }

    fn cool(&mut self, factor: f32) {
        self.row_heat = 1.0;
        self.slots.scale(factor);
        for place in self.stacks.iter_mut().flat_map(|stack| stack.places.iter_mut()) {
            if let Place::Out(heat) = place {
                *heat *= factor;
            }
        }
    }

    /// Puts the groups whose matrices are all there before the others; how many they are.
    fn sort(&self, stacks: &[usize], groups: &[ExpertRows], sorted: &mut Vec<ExpertRows>) -> usize {
        let there = |group: &&ExpertRows| {
            stacks.iter().all(|&stack| self.tiles(stack, group.expert as usize).is_some())
        };
        sorted.clear();
        sorted.extend(groups.iter().filter(there));
        let count = sorted.len();
        sorted.extend(groups.iter().filter(|group| !there(group)));
        count
    }

    /// Has the system read what is missing, unless it was told before.
    fn expect(&mut self, stacks: &[usize], groups: &[ExpertRows]) {
        for &stack in stacks {
            if !std::mem::take(&mut self.stacks[stack].announced) {
                self.read_ahead(stack, groups, groups.len(), Want::Now);
            }
        }
    }

    /// Sends for those of the matrices that are not there, `most` at most.
    fn read_ahead(&mut self, stack: usize, groups: &[ExpertRows], most: usize, want: Want) {
        let source = &self.stacks[stack];
        let Some(staging) = &mut self.staging else { return source.will_need(groups, most) };
        for matrix in source.missing(groups).take(most) {
            staging.ask(MatrixId { stack, matrix }, source, want);
        }
    }

    /// Packs what is missing of a wave.
    fn fetch(&mut self, stacks: &[usize], wave: &[ExpertRows], pool: &Pool) {
        self.slots.begin_wave();
        let ids = || {
            let of_stack = |&stack: &usize| wave.iter().map(move |group| (stack, group.expert as usize));
            stacks.iter().flat_map(of_stack)
        };
        for (stack, matrix) in ids() {
            if let Place::In(slot) = self.stacks[stack].places[matrix] {
                self.slots.need(slot);
            }
        }
        stacks.iter().for_each(|&stack| self.read_ahead(stack, wave, wave.len(), Want::Now));
        for (stack, matrix) in ids() {
            self.bring(MatrixId { stack, matrix }, pool);
        }
    }

    /// Packs a matrix in the place of the coldest; whether it is there now.
    fn bring(&mut self, id: MatrixId, pool: &Pool) -> bool {
        let Place::Out(heat) = self.stacks[id.stack].places[id.matrix] else { return true };
        let class = self.slots.class(self.stacks[id.stack].tiles_len);
        let Some((slot, before)) = self.slots.give_up(class) else { return false };
        if let Some((owner, heat)) = before {
            self.stacks[owner.stack].places[owner.matrix] = Place::Out(heat);
        }
        let stack = &mut self.stacks[id.stack];
        let staged = self.staging.as_mut().and_then(|staging| staging.fetch(id, stack));
        let (part, row_bytes) = (stack.part(id.matrix), stack.row_bytes);
        let len = part.len();
        let tiles = self.slots.memory_mut(slot);
        // Of the last tile some rows may not exist; those of whoever was here before must not be taken for them.
        let tile_bytes = (ROWS * row_bytes).max(1);
        tiles[len / tile_bytes * tile_bytes..].fill(0);
        match staged.as_ref().and_then(|answer| Some(&answer.buffer[answer.place.clone()?])) {
            Some(rows) => pack(isa(), pool, &stack.packing, rows, row_bytes, tiles),
            None => pack_and_release(pool, &stack.packing, &stack.bytes, part, row_bytes, tiles),
        }
        if let (Some(staging), Some(answer)) = (&mut self.staging, staged) {
            staging.give_back(answer.buffer);
        }
        self.counts.read_bytes += len as u64;
        stack.places[id.matrix] = Place::In(slot);
        self.slots.settle(slot, id, heat);
        true
    }

    /// The hottest matrix for which there is a place that nobody has; of equally hot ones the first expert's.
    fn next_to_fill(&self) -> Option<MatrixId> {
        let mut best: Option<(f32, MatrixId)> = None;
        for (index, stack) in self.stacks.iter().enumerate() {
            if !self.slots.has_free(self.slots.class(stack.tiles_len)) {
                continue;
            }
            for (matrix, place) in stack.places.iter().enumerate() {
                let Place::Out(heat) = *place else { continue };
                let better = |&(hottest, id): &(f32, MatrixId)| {
                    heat > hottest || heat == hottest && matrix < id.matrix
                };
                if best.as_ref().is_none_or(better) {
                    best = Some((heat, MatrixId { stack: index, matrix }));
                }
            }
        }
        best.map(|(_, id)| id)
    }
}

#[cfg(test)]
mod tests;

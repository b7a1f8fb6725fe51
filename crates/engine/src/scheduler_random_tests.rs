//! A hundred thousand random operations on a scheduler, beside a cache that remembers of which text each of its places was
//! computed: whatever a row looks at must come from its own text, and no block may be lost or held for nobody.

use std::hash::{DefaultHasher, Hash, Hasher};

use lantern_models::{GONE, Reach};

use super::*;
use crate::block_manager::BlockTable;

const SIZE: usize = 4;
const OPERATIONS: usize = 100_000;
const CONTEXT: usize = 120;

/// Marsaglia's xorshift.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// What each place of each group's blocks was computed from; of a group with states only a block's last place counts.
struct Places(Vec<(Reach, Vec<[u64; SIZE]>)>);

/// Names a text.
fn name(tokens: &[u32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    tokens.hash(&mut hasher);
    hasher.finish()
}

impl Places {
    /// Computes the next rows of a sequence: looks at what they see, and writes what they leave.
    ///
    /// Behind `guesses`, the last of them, no state is left.
    fn compute(&mut self, tokens: &[u32], rows: usize, guesses: usize, start: usize, tables: &[BlockTable]) {
        let end = start + rows;
        for ((reach, blocks), table) in self.0.iter_mut().zip(tables) {
            let table = table.blocks();
            if *reach == Reach::State {
                go_on(blocks, tokens, start, end - guesses, table);
                continue;
            }
            for position in start..end {
                blocks[table[position / SIZE] as usize][position % SIZE] = name(&tokens[..=position]);
            }
            for position in reach.first_seen(start)..end {
                let found = blocks[table[position / SIZE] as usize][position % SIZE];
                assert_eq!(found, name(&tokens[..=position]), "position {position} is of another text");
            }
        }
    }
}

/// Who may own a sequence.
const OWNERS: [&str; 3] = ["one", "two", "three"];

/// Takes a state from before `start` to before `end`.
fn go_on(blocks: &mut [[u64; SIZE]], tokens: &[u32], start: usize, end: usize, table: &[u32]) {
    if start > 0 {
        let before = table[(start - 1) / SIZE] as usize;
        assert_eq!(blocks[before][0], name(&tokens[..start]), "a state of another text");
    }
    let last = (end - 1) / SIZE;
    for index in (start / SIZE..=last).filter(|&index| table[index] != GONE) {
        blocks[table[index] as usize][0] = name(&tokens[..end.min((index + 1) * SIZE)]);
    }
    assert_ne!(table[last], GONE, "the state behind the last row is kept");
}

/// A few beginnings, each of which most prompts share some of.
fn prompt_by(chance: &mut Chance) -> Vec<u32> {
    let beginning = chance.below(3) as u32 * 1000;
    let shared = chance.below(50);
    let own = 1 + chance.below(30);
    let mut tokens: Vec<u32> = (beginning..beginning + shared as u32).collect();
    tokens.extend((0..own).map(|_| chance.below(5) as u32));
    tokens
}

fn step_by(s: &mut Scheduler, places: &mut Places, chance: &mut Chance) {
    let mut plan = Vec::new();
    let beside = [0, 3, usize::MAX][chance.below(3)];
    s.schedule(beside, &mut plan);
    let mut seen = Vec::new();
    for part in &plan {
        assert!(!seen.contains(&part.id), "a sequence has one part in a step");
        seen.push(part.id);
        let sequence = s.get(part.id).expect("it runs");
        places.compute(&sequence.tokens, part.rows, part.guesses, sequence.computed, &sequence.tables);
    }
    let mut right = vec![0; plan.len()];
    let tables: Vec<_> = plan.iter().map(|part| s.get(part.id).expect("it runs").tables.clone()).collect();
    for (part, right) in plan.iter().zip(&mut right) {
        let guesses = s.take_guesses(part.id);
        s.take_idle_guess(part.id);
        s.advance(part.id, part.rows - guesses.len());
        if !part.samples {
            continue;
        }
        s.append(part.id, chance.below(5) as u32);
        for guess in guesses {
            let is_right = s.get(part.id).and_then(|sequence| sequence.tokens.last().copied()) == Some(guess);
            s.learn(part.id, is_right);
            if !is_right {
                break;
            }
            *right += 1;
            s.append(part.id, chance.below(5) as u32);
        }
    }
    for ((part, right), tables) in plan.iter().zip(right).zip(&tables) {
        let sequence = s.get(part.id).expect("it runs");
        let start = sequence.computed;
        for ((reach, blocks), table) in places.0.iter_mut().zip(tables) {
            if *reach == Reach::State && right > 0 {
                go_on(blocks, &sequence.tokens, start, start + right, table.blocks());
            }
        }
        s.advance(part.id, right);
        if s.get(part.id).is_some_and(|sequence| sequence.tokens.len() >= CONTEXT) {
            s.remove(part.id);
        }
    }
    for Wanted { id, guesses } in s.wanted_drafts() {
        s.put_drafts(id, (0..guesses).map(|_| chance.below(5) as u32).collect());
    }
    s.observe(plan.iter().map(|part| part.rows).sum(), Duration::from_micros(900 + plan.len() as u64));
}

/// Somebody is pinned or let go, memory is short, or the cache changes its size.
fn keep_up(s: &mut Scheduler, places: &mut Places, chance: &mut Chance) {
    match chance.below(4) {
        0 => s.pin(&OWNERS[chance.below(OWNERS.len())].into(), chance.below(2) == 0),
        1 => s.drop_idle(chance.below(20) as u64, &vec![1; places.0.len()]),
        2 => {
            for ((_, blocks), gone) in places.0.iter_mut().zip(s.take_used_blank()) {
                gone.into_iter().for_each(|block| blocks[block as usize] = [u64::MAX; SIZE]);
            }
        }
        _ => {
            let mut n_blocks: Vec<usize> = places.0.iter().map(|(_, blocks)| blocks.len()).collect();
            n_blocks[0] = 60 + chance.below(12);
            if s.blocks().can_resize(&n_blocks) {
                places.0[0].1.resize(n_blocks[0], [0; SIZE]);
                let Limits { context, max_sequences, .. } = s.limits;
                s.resize(&Extent { context, max_sequences, n_blocks });
            }
        }
    }
}

fn run(groups: &[(Reach, usize)], guesses: usize, drafter: Option<Guesser>, seed: u64) {
    let limits = Limits { max_sequences: 5, step_tokens: 16, context: CONTEXT, guesses };
    let mut s = Scheduler::new(limits, BlockManager::new(groups.iter().copied(), SIZE));
    s.set_drafter(drafter);
    let mut places = Places(groups.iter().map(|&(reach, count)| (reach, vec![[0; SIZE]; count])).collect());
    let (mut chance, mut next, mut ids) = (Chance(seed), 0, Vec::new());
    for operation in 0..OPERATIONS {
        match chance.below(10) {
            0 if s.waiting().len() < 6 => {
                let priority = [Priority::Chat, Priority::Api, Priority::Background][chance.below(3)];
                let owner = OWNERS.get(chance.below(4)).map(|&name| name.into());
                let sequence = Sequence::new(next, priority, prompt_by(&mut chance)).of(owner);
                s.submit(sequence.marked(vec![2 * SIZE, 5 * SIZE]));
                ids.push(next);
                next += 1;
            }
            1 if !ids.is_empty() => {
                let id = ids.swap_remove(chance.below(ids.len()));
                s.remove(id);
            }
            2 if chance.below(5) == 0 => keep_up(&mut s, &mut places, &mut chance),
            _ => step_by(&mut s, &mut places, &mut chance),
        }
        let held = s.sequences().iter().map(|sequence| sequence.tables.as_slice());
        s.blocks().check(held, operation);
        assert!(s.waiting().iter().all(|sequence| sequence.tables.is_empty()));
    }
    ids.into_iter().for_each(|id| s.remove(id));
    assert_eq!(s.blocks().available(), s.blocks().total(), "everything was given back");
    assert!(s.preemptions() > 0 && s.is_idle());
}

#[test]
fn layers_that_see_everything() {
    run(&[(Reach::All, 60)], 0, None, 7);
    run(&[(Reach::All, 60)], 4, None, 11);
    run(&[(Reach::All, 60)], 4, Some(Guesser::Model), 12);
}

#[test]
fn layers_with_windows_beside_them() {
    // A window of 10 tokens and a step's 16, for five sequences.
    run(&[(Reach::All, 60), (Reach::Window(10), 5 * 8)], 3, None, 13);
}

#[test]
fn layers_with_states_beside_them() {
    run(&[(Reach::All, 60), (Reach::State, 5 * 3 + 8)], 0, None, 17);
    run(&[(Reach::All, 60), (Reach::State, 5 * 3 + 8)], 3, None, 19);
    run(&[(Reach::All, 60), (Reach::State, 5 * 3 + 8)], 3, Some(Guesser::Head), 23);
}

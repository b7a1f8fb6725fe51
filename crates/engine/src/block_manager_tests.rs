//! The blocks of sequences that are computed and released the way the scheduler does it, without a scheduler.

use super::*;

/// Tokens in a block.
const SIZE: usize = 4;

/// One group of layers that see everything.
fn whole(blocks: usize) -> BlockManager {
    BlockManager::new([(Reach::All, blocks)], SIZE)
}

/// Beside it one whose layers see 6 tokens: their own block and those of the 5 before it.
fn mixed(blocks: usize, window_blocks: usize) -> BlockManager {
    BlockManager::new([(Reach::All, blocks), (Reach::Window(6), window_blocks)], SIZE)
}

fn tokens(start: u32, len: u32) -> Vec<u32> {
    (start..start + len).collect()
}

/// A sequence whose tokens are all computed.
struct Computed {
    tables: Vec<BlockTable>,
    /// Tokens that came from the cache.
    cached: usize,
}

/// Computes `tokens`, at most `rows` at a time, and publishes what is full.
fn compute(manager: &mut BlockManager, tokens: &[u32], rows: usize) -> Computed {
    let Admission { mut tables, mut chain } = manager.admit(tokens, 0).expect("enough blocks for the test");
    let cached = chain.len() * SIZE;
    let mut computed = cached;
    while computed < tokens.len() {
        computed = tokens.len().min(computed + rows);
        assert!(manager.extend(&mut tables, computed), "enough blocks for a step");
        while (chain.len() + 1) * SIZE <= computed {
            let (index, parent) = (chain.len(), chain.last().copied());
            let hash = manager.publish(parent, &tokens[index * SIZE..][..SIZE], &tables, index);
            chain.push(hash.expect("no hashes collide"));
        }
        manager.let_go(&mut tables, computed);
    }
    Computed { tables, cached }
}

/// Computes `tokens` and lets go of them; how many came from the cache.
fn run(manager: &mut BlockManager, tokens: &[u32]) -> usize {
    let mut computed = compute(manager, tokens, SIZE);
    manager.release(&mut computed.tables);
    assert_eq!(manager.available(), manager.total(), "nothing is held after a release");
    computed.cached
}

#[test]
fn a_released_prefix_is_found_again_and_shared() {
    let mut manager = whole(8);
    assert_eq!(run(&mut manager, &tokens(0, 10)), 0);
    assert_eq!(manager.idle(), 2, "two full blocks keep their content");

    let [mut first, mut second] = [(); 2].map(|()| compute(&mut manager, &tokens(0, 10), 10));
    assert_eq!((first.cached, second.cached), (8, 8));
    assert_eq!(first.tables[0].blocks()[..2], second.tables[0].blocks()[..2]);
    assert_eq!(manager.available(), 4, "two are shared, and each has one for what it computed itself");
    manager.release(&mut first.tables);
    assert_eq!(manager.available(), 5, "the second holder still has the shared ones");
    manager.release(&mut second.tables);
    assert_eq!(manager.available(), 8);
}

#[test]
fn the_last_token_is_always_left_to_compute() {
    let mut manager = whole(8);
    run(&mut manager, &tokens(0, 8));
    assert_eq!(run(&mut manager, &tokens(0, 8)), 4, "a full hit gives up its last block");
    assert_eq!(manager.longest_prefix(&[]).len(), 0);
}

#[test]
fn the_same_tokens_under_another_parent_are_another_block() {
    let mut manager = whole(8);
    run(&mut manager, &tokens(0, 8));
    assert_eq!(run(&mut manager, &tokens(4, 5)), 0, "4 to 7 stand behind 0 to 3 only");
    assert_eq!(run(&mut manager, &[0, 1, 2, 3, 9, 9]), 4);
}

#[test]
fn a_refused_admission_holds_nothing() {
    let mut manager = whole(4);
    run(&mut manager, &tokens(0, 12));
    assert!(manager.admit(&tokens(0, 16), 1).is_none(), "four blocks leave none to spare");
    assert_eq!((manager.available(), manager.idle()), (4, 3), "the prefix is as free as before");
    let held = compute(&mut manager, &tokens(100, 8), SIZE);
    assert!(!manager.would_admit(12, 0, std::iter::empty()));
    assert!(manager.would_admit(12, 0, std::iter::once(held.tables.as_slice())));
}

#[test]
fn a_window_holds_what_the_next_token_sees() {
    let mut manager = mixed(32, 3);
    let long = tokens(0, 100);
    let computed = compute(&mut manager, &long, 3);
    let [all, window] = &computed.tables[..] else { panic!("two groups") };
    assert_eq!(all.held().len(), 25);
    // The token at position 100 sees 95 to 99.
    assert_eq!((window.gone, window.held().len()), (23, 2));
    assert_eq!(window.blocks()[..23], [GONE; 23]);
    // A step of several blocks holds them all until it is over.
    let mut manager = mixed(32, 6);
    let Admission { mut tables, .. } = manager.admit(&long, 0).expect("only whole contexts are asked for");
    assert_eq!(tables[1].blocks().len(), 0, "windows are filled step by step");
    assert!(manager.extend(&mut tables, 24));
    assert!(!manager.extend(&mut tables, 25), "all six are held");
    manager.let_go(&mut tables, 24);
    assert_eq!(tables[1].held().len(), 2);
    assert!(manager.extend(&mut tables, 24 + 16));
}

#[test]
fn a_prefix_ends_where_every_group_has_what_it_needs() {
    let mut manager = mixed(64, 64);
    let long = tokens(0, 40);
    run(&mut manager, &long);
    // With room for everything each end of a block is such a place.
    for len in [9, 22, 39] {
        assert_eq!(run(&mut manager, &long[..len]), (len - 1) / SIZE * SIZE, "{len} tokens");
    }
    // Of six blocks in the window's group the last six of the ten are left: 16 to 39.
    let mut manager = mixed(64, 6);
    run(&mut manager, &long);
    let prefix = |manager: &BlockManager, len: usize| manager.longest_prefix(&long[..len]).len() * SIZE;
    assert_eq!(prefix(&manager, 40), 36);
    assert_eq!(prefix(&manager, 29), 28);
    // Behind 24 tokens one sees 19 to 23; behind 20 it sees 15 to 19, and 12 to 15 are gone.
    assert_eq!(prefix(&manager, 25), 24);
    assert_eq!(prefix(&manager, 24), 0, "a shorter prefix that is whole in one group only is none");
    let mut branch = long[..30].to_vec();
    branch.extend(tokens(500, 20));
    assert_eq!(run(&mut manager, &branch), 28, "a branch starts where the two part");
}

#[test]
fn a_hit_holds_its_window_and_nothing_before_it() {
    let mut manager = mixed(64, 12);
    let long = tokens(0, 40);
    run(&mut manager, &long);
    let mut hit = manager.admit(&long, 0).expect("all is free");
    assert_eq!(hit.chain.len(), 9);
    // The token at position 36 sees 31 to 35.
    assert_eq!((hit.tables[1].gone, hit.tables[1].held().len()), (7, 2));
    assert_eq!(hit.tables[0].held().len(), 10, "nine from the cache and one for the last four tokens");
    manager.release(&mut hit.tables);
}

#[test]
fn either_group_can_lose_a_prefix_alone() {
    // The window's group has few blocks: another sequence drives the first one's window out of it.
    let mut manager = mixed(64, 5);
    run(&mut manager, &tokens(0, 20));
    run(&mut manager, &tokens(100, 20));
    assert_eq!(manager.groups[0].pool.idle(), 10, "layers that see everything still have both");
    assert_eq!(run(&mut manager, &tokens(0, 20)), 0, "without its window a prefix is of no use");
    assert_eq!(run(&mut manager, &tokens(0, 20)), 16, "computed again, it is there again");
    // And the other way round.
    let mut manager = mixed(6, 64);
    run(&mut manager, &tokens(0, 20));
    run(&mut manager, &tokens(100, 16));
    assert_eq!(manager.groups[1].pool.idle(), 9, "the window's group still has both");
    assert_eq!(run(&mut manager, &tokens(0, 20)), 8, "two blocks are left of the first");
}

#[test]
fn layers_with_windows_alone_need_no_beginning() {
    let mut manager = BlockManager::new([(Reach::Window(6), 4)], SIZE);
    let long = tokens(0, 50);
    assert_eq!(run(&mut manager, &long), 0);
    assert_eq!(run(&mut manager, &long), 48, "the last four blocks are enough");
    let admission = manager.admit(&tokens(0, 1000), 1000);
    assert!(admission.is_some(), "nobody waits for blocks of a window");
}

#[test]
fn sequences_as_many_as_the_plan_allows_never_want_for_blocks() {
    // As in the memory plan: two blocks that five positions touch and one to begin, for each; four of a step.
    let (sequences, step) = (3, 16);
    let mut manager = mixed(1000, sequences * 3 + step / SIZE);
    let mut states: Vec<_> = (0..sequences)
        .map(|i| (manager.admit(&tokens(1000 * i as u32, 200), 0).expect("room for all").tables, i))
        .collect();
    for round in 0..60 {
        // Shares of every size, the whole step's among them.
        let first = (round * 7) % (step + 1);
        let shares = [first, (step - first) / 2, step - first - (step - first) / 2];
        for ((tables, computed), share) in states.iter_mut().zip(shares) {
            assert!(manager.extend(tables, *computed + share), "round {round}: no block for {share} more");
        }
        for ((tables, computed), share) in states.iter_mut().zip(shares) {
            *computed += share;
            manager.let_go(tables, *computed);
        }
    }
}

/// Layers that see everything, and layers with a state.
fn hybrid(blocks: usize, states: usize) -> BlockManager {
    BlockManager::new([(Reach::All, blocks), (Reach::State, states)], SIZE)
}

#[test]
fn a_step_keeps_the_states_behind_its_end_and_its_last_full_block() {
    let mut manager = hybrid(32, 8);
    let Admission { mut tables, .. } = manager.admit(&tokens(0, 30), 0).expect("all is free");
    assert!(manager.extend(&mut tables, 14));
    let [GONE, GONE, full, last] = tables[1].blocks()[..] else { panic!("{:?}", tables[1].blocks()) };
    assert!(full != GONE && last != GONE && full != last);
    manager.let_go(&mut tables, 14);
    assert_eq!(tables[1].blocks(), [GONE, GONE, GONE, last], "the next token sees the state before it alone");
    assert!(manager.extend(&mut tables, 15));
    assert_eq!(tables[1].blocks().len(), 4, "the last block has room for it");
    assert!(manager.extend(&mut tables, 16 + 1));
    assert!(tables[1].blocks()[4] != GONE);
    manager.release(&mut tables);
    assert_eq!(manager.available(), manager.total());
}

#[test]
fn a_prompt_goes_on_behind_the_last_state_that_was_kept() {
    let mut manager = hybrid(64, 16);
    let long = tokens(0, 40);
    let mut computed = compute(&mut manager, &long[..30], 30);
    manager.release(&mut computed.tables);
    // One step of 30 tokens leaves a state behind 28 of them.
    assert_eq!(manager.longest_prefix(&long).len(), 7);
    assert_eq!(manager.longest_prefix(&long[..28]).len(), 0, "there is none before");
    let mut branch = long[..29].to_vec();
    branch.extend(tokens(500, 10));
    assert_eq!(run(&mut manager, &branch), 28);
    // Token by token there is one behind every block, of which the last eight are kept.
    run(&mut manager, &tokens(1000, 60));
    assert_eq!(manager.groups[1].pool.idle(), KEPT_STATES);
    assert_eq!(manager.longest_prefix(&tokens(1000, 61)).len(), 15);
    assert_eq!(manager.longest_prefix(&long).len(), 0, "the older ones made way");
    assert_eq!(manager.groups[0].pool.idle(), 7 + 2 + 15, "keys and values are all there");
}

#[test]
fn as_many_sequences_as_were_planned_for_never_want_for_states() {
    let sequences = 3;
    let mut manager = hybrid(1000, sequences * 3);
    let mut states: Vec<_> = (0..sequences)
        .map(|i| (manager.admit(&tokens(1000 * i as u32, 300), 0).expect("room for all").tables, 0))
        .collect();
    for share in (0..100).map(|round| round * 5 % 23 + 1) {
        for (tables, computed) in &mut states {
            assert!(
                manager.extend(tables, *computed + share),
                "no state for {share} tokens behind {computed}"
            );
        }
        for (tables, computed) in &mut states {
            *computed += share;
            manager.let_go(tables, *computed);
        }
    }
}

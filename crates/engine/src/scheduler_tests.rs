//! The scheduler alone: no model, a "sampled" token is just a number.

use lantern_models::Reach;

use super::*;

const ANY: usize = usize::MAX;

fn scheduler(blocks: usize, max_sequences: usize, step_tokens: usize) -> Scheduler {
    Scheduler::new(
        Limits { max_sequences, step_tokens, context: usize::MAX, guesses: 0 },
        BlockManager::new([(Reach::All, blocks)], 4),
    )
}

fn prompt(start: u32, len: u32) -> Vec<u32> {
    (start..start + len).collect()
}

fn submit(s: &mut Scheduler, id: SequenceId, priority: Priority, tokens: Vec<u32>) {
    s.submit(Sequence::new(id, priority, tokens));
}

fn plan(s: &mut Scheduler, beside_chat: usize) -> Vec<Scheduled> {
    let mut plan = vec![part(99, 99, false)];
    s.schedule(beside_chat, &mut plan);
    plan
}

/// Runs one step the way the engine does and returns its plan.
fn step(s: &mut Scheduler) -> Vec<Scheduled> {
    let plan = plan(s, ANY);
    for part in &plan {
        s.advance(part.id, part.rows);
        if part.samples {
            s.append(part.id, 9000 + part.id as u32);
        }
    }
    plan
}

fn part(id: SequenceId, rows: usize, samples: bool) -> Scheduled {
    Scheduled { id, rows, samples, guesses: 0 }
}

#[test]
fn decode_rows_come_first_and_prompts_fill_the_budget() {
    let mut s = scheduler(64, 8, 10);
    submit(&mut s, 0, Priority::Api, prompt(0, 3));
    assert_eq!(step(&mut s), [part(0, 3, true)]);
    submit(&mut s, 1, Priority::Api, prompt(100, 14));
    submit(&mut s, 2, Priority::Api, prompt(200, 5));
    assert_eq!(step(&mut s), [part(0, 1, true), part(1, 9, false)]);
    assert_eq!(step(&mut s), [part(0, 1, true), part(1, 5, true), part(2, 4, false)]);
    assert_eq!(step(&mut s), [part(0, 1, true), part(1, 1, true), part(2, 1, true)]);
}

#[test]
fn a_chat_overtakes_waiting_and_prefilling_requests() {
    let mut s = scheduler(64, 8, 8);
    submit(&mut s, 0, Priority::Background, prompt(0, 30));
    submit(&mut s, 1, Priority::Api, prompt(100, 30));
    assert_eq!(step(&mut s), [part(1, 8, false)], "API before background, although it came later");
    submit(&mut s, 2, Priority::Chat, prompt(200, 10));
    assert_eq!(step(&mut s), [part(2, 8, false)]);
    assert_eq!(step(&mut s), [part(2, 2, true), part(1, 6, false)]);
}

#[test]
fn other_prompts_are_held_back_while_a_chat_decodes() {
    let mut s = scheduler(64, 8, 100);
    submit(&mut s, 0, Priority::Chat, prompt(0, 3));
    step(&mut s);
    submit(&mut s, 1, Priority::Api, prompt(100, 30));
    assert_eq!(plan(&mut s, 5), [part(0, 1, true), part(1, 5, false)]);
    s.remove(0);
    assert_eq!(plan(&mut s, 5), [part(1, 30, true)], "nobody to be considerate of");
}

#[test]
fn a_chat_takes_the_slot_of_a_lower_class() {
    let mut s = scheduler(64, 2, 100);
    submit(&mut s, 0, Priority::Api, prompt(0, 4));
    submit(&mut s, 1, Priority::Background, prompt(100, 4));
    step(&mut s);
    submit(&mut s, 2, Priority::Chat, prompt(200, 4));
    let plan = step(&mut s);
    assert_eq!(plan.iter().map(|p| p.id).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(s.waiting()[0].id, 1, "the background sequence waits again");
    assert_eq!(s.preemptions(), 1);
}

#[test]
fn the_youngest_of_the_lowest_class_gives_way_and_resumes() {
    // 6 blocks of 4: three sequences of 7 tokens hold two each and soon want a third.
    let mut s = scheduler(6, 8, 100);
    // One at a time, because admission keeps a block free per running sequence.
    for (id, priority) in [(0, Priority::Api), (1, Priority::Api)] {
        submit(&mut s, id, priority, prompt(100 * id as u32, 7));
        step(&mut s);
    }
    assert_eq!(s.running(), 2);
    let mut preempted_at = None;
    for round in 0..12 {
        step(&mut s);
        if let Some(waiting) = s.waiting().first() {
            assert_eq!(waiting.id, 1, "the younger one gives way");
            assert_eq!(waiting.computed, 0);
            preempted_at.get_or_insert(round);
        }
    }
    assert!(preempted_at.is_some(), "twelve rounds want more than six blocks");
    let kept = s.waiting()[0].tokens.clone();
    s.remove(0);
    let plan = step(&mut s);
    assert_eq!(plan.len(), 1);
    assert_eq!(plan[0].id, 1);
    assert!(plan[0].rows < kept.len(), "published blocks of the first run are found again");
    let resumed = s.get(1).expect("it runs again");
    assert_eq!(resumed.tokens[..kept.len()], kept[..], "no token was lost");
    assert_eq!(resumed.cached, Some(0), "a second run does not rewrite what the cache gave at first");
}

#[test]
fn a_chat_is_never_preempted_by_others() {
    let mut s = scheduler(6, 8, 100);
    submit(&mut s, 5, Priority::Chat, prompt(0, 7));
    step(&mut s);
    submit(&mut s, 6, Priority::Api, prompt(100, 7));
    for _ in 0..14 {
        let plan = step(&mut s);
        assert!(plan.iter().any(|p| p.id == 5), "the chat decodes in every step");
    }
    assert_eq!(s.get(5).expect("still running").tokens.len(), 7 + 1 + 14);
}

#[test]
fn an_older_chat_wins_over_a_younger_one_so_both_end() {
    let mut s = scheduler(6, 8, 100);
    submit(&mut s, 0, Priority::Chat, prompt(0, 7));
    step(&mut s);
    submit(&mut s, 1, Priority::Chat, prompt(100, 7));
    for _ in 0..14 {
        assert!(step(&mut s).iter().any(|p| p.id == 0));
    }
    s.remove(0);
    assert_eq!(step(&mut s)[0].id, 1);
}

#[test]
fn a_prefix_is_reused_and_its_last_token_computed() {
    let mut s = scheduler(16, 8, 100);
    submit(&mut s, 0, Priority::Api, prompt(0, 12));
    step(&mut s);
    s.remove(0);
    assert_eq!(s.blocks().available(), 16);
    submit(&mut s, 1, Priority::Api, prompt(0, 12));
    assert_eq!(step(&mut s), [part(1, 4, true)]);
    assert_eq!(s.get(1).expect("running").cached, Some(8));
}

#[test]
fn removal_frees_everything_in_any_state() {
    let mut s = scheduler(8, 1, 4);
    submit(&mut s, 0, Priority::Api, prompt(0, 9));
    submit(&mut s, 1, Priority::Api, prompt(100, 9));
    step(&mut s);
    s.remove(1);
    s.remove(0);
    assert!(s.is_idle());
    assert_eq!(s.blocks().available(), s.blocks().total());
}

#[test]
fn a_lone_sequence_may_fill_the_whole_pool() {
    let mut s = scheduler(4, 8, 100);
    submit(&mut s, 0, Priority::Background, prompt(0, 12));
    for _ in 0..5 {
        assert_eq!(step(&mut s).len(), 1);
    }
    assert_eq!(s.preemptions(), 0);
    assert_eq!(s.get(0).expect("running").tokens.len(), 17);
}

#[test]
fn a_long_prompt_is_read_through_few_blocks_of_a_window() {
    // Beside the blocks for everything five for a window of 6: two that it touches, one to begin, two of a step.
    let blocks = BlockManager::new([(Reach::All, 40), (Reach::Window(6), 5)], 4);
    let mut s =
        Scheduler::new(Limits { max_sequences: 1, step_tokens: 8, context: usize::MAX, guesses: 0 }, blocks);
    submit(&mut s, 0, Priority::Chat, prompt(0, 90));
    let mut read = 0;
    while read < 90 {
        let plan = step(&mut s);
        assert_eq!(plan.len(), 1, "after {read} tokens");
        read += plan[0].rows;
    }
    for _ in 0..30 {
        assert_eq!(step(&mut s), [part(0, 1, true)]);
    }
    assert_eq!(s.preemptions(), 0);
    s.remove(0);
    assert_eq!(s.blocks().available(), 45);
    submit(&mut s, 1, Priority::Chat, prompt(0, 90));
    step(&mut s);
    let cached = s.get(1).expect("running").cached;
    assert_eq!(cached, Some(0), "the window before the end of the prompt was written over");
}

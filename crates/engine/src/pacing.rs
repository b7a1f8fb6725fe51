//! How many prompt rows of other requests a step may carry while a chat is decoding.
//!
//! A chat's tokens should keep coming at an even pace while somebody else's long prompt is read. Reading a few rows costs
//! nearly as much as reading more of them, because everything before them is looked at either way. So not every step
//! carries some: prompts may take a fifth of the time that the chat takes, and what a step with prompts took beyond that is
//! waited for. The number of rows follows what such steps took, so that none holds the chat up for much longer than another
//! token. The scheduler applies the number.

use std::time::Duration;

/// The share of the chat's time that other prompts may add.
const SHARE: f64 = 0.2;
/// What one step with prompts may add to the chat's, as a share of that.
const LONGEST: f64 = 1.0;
/// What is left of the number of rows at least, after a step that took too long.
const FEWER: f64 = 0.5;
/// What the number grows by after a step that did not.
const MORE: f64 = 1.1;

/// Rows that others may have beside a chat.
#[derive(Debug)]
pub(crate) struct Pacer {
    rows: f64,
    /// Seconds that prompts have had beyond their share; `None` until it is known what a decode step takes.
    debt: Option<f64>,
}

impl Default for Pacer {
    fn default() -> Self {
        Self { rows: 4.0, debt: None }
    }
}

impl Pacer {
    /// Notes a step without prompts.
    pub(crate) fn observe_decode(&mut self, took: Duration) {
        let debt = self.debt.unwrap_or(0.0) - SHARE * took.as_secs_f64();
        self.debt = Some(debt.max(0.0));
    }

    /// Learns from a step in which so many prompt rows stood beside decoding ones, and what those take without them.
    pub(crate) fn observe_mixed(&mut self, prompt_rows: usize, took: Duration, alone: Duration) {
        let (took, alone) = (took.as_secs_f64(), alone.as_secs_f64());
        let added = (took - alone).max(0.0);
        self.debt = Some((self.debt.unwrap_or(0.0) + added - SHARE * alone).max(0.0));
        if added > LONGEST * alone {
            self.rows = (self.rows * (LONGEST * alone / added).max(FEWER)).max(1.0);
        } else if prompt_rows >= self.rows as usize {
            // Fewer than there might have been say nothing about more.
            self.rows *= MORE;
        }
    }

    /// Prompt rows of others beside a decoding chat in the next step; never none for ever, so that nobody starves.
    pub(crate) fn beside_chat(&self) -> usize {
        if self.debt.is_some_and(|debt| debt <= 0.0) { self.rows as usize } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALONE: Duration = Duration::from_millis(40);

    /// Rows read and time taken, as a multiple of what the chat takes alone, of many steps in which prompts cost so many
    /// milliseconds and each of their rows so many more.
    fn run(pacer: &mut Pacer, fixed: f64, row: f64) -> (usize, f64) {
        let (mut read, mut took_all) = (0, Duration::ZERO);
        for _ in 0..1000 {
            let rows = pacer.beside_chat();
            let cost = if rows > 0 { fixed + row * rows as f64 } else { 0.0 };
            let took = ALONE + Duration::from_secs_f64(cost / 1e3);
            match rows {
                0 => pacer.observe_decode(took),
                rows => pacer.observe_mixed(rows, took, ALONE),
            }
            read += rows;
            took_all += took;
        }
        (read, took_all.as_secs_f64() / ALONE.as_secs_f64() / 1000.0)
    }

    #[test]
    fn prompts_take_their_share() {
        for (fixed, row) in [(0.0, 1.0), (0.0, 0.1), (30.0, 0.5), (0.0, 30.0)] {
            let (read, slower) = run(&mut Pacer::default(), fixed, row);
            assert!((1.15..1.25).contains(&slower), "{slower} with {fixed} + {row}");
            // At the least what a share of 200 × 40 milliseconds pays for, one step's rows at a time.
            assert!(read as f64 * (fixed + row) >= 6000.0, "{read} rows with {fixed} + {row}");
        }
    }

    #[test]
    fn no_step_holds_the_chat_up_for_long() {
        let mut pacer = Pacer::default();
        run(&mut pacer, 5.0, 1.0);
        assert!((20..=40).contains(&(pacer.rows as usize)), "{}", pacer.rows);
        for _ in 0..3 {
            run(&mut pacer, 5.0, 100.0);
        }
        assert_eq!(pacer.rows as usize, 1, "a slow prompt still moves");
    }

    #[test]
    fn the_first_decode_step_runs_alone_and_is_measured() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.beside_chat(), 0);
        pacer.observe_decode(ALONE);
        assert!(pacer.beside_chat() > 0);
    }

    #[test]
    fn the_end_of_a_prompt_teaches_nothing() {
        let mut pacer = Pacer::default();
        run(&mut pacer, 0.0, 1.0);
        let before = pacer.rows;
        (0..50).for_each(|_| pacer.observe_mixed(1, ALONE, ALONE));
        assert_eq!(pacer.rows, before);
    }
}

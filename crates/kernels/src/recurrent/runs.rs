//! Which rows of a sequence follow from which state, and where the state behind them goes.
//!
//! Behind rows that are guesses no state is kept: a state cannot go back, so it stays what it is before them until it is
//! known how many were right.

use crate::attention::AttentionSeq;

/// Stands in a table of blocks where a sequence has none: it was let go, or no state is kept there.
pub const NO_BLOCK: u32 = u32::MAX;

/// Rows of one sequence that end where a state is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    /// The first of its rows in the batch.
    pub(super) first_row: usize,
    pub(super) rows: usize,
    /// The block with the state before the first row; `None` at the beginning of the sequence, where it is zero.
    pub(super) from: Option<u32>,
    /// The block for the state behind the last row; `None` where the rows are guesses.
    pub(super) to: Option<u32>,
}

/// Cuts a sequence's rows behind each block that it has, and before its guesses. The block of the last row before those is
/// always taken as one it has.
pub(super) fn runs(seq: &AttentionSeq, block_tables: &[u32], block_size: usize) -> impl Iterator<Item = Run> {
    let AttentionSeq { first_row, rows, guesses, first_block, .. } = *seq;
    let (start, context) = (seq.context - rows, seq.context - guesses);
    let table = &block_tables[first_block..first_block + context.div_ceil(block_size)];
    let last = table.len().saturating_sub(1);
    let state_before = move |position: usize| {
        position.checked_sub(1).map(|before| block_tables[first_block + before / block_size])
    };
    let mut from = state_before(start);
    let mut next = start;
    let kept = (start / block_size..table.len()).filter(move |&i| table[i] != NO_BLOCK || i == last);
    let certain = kept.filter_map(move |index| {
        let end = context.min((index + 1) * block_size);
        let run = Run { first_row: first_row + next - start, rows: end - next, from, to: Some(table[index]) };
        (next, from) = (end, run.to);
        (run.rows > 0).then_some(run)
    });
    let guessed =
        Run { first_row: first_row + context - start, rows: guesses, from: state_before(context), to: None };
    certain.chain((guesses > 0).then_some(guessed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(rows: usize, context: usize, table: &[u32]) -> Vec<Run> {
        let seq = AttentionSeq { first_row: 10, rows, context, first_block: 1, together: false, guesses: 0 };
        runs(&seq, &[&[99], table].concat(), 16).collect()
    }

    fn run(first_row: usize, rows: usize, from: Option<u32>, to: u32) -> Run {
        Run { first_row, rows, from, to: Some(to) }
    }

    #[test]
    fn nothing_is_kept_behind_guesses() {
        let of = |rows, guesses, context, table: &[u32]| -> Vec<Run> {
            let seq = AttentionSeq { first_row: 10, rows, context, first_block: 0, together: false, guesses };
            runs(&seq, table, 16).collect()
        };
        let guessed = |first_row, rows, from| Run { first_row, rows, from: Some(from), to: None };
        assert_eq!(of(4, 3, 9, &[7]), [run(10, 1, Some(7), 7), guessed(11, 3, 7)]);
        assert_eq!(of(4, 3, 19, &[7, 3]), [run(10, 1, Some(7), 7), guessed(11, 3, 7)], "into another block");
        assert_eq!(of(4, 3, 20, &[7, 3]), [run(10, 1, Some(7), 3), guessed(11, 3, 3)]);
        assert_eq!(of(3, 3, 19, &[7, 3]), [guessed(10, 3, 7)], "nothing but guesses");
        assert_eq!(of(19, 2, 19, &[7, 3]), [run(10, 16, None, 7), run(26, 1, Some(7), 3), guessed(27, 2, 3)]);
    }

    #[test]
    fn a_run_ends_where_a_state_is_kept() {
        assert_eq!(of(5, 5, &[7]), [run(10, 5, None, 7)]);
        assert_eq!(of(1, 6, &[7]), [run(10, 1, Some(7), 7)], "in place, within a block");
        assert_eq!(of(1, 17, &[7, 3]), [run(10, 1, Some(7), 3)], "a new block goes on from the one before");
        let three = [run(10, 16, None, 7), run(26, 16, Some(7), 3), run(42, 8, Some(3), 5)];
        assert_eq!(of(40, 40, &[7, 3, 5]), three);
        assert_eq!(of(40, 40, &[NO_BLOCK, 3, 5]), [run(10, 32, None, 3), run(42, 8, Some(3), 5)]);
        assert_eq!(of(40, 40, &[NO_BLOCK, NO_BLOCK, 5]), [run(10, 40, None, 5)]);
        assert_eq!(of(20, 40, &[NO_BLOCK, 2, 5]), [run(10, 12, Some(2), 2), run(22, 8, Some(2), 5)]);
        assert_eq!(of(8, 40, &[NO_BLOCK, 2, 5]), [run(10, 8, Some(2), 5)]);
    }
}

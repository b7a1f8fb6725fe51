//! Layers that keep a state instead of keys and values: each token changes it, and what a token gives depends on its
//! predecessors through it alone.
//!
//! States lie in the blocks of a paged cache. What a block holds is the state behind the last token that was computed in
//! it, so a sequence needs no more than the block of its last token; every block it still has is a point from which it,
//! or another sequence with the same tokens, can go on ([`runs`]). Tokens are taken one after the other, so nothing
//! depends on how a prompt was cut.

mod conv;
mod linear;
mod runs;
#[cfg(test)]
mod tests;

pub use conv::{ShortConv, short_conv};
pub use linear::{HeadSharing, LinearInputs, LinearRule, LinearShape, linear_attention};
pub use runs::NO_BLOCK;

use std::cell::RefCell;

use crate::attention::AttentionSeq;
use crate::error::check_len;
use crate::share::Shared;
use crate::{KernelError, Pool};
use runs::{Run, runs};

/// The states of one layer, and who they belong to.
pub struct States<'a> {
    /// `[n_blocks, stride]`.
    pub numbers: &'a mut [f32],
    /// Numbers in a block.
    pub stride: usize,
    /// The sequences of the batch, in the order of their rows.
    pub seqs: &'a [AttentionSeq],
    /// The blocks of all sequences, as [`crate::attention`] has them; [`NO_BLOCK`] where no state is kept.
    pub block_tables: &'a [u32],
    /// Tokens in a block.
    pub block_size: usize,
}

thread_local! {
    /// One task's numbers of a state that is not kept.
    static PASSING: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// A part of every state: so many numbers, each task's beside each other.
#[derive(Clone, Copy)]
struct Part {
    /// Where it begins in a state.
    first: usize,
    /// Numbers of one task.
    len: usize,
    /// Tasks of a sequence.
    tasks: usize,
}

impl States<'_> {
    /// Runs `work` for each of a part's tasks and each run of rows of every sequence, one after the other, with that
    /// task's numbers of the state that the run leaves behind. They hold what the run begins with. Behind guesses they are
    /// forgotten.
    fn for_each(
        &mut self,
        pool: &Pool,
        rows: usize,
        part: Part,
        work: impl Fn(usize, &Run, &mut [f32]) + Sync,
    ) -> Result<(), KernelError> {
        self.check(rows, part)?;
        let States { stride, seqs, block_tables, block_size, .. } = *self;
        let numbers = Shared::new(self.numbers);
        pool.run(seqs.len() * part.tasks, &|index| {
            let (seq, task) = (&seqs[index / part.tasks], index % part.tasks);
            // SAFETY: tasks of a sequence have numbers of their own, no two sequences write to one block, and of what a
            // sequence reads nothing is written by another; two states of this task never live at the same time.
            let piece = |block: u32| unsafe {
                numbers.piece(block as usize * stride + part.first + task * part.len, part.len)
            };
            for run in runs(seq, block_tables, block_size) {
                match (run.from, run.to) {
                    (Some(from), Some(to)) if from != to => copy(&piece, from, to),
                    (None, Some(to)) => piece(to).fill(0.0),
                    _ => {}
                }
                match run.to {
                    Some(to) => work(task, &run, piece(to)),
                    None => PASSING.with_borrow_mut(|passing| {
                        passing.clear();
                        match run.from {
                            Some(from) => passing.extend_from_slice(piece(from)),
                            None => passing.resize(part.len, 0.0),
                        }
                        work(task, &run, passing);
                    }),
                }
            }
        });
        Ok(())
    }

    /// Whether every block that is read or written exists, and no sequence has rows that the batch does not have.
    fn check(&self, rows: usize, part: Part) -> Result<(), KernelError> {
        let end = part.len.checked_mul(part.tasks).and_then(|len| len.checked_add(part.first));
        if self.stride == 0 || end.is_none_or(|end| end > self.stride) {
            return Err(KernelError::Shape(format!(
                "states of {} numbers, too few for a layer",
                self.stride
            )));
        }
        let blocks = self.numbers.len() / self.stride;
        check_len("the states of a layer", self.numbers.len(), blocks.checked_mul(self.stride))?;
        for seq in self.seqs {
            let end = seq.first_block.saturating_add(seq.context.div_ceil(self.block_size.max(1)));
            let is_odd = seq.rows > seq.context || seq.guesses > seq.rows;
            if self.block_size == 0 || end > self.block_tables.len() || is_odd {
                return Err(KernelError::Shape(format!(
                    "a sequence of {} tokens without blocks",
                    seq.context
                )));
            }
            if seq.first_row.saturating_add(seq.rows) > rows {
                return Err(KernelError::Index { what: "row", index: seq.first_row + seq.rows, limit: rows });
            }
            for run in runs(seq, self.block_tables, self.block_size) {
                if let Some(&block) = [run.from, run.to].iter().flatten().find(|&&b| b as usize >= blocks) {
                    return Err(KernelError::Index { what: "state", index: block as usize, limit: blocks });
                }
            }
        }
        Ok(())
    }
}

/// Copies a state's piece by way of the stack, so that only one of the two is alive at a time.
fn copy<'a>(piece: &impl Fn(u32) -> &'a mut [f32], from: u32, to: u32) {
    const AT_ONCE: usize = 1024;
    let mut buffer = [0.0; AT_ONCE];
    let len = piece(from).len();
    for first in (0..len).step_by(AT_ONCE) {
        let part = first..len.min(first + AT_ONCE);
        let buffer = &mut buffer[..part.len()];
        buffer.copy_from_slice(&piece(from)[part.clone()]);
        piece(to)[part].copy_from_slice(buffer);
    }
}

//! What a pass leaves for guesses: what the model made of its rows, from which a head guesses further tokens; and what the
//! guesses of a pass brought to a layer with a state. The state stays what it was before them; once it is known
//! how many were right, it goes on over their inputs, which are a small part of what a state takes.

use lantern_kernels::States;

use super::KvCache;
use crate::rows::Rows;
use crate::{BatchSeq, Compute, ModelError};

/// Inputs of the guesses of the last pass, those of one sequence behind those of another. What a layer has not stays empty.
#[derive(Debug, Default)]
pub(crate) struct GuessInputs {
    /// What the convolution sees, `[guesses, channels]`.
    pub(crate) seen: Vec<f32>,
    /// What is left of the past, and how much a token counts, `[guesses, heads]` each.
    pub(crate) decay: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// The states of one layer for the sequences of a batch, and what is remembered beside them.
pub(crate) struct LayerStates<'a> {
    pub(crate) states: States<'a>,
    pub(crate) guessed: &'a mut GuessInputs,
}

impl LayerStates<'_> {
    /// Remembers what the batch's guesses bring, of all its rows' inputs; [`GuessInputs`] says which they are.
    pub(crate) fn remember(&mut self, [seen, decay, beta]: [&[f32]; 3]) {
        let GuessInputs { seen: to_seen, decay: to_decay, beta: to_beta } = &mut *self.guessed;
        for (to, rows) in [(to_seen, seen), (to_decay, decay), (to_beta, beta)] {
            copy_guesses(to, rows, self.states.seqs);
        }
    }
}

fn copy_guesses(to: &mut Vec<f32>, rows: &[f32], seqs: &[BatchSeq]) {
    to.clear();
    let n_rows = seqs.last().map_or(0, |seq| seq.first_row + seq.rows);
    let width = rows.len().checked_div(n_rows).unwrap_or(0);
    for seq in seqs {
        let end = seq.first_row + seq.rows;
        to.extend_from_slice(&rows[(end - seq.guesses) * width..end * width]);
    }
}

impl KvCache {
    /// Keeps what was made of rows, in place of what was kept before.
    pub(crate) fn keep_hidden(&mut self, rows: &Rows) -> Result<(), ModelError> {
        self.hidden.clear();
        match rows {
            Rows::Host(x) => self.hidden.extend_from_slice(x),
            Rows::Tensor(x) => self.hidden.extend(x.flatten_all()?.to_vec1::<f32>()?),
        }
        Ok(())
    }

    /// How many rows of this width are kept.
    pub(crate) fn hidden_len(&self, width: usize) -> usize {
        self.hidden.len().checked_div(width).unwrap_or(0)
    }

    /// Some of the rows that are kept, where `compute` works with them; they must be there.
    pub(crate) fn hidden_rows(
        &self,
        rows: &[u32],
        width: usize,
        compute: &Compute,
    ) -> Result<Rows, ModelError> {
        compute.rows(rows.len(), width, |values| {
            for (&row, to) in rows.iter().zip(values.chunks_exact_mut(width)) {
                to.copy_from_slice(&self.hidden[row as usize * width..][..width]);
            }
            Ok(())
        })
    }
}

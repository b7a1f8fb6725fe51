//! Guesses at the next tokens that take computing: by the model's own head for further tokens, or by a smaller model. The
//! lookup, which costs nothing, is elsewhere; which of them guesses is the scheduler's decision.

use crate::block_manager::BlockTable;
use crate::draft_model::DraftModel;
use crate::error::EngineError;
use crate::guesser::Guesser;
use crate::runner::{ModelRunner, NextPiece};
use crate::scheduler::{Scheduled, Scheduler, Wanted};
use crate::sequence::SequenceId;
use crate::step_costs::MOST_ROWS;

/// Who guesses beside the lookup.
pub(crate) enum Drafter {
    /// The head in the model's own file.
    Head,
    /// Another model.
    Model(Box<DraftModel>),
}

/// What was guessed.
#[derive(Debug, Default)]
pub(crate) struct Drafts {
    pub(crate) guesses: Vec<(SequenceId, Vec<u32>)>,
    /// In how many passes; none where a pass was not like the others.
    pub(crate) passes: u32,
}

impl Drafter {
    /// Its name among all that guess.
    pub(crate) fn guesser(&self) -> Guesser {
        match self {
            Drafter::Head => Guesser::Head,
            Drafter::Model(_) => Guesser::Model,
        }
    }

    /// Forgets a sequence that has ended.
    pub(crate) fn forget(&mut self, id: SequenceId) {
        if let Drafter::Model(model) = self {
            model.forget(id);
        }
    }
}

/// A sequence in which the head guesses.
struct Open<'a> {
    id: SequenceId,
    tables: &'a [BlockTable],
    /// The last position that the step before computed.
    position: usize,
    wanted: usize,
    drafts: Vec<u32>,
}

/// Lets the head read what the last step computed, `right` of each part's guesses included, and guess where it is wanted.
pub(crate) fn by_head(
    runner: &mut ModelRunner,
    scheduler: &Scheduler,
    step: &[Scheduled],
    right: &[usize],
    wanted: &[Wanted],
) -> Result<Drafts, EngineError> {
    let (mut pieces, mut open, mut first_row) = (Vec::new(), Vec::new(), 0);
    let reads_prompts = scheduler.drafts_may_pay();
    for (part, right) in step.iter().zip(right) {
        let (hidden, rows) = (first_row, part.rows - part.guesses + right);
        first_row += part.rows;
        let Some(sequence) = scheduler.get(part.id).filter(|s| s.pictures.is_empty()) else { continue };
        let wanted = match wanted.iter().find(|wanted| wanted.id == part.id) {
            Some(wanted) => wanted.guesses,
            None if reads_prompts && !sequence.is_decoding() => 0,
            None => continue,
        };
        let Some(start) = sequence.computed.checked_sub(rows) else { continue };
        let Some(tokens) = sequence.tokens.get(start + 1..start + 1 + rows) else { continue };
        let tables = sequence.tables.as_slice();
        pieces.push(NextPiece { tokens, start, tables, hidden, wanted: wanted > 0 });
        if wanted > 0 {
            let position = sequence.computed - 1;
            open.push(Open { id: part.id, tables, position, wanted, drafts: Vec::new() });
        }
    }
    let is_usual = pieces.iter().map(|piece| piece.tokens.len()).sum::<usize>() <= MOST_ROWS;
    runner.predict(pieces)?;
    let passes = go_on(runner, &mut open)?;
    let guesses = open.into_iter().map(|open| (open.id, open.drafts)).collect();
    Ok(Drafts { guesses, passes: if is_usual { passes } else { 0 } })
}

/// Takes the guesses of the last pass, and lets the head go on over them until each sequence has as many as are wanted. Gives
/// the number of passes, the first included.
fn go_on(runner: &mut ModelRunner, open: &mut [Open<'_>]) -> Result<u32, EngineError> {
    // Whose the rows of the last pass are.
    let mut rows: Vec<usize> = (0..open.len()).collect();
    let mut passes = 0;
    while !rows.is_empty() {
        passes += 1;
        for (row, &index) in rows.iter().enumerate() {
            open[index].drafts.extend(runner.predicted(row));
        }
        let wants_more = |&(_, index): &(usize, usize)| {
            let Open { wanted, drafts, .. } = &open[index];
            (1..*wanted).contains(&drafts.len())
        };
        let more: Vec<(usize, usize)> = rows.iter().copied().enumerate().filter(wants_more).collect();
        let pieces = more.iter().map(|&(hidden, index)| {
            let Open { tables, position, drafts, .. } = &open[index];
            let tokens = &drafts[drafts.len() - 1..];
            NextPiece { tokens, start: position + drafts.len(), tables, hidden, wanted: true }
        });
        runner.predict(pieces)?;
        rows = more.into_iter().map(|(_, index)| index).collect();
    }
    Ok(passes)
}

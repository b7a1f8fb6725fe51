//! Guesses at the next tokens that take computing: by the model's own head for further tokens, or by a smaller model. The
//! lookup, which costs nothing, is elsewhere; which of them guesses is the scheduler's decision.

use lantern_models::Predictor;

use crate::block_manager::BlockTable;
use crate::draft_model::DraftModel;
use crate::error::EngineError;
use crate::guesser::Guesser;
use crate::runner::{ModelRunner, NextPiece};
use crate::scheduler::{Scheduled, Scheduler, Wanted};
use crate::sequence::{Sequence, SequenceId};
use crate::step_costs::MOST_ROWS;

/// Who guesses beside the lookup.
pub(crate) enum Drafter {
    /// The head in the model's own file, or an assistant that looks at what the model keeps.
    Head(Predictor),
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
            Drafter::Head(_) => Guesser::Head,
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

/// What a step left for the head: which of the rows it kept were a sequence's, and how many of them count.
struct Kept<'a> {
    sequence: &'a Sequence,
    first_row: usize,
    rows: usize,
}

/// Lets the head read what the last step computed, `right` of each part's guesses included, and guess where it is wanted.
pub(crate) fn by_head(
    runner: &mut ModelRunner,
    predictor: Predictor,
    scheduler: &Scheduler,
    (step, right): (&[Scheduled], &[usize]),
    wanted: &[Wanted],
) -> Result<Drafts, EngineError> {
    let (mut pieces, mut open) = (Vec::new(), Vec::new());
    let reads_prompts = predictor == Predictor::Head && scheduler.drafts_may_pay();
    for Kept { sequence, first_row, rows } in kept(predictor, scheduler, step, right) {
        let wanted = match wanted.iter().find(|wanted| wanted.id == sequence.id) {
            Some(wanted) => wanted.guesses,
            None if reads_prompts && !sequence.is_decoding() => 0,
            None => continue,
        };
        if predictor == Predictor::Assistant && wanted == 0 {
            continue;
        }
        let Some(start) = sequence.computed.checked_sub(rows) else { continue };
        let Some(tokens) = sequence.tokens.get(start + 1..start + 1 + rows) else { continue };
        let tables = sequence.tables.as_slice();
        pieces.push(NextPiece { tokens, start, tables, hidden: first_row, wanted: wanted > 0 });
        if wanted > 0 {
            let position = sequence.computed - 1;
            open.push(Open { id: sequence.id, tables, position, wanted, drafts: Vec::new() });
        }
    }
    let is_usual = pieces.iter().map(|piece| piece.tokens.len()).sum::<usize>() <= MOST_ROWS;
    runner.predict(pieces)?;
    let passes = go_on(runner, predictor, &mut open)?;
    let guesses = open.into_iter().map(|open| (open.id, open.drafts)).collect();
    Ok(Drafts { guesses, passes: if is_usual { passes } else { 0 } })
}

/// The rows that a step kept: all of them for a head, for an assistant those with logits, of which it needs each sequence's last
/// one that counts.
fn kept<'a>(
    predictor: Predictor,
    scheduler: &'a Scheduler,
    step: &'a [Scheduled],
    right: &'a [usize],
) -> impl Iterator<Item = Kept<'a>> {
    let mut next = 0;
    let of_part = move |(part, right): (&Scheduled, &usize)| {
        let first_row = next;
        let (row, rows) = match predictor {
            Predictor::Head => (first_row, part.rows - part.guesses + right),
            Predictor::Assistant => (first_row + right, usize::from(part.samples)),
        };
        next += match predictor {
            Predictor::Head => part.rows,
            Predictor::Assistant => rows * (1 + part.guesses),
        };
        let sequence = scheduler.get(part.id).filter(|s| s.pictures.is_empty() && rows > 0)?;
        Some(Kept { sequence, first_row: row, rows })
    };
    step.iter().zip(right).filter_map(of_part)
}

/// Takes the guesses of the last pass, and lets the head go on over them until each sequence has as many as are wanted. Gives
/// the number of passes, the first included.
fn go_on(runner: &mut ModelRunner, predictor: Predictor, open: &mut [Open<'_>]) -> Result<u32, EngineError> {
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
            let further = if predictor == Predictor::Head { drafts.len() } else { 0 };
            NextPiece { tokens, start: position + further, tables, hidden, wanted: true }
        });
        runner.predict(pieces)?;
        rows = more.into_iter().map(|(_, index)| index).collect();
    }
    Ok(passes)
}

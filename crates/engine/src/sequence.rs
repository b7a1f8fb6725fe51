//! One request's tokens and how far the KV cache has come with them. Knows nothing of text or channels.

use std::sync::Arc;

use crate::block_manager::{BlockHash, BlockTable};
use crate::guesser::{Guesser, Likelihood};
use crate::lookup::Lookup;
use crate::request::Priority;
use crate::vision::FIRST_PART;
use lantern_models::PlacedPicture;

/// Counts requests from the engine's start; a lower id arrived earlier.
pub(crate) type SequenceId = u64;

/// Whether the disk was asked for a sequence's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DiskLookup {
    Unknown,
    /// It has more of it than memory; the sequence waits for that.
    Loading,
    Done,
}

/// The scheduler's view of a request.
#[derive(Debug)]
pub(crate) struct Sequence {
    /// Also the order of arrival.
    pub(crate) id: SequenceId,
    pub(crate) priority: Priority,
    /// To whom it belongs.
    pub(crate) owner: Option<Arc<str>>,
    /// Prompt and everything sampled so far; parts of pictures have numbers behind all tokens.
    pub(crate) tokens: Vec<u32>,
    /// The pictures among them, in order.
    pub(crate) pictures: Vec<PlacedPicture>,
    /// How many of `tokens` are the prompt.
    pub(crate) prompt_tokens: usize,
    /// Places in the prompt where steps end and others may go on, in rising order, see [`crate::marks`].
    pub(crate) marks: Vec<usize>,
    /// How many of `tokens` have been computed; their keys and values are in the blocks, as far back as layers look.
    pub(crate) computed: usize,
    /// Prompt tokens that the prefix cache gave when the sequence first ran; `None` before that.
    pub(crate) cached: Option<usize>,
    /// Its blocks in each group of layers; empty while it waits.
    pub(crate) tables: Vec<BlockTable>,
    /// Hashes of the leading blocks that are published or came from the cache.
    pub(crate) chain: Vec<BlockHash>,
    /// Cleared when a hash collision ended the chain.
    pub(crate) publishes: bool,
    pub(crate) disk: DiskLookup,
    /// What its tokens say about those to come, and how likely that is right.
    pub(crate) lookup: Lookup,
    pub(crate) lookup_right: Likelihood,
    /// What a head or a smaller model says about them, and how likely that is right.
    pub(crate) drafts: Vec<u32>,
    pub(crate) drafts_right: Likelihood,
    /// What its grammar says must come next.
    pub(crate) forced: Vec<u32>,
    /// So many at the end of `tokens` are guesses; none between two steps.
    pub(crate) guesses: usize,
    /// Who guessed those.
    pub(crate) guessed_by: Guesser,
    /// A guess of the lookup that was not worth a row.
    pub(crate) idle_guess: Option<u32>,
}

impl Sequence {
    /// A sequence that has not run yet.
    pub(crate) fn new(id: SequenceId, priority: Priority, prompt: Vec<u32>) -> Self {
        Self {
            id,
            priority,
            owner: None,
            prompt_tokens: prompt.len(),
            tokens: prompt,
            pictures: Vec::new(),
            marks: Vec::new(),
            computed: 0,
            cached: None,
            tables: Vec::new(),
            chain: Vec::new(),
            publishes: true,
            disk: DiskLookup::Unknown,
            lookup: Lookup::default(),
            lookup_right: Likelihood::EVEN,
            drafts: Vec::new(),
            drafts_right: Likelihood::HOPEFUL,
            forced: Vec::new(),
            guesses: 0,
            guessed_by: Guesser::Lookup,
            idle_guess: None,
        }
    }

    /// As [`Self::new`], with pictures in the prompt.
    pub(crate) fn with_pictures(self, pictures: Vec<PlacedPicture>) -> Self {
        Self { pictures, ..self }
    }

    /// As [`Self::new`], with places where others may go on.
    pub(crate) fn marked(self, marks: Vec<usize>) -> Self {
        Self { marks, ..self }
    }

    /// As [`Self::new`], of somebody.
    pub(crate) fn of(self, owner: Option<Arc<str>>) -> Self {
        Self { owner, ..self }
    }

    /// How many of the tokens that need a pass may go into the same one, at most `limit` of them. Parts of a picture that
    /// see each other go all at once, whatever the limit, and alone.
    pub(crate) fn rows_at_once(&self, limit: usize) -> usize {
        let mark = self.marks.iter().find(|mark| **mark > self.computed);
        let rows = self.remaining().min(limit).min(mark.map_or(usize::MAX, |mark| mark - self.computed));
        let ahead = self.pictures.iter().find(|p| p.picture.together && p.end() > self.computed);
        match ahead {
            Some(picture) if rows > 0 && picture.start <= self.computed => picture.end() - self.computed,
            Some(picture) => rows.min(picture.start.saturating_sub(self.computed)),
            None => rows,
        }
    }

    /// Up to `most` guesses of the lookup.
    pub(crate) fn look_up(&mut self, most: usize) -> Vec<u32> {
        let guesses = self.lookup.guess(&self.tokens, most).iter().copied();
        guesses.take_while(|&token| token < FIRST_PART).collect()
    }

    /// Appends guesses, for one step.
    pub(crate) fn guess(&mut self, guesses: &[u32]) {
        self.guesses = guesses.len();
        self.tokens.extend(guesses);
    }

    /// Takes the guesses back.
    pub(crate) fn take_guesses(&mut self) -> Vec<u32> {
        self.tokens.split_off(self.tokens.len() - std::mem::take(&mut self.guesses))
    }

    /// Who goes first: the class, then the order of arrival.
    pub(crate) fn rank(&self) -> (Priority, SequenceId) {
        (self.priority, self.id)
    }

    /// Tokens that still need a forward pass; one while it decodes.
    pub(crate) fn remaining(&self) -> usize {
        self.tokens.len() - self.computed
    }

    /// Whether it has no part in steps because the disk brings some of its prefix.
    pub(crate) fn is_loading(&self) -> bool {
        self.disk == DiskLookup::Loading
    }

    /// Whether it has produced a token yet.
    pub(crate) fn is_decoding(&self) -> bool {
        self.tokens.len() > self.prompt_tokens
    }
}

//! Collects the text of a document under limits of size and time.

use std::time::Instant;

use lantern_protocol::Place;

use super::{Limits, Mark};
use crate::ExtractError;

/// Between two looks at the clock so many pieces of text pass.
const LOOK_EVERY: u32 = 256;

/// Text and marks in the making.
pub(crate) struct Builder {
    pub(crate) limits: Limits,
    begun: Instant,
    text: String,
    marks: Vec<Mark>,
    pieces: u32,
}

impl Builder {
    pub(crate) fn new(limits: Limits, begun: Instant) -> Self {
        Self { limits, begun, text: String::new(), marks: Vec::new(), pieces: 0 }
    }

    /// Appends text. Characters that mean nothing in a text are left out; every kind of line end becomes `\n`.
    pub(crate) fn push(&mut self, piece: &str) -> Result<(), ExtractError> {
        self.tick()?;
        if self.text.len().saturating_add(piece.len()) > self.limits.text_bytes {
            return Err(ExtractError::Unpacks {
                limit: u64::try_from(self.limits.text_bytes).unwrap_or(u64::MAX),
            });
        }
        let mut after_return = false;
        for c in piece.chars() {
            match c {
                '\n' if after_return => {}
                '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => self.text.push('\n'),
                '\n' | '\t' => self.text.push(c),
                '\u{FEFF}' | '\u{AD}' => {}
                c if c.is_control() => {}
                c => self.text.push(c),
            }
            after_return = c == '\r';
        }
        Ok(())
    }

    /// Looks at the clock now and then.
    pub(crate) fn tick(&mut self) -> Result<(), ExtractError> {
        self.pieces += 1;
        if self.pieces < LOOK_EVERY {
            return Ok(());
        }
        self.pieces = 0;
        self.in_time()
    }

    /// Whether there is time left.
    pub(crate) fn in_time(&self) -> Result<(), ExtractError> {
        if self.begun.elapsed() > self.limits.time {
            return Err(ExtractError::TooSlow(self.limits.time));
        }
        Ok(())
    }

    /// Ends the line, unless it has just begun.
    pub(crate) fn end_line(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    /// Leaves one line empty.
    pub(crate) fn end_block(&mut self) {
        self.end_line();
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// What comes next stands at this place. Of two marks at the same byte the later one stays.
    pub(crate) fn mark(&mut self, place: Place, is_break: bool) {
        let at = self.text.len();
        match self.marks.last_mut() {
            Some(last) if last.at == at => *last = Mark { at, place, is_break: is_break || last.is_break },
            _ => self.marks.push(Mark { at, place, is_break }),
        }
    }

    /// The same for a place that began earlier, behind all other marks.
    pub(crate) fn mark_at(&mut self, at: usize, place: Place, is_break: bool) {
        match self.marks.last_mut() {
            Some(last) if last.at >= at => last.place = place,
            _ => self.marks.push(Mark { at, place, is_break }),
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn finish(self) -> (String, Vec<Mark>) {
        (self.text, self.marks)
    }
}

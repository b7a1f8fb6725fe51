//! Text on its way through a parser, with a place up to which it was read and a place to which reading may go back.
//!
//! Where a marker is one token of the vocabulary, only that token is the marker, and text that spells it is text.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

/// What was not understood yet.
#[derive(Debug, Default)]
pub struct Feed {
    text: String,
    /// Where in `text` markers came as tokens, in rising order.
    tokens: VecDeque<Range<usize>>,
    /// Markers that only a token can be.
    as_tokens: Arc<[&'static str]>,
    at: usize,
    commits: usize,
    is_ended: bool,
}

/// The outcome of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The first marker, so many bytes on.
    At(usize, &'static str),
    /// None begins in the next so many bytes, whatever follows.
    Not(usize),
}

impl Feed {
    /// An empty feed; `as_tokens` are the markers that the vocabulary has as tokens.
    pub fn new(as_tokens: Arc<[&'static str]>) -> Self {
        Self { as_tokens, ..Self::default() }
    }

    /// Adds text.
    pub fn push_text(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds a token that is a marker, by its spelling.
    pub fn push_token(&mut self, spelling: &str) {
        let start = self.text.len();
        self.text.push_str(spelling);
        self.tokens.push_back(start..self.text.len());
    }

    /// Nothing more comes.
    pub fn end(&mut self) {
        self.is_ended = true;
    }

    /// Whether nothing more comes.
    pub fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// What is there from the reading place on.
    pub fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    /// Bytes that are held, read or not.
    pub fn held(&self) -> usize {
        self.text.len()
    }

    /// Moves the reading place; `bytes` must end at a character's border.
    pub fn skip(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Moves the reading place behind white space.
    pub fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start_matches(SPACE).len();
    }

    /// Lets go of what was read: there is no way back to it.
    pub fn commit(&mut self) {
        let at = std::mem::take(&mut self.at);
        if at == 0 {
            return;
        }
        self.text.drain(..at);
        while self.tokens.front().is_some_and(|token| token.end <= at) {
            self.tokens.pop_front();
        }
        for token in &mut self.tokens {
            *token = token.start.saturating_sub(at)..token.end - at;
        }
        self.commits += 1;
    }

    /// Counts the commits.
    pub fn commits(&self) -> usize {
        self.commits
    }

    /// Goes back to the last commit.
    pub fn rewind(&mut self) {
        self.at = 0;
    }

    /// The reading place, as bytes behind the last commit.
    pub fn place(&self) -> usize {
        self.at
    }

    /// Goes back to a place where reading was since the last commit.
    pub fn back_to(&mut self, place: usize) {
        self.at = place;
    }

    /// Reads and lets go of so many bytes.
    pub fn take(&mut self, bytes: usize) -> String {
        let text = self.rest()[..bytes].to_owned();
        self.skip(bytes);
        self.commit();
        text
    }

    /// Whether the rest begins with the marker; `None` as long as it still may.
    pub fn begins(&self, marker: &'static str) -> Option<bool> {
        let rest = self.rest();
        if self.is_token(marker) {
            let here = self.tokens.iter().find(|token| token.start >= self.at);
            return match here {
                Some(token) if token.start == self.at => Some(self.text[token.clone()] == *marker),
                _ if rest.is_empty() && !self.is_ended => None,
                _ => Some(false),
            };
        }
        match rest.starts_with(marker) {
            false if !self.is_ended && marker.starts_with(rest) => None,
            begins => Some(begins),
        }
    }

    /// The first of the markers in the rest.
    pub fn find(&self, markers: &[&'static str]) -> Found {
        let rest = self.rest();
        let (mut first, mut safe) = (None, rest.len());
        for &marker in markers {
            let at = match self.is_token(marker) {
                true => self.find_token(marker),
                false => {
                    safe = safe.min(rest.len() - self.unfinished(marker));
                    rest.find(marker)
                }
            };
            let is_first = |at: &usize| first.is_none_or(|(before, _)| *at < before);
            if let Some(at) = at.filter(is_first) {
                first = Some((at, marker));
            }
        }
        match first {
            Some((at, marker)) if at <= safe => Found::At(at, marker),
            _ => Found::Not(safe),
        }
    }

    fn find_token(&self, marker: &str) -> Option<usize> {
        let is_it = |token: &&Range<usize>| token.start >= self.at && self.text[(*token).clone()] == *marker;
        self.tokens.iter().find(is_it).map(|token| token.start - self.at)
    }

    /// The length of the longest end of the rest that may still become the marker.
    fn unfinished(&self, marker: &str) -> usize {
        if self.is_ended {
            return 0;
        }
        let rest = self.rest().as_bytes();
        let longest = rest.len().min(marker.len() - 1);
        let begins = |&len: &usize| rest[rest.len() - len..] == marker.as_bytes()[..len];
        (1..=longest).rev().find(begins).unwrap_or(0)
    }

    fn is_token(&self, marker: &str) -> bool {
        self.as_tokens.contains(&marker)
    }
}

/// White space between the parts of an answer.
pub const SPACE: [char; 4] = [' ', '\n', '\r', '\t'];

//! One model against another: what the first makes of a text is kept, and the second is held against it, so that both need
//! not be in memory together.
//!
//! Text is read in windows as for [`super::Perplexity`], but all tokens behind the first quarter of a window are scored: short texts
//! have few. Of the first model's probabilities the [`KEPT`] largest are kept for each place; the divergence takes what is
//! left as one token, which makes it a little smaller than it is.

use std::time::{Duration, Instant};

use super::kept::{Row, hold_rows, kept_rows};
use super::score::Sums;
use super::{Change, Estimate, Perplexity, READ_ROWS, SCORED_ROWS};
use crate::error::EngineError;
use crate::runner::LogitRows;

/// Probabilities that are kept of each place.
pub(super) const KEPT: usize = 64;
/// Tokens that are read, and that are written, to measure speed.
const SPEED_PROMPT: usize = 256;
const SPEED_WRITTEN: usize = 24;

/// How a text is read.
pub struct ReadOptions<'a> {
    /// Windows that are read at most.
    pub windows: usize,
    /// How long that may take; one window is read in any case.
    pub time: Duration,
    /// Asked often; `false` ends it with [`EngineError::Cancelled`].
    pub go_on: &'a dyn Fn() -> bool,
    /// Hears of each window how many were read.
    pub progress: &'a dyn Fn(usize),
}

/// What a model made of a text.
#[derive(Debug, Clone)]
pub struct Reading {
    rows: Vec<Row>,
    /// Tokens in a window.
    context: usize,
    /// Windows that were read.
    pub windows: usize,
    /// Whether there were more windows than were read.
    pub is_part: bool,
    /// exp of the mean of −ln p over the scored tokens.
    pub perplexity: Estimate,
}

/// How fast a model is.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    /// Reading, in tokens per second.
    pub reading: f64,
    /// Writing, in tokens per second.
    pub writing: f64,
}

/// What is different between two models that have read the same text.
#[derive(Debug, Clone)]
pub struct Against {
    /// Places that both were asked about.
    pub scored_tokens: usize,
    /// Windows that were read.
    pub windows: usize,
    /// Of the first, over the same places.
    pub first: Estimate,
    /// Of the second.
    pub second: Estimate,
    /// From the first to the second.
    pub change: Change,
}

impl Perplexity {
    /// Tokens in a window, which is no longer than the text.
    fn window(&self, tokens: &[u32]) -> usize {
        self.options.context.min(tokens.len())
    }

    /// Reads a text and keeps what the model made of it.
    pub fn read_text(&self, tokens: &[u32], options: &ReadOptions) -> Result<Reading, EngineError> {
        let (mut rows, mut sums) = (Vec::new(), Sums::default());
        let windows = self.each_window(tokens, options, |logits, next, threads| {
            for row in kept_rows(logits, next, threads) {
                sums.add_alone(row.surprise());
                rows.push(row);
            }
        })?;
        Ok(Reading {
            rows,
            context: self.window(tokens),
            windows,
            is_part: windows < tokens.len() / self.window(tokens),
            perplexity: sums.perplexity(),
        })
    }

    /// Reads the same text and holds it against what another model made of it.
    pub fn hold_against(
        &self,
        other: &Reading,
        tokens: &[u32],
        options: &ReadOptions,
    ) -> Result<Against, EngineError> {
        if other.context != self.window(tokens) {
            let words = format!("the other model has read windows of {} tokens", other.context);
            return Err(EngineError::InvalidOptions(words));
        }
        let (mut sums, mut first) = (Sums::default(), Sums::default());
        let mut kept = other.rows.iter();
        let options = ReadOptions { windows: options.windows.min(other.windows), ..*options };
        let windows = self.each_window(tokens, &options, |logits, next, threads| {
            let rows: Vec<&Row> = kept.by_ref().take(next.len()).collect();
            for row in hold_rows(&rows, logits, next, threads) {
                sums.add(row);
            }
            rows.iter().for_each(|row| first.add_alone(row.surprise()));
        })?;
        Ok(Against {
            scored_tokens: sums.count(),
            windows,
            first: first.perplexity(),
            second: sums.perplexity(),
            change: sums.change(),
        })
    }

    /// How fast it reads and writes, measured once, after something else was read.
    pub fn speed(&self, go_on: &dyn Fn() -> bool) -> Result<Held, EngineError> {
        let model = self.model.as_ref();
        let mut readers = self.readers()?;
        let reader = readers.first_mut().ok_or_else(|| EngineError::InvalidOptions("no cache".to_owned()))?;
        let prompt = SPEED_PROMPT.min(self.options.context / 2).max(1);
        let written = SPEED_WRITTEN.min(self.options.context - prompt).max(1);
        let vocab = model.config().vocab_size;
        let token = |at: usize| u32::try_from((at * 7919 + 13) % vocab).unwrap_or(0);
        let ids: Vec<u32> = (0..prompt).map(token).collect();
        // Once unmeasured: the weights come from the disk, and every buffer gets its size.
        reader.step(model, &ids, 0, LogitRows::Last)?;
        self.check(go_on)?;
        let begin = Instant::now();
        reader.step(model, &ids, 0, LogitRows::Last)?;
        let reading = prompt as f64 / begin.elapsed().as_secs_f64();
        let begin = Instant::now();
        for at in prompt..prompt + written {
            self.check(go_on)?;
            reader.step(model, &[token(at)], at, LogitRows::Last)?;
        }
        Ok(Held { reading, writing: written as f64 / begin.elapsed().as_secs_f64() })
    }

    fn check(&self, go_on: &dyn Fn() -> bool) -> Result<(), EngineError> {
        if go_on() { Ok(()) } else { Err(EngineError::Cancelled) }
    }

    /// Reads window after window; `score` gets the logits of a few places at a time, the tokens behind them and the number
    /// of threads. Says how many windows were read.
    fn each_window(
        &self,
        tokens: &[u32],
        options: &ReadOptions,
        mut score: impl FnMut(&[f32], &[u32], usize),
    ) -> Result<usize, EngineError> {
        let context = self.window(tokens);
        if context < 8 {
            return Err(EngineError::TextTooShort { tokens: tokens.len(), context: 8 });
        }
        let vocab_size = self.model.config().vocab_size;
        if let Some(&token) = tokens.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(EngineError::UnknownToken { token, vocab_size });
        }
        let (begin, mut readers) = (Instant::now(), self.readers()?);
        let reader = readers.first_mut().ok_or_else(|| EngineError::InvalidOptions("no cache".to_owned()))?;
        let model = self.model.as_ref();
        let mut read = 0;
        for window in tokens.chunks_exact(context).take(options.windows.max(1)) {
            if read > 0 && begin.elapsed() >= options.time {
                break;
            }
            let mut window = window.to_vec();
            if let Some(bos) = self.tokenizer.bos().filter(|_| self.tokenizer.adds_bos()) {
                window[0] = bos;
            }
            let first = window.len() / 4;
            for (i, part) in window[..first].chunks(READ_ROWS).enumerate() {
                self.check(options.go_on)?;
                reader.step(model, part, i * READ_ROWS, LogitRows::None)?;
            }
            for start in (first..window.len() - 1).step_by(SCORED_ROWS) {
                self.check(options.go_on)?;
                let end = (window.len() - 1).min(start + SCORED_ROWS);
                reader.step(model, &window[start..end], start, LogitRows::All)?;
                score(&reader.logits, &window[start + 1..end + 1], self.threads);
            }
            read += 1;
            (options.progress)(read);
        }
        Ok(read)
    }
}

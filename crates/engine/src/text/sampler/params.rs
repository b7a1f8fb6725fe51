//! The settings of sampling and their ranges.

use serde::{Deserialize, Serialize};

/// How the next token is chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SamplingParams {
    /// Divides the logits; 0 always takes the likeliest token.
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this probability in sum; 1 keeps all.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest; 0 keeps all.
    pub min_p: f32,
    /// Divides positive and multiplies negative logits of recent tokens; 1 is off.
    pub repeat_penalty: f32,
    /// Subtracted once from the logit of a recent token; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from a recent token's logit for each time it occurs; 0 is off.
    pub frequency_penalty: f32,
    /// How many of the last tokens count as recent; 0 switches the penalties off.
    pub repeat_last_n: usize,
    /// The same seed gives the same tokens; `None` draws one.
    pub seed: Option<u64>,
    /// Added to the logits of single tokens; minus infinity bans one.
    pub logit_bias: Vec<(u32, f32)>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            repeat_last_n: 64,
            seed: None,
            logit_bias: Vec::new(),
        }
    }
}

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{field}` is {value}, but must be {range}")]
pub struct SamplingError {
    /// The field's name.
    pub field: &'static str,
    /// What was asked for.
    pub value: f32,
    /// What is allowed, in words.
    pub range: &'static str,
}

impl SamplingError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        "invalid_sampling"
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        format!("Set `{}` to a value that is {}.", self.field, self.range)
    }
}

impl SamplingParams {
    /// Always the likeliest token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }

    /// Checks every field's range.
    pub fn validate(&self) -> Result<(), SamplingError> {
        let check = |field, value: f32, ok: bool, range| {
            if ok { Ok(()) } else { Err(SamplingError { field, value, range }) }
        };
        let within = |value: f32, low: f32, high: f32| (low..=high).contains(&value);
        check("temperature", self.temperature, within(self.temperature, 0.0, 100.0), "from 0 to 100")?;
        check("top_p", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0, "over 0 and at most 1")?;
        check("min_p", self.min_p, within(self.min_p, 0.0, 1.0), "from 0 to 1")?;
        let penalty = self.repeat_penalty;
        check("repeat_penalty", penalty, penalty > 0.0 && penalty <= 100.0, "over 0 and at most 100")?;
        check(
            "presence_penalty",
            self.presence_penalty,
            within(self.presence_penalty, -100.0, 100.0),
            "from -100 to 100",
        )?;
        check(
            "frequency_penalty",
            self.frequency_penalty,
            within(self.frequency_penalty, -100.0, 100.0),
            "from -100 to 100",
        )?;
        for &(_, bias) in &self.logit_bias {
            check("logit_bias", bias, !bias.is_nan() && bias < f32::INFINITY, "a number below infinity")?;
        }
        Ok(())
    }

    pub(super) fn penalizes(&self) -> bool {
        self.repeat_last_n > 0
            && (self.repeat_penalty != 1.0 || self.presence_penalty != 0.0 || self.frequency_penalty != 0.0)
    }
}

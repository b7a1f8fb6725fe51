//! From logits to the next token.
//!
//! Order: logit bias, penalties, temperature, top-k, top-p, min-p, draw: the order of the libraries whose settings
//! model cards recommend. The same seed, logits and history give the same tokens on every machine. It allocates in
//! the first step only.

mod params;

pub use params::{SamplingError, SamplingParams};

/// Logits that no token can be chosen from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SampleError {
    /// The model's arithmetic went wrong.
    #[error("{count} of {total} logits are not numbers")]
    NotANumber {
        /// How many are NaN.
        count: usize,
        /// How many there are.
        total: usize,
    },
    /// Every token is banned.
    #[error("all {0} tokens are banned")]
    NoToken(usize),
}

impl SampleError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotANumber { .. } => "invalid_logits",
            Self::NoToken(_) => "no_token",
        }
    }

    /// What the user can do about it.
    pub fn next_step(&self) -> String {
        match self {
            Self::NotANumber { .. } => {
                "The model file may be damaged: verify it, or try another quantisation.".into()
            }
            Self::NoToken(_) => "Remove entries from `logit_bias`.".into(),
        }
    }
}

/// Chooses tokens for one sequence.
#[derive(Debug)]
pub struct Sampler {
    params: SamplingParams,
    rng: Rng,
    /// Occurrences of recent tokens by id; all zero between calls.
    counts: Vec<u32>,
    recent: Vec<u32>,
    candidates: Vec<Candidate>,
}

#[derive(Debug, Clone, Copy)]
struct Candidate {
    id: u32,
    /// A logit at first, then a weight relative to the likeliest token's.
    weight: f32,
}

impl Sampler {
    /// A sampler for settings that [`SamplingParams::validate`] accepts.
    pub fn new(params: &SamplingParams) -> Self {
        let rng = Rng::new(params.seed.unwrap_or_else(random_seed));
        Self { params: params.clone(), rng, counts: Vec::new(), recent: Vec::new(), candidates: Vec::new() }
    }

    /// The next token. `history` holds all tokens so far, oldest first; `logits` are changed in place.
    pub fn sample(&mut self, logits: &mut [f32], history: &[u32]) -> Result<u32, SampleError> {
        let (mut max, has_nan) = largest(logits);
        if has_nan {
            let count = logits.iter().filter(|logit| logit.is_nan()).count();
            return Err(SampleError::NotANumber { count, total: logits.len() });
        }
        for &(id, bias) in &self.params.logit_bias {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit += bias;
            }
        }
        self.penalize(logits, history);
        if !self.params.logit_bias.is_empty() || self.params.penalizes() {
            (max, _) = largest(logits);
        }
        if max == f32::NEG_INFINITY {
            return Err(SampleError::NoToken(logits.len()));
        }
        if self.params.temperature == 0.0 || max == f32::INFINITY {
            return first_with(logits, max).ok_or(SampleError::NoToken(logits.len()));
        }
        self.weigh(logits, max);
        self.truncate();
        Ok(self.draw())
    }

    fn penalize(&mut self, logits: &mut [f32], history: &[u32]) {
        if !self.params.penalizes() {
            return;
        }
        self.counts.resize(self.counts.len().max(logits.len()), 0);
        let window = &history[history.len().saturating_sub(self.params.repeat_last_n)..];
        for &id in window.iter().filter(|&&id| (id as usize) < logits.len()) {
            if self.counts[id as usize] == 0 {
                self.recent.push(id);
            }
            self.counts[id as usize] += 1;
        }
        for id in self.recent.drain(..) {
            let count = std::mem::take(&mut self.counts[id as usize]) as f32;
            let logit = &mut logits[id as usize];
            *logit = if *logit > 0.0 {
                *logit / self.params.repeat_penalty
            } else {
                *logit * self.params.repeat_penalty
            };
            *logit -= self.params.presence_penalty + count * self.params.frequency_penalty;
        }
    }

    /// Fills `candidates` with the tokens that top-k leaves and their weights exp((logit − max) / temperature).
    fn weigh(&mut self, logits: &[f32], max: f32) {
        self.candidates.clear();
        let keep = if self.params.top_k == 0 { logits.len() } else { self.params.top_k as usize };
        self.take_likeliest(logits, keep);
        for candidate in &mut self.candidates {
            candidate.weight = ((candidate.weight - max) / self.params.temperature).exp();
        }
    }

    /// Fills `candidates` with the `keep` likeliest tokens that are not banned.
    ///
    /// The list may grow to twice the size before the less likely half goes, and then only logits above all of that
    /// half are looked at: after the first few hundred, nearly none.
    fn take_likeliest(&mut self, logits: &[f32], keep: usize) {
        /// Logits that are compared at once.
        const GROUP: usize = 32;
        let full = keep.saturating_mul(2);
        let mut above = f32::NEG_INFINITY;
        for (group, first) in logits.chunks(GROUP).zip((0..).step_by(GROUP)) {
            if !group.iter().fold(false, |any, &logit| any | (logit > above)) {
                continue;
            }
            for (&weight, id) in group.iter().zip(first..) {
                // Of equal ones the first are kept, as `likelier` wants it.
                if weight > above {
                    self.candidates.push(Candidate { id, weight });
                }
                if self.candidates.len() >= full {
                    above = self.drop_unlikely(keep);
                }
            }
        }
        self.drop_unlikely(keep);
    }

    /// Leaves the `keep` likeliest candidates and gives the least of their weights.
    fn drop_unlikely(&mut self, keep: usize) -> f32 {
        if self.candidates.len() <= keep {
            return f32::NEG_INFINITY;
        }
        let (_, least, _) = self.candidates.select_nth_unstable_by(keep - 1, likelier);
        let least = least.weight;
        self.candidates.truncate(keep);
        least
    }

    /// Applies top-p and min-p. Both keep a beginning of the list by falling weight.
    fn truncate(&mut self) {
        let total: f64 = self.candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        if self.params.min_p > 0.0 {
            let least = self.params.min_p;
            self.candidates.retain(|candidate| candidate.weight >= least);
        }
        if self.params.top_p < 1.0 {
            let keep = self.nucleus(total * f64::from(self.params.top_p));
            self.candidates.truncate(keep);
        }
        // A fixed order, so that the draw doesn't depend on how the selection shuffled.
        self.candidates.sort_unstable_by_key(|candidate| candidate.id);
    }

    /// Brings the likeliest candidates to the front until their weights reach `mass`; returns how many those are.
    fn nucleus(&mut self, mass: f64) -> usize {
        let (mut sorted, mut sum, mut step) = (0, 0.0, 64);
        while sorted < self.candidates.len() {
            let rest = &mut self.candidates[sorted..];
            let count = step.min(rest.len());
            if count < rest.len() {
                rest.select_nth_unstable_by(count - 1, likelier);
            }
            rest[..count].sort_unstable_by(likelier);
            for (i, candidate) in rest[..count].iter().enumerate() {
                sum += f64::from(candidate.weight);
                if sum >= mass {
                    return sorted + i + 1;
                }
            }
            sorted += count;
            step *= 4;
        }
        self.candidates.len()
    }

    fn draw(&mut self) -> u32 {
        let total: f64 = self.candidates.iter().map(|candidate| f64::from(candidate.weight)).sum();
        let mut rest = self.rng.unit() * total;
        for candidate in &self.candidates {
            rest -= f64::from(candidate.weight);
            if rest < 0.0 {
                return candidate.id;
            }
        }
        // Rounding can leave a crumb: the last one with any weight takes it. The likeliest always has weight 1.
        let last = self.candidates.iter().rev().find(|candidate| candidate.weight > 0.0);
        last.map_or(0, |candidate| candidate.id)
    }
}

/// The highest logit, −∞ where every token is banned, and whether any is not a number. Each is looked at once.
fn largest(logits: &[f32]) -> (f32, bool) {
    let larger = |max: f32, logit: f32| if logit > max { logit } else { max };
    let (mut max, mut nan) = ([f32::NEG_INFINITY; 16], [0; 16]);
    let (groups, rest) = logits.as_chunks::<16>();
    for group in groups {
        for lane in 0..16 {
            max[lane] = larger(max[lane], group[lane]);
            nan[lane] |= u32::from(group[lane].is_nan());
        }
    }
    let max = max.iter().chain(rest).copied().fold(f32::NEG_INFINITY, larger);
    (max, nan != [0; 16] || rest.iter().any(|logit| logit.is_nan()))
}

/// The first token with this logit.
fn first_with(logits: &[f32], logit: f32) -> Option<u32> {
    /// Logits that are compared at once.
    const GROUP: usize = 64;
    let has = |group: &[f32]| group.iter().fold(false, |any, &one| any | (one == logit));
    let group = logits.chunks(GROUP).position(has)?;
    let at = logits[group * GROUP..].iter().position(|&one| one == logit)?;
    Some((group * GROUP + at) as u32)
}

/// Falling weight, rising id among equals.
fn likelier(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.weight.total_cmp(&a.weight).then(a.id.cmp(&b.id))
}

/// xoshiro256++ (Blackman and Vigna), seeded through SplitMix64: fixed for ever, unlike a library's default.
#[derive(Debug)]
struct Rng([u64; 4]);

impl Rng {
    fn new(mut seed: u64) -> Self {
        Self(std::array::from_fn(|_| {
            seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = seed;
            z = (z ^ z >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
            z ^ z >> 31
        }))
    }

    fn next(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number from 0 to below 1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A seed that differs from call to call: the standard library's hasher keys come from the operating system.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::time::SystemTime::now())
}

#[cfg(test)]
mod tests;

//! What the settings say of an answer, in the engine's words.

use lantern_engine::{Overflow, SamplingParams};
use lantern_protocol::{SamplingSettings, Settings};

/// What becomes of a conversation that does not fit.
pub(super) fn overflow(settings: &Settings) -> Overflow {
    match settings.overflow {
        lantern_protocol::Overflow::Error => Overflow::Error,
        // What there is no summary of is left out.
        lantern_protocol::Overflow::DropOldest | lantern_protocol::Overflow::Summarise => {
            Overflow::DropOldest
        }
    }
}

/// How tokens are chosen.
pub(super) fn sampling(settings: &SamplingSettings) -> SamplingParams {
    SamplingParams {
        temperature: settings.temperature,
        top_k: settings.top_k,
        top_p: settings.top_p,
        min_p: settings.min_p,
        repeat_penalty: settings.repeat_penalty,
        presence_penalty: settings.presence_penalty,
        frequency_penalty: settings.frequency_penalty,
        seed: settings.seed.map(u64::from),
        ..SamplingParams::default()
    }
}

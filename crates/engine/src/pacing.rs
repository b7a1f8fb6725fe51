//! How many prompt rows of other requests a step may carry while a chat is decoding.
//!
//! A chat's tokens should keep coming at an even pace while somebody else's long prompt is read. The pacer learns
//! what a step of decoding costs and what a prompt row costs, and allows as many rows as add a quarter to the
//! former. It only measures and divides; the scheduler applies the number.

use std::time::Duration;

/// The share of a decode step that other prompts may add.
const SHARE: f64 = 0.25;
/// Weight of a new measurement.
const NEW: f64 = 0.2;
/// A pure prompt step shorter than this says more about fixed costs than about rows.
const TELLING_ROWS: usize = 16;

/// Moving averages, in seconds.
#[derive(Debug, Default)]
pub(crate) struct Pacer {
    decode_step: Option<f64>,
    prompt_row: Option<f64>,
}

impl Pacer {
    /// Learns from a step with so many decoding and so many prompt rows.
    pub(crate) fn observe(&mut self, decode_rows: usize, prompt_rows: usize, took: Duration) {
        let took = took.as_secs_f64();
        match (decode_rows, prompt_rows) {
            (1.., 0) => average(&mut self.decode_step, took),
            (0, TELLING_ROWS..) => average(&mut self.prompt_row, took / prompt_rows as f64),
            (1.., 1..) => {
                if let Some(decode) = self.decode_step {
                    average(&mut self.prompt_row, (took - decode).max(0.0) / prompt_rows as f64);
                }
            }
            _ => {}
        }
    }

    /// Prompt rows of others beside a decoding chat. None until a decode step was measured; always at least one
    /// after that, so that nobody starves.
    pub(crate) fn beside_chat(&self) -> usize {
        match (self.decode_step, self.prompt_row) {
            (None, _) => 0,
            (Some(_), None) => 1,
            (Some(decode), Some(row)) => ((SHARE * decode / row.max(1e-9)).round() as usize).max(1),
        }
    }
}

fn average(value: &mut Option<f64>, new: f64) {
    *value = Some(value.map_or(new, |old| old + NEW * (new - old)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_allowed_for_a_quarter_of_a_decode_step() {
        let mut pacer = Pacer::default();
        assert_eq!(pacer.beside_chat(), 0, "the first decode step runs alone and is measured");
        pacer.observe(0, 500, Duration::from_millis(500));
        pacer.observe(1, 0, Duration::from_millis(40));
        assert_eq!(pacer.beside_chat(), 10);
        pacer.observe(1, 0, Duration::from_micros(1));
        for _ in 0..100 {
            pacer.observe(1, 0, Duration::from_micros(1));
        }
        assert_eq!(pacer.beside_chat(), 1, "a slow prompt still moves");
    }

    #[test]
    fn mixed_steps_teach_the_cost_of_a_row() {
        let mut pacer = Pacer::default();
        pacer.observe(1, 0, Duration::from_millis(40));
        pacer.observe(1, 10, Duration::from_millis(50));
        assert_eq!(pacer.beside_chat(), 10);
        pacer.observe(1, 10, Duration::from_millis(40));
        assert!(pacer.beside_chat() > 10, "cheaper rows allow more of them");
    }
}

//! What the figures of a comparison say, in words.

use lantern_hub::human_bytes;
use lantern_protocol::Comparison;

/// A sentence about quality and one about what it costs, both of the second model against the first.
pub(super) fn summary(comparison: &Comparison) -> String {
    let (a, b) = (&comparison.a, &comparison.b);
    let (same, change) = (comparison.same_top_percent.value, comparison.perplexity_change_percent);
    let quality = match same {
        same if same >= 97.0 => "says practically the same as",
        same if same >= 92.0 => "differs little from",
        same if same >= 85.0 => "differs noticeably from",
        _ => "differs much from",
    };
    let predicts = if change.value.abs() <= 2.0 * change.error {
        "no difference in prediction that is more than chance".to_owned()
    } else if change.value > 0.0 {
        format!("predicts the text {:.1} % worse", change.value)
    } else {
        format!("predicts the text {:.1} % better", -change.value)
    };
    let speed = b.writing_tokens_per_second / a.writing_tokens_per_second.max(f64::MIN_POSITIVE);
    let memory = match b.memory_bytes.cmp(&a.memory_bytes) {
        std::cmp::Ordering::Equal => "as much memory".to_owned(),
        std::cmp::Ordering::Less => format!("{} less memory", human_bytes(a.memory_bytes - b.memory_bytes)),
        std::cmp::Ordering::Greater => {
            format!("{} more memory", human_bytes(b.memory_bytes - a.memory_bytes))
        }
    };
    format!(
        "{} {quality} {}: the same next token at {same:.1} % of places, {predicts}. It writes {speed:.2} times as fast, in {memory}.",
        b.model, a.model
    )
}

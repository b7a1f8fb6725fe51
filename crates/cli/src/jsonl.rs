//! Commands that answer line by line: JSON on standard input, JSON on standard output, in the same order.
//!
//! A line that cannot be answered becomes `{"error": "…"}` and the next one is read, so that one bad line of many costs
//! one answer.

use std::io::{self, BufRead};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::CliError;
use crate::output;

/// The answer to a line that failed.
#[derive(Serialize)]
struct Failure {
    error: String,
}

/// Answers every line of standard input; empty ones are skipped.
pub fn answer<Q: DeserializeOwned, A: Serialize>(
    mut answer: impl FnMut(Q) -> Result<A, String>,
) -> Result<(), CliError> {
    for line in io::stdin().lock().split(b'\n') {
        let line = line.map_err(|error| CliError::internal(format!("no line to read: {error}")))?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let question = serde_json::from_slice(&line).map_err(|error| format!("not such a line: {error}"));
        let text = match question.and_then(&mut answer) {
            Ok(answer) => serde_json::to_string(&answer),
            Err(error) => serde_json::to_string(&Failure { error }),
        };
        output::line(one_line(text.map_err(|error| CliError::internal(error.to_string()))?))?;
    }
    Ok(())
}

/// Some programs end a line at these characters too, which JSON leaves as they are. They can only stand in strings.
fn one_line(json: String) -> String {
    if !json.contains(['\u{85}', '\u{2028}', '\u{2029}']) {
        return json;
    }
    json.replace('\u{85}', "\\u0085").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// For fields in which `null` means what a missing field means.
pub fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

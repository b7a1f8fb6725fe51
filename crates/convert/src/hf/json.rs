//! JSON files as Python writes them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::ConvertError;

/// A JSON file. Infinities and what is no number, which JSON does not have but Python writes, become nothing.
pub fn json(path: &Path) -> Result<Value, ConvertError> {
    let bytes = std::fs::read(path).map_err(ConvertError::io(path, "read"))?;
    let bad = |error: serde_json::Error| ConvertError::BadFile {
        path: PathBuf::from(path),
        reason: format!("it is not JSON: {error}"),
    };
    serde_json::from_slice(&bytes).or_else(|error| {
        let text = std::str::from_utf8(&bytes).map_err(|_| bad(error))?;
        serde_json::from_str(&finite(text)).map_err(bad)
    })
}

/// The text with `null` for `Infinity`, `-Infinity` and `NaN` outside strings.
fn finite(text: &str) -> String {
    let (mut out, mut rest, mut in_string) = (String::with_capacity(text.len()), text, false);
    while let Some(next) = rest.chars().next() {
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|word| rest.starts_with(word));
        let taken = match (in_string, next, word) {
            (false, _, Some(word)) => {
                out.push_str("null");
                word.len()
            }
            // What is escaped ends no string.
            (true, '\\', _) => {
                let two: String = rest.chars().take(2).collect();
                out.push_str(&two);
                two.len()
            }
            _ => {
                in_string ^= next == '"';
                out.push(next);
                next.len_utf8()
            }
        };
        rest = &rest[taken..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::finite;

    #[test]
    fn infinities_become_nothing() {
        let text = r#"{"a": [0.0, Infinity, -Infinity], "NaN \"Infinity": NaN, "é\\": "Infinity"}"#;
        let want = r#"{"a": [0.0, null, null], "NaN \"Infinity": null, "é\\": "Infinity"}"#;
        assert_eq!(finite(text), want);
        assert_eq!(finite("[-1, \"\\"), "[-1, \"\\");
    }
}

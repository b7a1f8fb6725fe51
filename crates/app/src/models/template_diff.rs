//! How a model's chat template differs from the one that its authors publish.

use lantern_hub::HubError;
use lantern_protocol::{DiffLine, DiffSide, TemplateDiff};
use serde_json::Value;
use similar::{ChangeTag, TextDiff};

use super::details::sha256;
use crate::{App, AppError};

/// Longest file that a template is read from; those of tokenizers with many added tokens have some 200 kB.
const MAX_FILE: usize = 4 << 20;

impl App {
    /// Compares the template in use of a model with that of the repository it was made from, line by line. Asks the Hub.
    pub async fn template_diff(&self, id: &str) -> Result<TemplateDiff, AppError> {
        let (ours, mut repos) = self.template_of(id).await?;
        // A model of its own authors' repository may be compared with that.
        repos.extend(self.find_model(id).await?.repo);
        let mut failure = None;
        for repo in repos {
            match self.original_template(&repo).await {
                Ok(Some((file, theirs))) => return Ok(compare(repo, file, &theirs, &ours)),
                Ok(None) => {}
                // A gated original is no reason not to compare with what was made from it.
                Err(error) => drop(failure.get_or_insert(error)),
            }
        }
        if let Some(error) = failure {
            return Err(error);
        }
        Err(AppError::new(
            "no_original_template",
            format!("{id} does not say which repository it was made from, or that one has no chat template."),
            "Compare it by hand with what its authors publish.",
        ))
    }

    /// `chat_template.jinja`, or what `tokenizer_config.json` has; `None` if a repository has neither.
    async fn original_template(&self, repo: &str) -> Result<Option<(String, String)>, AppError> {
        for file in ["chat_template.jinja", "tokenizer_config.json"] {
            let bytes = match self.hub().await.small_file(repo, file, MAX_FILE).await {
                Ok(bytes) => bytes,
                Err(HubError::NotFound { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let text = match file.ends_with(".json") {
                true => of_tokenizer_config(&bytes),
                false => Some(String::from_utf8_lossy(&bytes).into_owned()),
            };
            if let Some(text) = text {
                return Ok(Some((file.to_owned(), text)));
            }
        }
        Ok(None)
    }
}

/// A text, or a list of texts with names, of which `default` counts.
fn of_tokenizer_config(json: &[u8]) -> Option<String> {
    let config: Value = serde_json::from_slice(json).ok()?;
    match config.get("chat_template")? {
        Value::String(text) => Some(text.clone()),
        Value::Array(named) => {
            let is_default = |one: &&Value| one.get("name").is_some_and(|name| name == "default");
            Some(named.iter().find(is_default)?.get("template")?.as_str()?.to_owned())
        }
        _ => None,
    }
}

fn compare(repo: String, file: String, theirs: &str, ours: &str) -> TemplateDiff {
    let (theirs, ours) = (theirs.replace("\r\n", "\n"), ours.replace("\r\n", "\n"));
    let same = theirs.trim() == ours.trim();
    let diff = TextDiff::from_lines(theirs.trim_end(), ours.trim_end());
    let line = |change: similar::Change<&str>| DiffLine {
        side: match change.tag() {
            ChangeTag::Equal => DiffSide::Both,
            ChangeTag::Delete => DiffSide::Original,
            ChangeTag::Insert => DiffSide::Model,
        },
        text: change.value().trim_end_matches('\n').to_owned(),
    };
    let lines = if same { Vec::new() } else { diff.iter_all_changes().map(line).collect() };
    TemplateDiff { sha256: sha256(&theirs), repo, file, same, lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_line_by_line() {
        let diff = compare("o/n".into(), "f".into(), "one\ntwo\nthree\n", "one\r\n2\r\nthree");
        let lines: Vec<_> = diff.lines.iter().map(|line| (line.side, line.text.as_str())).collect();
        use DiffSide::{Both, Model, Original};
        assert_eq!(lines, [(Both, "one"), (Original, "two"), (Model, "2"), (Both, "three")]);
        assert!(!diff.same);
        let diff = compare("o/n".into(), "f".into(), "one\n", "one");
        assert!(diff.same && diff.lines.is_empty());
    }

    #[test]
    fn a_template_is_found_in_both_forms_of_a_tokenizers_settings() {
        assert_eq!(of_tokenizer_config(br#"{"chat_template":"a"}"#).as_deref(), Some("a"));
        let named =
            br#"{"chat_template":[{"name":"tool_use","template":"t"},{"name":"default","template":"d"}]}"#;
        assert_eq!(of_tokenizer_config(named).as_deref(), Some("d"));
        for other in [&b"{}"[..], b"[]", br#"{"chat_template":5}"#, b"<html>"] {
            assert_eq!(of_tokenizer_config(other), None);
        }
    }
}

//! What a model thinks, written into its answer: messages have one text, and whoever shows them looks for the tags.

/// Opens a thought.
const OPEN: &str = "<think>\n";
/// Ends it.
const CLOSE: &str = "\n</think>\n\n";

/// Puts the tags between the pieces of one answer.
#[derive(Debug, Default)]
pub struct Thoughts {
    is_open: bool,
}

impl Thoughts {
    /// A piece of a thought, with the tag that opens it where it begins.
    pub fn thought(&mut self, text: &str) -> String {
        if text.is_empty() {
            return String::new();
        }
        let opens = !std::mem::replace(&mut self.is_open, true);
        if opens { format!("{OPEN}{text}") } else { text.to_owned() }
    }

    /// A piece of what is said, with the tag that ends the thought before it.
    pub fn said(&mut self, text: String) -> String {
        if text.is_empty() || !std::mem::take(&mut self.is_open) { text } else { format!("{CLOSE}{text}") }
    }

    /// The tag that ends a thought behind which nothing is said: the model calls a tool.
    pub(crate) fn end(&mut self) -> String {
        if std::mem::take(&mut self.is_open) { CLOSE.to_owned() } else { String::new() }
    }
}

/// What is said of an answer, without what was thought. Nothing, while it was still thinking.
pub(crate) fn without_thoughts(text: &str) -> &str {
    match text.rsplit_once("</think>") {
        Some((_, said)) => said.trim_start(),
        None if text.starts_with("<think>") => "",
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thought_stands_between_tags() {
        let mut thoughts = Thoughts::default();
        let pieces = [
            thoughts.thought("a"),
            thoughts.thought(" b"),
            thoughts.said(String::new()),
            thoughts.said("c".into()),
            thoughts.said("d".into()),
        ];
        assert_eq!(pieces.concat(), "<think>\na b\n</think>\n\ncd");
    }
}

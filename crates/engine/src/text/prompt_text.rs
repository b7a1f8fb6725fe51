//! A prompt as text, and the places in it where a control token is only spelt: by a person, a tool or a document.
//!
//! The model must see such a spelling as the characters it is, or whoever writes `<|im_end|>` into a message could end
//! it and speak for somebody else. It knows neither templates nor vocabularies.

/// Text to be tokenised, most of which may steer the model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PromptText {
    text: String,
    /// For each spelling that is none the place behind its first character, in rising order.
    spelt: Vec<usize>,
}

impl PromptText {
    /// A text in which every control token is meant.
    pub fn new(text: String) -> Self {
        Self { text, spelt: Vec::new() }
    }

    /// A text in which a `mark` stands behind the first character of each spelling that is no token.
    pub fn from_marked(marked: &str, mark: char) -> Self {
        let mut text = String::with_capacity(marked.len());
        let mut spelt = Vec::new();
        for (i, part) in marked.split(mark).enumerate() {
            if i > 0 {
                spelt.push(text.len());
            }
            text.push_str(part);
        }
        Self { text, spelt }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a control token spelt from `start` to `end` is meant.
    pub fn is_meant(&self, start: usize, end: usize) -> bool {
        let first = self.spelt.partition_point(|&place| place <= start);
        self.spelt.get(first).is_none_or(|&place| place > end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_become_places() {
        let text = PromptText::from_marked("<a>x<¦a>§¦", '¦');
        assert_eq!(text.text(), "<a>x<a>§");
        assert!(text.is_meant(0, 3), "the first was not marked");
        assert!(!text.is_meant(4, 7), "the second was");
        assert!(!text.is_meant(7, 9), "a token of one character can be marked too");
        assert!(PromptText::new("<a>".into()).is_meant(0, 3));
    }
}

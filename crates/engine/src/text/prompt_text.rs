//! A prompt as text, and the places in it where a control token is only spelt: by a person, a tool or a document.
//!
//! The model must see such a spelling as the characters it is, or whoever writes `<|im_end|>` into a message could end
//! it and speak for somebody else. It knows neither templates nor vocabularies.

use std::ops::Range;

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

    /// The text with `with` in place of every `what` that is meant, and how many there were. What is put in is meant.
    pub fn replaced(&self, what: &str, with: &str) -> (Self, usize) {
        let mut made = Self::default();
        let (mut found, mut end) = (0, 0);
        let meant = |(start, _): &(usize, &str)| self.is_meant(*start, start + what.len());
        for (start, _) in self.text.match_indices(what).filter(meant) {
            made.push(self, end..start);
            made.text.push_str(with);
            (found, end) = (found + 1, start + what.len());
        }
        made.push(self, end..self.text.len());
        (made, found)
    }

    /// Appends a piece of another text.
    fn push(&mut self, from: &Self, range: Range<usize>) {
        let places = from.spelt.iter().filter(|place| range.start < **place && **place <= range.end);
        let at = self.text.len();
        self.spelt.extend(places.map(|place| place - range.start + at));
        self.text.push_str(&from.text[range]);
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

    #[test]
    fn only_what_is_meant_is_replaced() {
        let text = PromptText::from_marked("x<a><¦a>y<a><¦a>", '¦');
        let (replaced, found) = text.replaced("<a>", "<open><shut>");
        assert_eq!((replaced.text(), found), ("x<open><shut><a>y<open><shut><a>", 2));
        assert!(replaced.is_meant(1, 7) && replaced.is_meant(17, 23));
        assert!(!replaced.is_meant(13, 16) && !replaced.is_meant(29, 32));
        assert_eq!(text.replaced("no", "yes"), (text.clone(), 0));
    }
}

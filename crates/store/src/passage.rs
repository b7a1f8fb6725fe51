//! Which words of a text a search matched, and the passage around them that is shown.
//!
//! FTS5 could do both, but it reads every shown document from beginning to end for it, and an answer may have 200 kB. This
//! stops soon after the first match. Words are folded as the index folds them: by case and diacritics.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::search::{SPLIT, writes_without_spaces};

/// Stands around a match in a snippet. Taken out of documents, so that it means nothing else there.
pub(crate) const MATCH_START: char = '\u{2068}';
/// Ends it.
pub(crate) const MATCH_END: char = '\u{2069}';

/// Characters before the first match, and in all.
const BEFORE: usize = 40;
const LENGTH: usize = 180;
/// So far behind the first match the others are looked for.
const REACH: usize = 400;

/// What a person typed, as it is compared.
pub(crate) struct Words(Vec<Word>);

struct Word {
    /// Folded.
    tokens: Vec<String>,
    /// Whether the last token may go on.
    is_prefix: bool,
}

/// A word of a text: its place in bytes, and folded.
struct Token {
    start: usize,
    end: usize,
    folded: String,
}

impl Words {
    /// The words of a query, by the same rules as `search::expression`.
    pub(crate) fn of(query: &str) -> Self {
        let words = query.split_whitespace().filter_map(|word| {
            let tokens: Vec<String> = Tokens::new(word).map(|token| token.folded).collect();
            let last = tokens.last()?.chars().next()?;
            let is_prefix = tokens.last().is_some_and(|token| token.chars().count() > 1);
            Some(Word { is_prefix: is_prefix && !writes_without_spaces(last), tokens })
        });
        Self(words.collect())
    }

    /// Whether all words are in a (short) text.
    pub(crate) fn all_in(&self, text: &str) -> bool {
        let tokens: Vec<Token> = Tokens::new(text).collect();
        !self.0.is_empty() && self.0.iter().all(|word| (0..tokens.len()).any(|at| word.is_at(&tokens[at..])))
    }

    /// The text around the first match, matches marked, on one line. `None` where no word is found: folding differs from
    /// the index's for few characters of rare scripts.
    pub(crate) fn passage(&self, text: &str) -> Option<String> {
        let longest = self.0.iter().map(|word| word.tokens.len()).max()?;
        let mut tokens = Tokens::new(text);
        let mut window: Vec<Token> = Vec::new();
        let mut matches: Vec<(usize, usize)> = Vec::new();
        loop {
            while window.len() < longest
                && let Some(token) = tokens.next()
            {
                window.push(token);
            }
            let Some(first) = window.first() else { break };
            if matches.first().is_some_and(|(start, _)| first.start > start + REACH) {
                break;
            }
            if let Some(word) = self.0.iter().find(|word| word.is_at(&window)) {
                let used = word.tokens.len();
                matches.push((first.start, window[used - 1].end));
                window.drain(..used);
            } else {
                window.remove(0);
            }
        }
        let (start, _) = *matches.first()?;
        Some(cut(text, start, &matches))
    }
}

impl Word {
    fn is_at(&self, tokens: &[Token]) -> bool {
        let last = self.tokens.len() - 1;
        tokens.len() > last
            && self.tokens.iter().enumerate().all(|(at, word)| match at == last && self.is_prefix {
                true => tokens[at].folded.starts_with(word.as_str()),
                false => tokens[at].folded == *word,
            })
    }
}

/// The beginning of a text, as a snippet without a match.
pub(crate) fn beginning(text: &str) -> String {
    cut(text, 0, &[])
}

/// The text from some words before `from` on, the matches marked.
fn cut(text: &str, from: usize, matches: &[(usize, usize)]) -> String {
    let start = before(text, from);
    let mut end = text[start..].char_indices().nth(LENGTH).map_or(text.len(), |(at, _)| start + at);
    if let Some(&(_, first_end)) = matches.first() {
        end = end.max(first_end);
    }
    let mut out = String::new();
    let mut at = start;
    for &(match_start, match_end) in matches.iter().filter(|(_, match_end)| *match_end <= end) {
        out.push_str(&text[at..match_start]);
        out.push(MATCH_START);
        out.push_str(&text[match_start..match_end]);
        out.push(MATCH_END);
        at = match_end;
    }
    out.push_str(&text[at..end]);
    let joined: String = out.chars().filter(|c| *c != SPLIT).collect();
    let line = joined.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("{}{line}{}", if start > 0 { "…" } else { "" }, if end < text.len() { "…" } else { "" })
}

/// The beginning of a word at most [`BEFORE`] characters before.
fn before(text: &str, from: usize) -> usize {
    let far = text[..from].char_indices().rev().nth(BEFORE - 1).map_or(0, |(at, _)| at);
    if far == 0 {
        return 0;
    }
    text[far..from].find(char::is_whitespace).map_or(far, |space| far + space + 1).min(from)
}

/// The words of a text as the index sees them: runs of letters and digits, and single characters of scripts that are
/// written without spaces.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let rest = &self.text[self.at..];
        let start = self.at + rest.find(char::is_alphanumeric)?;
        let mut folded = String::new();
        let mut end = start;
        for c in self.text[start..].chars() {
            let alone = writes_without_spaces(c);
            let is_first = end == start;
            if !(c.is_alphanumeric() || is_combining_mark(c)) || (alone && !is_first) {
                break;
            }
            fold(c, &mut folded);
            end += c.len_utf8();
            if alone {
                break;
            }
        }
        self.at = end;
        Some(Token { start, end, folded })
    }
}

fn fold(c: char, into: &mut String) {
    if c.is_ascii() {
        into.push(c.to_ascii_lowercase());
    } else {
        into.extend(c.to_lowercase().nfd().filter(|c| !is_combining_mark(*c)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passage(query: &str, text: &str) -> Option<String> {
        Words::of(query).passage(text).map(|found| found.replace(MATCH_START, "[").replace(MATCH_END, "]"))
    }

    #[test]
    fn matches_are_marked_whatever_their_case_and_accents() {
        assert_eq!(passage("cafe zur", "Ein Café in Zürich"), Some("Ein [Café] in [Zürich]".into()));
        assert_eq!(passage("e\u{301}t", "l'été"), Some("l'[été]".into()));
        assert_eq!(passage("c++", "c# and c++"), Some("[c]# and [c]++".into()));
        assert_eq!(passage("天气", "今天天气很好"), Some("今天[天气]很好".into()));
        assert_eq!(passage("no-one", "no one, no-one else"), Some("[no one], [no-one] else".into()));
        assert_eq!(passage("x", "nothing"), None);
    }

    #[test]
    fn a_passage_is_short_and_begins_at_a_word() {
        let text = format!("{} needle {}", "straw ".repeat(1000), "hay ".repeat(1000));
        let found = passage("needle", &text).unwrap();
        assert!(found.starts_with("…straw straw") && found.ends_with('…'), "{found}");
        assert!(found.contains(" [needle] hay"), "{found}");
        assert!(found.chars().count() < LENGTH + 10);
        let long = format!("{}ä", "ö".repeat(500));
        assert!(
            passage("öö", &long).unwrap().starts_with("[ö"),
            "a match longer than the passage is shown whole"
        );
    }

    #[test]
    fn a_short_text_has_all_words_or_not() {
        assert!(Words::of("plans hol").all_in("Holiday plans"));
        assert!(!Words::of("plans work").all_in("Holiday plans"));
        assert!(!Words::of("++").all_in("Holiday plans"));
    }
}

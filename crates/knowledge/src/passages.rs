//! Cuts a document into passages: pieces large enough to be understood alone and small enough for a vector to say what they
//! are about.
//!
//! Passages follow each other without gap or overlap, so all of them together are the text. A cut is made where the best
//! one is: before a page, a section or a sheet, behind a paragraph, a line, a sentence, a word.

use std::ops::Range;

use lantern_protocol::{DocumentKind, Place};

use crate::Extracted;

/// A passage is no longer than this, in letters; some 300 tokens, which every embedding model takes.
const LONGEST: usize = 1200;
/// No cut is made before so many letters, unless the text ends.
const SHORTEST: usize = 400;
/// Han, kana and Hangul take a token for each character or two.
const WIDE: usize = 3;

/// One passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// Bytes of the document's text.
    pub range: Range<usize>,
    /// Where it begins.
    pub place: Place,
}

/// The passages of a document, in order.
pub fn passages(document: &Extracted) -> Vec<Passage> {
    let text = document.text.as_str();
    let has_lines = matches!(document.kind, DocumentKind::Text | DocumentKind::Code | DocumentKind::Markdown);
    let (mut found, mut start, mut line, mut mark) = (Vec::new(), 0, 1_u32, 0);
    let breaks: Vec<usize> = document.marks.iter().filter(|mark| mark.is_break).map(|mark| mark.at).collect();
    while start < text.len() {
        let end = start + cut(&text[start..], start, &breaks);
        // A passage stands where its first words do: white space before a heading belongs to nobody.
        let words = start + (text[start..end].len() - text[start..end].trim_start().len());
        let words = if words < end { words } else { start };
        while document.marks.get(mark + 1).is_some_and(|next| next.at <= words) {
            mark += 1;
        }
        let mut place = match document.marks.get(mark) {
            Some(mark) if mark.at <= words => mark.place.clone(),
            _ => Place::default(),
        };
        if has_lines {
            place.line = Some(line.saturating_add(lines(&text[start..words])));
            line = line.saturating_add(lines(&text[start..end]));
        }
        if !text[start..end].trim().is_empty() || found.is_empty() {
            found.push(Passage { range: start..end, place });
        } else if let Some(Passage { range, .. }) = found.last_mut() {
            range.end = end;
        }
        start = end;
    }
    found
}

fn lines(text: &str) -> u32 {
    u32::try_from(text.bytes().filter(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// How many bytes of `rest`, which begins at byte `start` of its text, are the next passage.
fn cut(rest: &str, start: usize, breaks: &[usize]) -> usize {
    let window = window(rest);
    let limit = window.longest;
    let next = breaks.partition_point(|at| *at < start + window.shortest);
    if let Some(at) = breaks.get(next).map(|at| at - start).filter(|at| *at <= limit) {
        return at;
    }
    if limit == rest.len() {
        return limit;
    }
    let searched = &rest[window.shortest..limit];
    let behind = |word: &str| searched.rfind(word).map(|at| window.shortest + at + word.len());
    let sentence = || [". ", "! ", "? ", "。", "！", "？"].into_iter().filter_map(behind).max();
    behind("\n\n").or_else(|| behind("\n")).or_else(sentence).or_else(|| behind(" ")).unwrap_or(limit)
}

struct Window {
    shortest: usize,
    longest: usize,
}

/// Between which bytes a passage may end; both are ends of characters and neither is 0.
fn window(rest: &str) -> Window {
    let (mut letters, mut shortest, mut longest) = (0, None, rest.len());
    for (at, c) in rest.char_indices() {
        letters += if c >= '\u{2E80}' { WIDE } else { 1 };
        let end = at + c.len_utf8();
        if letters >= SHORTEST {
            shortest.get_or_insert(end);
        }
        if letters >= LONGEST {
            longest = end;
            break;
        }
    }
    Window { shortest: shortest.unwrap_or(longest).min(longest), longest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Mark;

    fn text(text: &str) -> Extracted {
        Extracted { kind: DocumentKind::Text, text: text.into(), marks: Vec::new() }
    }

    #[test]
    fn a_short_text_is_one_passage() {
        let found = passages(&text("\n\nOne.\nTwo.\n"));
        let place = Place { line: Some(3), ..Place::default() };
        assert_eq!(found, [Passage { range: 0..12, place }]);
        assert_eq!(passages(&text("")), []);
    }

    #[test]
    fn a_cut_is_made_behind_a_paragraph_before_it_is_made_behind_a_sentence() {
        let paragraph = "A sentence of some words. ".repeat(20);
        let all = format!("{paragraph}\n\n{paragraph}{paragraph}{paragraph}");
        let found = passages(&text(&all));
        assert_eq!(found[0].range.end, paragraph.len() + 2);
        assert!(all[found[1].range.clone()].ends_with(". "));
        assert_eq!(found[1].place.line, Some(3));
    }

    #[test]
    fn a_page_begins_a_passage_unless_the_one_before_is_tiny() {
        let page = "Words of a page. ".repeat(30);
        let all = format!("Title\n\n{page}\n\n{page}");
        let second = 7 + page.len() + 2;
        let mark =
            |at, number| Mark { at, place: Place { page: Some(number), ..Place::default() }, is_break: true };
        let marks = vec![mark(0, 1), mark(7, 2), mark(second, 3)];
        let found = passages(&Extracted { kind: DocumentKind::Pdf, text: all, marks });
        let pages: Vec<_> = found.iter().map(|passage| passage.place.page).collect();
        assert_eq!(pages, [Some(1), Some(3)]);
        assert_eq!(found[1].range.start, second);
    }

    #[test]
    fn scripts_without_spaces_make_shorter_passages() {
        let found = passages(&text(&"灯".repeat(1000)));
        assert!(found.iter().all(|passage| passage.range.len() <= LONGEST), "{found:?}");
    }
}

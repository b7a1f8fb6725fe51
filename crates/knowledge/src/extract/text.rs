//! Plain text, source code, and the headings of Markdown (CommonMark 4.2, ATX only). What is really a table or a page
//! goes on to whoever reads those.

use lantern_protocol::{DocumentKind, Place};

use super::{Builder, csv, html};
use crate::ExtractError;

pub(super) fn read(text: &str, kind: DocumentKind, out: Builder) -> Result<Builder, ExtractError> {
    match kind {
        DocumentKind::Html => html::read(text, out),
        DocumentKind::Csv => csv::read(text, out),
        DocumentKind::Markdown => markdown(text, out),
        _ => plain(text, out),
    }
}

fn plain(text: &str, mut out: Builder) -> Result<Builder, ExtractError> {
    for line in text.split_inclusive('\n') {
        out.push(line)?;
    }
    Ok(out)
}

fn markdown(text: &str, mut out: Builder) -> Result<Builder, ExtractError> {
    let (mut path, mut fence) = (Headings::default(), None);
    for line in text.split_inclusive('\n') {
        let begins = line.trim_start();
        match fence {
            Some(end) if begins.starts_with(end) => fence = None,
            None if begins.starts_with("```") => fence = Some("```"),
            None if begins.starts_with("~~~") => fence = Some("~~~"),
            _ => {}
        }
        if let (None, Some((level, title))) = (fence, heading(line)) {
            path.enter(level, title);
            out.mark(path.place(), true);
        }
        out.push(line)?;
    }
    Ok(out)
}

fn heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|byte| *byte == b'#').count();
    let title = line.get(level..)?;
    let is_heading = (1..=6).contains(&level) && title.starts_with([' ', '\t']);
    is_heading.then(|| (level, title.trim().trim_end_matches('#').trim_end()))
}

/// The headings that a text stands under.
#[derive(Debug, Default)]
pub(super) struct Headings(Vec<(usize, String)>);

/// Of a heading so many characters are kept.
const LONGEST: usize = 120;

impl Headings {
    /// A heading of this level ends all that are as deep or deeper.
    pub(super) fn enter(&mut self, level: usize, title: &str) {
        self.0.retain(|(other, _)| *other < level);
        let title: String = title.split_whitespace().collect::<Vec<_>>().join(" ");
        if !title.is_empty() {
            self.0.push((level, title.chars().take(LONGEST).collect()));
        }
    }

    pub(super) fn place(&self) -> Place {
        let path: Vec<&str> = self.0.iter().map(|(_, title)| title.as_str()).collect();
        Place { heading: (!path.is_empty()).then(|| path.join(" › ")), ..Place::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_ends_those_below_it() {
        let mut path = Headings::default();
        path.enter(1, "Lens");
        path.enter(3, "Glass");
        assert_eq!(path.place().heading.as_deref(), Some("Lens › Glass"));
        path.enter(2, "Light");
        assert_eq!(path.place().heading.as_deref(), Some("Lens › Light"));
    }

    #[test]
    fn only_lines_of_the_right_form_are_headings() {
        assert_eq!(heading("## Two ##\n"), Some((2, "Two")));
        assert_eq!(heading("#hashtag"), None);
        assert_eq!(heading("####### seven"), None);
    }
}

//! Web pages: the text that a reader sees, without scripts, styles and what is hidden.

use ego_tree::iter::Edge;
use html5ever::tendril::{StrTendril, TendrilSink};
use scraper::node::Node;
use scraper::{ElementRef, Html, HtmlTreeSink};

use super::Builder;
use super::text::Headings;
use crate::ExtractError;

/// Their content is no text of the page.
const SKIPPED: &[&str] = &[
    "script", "style", "noscript", "template", "head", "svg", "iframe", "object", "canvas", "audio", "video",
    "select", "button",
];

/// They stand on lines of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "details",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "header",
    "hr",
    "main",
    "nav",
    "section",
    "summary",
    "tbody",
    "thead",
    "tr",
];

/// They have an empty line around them.
const PARAGRAPHS: &[&str] = &["p", "pre", "table", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"];

/// Bytes that are parsed between two looks at the clock.
const PIECE: usize = 4 << 10;

pub(super) fn read(text: &str, mut out: Builder) -> Result<Builder, ExtractError> {
    let page = parse(text, &out)?;
    let mut reader = Reader { path: Headings::default(), skipping: 0, preformatted: 0, space: false };
    // A walk along the edges needs no stack, however deep the page is.
    for edge in page.tree.root().traverse() {
        out.tick()?;
        match edge {
            Edge::Open(node) => match node.value() {
                Node::Text(words) => reader.words(words, &mut out)?,
                Node::Element(_) => {
                    if let Some(element) = ElementRef::wrap(node) {
                        reader.open(element, &mut out)?;
                    }
                }
                _ => {}
            },
            Edge::Close(node) => {
                if let Node::Element(element) = node.value() {
                    reader.close(element.name(), is_hidden(element), &mut out);
                }
            }
        }
    }
    Ok(out)
}

/// Parses a piece at a time: what a page costs grows with the square of how deep it is, so the clock is looked at between.
fn parse(text: &str, out: &Builder) -> Result<Html, ExtractError> {
    let mut parser =
        html5ever::parse_document(HtmlTreeSink::new(Html::new_document()), html5ever::ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.floor_char_boundary(PIECE.min(rest.len())));
        parser.process(StrTendril::from(piece));
        rest = behind;
        out.in_time()?;
    }
    Ok(parser.finish())
}

struct Reader {
    path: Headings,
    /// Elements around here whose content is left out.
    skipping: usize,
    preformatted: usize,
    /// White space that counts once something follows.
    space: bool,
}

impl Reader {
    fn open(&mut self, element: ElementRef<'_>, out: &mut Builder) -> Result<(), ExtractError> {
        let name = element.value().name();
        if SKIPPED.contains(&name) || is_hidden(element.value()) {
            self.skipping += 1;
        }
        if self.skipping > 0 {
            return Ok(());
        }
        self.edge(name, out);
        if let Some(level) = level(name) {
            let title: String = element.text().take(64).collect();
            self.path.enter(level, &title);
            out.mark(self.path.place(), true);
        }
        match name {
            "li" => {
                out.end_line();
                out.push("- ")
            }
            "td" | "th" => {
                let begins = out.text().ends_with('\n') || out.text().is_empty();
                self.space = false;
                out.push(if begins { "" } else { " | " })
            }
            "pre" | "textarea" => {
                self.preformatted += 1;
                Ok(())
            }
            "br" => out.push("\n"),
            "img" => match element.value().attr("alt").map(str::trim).filter(|alt| !alt.is_empty()) {
                Some(alt) => out.push(&format!("[{alt}]")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn close(&mut self, name: &str, hidden: bool, out: &mut Builder) {
        if SKIPPED.contains(&name) || hidden {
            self.skipping = self.skipping.saturating_sub(1);
            return;
        }
        if self.skipping > 0 {
            return;
        }
        if matches!(name, "pre" | "textarea") {
            self.preformatted = self.preformatted.saturating_sub(1);
        }
        self.edge(name, out);
    }

    /// Where a block begins or ends.
    fn edge(&mut self, name: &str, out: &mut Builder) {
        if PARAGRAPHS.contains(&name) {
            out.end_block();
            self.space = false;
        } else if BLOCKS.contains(&name) || name == "li" {
            out.end_line();
            self.space = false;
        }
    }

    fn words(&mut self, words: &str, out: &mut Builder) -> Result<(), ExtractError> {
        if self.skipping > 0 {
            return Ok(());
        }
        if self.preformatted > 0 {
            return out.push(words);
        }
        self.space |= words.starts_with(char::is_whitespace);
        for word in words.split_whitespace() {
            if self.space && !out.text().is_empty() && !out.text().ends_with(['\n', ' ']) {
                out.push(" ")?;
            }
            out.push(word)?;
            self.space = true;
        }
        if !words.trim().is_empty() {
            self.space = words.ends_with(char::is_whitespace);
        }
        Ok(())
    }
}

fn is_hidden(element: &scraper::node::Element) -> bool {
    element.attr("hidden").is_some() || element.attr("aria-hidden") == Some("true")
}

fn level(name: &str) -> Option<usize> {
    let level = name.strip_prefix('h')?.parse().ok()?;
    (1..=6).contains(&level).then_some(level)
}

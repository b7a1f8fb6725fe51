//! Word documents (ISO/IEC 29500-1, WordprocessingML): the text of the body and of its notes. What was deleted with changes
//! being tracked is left out.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::archive::{self, damaged};
use super::text::Headings;
use super::{Builder, xlsx};
use crate::ExtractError;

/// Elements may be so deep in each other; tables in tables take some ten for each.
const DEEPEST: usize = 1024;

pub(super) fn read(bytes: &[u8], mut out: Builder) -> Result<Builder, ExtractError> {
    archive::check(bytes, &out)?;
    let missing = || ExtractError::Damaged("it has no text part".into());
    let body = archive::part(bytes, "word/document.xml", &out)?.ok_or_else(missing)?;
    let mut document = Document::default();
    document.part(&body, &mut out)?;
    for notes in ["word/footnotes.xml", "word/endnotes.xml"] {
        if let Some(notes) = archive::part(bytes, notes, &out)? {
            out.end_block();
            document.part(&notes, &mut out)?;
        }
    }
    Ok(out)
}

#[derive(Default)]
struct Document {
    path: Headings,
    /// Level of the heading that the paragraph is, if it is one.
    level: Option<usize>,
    /// Byte at which the paragraph begins.
    begins: usize,
    /// Whether characters are words of the text.
    in_words: bool,
    tables: usize,
    cells: usize,
}

impl Document {
    fn part(&mut self, xml: &str, out: &mut Builder) -> Result<(), ExtractError> {
        let mut reader = Reader::from_str(xml);
        let mut depth = 0_usize;
        loop {
            out.tick()?;
            match reader.read_event().map_err(damaged)? {
                Event::Start(element) => {
                    depth += 1;
                    if depth > DEEPEST {
                        return Err(ExtractError::Nested);
                    }
                    self.open(&element, out)?;
                }
                Event::Empty(element) => {
                    self.open(&element, out)?;
                    self.close(element.local_name().as_ref(), out)?;
                }
                Event::End(element) => {
                    depth = depth.saturating_sub(1);
                    self.close(element.local_name().as_ref(), out)?;
                }
                Event::Text(words) if self.in_words => out.push(&words.xml10_content())?,
                Event::CData(words) if self.in_words => out.push(&words.xml10_content())?,
                Event::GeneralRef(name) if self.in_words => out.push(&xlsx::character(&name)?)?,
                Event::Eof => return Ok(()),
                _ => {}
            }
        }
    }

    fn open(&mut self, element: &BytesStart<'_>, out: &mut Builder) -> Result<(), ExtractError> {
        match element.local_name().as_ref() {
            "p" => {
                self.level = None;
                self.begins = out.text().len();
            }
            "pStyle" => self.level = style(element),
            "t" => self.in_words = true,
            "tab" => return out.push("\t"),
            "br" | "cr" => return out.push("\n"),
            "noBreakHyphen" => return out.push("-"),
            "tbl" => {
                self.tables += 1;
                out.end_block();
            }
            "tr" => self.cells = 0,
            "tc" => {
                self.cells += 1;
                if self.cells > 1 {
                    return out.push(" | ");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn close(&mut self, name: &str, out: &mut Builder) -> Result<(), ExtractError> {
        match name {
            "t" => self.in_words = false,
            "p" if self.tables > 0 => return out.push(" "),
            "p" => self.end_paragraph(out),
            "tr" => out.end_line(),
            "tbl" => {
                self.tables = self.tables.saturating_sub(1);
                out.end_block();
            }
            _ => {}
        }
        Ok(())
    }

    fn end_paragraph(&mut self, out: &mut Builder) {
        if let Some(level) = self.level.take()
            && let Some(title) = out.text().get(self.begins..).filter(|title| !title.trim().is_empty())
        {
            self.path.enter(level, title);
            out.mark_at(self.begins, self.path.place(), true);
        }
        out.end_block();
    }
}

/// `Heading2` is a heading of the second level in every language of Word; `Title` stands above all.
fn style(element: &BytesStart<'_>) -> Option<usize> {
    let attribute = element.attributes().flatten().find(|a| a.key.local_name().as_ref() == "val")?;
    let name = attribute.value.to_ascii_lowercase();
    match name.as_str() {
        "title" => Some(0),
        name => name.strip_prefix("heading")?.trim().parse().ok().filter(|level| (1..=9).contains(level)),
    }
}

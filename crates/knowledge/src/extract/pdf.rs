//! PDF (ISO 32000-1): the characters that pages draw, in the order in which they are drawn, with lines and words told by
//! where they are.

use std::panic::AssertUnwindSafe;

use lantern_protocol::Place;
use pdf_extract::{Document, MediaBox, OutputDev, OutputError, Transform};

use super::archive::damaged;
use super::{Builder, pdf_guard};
use crate::ExtractError;

/// More pages than this nobody reads; a tree that claims more is made to keep a reader busy.
const MOST_PAGES: usize = 20_000;

type ArtBox = (f64, f64, f64, f64);

pub(super) fn read(bytes: &[u8], mut out: Builder) -> Result<Builder, ExtractError> {
    pdf_guard::check_packed(bytes, &out)?;
    // Many files only forbid printing: those open without a password, and are then no longer marked as encrypted.
    let document = Document::load_mem(bytes).map_err(refusal)?;
    if document.trailer.get(b"Encrypt").is_ok() {
        return Err(ExtractError::Encrypted);
    }
    let pages = document.get_pages();
    if pages.len() > MOST_PAGES {
        return Err(ExtractError::Nested);
    }
    pdf_guard::check_nesting(&document)?;
    let mut failure = None;
    for &number in pages.keys() {
        out.end_block();
        out.mark(Place { page: Some(number), ..Place::default() }, true);
        let mut page = Page { out, refused: None, last: None, word_begins: false };
        // One page that its parser cannot make sense of is no reason to lose the others.
        let read = std::panic::catch_unwind(AssertUnwindSafe(|| {
            pdf_extract::output_doc_page(&document, &mut page, number)
        }));
        if let Some(refused) = page.refused {
            return Err(refused);
        }
        match read {
            Ok(Ok(())) => {}
            Ok(Err(error)) => failure = Some(damaged(error)),
            Err(_) => failure = Some(ExtractError::Damaged(format!("page {number} cannot be read"))),
        }
        out = page.out;
        out.in_time()?;
    }
    match failure {
        Some(failure) if out.text().trim().is_empty() => Err(failure),
        _ => Ok(out),
    }
}

fn refusal(error: pdf_extract::Error) -> ExtractError {
    match error {
        pdf_extract::Error::InvalidPassword | pdf_extract::Error::Decryption(_) => ExtractError::Encrypted,
        error => damaged(error),
    }
}

/// Takes the characters of one page.
struct Page {
    out: Builder,
    /// Why no more text is taken.
    refused: Option<ExtractError>,
    /// Where the last character ended, how high it stood, and its size.
    last: Option<(f64, f64, f64)>,
    word_begins: bool,
}

impl Page {
    fn push(&mut self, text: &str) -> Result<(), OutputError> {
        let pushed = self.out.push(text);
        pushed.map_err(|refused| {
            self.refused = Some(refused);
            OutputError::FormatError(std::fmt::Error)
        })
    }

    /// What lies between the last character and one here: nothing, a space, a line, a paragraph. A tenth of the size is
    /// less than any space and more than kerning.
    fn gap(&self, x: f64, y: f64, size: f64) -> &'static str {
        let Some((end, height, last_size)) = self.last else { return "" };
        let (size, down) = (size.max(last_size).max(1e-6), (y - height).abs());
        if down > size * 1.9 {
            "\n\n"
        } else if down > size * 0.5 {
            "\n"
        } else if self.word_begins && (x > end + size * 0.1 || x < end - size * 2.0) {
            " "
        } else {
            ""
        }
    }
}

impl OutputDev for Page {
    fn begin_page(&mut self, _: u32, _: &MediaBox, _: Option<ArtBox>) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_page(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn output_character(
        &mut self,
        place: &Transform,
        width: f64,
        _spacing: f64,
        font_size: f64,
        text: &str,
    ) -> Result<(), OutputError> {
        let size = (place.m11 * place.m22 - place.m12 * place.m21).abs().sqrt() * font_size.abs();
        let gap = self.gap(place.m31, place.m32, size);
        let has_gap = self.out.text().ends_with([' ', '\n']) && gap == " ";
        if !has_gap {
            self.push(gap)?;
        }
        self.push(text)?;
        self.last = Some((place.m31 + width * size, place.m32, size));
        self.word_begins = false;
        Ok(())
    }

    fn begin_word(&mut self) -> Result<(), OutputError> {
        self.word_begins = true;
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), OutputError> {
        Ok(())
    }

    fn end_line(&mut self) -> Result<(), OutputError> {
        Ok(())
    }
}

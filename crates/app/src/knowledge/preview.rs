//! Looking at documents: their text, the passage that an answer cites, pictures.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, ImageReader, Limits};
use lantern_protocol::{Citation, DocumentKind, DocumentPreview, OpenedCitation, Place};

use super::attachments::read_file;
use super::is_hash;
use crate::{App, AppError};

/// Characters before and behind a passage that are shown.
const AROUND: usize = 4000;
/// Characters of a document that are shown.
const WHOLE: usize = 200_000;
/// Pixels across and down of a small picture, and of one that is looked at.
const SMALL: u32 = 256;
const LARGE: u32 = 1600;
/// What decoding a picture may allocate.
const MAX_ALLOCATED: u64 = 1 << 30;

impl App {
    /// A document's text, or its picture.
    pub async fn document_preview(&self, document: &str) -> Result<DocumentPreview, AppError> {
        let (kind, text) = self.text_of(document).await?.ok_or_else(gone)?;
        if kind == DocumentKind::Image {
            let picture = Some(self.picture(document, LARGE).await?);
            return Ok(DocumentPreview {
                kind,
                text: String::new(),
                highlight: None,
                is_part: false,
                picture,
            });
        }
        let end = text.char_indices().nth(WHOLE).map_or(text.len(), |(at, _)| at);
        let is_part = end < text.len();
        Ok(DocumentPreview { kind, text: text[..end].to_owned(), highlight: None, is_part, picture: None })
    }

    /// What an answer cites by a number, and the document around it as far as it is still here and still has it.
    pub async fn citation(&self, message_id: &str, number: u32) -> Result<OpenedCitation, AppError> {
        let ids = vec![message_id.to_owned()];
        let sources = self.0.db.run(move |store| store.sources(&ids)).await?;
        let citation = sources.into_iter().flat_map(|one| one.citations).find(|one| one.number == number);
        let citation = citation.ok_or_else(|| {
            AppError::new(
                "citation_not_found",
                format!("The answer has no source {number}."),
                "Reload the conversation.",
            )
        })?;
        let found = self.text_of(&citation.document).await?;
        let preview = match found {
            Some((kind, text)) => around(kind, &text, &citation),
            // The passage outlives its document.
            None => alone(DocumentKind::Text, &citation.text),
        };
        Ok(OpenedCitation { citation, preview })
    }

    /// A small picture as a data URL.
    pub async fn thumbnail(&self, document: &str) -> Result<String, AppError> {
        self.picture(document, SMALL).await
    }

    async fn text_of(&self, document: &str) -> Result<Option<(DocumentKind, String)>, AppError> {
        let document = document.to_owned();
        self.0.db.run(move |store| store.document_text(&document)).await
    }

    /// A picture of at most so many pixels across and down, as a data URL.
    async fn picture(&self, document: &str, size: u32) -> Result<String, AppError> {
        if !is_hash(document) {
            return Err(gone());
        }
        let file = self.0.knowledge.file(document);
        let draw = move || {
            let bytes = read_file(&file, u64::MAX - 1).map_err(|_| gone())?;
            let broken = |error: image::ImageError| {
                AppError::new(
                    "bad_picture",
                    format!("The picture cannot be shown: {error}."),
                    "Open it in another program.",
                )
            };
            let mut reader =
                ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| gone())?;
            let mut limits = Limits::no_limits();
            limits.max_alloc = Some(MAX_ALLOCATED);
            reader.limits(limits);
            let picture = reader.decode().map_err(broken)?;
            let small = picture.width() <= size && picture.height() <= size;
            let picture = if small { picture } else { picture.thumbnail(size, size) };
            let mut png = Vec::new();
            picture.to_rgba8().write_to(&mut Cursor::new(&mut png), ImageFormat::Png).map_err(broken)?;
            Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
        };
        tokio::task::spawn_blocking(draw).await.map_err(AppError::internal)?
    }
}

fn gone() -> AppError {
    AppError::new("document_gone", "The document is no longer kept.", "Add the file again.")
}

/// The passage in its document, with what stands around it.
fn around(kind: DocumentKind, text: &str, citation: &Citation) -> DocumentPreview {
    if citation.text.is_empty() {
        let end = text.char_indices().nth(WHOLE).map_or(text.len(), |(at, _)| at);
        let shown = text[..end].to_owned();
        return DocumentPreview {
            kind,
            text: shown,
            highlight: None,
            is_part: end < text.len(),
            picture: None,
        };
    }
    let Some(begins) = find(text, citation) else { return alone(kind, &citation.text) };
    let ends = begins + citation.text.len();
    let from = text[..begins].char_indices().rev().nth(AROUND - 1).map_or(0, |(at, _)| at);
    let to = text[ends..].char_indices().nth(AROUND).map_or(text.len(), |(at, _)| ends + at);
    let units = |text: &str| u32::try_from(text.encode_utf16().count()).unwrap_or(u32::MAX);
    let start = units(&text[from..begins]);
    DocumentPreview {
        kind,
        text: text[from..to].to_owned(),
        highlight: Some([start, start.saturating_add(units(&citation.text))]),
        is_part: from > 0 || to < text.len(),
        picture: None,
    }
}

/// Of several places with the same words, the one on the line that the citation names.
fn find(text: &str, citation: &Citation) -> Option<usize> {
    let mut places = text.match_indices(&citation.text).map(|(at, _)| at);
    let Place { line: Some(line), .. } = citation.place else { return places.next() };
    let before = usize::try_from(line.saturating_sub(1)).unwrap_or(0);
    let begins =
        if before == 0 { 0 } else { text.match_indices('\n').nth(before - 1).map_or(0, |(at, _)| at) };
    let all: Vec<usize> = places.collect();
    all.iter().copied().find(|at| *at >= begins).or_else(|| all.first().copied())
}

fn alone(kind: DocumentKind, text: &str) -> DocumentPreview {
    DocumentPreview { kind, text: text.to_owned(), highlight: None, is_part: true, picture: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn citation(text: &str, line: Option<u32>) -> Citation {
        let place = Place { line, ..Place::default() };
        Citation { number: 1, name: "n".into(), document: "d".into(), place, text: text.into() }
    }

    #[test]
    fn a_passage_is_shown_where_it_stands() {
        let text = format!("{}é🙂 here\nsame\nother\nsame\n", "x".repeat(5000));
        let shown = around(DocumentKind::Text, &text, &citation("same", Some(4)));
        let units: Vec<u16> = shown.text.encode_utf16().collect();
        let [begins, ends] = shown.highlight.unwrap().map(|at| at as usize);
        assert_eq!(String::from_utf16(&units[begins..ends]).unwrap(), "same");
        assert!(shown.is_part && shown.text[..].ends_with("same\n"));
        assert_eq!(String::from_utf16(&units[begins..]).unwrap(), "same\n", "the second of both");
        let changed = around(DocumentKind::Text, "all new", &citation("same", None));
        assert_eq!((changed.text.as_str(), changed.highlight), ("same", None));
    }
}

//! Real documents of every kind, and hostile ones.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use lantern_knowledge::{ExtractError, Extracted, Limits, extract, passages};
use lantern_protocol::DocumentKind;

fn golden(name: &str) -> PathBuf {
    lantern_golden::path("documents").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(golden(name)).unwrap()
}

fn read(name: &str) -> Extracted {
    extract(bytes(name), name, Limits::default()).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn refused(bytes: Vec<u8>, name: &str, limits: Limits) -> ExtractError {
    let error = extract(bytes, name, limits).expect_err(name);
    assert!(!error.to_string().is_empty() && !error.next_step().is_empty(), "{name}");
    error
}

/// Where the passage with these words stands.
fn place_of(document: &Extracted, words: &str) -> lantern_protocol::Place {
    let at = document.text.find(words).unwrap_or_else(|| panic!("{words} in {}", document.text));
    let mark = document.marks.iter().rev().find(|mark| mark.at <= at);
    mark.unwrap_or_else(|| panic!("no mark before {words}")).place.clone()
}

#[test]
fn a_pdf_is_read_page_by_page() {
    for name in ["lighthouse.pdf", "open.pdf"] {
        let document = read(name);
        assert_eq!(document.kind, DocumentKind::Pdf);
        assert!(document.text.starts_with("The lighthouse at Cordouan\n"), "{:?}", document.text);
        assert!(
            document.text.contains("It was lit in 1611 and stands on a plateau in the Gironde.\nAugustin")
        );
        assert_eq!(place_of(&document, "Two keepers").page, Some(2));
    }
}

#[test]
fn a_word_document_keeps_headings_and_tables() {
    let document = read("lenses.docx");
    assert_eq!(document.kind, DocumentKind::Docx);
    let expected = "Fresnel lenses\n\nA lens of rings weighs less & loses less light than one of a single piece.\n\n\
                    Orders\n\nOrder  | Focal length \nFirst  | 920 mm \nSixth  | 150 mm \n\n\
                    The first was lit at Cordouan—in 1823.\n\nBy his own account.\n\n";
    assert_eq!(document.text, expected);
    assert_eq!(place_of(&document, "920").heading.as_deref(), Some("Fresnel lenses › Orders"));
    assert_eq!(place_of(&document, "weighs").heading.as_deref(), Some("Fresnel lenses"));
}

#[test]
fn a_workbook_is_read_row_by_row_however_large_it_claims_to_be() {
    let document = read("towers.xlsx");
    assert_eq!(document.kind, DocumentKind::Xlsx);
    let expected = "Lighthouse | Height in m | First lit\nCordouan | 67.5 | 2011-01-01\nKéréon | 48 | TRUE\n\n\
                    The last cell of all\n";
    assert_eq!(document.text, expected);
    let place = place_of(&document, "Kéréon");
    assert_eq!((place.sheet.as_deref(), place.row), (Some("Towers"), Some(5)));
    assert_eq!(place.heading.as_deref(), Some("Lighthouse | Height in m | First lit"));
    assert_eq!(place_of(&document, "last").row, Some(1_048_576));
}

#[test]
fn a_table_of_text_finds_its_separator_and_its_encoding() {
    let document = read("towers.csv");
    assert_eq!(document.kind, DocumentKind::Csv);
    assert_eq!(document.text, "Name | Height | Note\nCordouan | 67,5 | lit in 1611\nKéréon | 48 | \n");
    assert_eq!(place_of(&document, "Kéréon").row, Some(3));
}

#[test]
fn a_page_is_read_as_it_is_seen() {
    let document = read("lights.html");
    assert_eq!(document.kind, DocumentKind::Html);
    let expected = "Harbour lights\n\nGreen to starboard, red to port.\n\nColours\n\nSide | Light\nLeft | red\n\n\
                    - one\n- two\n\na\n  b\n\n© 2026";
    assert_eq!(document.text.trim_end(), expected);
    assert_eq!(place_of(&document, "Left").heading.as_deref(), Some("Harbour lights › Colours"));
    assert!(!document.text.contains("secret") && !document.text.contains("never"));
}

#[test]
fn markdown_has_sections_and_text_has_lines() {
    let document = read("tides.md");
    assert_eq!(document.kind, DocumentKind::Markdown);
    assert_eq!(place_of(&document, "full or a new").heading.as_deref(), Some("Tide tables › Spring tides"));
    let document = read("utf16.txt");
    assert_eq!(
        (document.kind, document.text.as_str()),
        (DocumentKind::Text, "Leuchtfeuer über dem Meer\nzweite Zeile\n")
    );
    assert_eq!(passages(&document)[0].place.line, Some(1));
}

#[test]
fn content_says_what_a_file_is_and_not_its_name() {
    let kind =
        |name: &str, called: &str| extract(bytes(name), called, Limits::default()).map(|read| read.kind);
    assert_eq!(kind("lighthouse.pdf", "notes.txt"), Ok(DocumentKind::Pdf));
    assert_eq!(kind("lenses.docx", "lenses"), Ok(DocumentKind::Docx));
    assert_eq!(kind("tides.md", "tides.pdf"), Ok(DocumentKind::Text));
    assert_eq!(kind("../vision/waves.png", "waves.csv"), Ok(DocumentKind::Image));
    let code = |text: &str, name: &str| extract(text.into(), name, Limits::default()).map(|read| read.kind);
    assert_eq!(code("fn main() {}", "main.RS"), Ok(DocumentKind::Code));
    assert_eq!(code("<!DOCTYPE html><p>x", "x.txt"), Ok(DocumentKind::Html));
}

#[test]
fn what_cannot_be_read_says_why() {
    let code = |bytes: Vec<u8>, name: &str| refused(bytes, name, Limits::default()).code();
    assert_eq!(code(bytes("locked.pdf"), "locked.pdf"), "document_encrypted");
    assert_eq!(code(bytes("scanned.pdf"), "scanned.pdf"), "document_without_text");
    assert_eq!(code(bytes("drawing-loop.pdf"), "loop.pdf"), "document_too_nested");
    assert_eq!(code(bytes("parent-loop.pdf"), "loop.pdf"), "document_too_nested");
    assert_eq!(code(b"%PDF-1.7 and nothing else".to_vec(), "x.pdf"), "document_damaged");
    assert_eq!(code(Vec::new(), "empty.txt"), "document_without_text");
    assert_eq!(code(vec![0, 1, 2, 3, 200, 201], "x.txt"), "document_kind_unknown");
    assert_eq!(code(b"PK\x03\x04 no archive".to_vec(), "x.docx"), "document_damaged");
    let container = [
        &[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1][..],
        b"E\0n\0c\0r\0y\0p\0t\0e\0d\0P\0a\0c\0k\0a\0g\0e\0",
    ];
    assert_eq!(code(container.concat(), "x.docx"), "document_encrypted");
    assert_eq!(code(container[0].to_vec(), "x.doc"), "document_kind_unknown");
}

/// A document of one part.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
    writer.start_file(name, options).unwrap();
    writer.write_all(content).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn what_unpacks_to_too_much_is_refused_before_it_fills_memory() {
    let limits = Limits { unpacked_bytes: 1 << 20, ..Limits::default() };
    let bomb = archive("word/document.xml", &vec![b' '; 8 << 20]);
    assert!(bomb.len() < 16 << 10);
    assert_eq!(refused(bomb, "bomb.docx", limits).code(), "document_unpacks_too_large");
    let bomb = archive("xl/workbook.xml", &vec![b' '; 8 << 20]);
    assert_eq!(refused(bomb, "bomb.xlsx", limits).code(), "document_unpacks_too_large");

    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b' '; 8 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    let head = format!(
        "%PDF-1.5\n5 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length {} >>\nstream\n",
        packed.len()
    );
    let pdf = [head.as_bytes(), &packed, b"\nendstream\nendobj\n"].concat();
    assert_eq!(refused(pdf, "bomb.pdf", limits).code(), "document_unpacks_too_large");
}

#[test]
fn sizes_and_time_have_limits() {
    let limits = Limits { file_bytes: 10, ..Limits::default() };
    assert_eq!(refused(b"eleven bytes".to_vec(), "x.txt", limits).code(), "document_too_large");
    let limits = Limits { text_bytes: 10, ..Limits::default() };
    assert_eq!(refused(b"eleven\nbytes\n".to_vec(), "x.txt", limits).code(), "document_unpacks_too_large");
    let limits = Limits { time: Duration::ZERO, ..Limits::default() };
    let lines = "a line\n".repeat(100_000);
    assert_eq!(refused(lines.into(), "x.txt", limits).code(), "document_too_slow");
}

#[test]
fn nesting_has_a_limit_in_word_and_none_is_needed_on_pages() {
    let deep = format!("<w:document>{}</w:document>", "<w:tbl>".repeat(5000));
    assert_eq!(
        refused(archive("word/document.xml", deep.as_bytes()), "x.docx", Limits::default()).code(),
        "document_too_nested"
    );
    let deep = format!("<!doctype html>{}words", "<div>".repeat(3000));
    assert_eq!(extract(deep.into(), "x.html", Limits::default()).unwrap().text.trim(), "words");
    let deep = format!("<!doctype html>{}words", "<div>".repeat(3_000_000));
    let limits = Limits { time: Duration::from_millis(200), ..Limits::default() };
    assert_eq!(refused(deep.into(), "x.html", limits).code(), "document_too_slow");
}

/// Every document cut off at many places, and with bytes changed: an error or a text, never anything else.
#[test]
fn damaged_documents_are_errors() {
    use rand::{Rng, SeedableRng};
    let mut random = rand::rngs::StdRng::seed_from_u64(8);
    let limits = Limits { time: Duration::from_secs(20), unpacked_bytes: 16 << 20, ..Limits::default() };
    for name in ["lighthouse.pdf", "open.pdf", "lenses.docx", "towers.xlsx", "towers.csv", "lights.html"] {
        let whole = bytes(name);
        for _ in 0..40 {
            let mut damaged = whole.clone();
            if random.random_bool(0.5) {
                damaged.truncate(random.random_range(0..whole.len()));
            }
            for _ in 0..random.random_range(0..12) {
                if !damaged.is_empty() {
                    let at = random.random_range(0..damaged.len());
                    damaged[at] = random.random();
                }
            }
            if let Err(error) = extract(damaged, name, limits) {
                assert!(!matches!(error, ExtractError::TooSlow(_)), "{name} kept its reader busy");
            }
        }
    }
}

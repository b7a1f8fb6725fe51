//! What a file is, by its first bytes; what kind of text it is, by its name too.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use lantern_protocol::DocumentKind;

use super::archive;
use crate::ExtractError;

/// How a file is to be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// A picture.
    Image,
    /// PDF.
    Pdf,
    /// Word.
    Docx,
    /// Excel.
    Xlsx,
    /// Text, decoded.
    Text {
        /// The text.
        text: String,
        /// What kind of text.
        kind: DocumentKind,
    },
}

/// In so many of the first bytes a PDF must say that it is one (ISO 32000-1, annex H.3.4.1).
const PDF_HEAD: usize = 1024;

/// Of so many of the first bytes the encoding is guessed.
const GUESS_BYTES: usize = 64 << 10;

/// What these bytes are.
pub fn format(bytes: &[u8], name: &str) -> Result<Format, ExtractError> {
    if is_image(bytes) {
        return Ok(Format::Image);
    }
    let head = &bytes[..bytes.len().min(PDF_HEAD)];
    if head.windows(5).any(|window| window == b"%PDF-") {
        return Ok(Format::Pdf);
    }
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return archive::office_format(bytes);
    }
    if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
        return Err(compound_file(bytes));
    }
    if bytes.starts_with(b"{\\rtf") {
        return Err(ExtractError::Unknown("a file in Rich Text Format"));
    }
    let text = decode(bytes)?;
    let kind = text_kind(&text, name);
    Ok(Format::Text { text, kind })
}

fn is_image(bytes: &[u8]) -> bool {
    let is_webp = bytes.len() > 12 && bytes.starts_with(b"RIFF") && &bytes[8..12] == b"WEBP";
    is_webp
        || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
        || bytes.starts_with(&[0xFF, 0xD8, 0xFF])
        || bytes.starts_with(b"GIF87a")
        || bytes.starts_with(b"GIF89a")
}

/// Office keeps documents with a password, and documents of before 2007, in the same container (MS-CFB).
fn compound_file(bytes: &[u8]) -> ExtractError {
    let name: Vec<u8> = "EncryptedPackage".encode_utf16().flat_map(u16::to_le_bytes).collect();
    if bytes.windows(name.len()).any(|window| window == name) {
        return ExtractError::Encrypted;
    }
    ExtractError::Unknown("a file of Office from before 2007")
}

fn decode(bytes: &[u8]) -> Result<String, ExtractError> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Ok(encoding.decode(bytes).0.into_owned());
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && !bytes.contains(&0)
    {
        return Ok(text.to_owned());
    }
    let encoding = without_bom(bytes).ok_or(ExtractError::Unknown("a file of this kind"))?;
    let (text, _, _) = encoding.decode(bytes);
    // What is no text decodes to control characters, whatever the encoding.
    let odd = text.chars().filter(|c| (c.is_control() && !c.is_whitespace()) || *c == '\u{FFFD}').count();
    if odd * 50 > text.chars().count() {
        return Err(ExtractError::Unknown("a file of this kind"));
    }
    Ok(text.into_owned())
}

/// The encoding of text that does not name it; `None` for what is no text.
fn without_bom(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(GUESS_BYTES)];
    if head.contains(&0) {
        // Letters of most languages have a zero in every other byte.
        let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
        let (even, odd) = (zeros(0), zeros(1));
        return match (even * 4 > head.len(), odd * 4 > head.len()) {
            (false, true) => Some(UTF_16LE),
            (true, false) => Some(UTF_16BE),
            _ => None,
        };
    }
    let mut detector = chardetng::EncodingDetector::new(chardetng::Iso2022JpDetection::Allow);
    detector.feed(head, head.len() == bytes.len());
    let guess = detector.guess(None, chardetng::Utf8Detection::Allow);
    Some(guess).filter(|guess| *guess != UTF_8 || std::str::from_utf8(bytes).is_err())
}

const CODE: &[&str] = &[
    "bash", "bat", "c", "cc", "cfg", "clj", "cmake", "conf", "cpp", "cs", "css", "cxx", "dart", "diff", "el",
    "erl", "ex", "exs", "fs", "go", "gradle", "h", "hpp", "hs", "ini", "java", "jl", "js", "json", "jsonl",
    "jsx", "kt", "lisp", "lua", "m", "mjs", "ml", "mm", "nim", "patch", "php", "pl", "ps1", "py", "r", "rb",
    "rs", "scala", "scss", "sh", "sql", "svelte", "swift", "tex", "toml", "ts", "tsx", "v", "vb", "vue",
    "xml", "yaml", "yml", "zig", "zsh",
];

fn text_kind(text: &str, name: &str) -> DocumentKind {
    let extension = name.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default();
    let start: String = text.trim_start().chars().take(256).collect::<String>().to_ascii_lowercase();
    let is_page = start.starts_with("<!doctype html") || start.starts_with("<html");
    match extension.as_str() {
        _ if is_page => DocumentKind::Html,
        "html" | "htm" | "xhtml" if start.starts_with('<') => DocumentKind::Html,
        "md" | "markdown" | "mdx" => DocumentKind::Markdown,
        "csv" | "tsv" => DocumentKind::Csv,
        extension if CODE.contains(&extension) => DocumentKind::Code,
        _ => DocumentKind::Text,
    }
}

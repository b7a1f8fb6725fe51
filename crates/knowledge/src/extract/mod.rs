//! From a file's bytes to text with places.
//!
//! The work is done on a thread of its own: what panics inside a parser is an error here, and what takes too long is left
//! behind there. That thread looks at the clock too, wherever it can, and ends soon after.

mod archive;
mod builder;
mod csv;
mod docx;
mod html;
mod kind;
mod pdf;
mod pdf_guard;
mod text;
mod xlsx;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use lantern_protocol::{DocumentKind, Place};

use crate::ExtractError;
pub(crate) use builder::Builder;
pub use kind::{Format, format};

/// Part of every stored document: a higher number reads documents anew.
pub const VERSION: u32 = 1;

/// What reading a file may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes that packed files may unpack to, all parts together.
    pub unpacked_bytes: u64,
    /// Bytes of text.
    pub text_bytes: usize,
    /// Time.
    pub time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 100 << 20,
            unpacked_bytes: 512 << 20,
            text_bytes: 32 << 20,
            time: Duration::from_secs(60),
        }
    }
}

/// The text of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extracted {
    /// What it is.
    pub kind: DocumentKind,
    /// Everything in reading order, its lines ended by `\n`.
    pub text: String,
    /// Where places begin, in rising order.
    pub marks: Vec<Mark>,
}

/// From here on, up to the next mark, the text stands at this place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Byte in the text.
    pub at: usize,
    /// Where that is in the document; its line is counted for text only.
    pub place: Place,
    /// Whether something new begins here: a page, a section, a sheet.
    pub is_break: bool,
}

/// Room for parsers that go down into a document by recursion. Not touched, it costs nothing.
const STACK: usize = 64 << 20;

/// The text in a file. `name` chooses among kinds of text. A picture has none, and only its kind is told.
pub fn extract(bytes: Vec<u8>, name: &str, limits: Limits) -> Result<Extracted, ExtractError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > limits.file_bytes {
        return Err(ExtractError::TooLarge { bytes: size, limit: limits.file_bytes });
    }
    let name = name.to_owned();
    let (done, result) = mpsc::sync_channel(1);
    let work = move || {
        let extracted = std::panic::catch_unwind(|| read(&bytes, &name, limits));
        let broken = |_| Err(ExtractError::Damaged("its parser gave up".into()));
        // Whoever asked may have gone.
        let _ = done.send(extracted.unwrap_or_else(broken));
    };
    let thread = std::thread::Builder::new().name("extract".into()).stack_size(STACK);
    thread.spawn(work).map_err(|error| ExtractError::Io(error.to_string()))?;
    match result.recv_timeout(limits.time) {
        Ok(extracted) => extracted,
        Err(mpsc::RecvTimeoutError::Timeout) => Err(ExtractError::TooSlow(limits.time)),
        Err(mpsc::RecvTimeoutError::Disconnected) => Err(ExtractError::Damaged("its parser gave up".into())),
    }
}

fn read(bytes: &[u8], name: &str, limits: Limits) -> Result<Extracted, ExtractError> {
    let out = Builder::new(limits, Instant::now());
    let (kind, out) = match format(bytes, name)? {
        Format::Image => {
            return Ok(Extracted { kind: DocumentKind::Image, text: String::new(), marks: Vec::new() });
        }
        Format::Pdf => (DocumentKind::Pdf, pdf::read(bytes, out)?),
        Format::Docx => (DocumentKind::Docx, docx::read(bytes, out)?),
        Format::Xlsx => (DocumentKind::Xlsx, xlsx::read(bytes, out)?),
        Format::Text { text, kind } => (kind, text::read(&text, kind, out)?),
    };
    let (text, marks) = out.finish();
    if text.trim().is_empty() {
        return Err(ExtractError::NoText { scanned: kind == DocumentKind::Pdf });
    }
    Ok(Extracted { kind, text, marks })
}

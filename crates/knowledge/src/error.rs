//! Why a file could not be read.

use std::time::Duration;

/// Why a file could not be read. The messages go behind the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExtractError {
    /// It has more bytes than are read.
    #[error("it has {bytes} bytes; at most {limit} are read")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// What it unpacks to, or the text in it, is larger than is allowed.
    #[error("unpacked it has more than {limit} bytes, as a file made to fill memory would")]
    Unpacks {
        /// What is allowed.
        limit: u64,
    },
    /// Its parts contain each other, or are nested deeper than is followed.
    #[error("its parts are nested too deeply or contain each other")]
    Nested,
    /// Reading it took too long.
    #[error("reading it took longer than {} seconds", .0.as_secs())]
    TooSlow(Duration),
    /// It is protected by a password.
    #[error("it is protected by a password")]
    Encrypted,
    /// Its format is broken.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// Its format is none that is read.
    #[error("{0} cannot be read")]
    Unknown(&'static str),
    /// There is no text in it.
    #[error("there is no text in it")]
    NoText {
        /// Whether it has pages all the same.
        scanned: bool,
    },
    /// It could not be opened.
    #[error("it could not be opened: {0}")]
    Io(String),
}

impl ExtractError {
    /// A stable name in snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "document_too_large",
            Self::Unpacks { .. } => "document_unpacks_too_large",
            Self::Nested => "document_too_nested",
            Self::TooSlow(_) => "document_too_slow",
            Self::Encrypted => "document_encrypted",
            Self::Damaged(_) => "document_damaged",
            Self::Unknown(_) => "document_kind_unknown",
            Self::NoText { .. } => "document_without_text",
            Self::Io(_) => "document_unreadable",
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } | Self::Unpacks { .. } | Self::TooSlow(_) => {
                "Split the file, or copy the part that matters into a smaller one."
            }
            Self::Nested | Self::Damaged(_) => {
                "Open it in the program that made it and save it again, or export it as plain text."
            }
            Self::Encrypted => "Save a copy of it without the password.",
            Self::Unknown(_) => {
                "Export it as text, Markdown, HTML, PDF, DOCX, CSV or XLSX; pictures as PNG, JPEG or WebP."
            }
            Self::NoText { scanned: true } => {
                "Its pages are pictures: run text recognition (OCR) over it, or attach the pages as pictures."
            }
            Self::NoText { scanned: false } => "Check that it is the right file.",
            Self::Io(_) => "Check that the file is still there and may be read.",
        }
    }
}

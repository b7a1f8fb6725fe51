//! What can be wrong with a file.

use std::path::{Path, PathBuf};

use lantern_protocol::ErrorInfo;

/// Why a file was not read, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// The system refused.
    #[error("{path}: {source}.")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More than is read at once.
    #[error("{name} has {bytes} bytes; {most} are read at most.")]
    TooLarge {
        /// The file.
        name: String,
        /// Its size, as far as it was found out.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// More files than anyone exports.
    #[error("{name} has more than {most} files.")]
    TooMany {
        /// The folder or archive.
        name: String,
        /// The limit.
        most: usize,
    },
    /// Not JSON, or cut off, or nested too deep.
    #[error("{name} is not whole JSON: {reason}.")]
    Json {
        /// The file.
        name: String,
        /// What the parser says.
        reason: String,
    },
    /// An archive that cannot be read.
    #[error("{name} is not a readable zip archive: {reason}.")]
    Zip {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// JSON, but no known export.
    #[error("{0} has no conversations of a known kind.")]
    Unknown(String),
    /// Written by a later Lantern.
    #[error("{name} is Lantern's format {found}; this Lantern knows {known}.")]
    Newer {
        /// The file.
        name: String,
        /// Its format.
        found: u64,
        /// The latest known here.
        known: u64,
    },
}

impl ExchangeError {
    /// A stable name in snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "io_error",
            Self::TooLarge { .. } => "file_too_large",
            Self::TooMany { .. } => "too_many_files",
            Self::Json { .. } => "not_json",
            Self::Zip { .. } => "bad_archive",
            Self::Unknown(_) => "unknown_export",
            Self::Newer { .. } => "newer_format",
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::Io { .. } => "Check the path, its permissions and the room on the disk.",
            Self::TooLarge { .. } => "Export fewer conversations at once.",
            Self::TooMany { .. } => "Choose the folder that has the conversations, and nothing above it.",
            Self::Json { .. } | Self::Zip { .. } => "Export or download the file once more: it may be incomplete.",
            Self::Unknown(_) => {
                "Choose an export of Lantern, ChatGPT, Claude, LM Studio, Jan or Open WebUI: a file, or its folder or zip."
            }
            Self::Newer { .. } => "Update Lantern and import it then.",
        }
        .into()
    }

    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }
}

impl From<&ExchangeError> for ErrorInfo {
    fn from(error: &ExchangeError) -> Self {
        Self { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
    }
}

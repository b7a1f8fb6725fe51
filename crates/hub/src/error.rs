//! What can go wrong between here and the Hub, and on the disk, with numbers and the next step.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lantern_convert::ConvertError;
use lantern_gguf::GgufError;
use lantern_protocol::ErrorInfo;

/// Any failure of this crate. Cheap to clone, because a download's outcome has several readers.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// A name from a person or from the network that must not become part of a path.
    #[error("“{name}” is not a valid {kind}: {why}.")]
    UnsafeName {
        /// What the name should have been.
        kind: &'static str,
        /// The name, shortened.
        name: String,
        /// Which rule it breaks.
        why: &'static str,
    },
    /// The endpoint's address cannot be used.
    #[error("The Hub's address “{endpoint}” cannot be used: {why}.")]
    BadEndpoint {
        /// As configured.
        endpoint: String,
        /// What is wrong with it.
        why: String,
    },
    /// A file somebody gave an address for, which is not fetched or not there.
    #[error("The address cannot be fetched: {why}.")]
    BadAddress {
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or it broke more often than the policy allows.
    #[error("{host} could not be reached after {tries} tries: {why}.")]
    Unreachable {
        /// Host name of the last address tried.
        host: String,
        /// Tries made since the last byte that was new.
        tries: u32,
        /// The last failure.
        why: String,
    },
    /// The Hub wants a token, or a different one.
    #[error("{host} refused access to {what} (HTTP {status}).")]
    Unauthorized {
        /// Host name.
        host: String,
        /// Repository or file.
        what: String,
        /// HTTP status.
        status: u16,
    },
    /// No such repository, revision or file.
    #[error("{host} has no {what} (HTTP 404).")]
    NotFound {
        /// Host name.
        host: String,
        /// Repository or file.
        what: String,
    },
    /// The server asked to wait longer than the policy allows.
    #[error("{host} limits requests and asks to wait {seconds} s.")]
    RateLimited {
        /// Host name.
        host: String,
        /// Seconds to wait.
        seconds: u64,
    },
    /// A status nothing else covers.
    #[error("{host} answered HTTP {status} for {what}.")]
    HttpStatus {
        /// Host name.
        host: String,
        /// Repository or file.
        what: String,
        /// HTTP status.
        status: u16,
    },
    /// The answer is not what a Hub answers.
    #[error("{host} did not answer like a Hugging Face Hub: {why}.")]
    MalformedResponse {
        /// Host name.
        host: String,
        /// What is missing.
        why: String,
    },
    /// The bytes are not the ones that were announced.
    #[error("{file} has SHA-256 {actual}, but {expected} was expected.")]
    HashMismatch {
        /// File in the repository.
        file: String,
        /// Announced, in hex.
        expected: String,
        /// Found, in hex.
        actual: String,
    },
    /// All bytes came, and are not the ones that were announced. They were put aside.
    #[error("{file} has SHA-256 {actual}, but {expected} was expected. The wrong bytes are in {}.", aside.display())]
    Quarantined {
        /// File in the repository.
        file: String,
        /// Announced, in hex.
        expected: String,
        /// Found, in hex.
        actual: String,
        /// Where the wrong bytes lie.
        aside: PathBuf,
    },
    /// Somebody deleted or replaced the file that a download was writing.
    #[error("{} was deleted or replaced while it was being written.", path.display())]
    PartGone {
        /// The file.
        path: PathBuf,
    },
    /// The model's terms must be accepted first.
    #[error("{what} is only for those who accepted the terms of its authors (HTTP {status}).")]
    Gated {
        /// File and repository.
        what: String,
        /// HTTP status: 401 without a token, 403 with one that was not admitted.
        status: u16,
        /// Where the terms are.
        page: String,
    },
    /// A folder in which nothing may be written.
    #[error("Could not {action} {}: {source}.", path.display())]
    NotWritable {
        /// Verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// No download by that id.
    #[error("There is no download “{id}”.")]
    NoSuchDownload {
        /// As asked.
        id: String,
    },
    /// More or fewer bytes than announced.
    #[error("{file} has {actual} bytes, but {expected} were announced.")]
    SizeMismatch {
        /// File in the repository.
        file: String,
        /// Announced bytes.
        expected: u64,
        /// Bytes that came.
        actual: u64,
    },
    /// Not enough room.
    #[error(
        "The disk that holds {} has {} free, {} more are needed.",
        path.display(), human_bytes(*available), human_bytes(*needed)
    )]
    DiskFull {
        /// Where the bytes should go.
        path: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes free when it was looked at.
        available: u64,
    },
    /// Another program fetches the same file.
    #[error("Another program is fetching {file} now.")]
    Busy {
        /// File in the repository.
        file: String,
    },
    /// Stopped by the user.
    #[error("The download of {file} was stopped after {}.", human_bytes(*received))]
    Cancelled {
        /// File in the repository.
        file: String,
        /// Bytes kept for resuming.
        received: u64,
    },
    /// The repository holds no GGUF file that fits.
    #[error(
        "{repo} has no GGUF file that matches “{wanted}”. {}",
        list_or("It has none at all.", "It has", candidates)
    )]
    NoSuchFile {
        /// `owner/name`.
        repo: String,
        /// What was asked for.
        wanted: String,
        /// GGUF files that are there.
        candidates: Vec<String>,
    },
    /// No model by that name.
    #[error("No model here matches “{query}”.{}", list_or("", " Perhaps", suggestions))]
    ModelNotFound {
        /// As asked.
        query: String,
        /// Names that come close.
        suggestions: Vec<String>,
    },
    /// More than one model by that name.
    #[error("“{query}” could be {}.", candidates.join(", "))]
    ModelAmbiguous {
        /// As asked.
        query: String,
        /// Ids that match.
        candidates: Vec<String>,
    },
    /// The file is not a GGUF file that can be read.
    #[error("{}", of_file(path, source))]
    Gguf {
        /// The file.
        path: PathBuf,
        /// What the format's reader says.
        source: Arc<GgufError>,
    },
    /// The folder is not a model that can be converted.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What the converter says.
        source: Arc<ConvertError>,
    },
    /// The file system refused.
    #[error("Could not {action} {}: {source}.", path.display())]
    Io {
        /// Verb.
        action: &'static str,
        /// File or folder.
        path: PathBuf,
        /// What the system says.
        source: Arc<io::Error>,
    },
    /// Another Lantern changes the library, and takes its time.
    #[error("Another Lantern is changing the library now.")]
    LibraryBusy,
    /// Nothing by that name can be restored.
    #[error("{}", not_removed(name))]
    NotRemoved {
        /// A removal's id or a model's, empty for the latest.
        name: String,
    },
    /// The user stopped a check.
    #[error("The check was stopped.")]
    CheckStopped,
    /// A task of ours died; a bug.
    #[error("An internal task failed: {0}.")]
    Internal(String),
}

/// The reader names the file itself when it cannot open it.
fn of_file(path: &Path, error: &GgufError) -> String {
    match error {
        GgufError::Io { .. } => error.to_string(),
        _ => format!("{}: {error}", path.display()),
    }
}

fn not_removed(name: &str) -> String {
    match name {
        "" => "Nothing was removed that could be restored.".to_owned(),
        name => format!("“{name}” is not in the trash."),
    }
}

fn list_or(empty: &str, start: &str, items: &[String]) -> String {
    if items.is_empty() { empty.to_owned() } else { format!("{start} {}.", items.join(", ")) }
}

impl HubError {
    /// A stable name for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnsafeName { .. } => "unsafe_name",
            Self::BadEndpoint { .. } => "bad_endpoint",
            Self::BadAddress { .. } => "bad_address",
            Self::Unreachable { .. } => "hub_unreachable",
            Self::Unauthorized { .. } => "hub_unauthorized",
            Self::NotFound { .. } => "hub_not_found",
            Self::RateLimited { .. } => "hub_rate_limited",
            Self::HttpStatus { .. } => "hub_http_status",
            Self::MalformedResponse { .. } => "hub_malformed_response",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::Quarantined { .. } => "hash_mismatch",
            Self::PartGone { .. } => "part_file_gone",
            Self::Gated { .. } => "hub_gated",
            Self::NotWritable { .. } => "not_writable",
            Self::NoSuchDownload { .. } => "no_such_download",
            Self::SizeMismatch { .. } => "size_mismatch",
            Self::DiskFull { .. } => "disk_full",
            Self::Busy { .. } => "download_busy",
            Self::Cancelled { .. } => "download_cancelled",
            Self::NoSuchFile { .. } => "no_such_file",
            Self::ModelNotFound { .. } => "model_not_found",
            Self::ModelAmbiguous { .. } => "model_ambiguous",
            Self::Gguf { source, .. } => source.code(),
            Self::Folder { source, .. } => source.code(),
            Self::Io { .. } => "io_error",
            Self::LibraryBusy => "library_busy",
            Self::NotRemoved { .. } => "not_removed",
            Self::CheckStopped => "check_stopped",
            Self::Internal(_) => "internal",
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> String {
        match self {
            Self::UnsafeName { .. } => "Check the name for typing errors.".into(),
            Self::BadEndpoint { .. } => "Correct HF_ENDPOINT, or unset it to use https://huggingface.co.".into(),
            Self::BadAddress { .. } => "Send the file itself instead of its address.".into(),
            Self::Unreachable { .. } => "Check the network and the proxy variables, then try again.".into(),
            Self::Unauthorized { .. } => {
                "Check the repository's name. If it is private or gated, accept its terms on the Hub and give Lantern a token, in the settings or as HF_TOKEN.".into()
            }
            Self::NotFound { .. } => "Check the names of the repository, the file and the revision.".into(),
            Self::RateLimited { seconds, .. } => {
                format!("Wait {seconds} s and start again, or give Lantern a token for a higher limit, in the settings or as HF_TOKEN.")
            }
            Self::HttpStatus { .. } => "Try again later.".into(),
            Self::MalformedResponse { .. } => "Check HF_ENDPOINT and the proxy; a login page may stand in between.".into(),
            Self::HashMismatch { .. } => "The wrong bytes were not kept. Start the download again; if it fails the same way, the file on the server has changed.".into(),
            Self::Quarantined { .. } => "Start the download again, and delete that file. If it fails the same way, the file on the server has changed, or something on the way changes it.".into(),
            Self::PartGone { .. } => "Start the download again, and keep other programs from the folder meanwhile.".into(),
            Self::Gated { status: 401, page, .. } => {
                format!("Accept the terms at {page}, make a token in the settings of your account, and give it to Lantern, in the settings or as HF_TOKEN.")
            }
            Self::Gated { page, .. } => {
                format!("Accept the terms at {page} with the account that the token is of, wait until you are admitted, and start again.")
            }
            Self::NotWritable { .. } => {
                "Allow Lantern to write there, or set HF_HOME to a folder where it may.".into()
            }
            Self::NoSuchDownload { .. } => "See the list of downloads for those that there are.".into(),
            Self::SizeMismatch { .. } => "Start the download again.".into(),
            Self::DiskFull { needed, .. } => {
                format!("Free {} or set HF_HOME to a larger disk; what has arrived is kept.", human_bytes(*needed))
            }
            Self::Busy { .. } => "Wait until the other program has finished.".into(),
            Self::Cancelled { .. } => "Start it again to go on where it stopped.".into(),
            Self::NoSuchFile { .. } => "Name one of the repository's files, as owner/name/file.gguf or owner/name:QUANT.".into(),
            Self::ModelNotFound { .. } => "Choose one that is here (`lantern list` names them), or download it first, as with `lantern pull`.".into(),
            Self::ModelAmbiguous { .. } => "Use the full name of one of them.".into(),
            Self::Gguf { source, .. } => source.next_step(),
            Self::Folder { source, .. } => source.next_step(),
            Self::Io { .. } => "Check that the folder exists, is writable and has room.".into(),
            Self::LibraryBusy => "Try again in a moment.".into(),
            Self::NotRemoved { .. } => "It may have been restored or deleted for good; `lantern rm --list` names what can be restored.".into(),
            Self::CheckStopped => "Start it again; it begins anew.".into(),
            Self::Internal(_) => "Start the operation again, and report this.".into(),
        }
    }

    /// In the shape every person and program gets.
    pub fn info(&self) -> ErrorInfo {
        ErrorInfo { code: self.code().into(), message: self.to_string(), next_step: self.next_step() }
    }

    /// For `map_err` on file operations.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source: Arc::new(source) }
    }

    /// For `map_err` on what changes files: a folder that may not be written is an error of its own.
    pub(crate) fn write(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| {
            let forbidden = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
            let source = Arc::new(source);
            match forbidden.contains(&source.kind()) {
                true => Self::NotWritable { action, path, source },
                false => Self::Io { action, path, source },
            }
        }
    }
}

/// Whether a failure to write means that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Bytes for people, in powers of ten as disks and downloads are sold: `98.4 MB`.
pub fn human_bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} bytes");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_read_well_at_the_borders() {
        let cases = [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1000, "1.0 kB"),
            (999_999, "1.0 MB"),
            (98_362_432, "98.4 MB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(human_bytes(bytes), text);
        }
    }
}

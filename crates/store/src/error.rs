//! Everything that can go wrong with the database, each with a stable code and a next step.

use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory cannot be written.
    #[error("Lantern cannot write to its data directory {path}: {source}.")]
    ReadOnly {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file operation failed for another reason.
    #[error("The file {path} could not be used: {source}.")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A newer Lantern wrote this database; it was not touched.
    #[error("The database {path} has format {found}; this Lantern knows formats up to {known}.")]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The latest format this build knows.
        known: u32,
    },
    /// Another, older Lantern is running on this directory, so the database cannot be migrated now.
    #[error(
        "The database {path} has format {found} and needs format {known}, but another Lantern is using it."
    )]
    MigrationBlocked {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format this build needs.
        known: u32,
    },
    /// The copy that must exist before a migration could not be made; the database was not touched.
    #[error("The back-up {path} could not be made, so the database was not upgraded: {reason}.")]
    Backup {
        /// The back-up file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// No such conversation.
    #[error("There is no conversation {0}.")]
    NoConversation(String),
    /// No such message, or it belongs to another conversation.
    #[error("There is no message {0} here.")]
    NoMessage(String),
    /// Only a message that is being written can be appended to or finished.
    #[error("The message {0} is not being written.")]
    NotStreaming(String),
    /// Nothing can follow an answer that is still being written.
    #[error("The answer {0} is still being written.")]
    StillStreaming(String),
    /// What is stored of an answer's receipt makes no sense.
    #[error("The receipt of the message {0} cannot be read.")]
    Receipt(String),
    /// The operation does not fit the message's role, such as editing an answer.
    #[error("The message {id} is not {wanted}.")]
    WrongRole {
        /// The message.
        id: String,
        /// What was wanted: `a question`.
        wanted: &'static str,
    },
    /// No such folder.
    #[error("There is no folder {0}.")]
    NoFolder(String),
    /// No such summary.
    #[error("There is no summary of what comes before the message {0}.")]
    NoSummary(String),
    /// Two folders cannot have the same name.
    #[error("There is a folder of the name “{0}” already.")]
    FolderExists(String),
    /// No such assistant.
    #[error("There is no assistant {0}.")]
    NoAssistant(String),
    /// Two assistants cannot have the same name.
    #[error("There is an assistant of the name “{0}” already.")]
    AssistantExists(String),
    /// No such prompt.
    #[error("There is no prompt {0}.")]
    NoPrompt(String),
    /// Two prompts cannot have the same name.
    #[error("There is a prompt of the name “{0}” already.")]
    PromptExists(String),
    /// A conversation from elsewhere is not one: its messages do not make a tree, or name what is not there.
    #[error("The conversation cannot be taken in: {0}.")]
    Record(String),
    /// A value could not be written as JSON.
    #[error("A value could not be stored: {0}.")]
    Json(#[from] serde_json::Error),
    /// SQLite refused.
    #[error("The database did not do what was asked: {0}.")]
    Sqlite(#[from] rusqlite::Error),
}

impl StoreError {
    /// A stable name in snake_case.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ReadOnly { .. } => "data_dir_read_only",
            Self::Io { .. } => "data_dir_unusable",
            Self::Newer { .. } => "database_newer",
            Self::MigrationBlocked { .. } => "database_in_use",
            Self::Backup { .. } => "backup_failed",
            Self::NoConversation(_) => "conversation_not_found",
            Self::NoMessage(_) => "message_not_found",
            Self::NotStreaming(_) => "message_not_streaming",
            Self::StillStreaming(_) => "answer_in_progress",
            Self::WrongRole { .. } => "wrong_role",
            Self::NoFolder(_) => "folder_not_found",
            Self::NoSummary(_) => "summary_not_found",
            Self::FolderExists(_) => "folder_exists",
            Self::NoAssistant(_) => "assistant_not_found",
            Self::AssistantExists(_) => "assistant_exists",
            Self::NoPrompt(_) => "prompt_not_found",
            Self::PromptExists(_) => "prompt_exists",
            Self::Receipt(_) => "receipt_damaged",
            Self::Record(_) => "not_a_conversation",
            Self::Json(_) => "database_error",
            Self::Sqlite(error) => sqlite_code(error),
        }
    }

    /// What the user can do.
    pub fn next_step(&self) -> String {
        match self.code() {
            "data_dir_read_only" => {
                "Make the directory writable, or set LANTERN_HOME to one that is, and start Lantern again."
                    .into()
            }
            "data_dir_unusable" => "Check that the path is a directory on a working disk.".into(),
            "database_newer" => {
                "Update Lantern, or set LANTERN_HOME to another directory. The file is as it was.".into()
            }
            "database_in_use" => "Close every other Lantern, then start this one again.".into(),
            "backup_failed" => {
                "Free some disk space and start Lantern again. The database is as it was.".into()
            }
            "conversation_not_found"
            | "message_not_found"
            | "folder_not_found"
            | "assistant_not_found"
            | "prompt_not_found" => "Reload the list; it may have been deleted.".into(),
            "summary_not_found" => "Reload the conversation; it may have been removed.".into(),
            "message_not_streaming" => "Reload the conversation; the answer has ended already.".into(),
            "answer_in_progress" => "Wait until it has ended, or stop it.".into(),
            "receipt_damaged" => {
                "Have the question answered again: that answer gets a receipt of its own.".into()
            }
            "wrong_role" => "Choose another message.".into(),
            "folder_exists" | "assistant_exists" | "prompt_exists" => "Choose another name.".into(),
            "not_a_conversation" => "Export it once more from where it came from.".into(),
            "disk_full" => "Free some disk space and try again.".into(),
            "database_busy" => "Another program holds the database. Try again in a moment.".into(),
            "database_corrupt" => {
                "Restart Lantern: it checks the file, puts a damaged one aside and goes on with a new one."
                    .into()
            }
            _ => "Try again; if it happens every time, please report it with this message.".into(),
        }
    }

    /// Whether the file itself is damaged, as opposed to busy, full or forbidden.
    pub(crate) fn is_corruption(&self) -> bool {
        self.code() == "database_corrupt"
    }

    /// Sorts a file system error by what the user can do about it.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::ReadOnly { path, source }
            }
            _ => Self::Io { path, source },
        }
    }
}

fn sqlite_code(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => "database_corrupt",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "database_busy",
        Some(ErrorCode::DiskFull) => "disk_full",
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => "data_dir_read_only",
        _ => "database_error",
    }
}

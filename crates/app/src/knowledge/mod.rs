//! Files in conversations: those that go with messages, and folders that are searched.
//!
//! [`attachments`] takes files in, [`folders`] keeps folders read, [`vectors`] gives passages their vectors, [`search`] finds
//! them, and [`compose`] puts what a model is to see of files before the words of its conversation.

mod attachments;
mod compose;
mod folders;
mod indexing;
mod preview;
mod room;
mod search;
mod vectors;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use lantern_knowledge::{ExtractError, Extracted, Limits, extract, passages};
use lantern_protocol::{ErrorInfo, KnowledgeState};
use lantern_store::NewDocument;
use sha2::{Digest, Sha256};
use tokio::sync::Notify;

use crate::AppError;

/// What the use cases about files share.
pub(crate) struct Knowledge {
    /// The folder of attached files.
    files: PathBuf,
    /// What is being done with folders, by their ids.
    states: Mutex<HashMap<String, KnowledgeState>>,
    /// Something changed that whoever keeps folders read should look at.
    wake: Arc<Notify>,
    /// Whether models of these contents make vectors.
    embedders: Mutex<HashMap<String, bool>>,
    /// Why vectors could not be made when that was last tried.
    trouble: Mutex<Option<ErrorInfo>>,
}

impl Knowledge {
    pub(crate) fn new(home: &Path) -> Self {
        Self {
            files: home.join("attachments"),
            states: Mutex::default(),
            wake: Arc::default(),
            embedders: Mutex::default(),
            trouble: Mutex::default(),
        }
    }

    /// Where the file of this content is kept: `attachments/ab/abcd…`.
    pub(crate) fn file(&self, hash: &str) -> PathBuf {
        self.files.join(hash.get(..2).unwrap_or_default()).join(hash)
    }
}

/// SHA-256 in hex.
fn hash_of(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this could be the name of a content, and nothing else's.
fn is_hash(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Reads a document. Blocks for as long as that takes.
fn read_document(
    hash: String,
    name: &str,
    bytes: Vec<u8>,
    limits: Limits,
) -> Result<(NewDocument, Vec<u8>), ExtractError> {
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    let extracted = extract(bytes.clone(), name, limits)?;
    let cut = passages(&extracted);
    let passages = cut.into_iter().map(|p| (p.range.start, p.range.end, p.place)).collect();
    let Extracted { kind, text, .. } = extracted;
    let reader = lantern_knowledge::extract::VERSION;
    Ok((NewDocument { hash, kind, bytes: size, reader, text, passages }, bytes))
}

/// An error about a file, which is named.
fn about_file(name: &str, error: &ExtractError) -> AppError {
    AppError::new(error.code(), format!("{name} cannot be read: {error}."), error.next_step())
}

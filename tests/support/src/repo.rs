//! Repositories and the files in them.

use std::collections::{BTreeMap, HashSet};

use axum::body::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::COMMIT;

/// Who may have a repository's files. What is in it is told to everybody, unless it is private.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Gate {
    /// Everybody.
    #[default]
    Open,
    /// Those who accepted its terms, see [`Repo::admitted`].
    Terms,
    /// Nobody else knows that it is there, see [`Repo::admitted`].
    Private,
}

/// A model repository.
#[derive(Debug, Clone)]
pub struct Repo {
    /// `owner/name`.
    pub id: String,
    /// What `main` stands for.
    pub commit: String,
    /// Commits that can be asked for as well; they hold the same files.
    pub older_commits: Vec<String>,
    /// By path.
    pub files: BTreeMap<String, TestFile>,
    /// Who may have them.
    pub gate: Gate,
    /// Tokens that may.
    pub admitted: HashSet<String>,
    /// `license:apache-2.0`, `gguf`, `region:us`.
    pub tags: Vec<String>,
    /// `text-generation`.
    pub pipeline_tag: Option<String>,
    /// In the last month.
    pub downloads: u64,
    /// Hearts.
    pub likes: u64,
    /// What trends is sorted by.
    pub trending: u64,
    /// `2025-01-31T12:00:00.000Z`.
    pub created_at: String,
    /// The same for the last commit.
    pub last_modified: String,
    /// What the Hub read in the header of a GGUF file: `architecture`, `total`, `context_length`.
    pub gguf: Option<Value>,
    /// The head of its README.
    pub card: Value,
}

impl Repo {
    /// An open one without files.
    pub fn new(id: &str) -> Self {
        Self {
            id: id.into(),
            commit: COMMIT.into(),
            older_commits: Vec::new(),
            files: BTreeMap::new(),
            gate: Gate::Open,
            admitted: HashSet::new(),
            tags: Vec::new(),
            pipeline_tag: None,
            downloads: 0,
            likes: 0,
            trending: 0,
            created_at: "2025-01-31T12:00:00.000Z".into(),
            last_modified: "2025-02-28T12:00:00.000Z".into(),
            gguf: None,
            card: json!({}),
        }
    }

    /// With one more file.
    pub fn with(mut self, path: &str, bytes: impl Into<Bytes>) -> Self {
        self.files.insert(path.into(), TestFile::new(path, bytes));
        self
    }

    /// Whether a revision of this name exists.
    pub(crate) fn has(&self, revision: &str) -> bool {
        revision == "main" || revision == self.commit || self.older_commits.iter().any(|c| c == revision)
    }

    /// The commit that a revision stands for.
    pub(crate) fn commit_of<'r>(&'r self, revision: &'r str) -> &'r str {
        if revision == "main" { &self.commit } else { revision }
    }
}

/// A file in a repository.
#[derive(Debug, Clone)]
pub struct TestFile {
    /// What is in it.
    pub bytes: Bytes,
    /// SHA-256 in hex.
    pub sha256: String,
    /// Whether it lies on the content network, as large files do.
    pub large: bool,
    /// The hash under which xet has it, if it does.
    pub xet: Option<String>,
    /// Entity tag that the Hub gives instead of the hash.
    pub tag: Option<String>,
}

impl TestFile {
    /// Large if its name is that of a file of weights.
    pub fn new(path: &str, bytes: impl Into<Bytes>) -> Self {
        let (bytes, large) = (bytes.into(), [".gguf", ".safetensors", ".bin"]);
        let large = large.iter().any(|end| path.ends_with(end));
        Self { sha256: sha256(&bytes), bytes, large, xet: None, tag: None }
    }

    /// As the Hub tells it, without quotes: the SHA-256 of large files, 40 digits for small ones.
    pub(crate) fn entity_tag(&self) -> &str {
        match &self.tag {
            Some(tag) => tag,
            None if self.large => &self.sha256,
            None => &self.sha256[..40],
        }
    }
}

/// SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Bytes without a pattern that a wrong offset could hide in; the same for the same seed.
pub fn random_bytes(len: usize, seed: u64) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64 ^ seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next().to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

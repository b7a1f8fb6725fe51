//! What the files' headers said, kept between runs: a cache, which is made anew when it is missing, damaged or old.
//!
//! One file of JSON behind its own SHA-256. It is not in SQLite, because it belongs to the library, which knows none, and
//! because nothing in it is worth more than reading the headers again. Two programs may write it: each writes all it knows
//! of the files that are there, and the later one stays.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::header::Known;
use super::shards::ModelStamp;
use crate::cache::write_atomically;

/// Raised when headers are read otherwise, or fingerprints taken otherwise.
const VERSION: u32 = 1;

/// One model's line.
#[derive(Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) path: PathBuf,
    pub(crate) stamp: ModelStamp,
    pub(crate) known: Known,
}

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    lines: Vec<Line>,
}

/// All lines; none of a file that cannot be used.
pub(crate) fn load(path: &Path) -> Vec<Line> {
    let Ok(bytes) = fs::read(path) else { return Vec::new() };
    let content = parse(&bytes);
    if content.is_none() {
        tracing::info!(path = %path.display(), "the index of headers cannot be used and is made anew");
    }
    content.filter(|content| content.version == VERSION).map_or_else(Vec::new, |content| content.lines)
}

fn parse(bytes: &[u8]) -> Option<Content> {
    let end = bytes.iter().position(|&byte| byte == b'\n')?;
    let (sum, json) = (&bytes[..end], &bytes[end + 1..]);
    (sum == sum_of(json).as_bytes()).then(|| serde_json::from_slice(json).ok())?
}

/// Writes the lines. That it cannot be written makes the next start slower and nothing worse.
pub(crate) fn save(path: &Path, lines: Vec<Line>) {
    // JSON has no other paths.
    let lines = lines.into_iter().filter(|line| line.path.to_str().is_some()).collect();
    let written = serde_json::to_vec(&Content { version: VERSION, lines })
        .map_err(|error| error.to_string())
        .and_then(|json| {
            let bytes = [sum_of(&json).as_bytes(), b"\n", &json].concat();
            write_atomically(path, &bytes).map_err(|error| error.to_string())
        });
    if let Err(error) = written {
        tracing::warn!("the index of headers was not written: {error}");
    }
}

fn sum_of(json: &[u8]) -> String {
    format!("{:x}", Sha256::digest(json))
}

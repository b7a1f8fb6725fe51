//! Looks for words in names and lines of all files below a folder.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::place::Place;
use crate::ToolError;

/// Most that is told.
const MOST_FOUND: usize = 100;
/// Most that is looked at.
const MOST_FILES: usize = 20_000;
const MOST_DEPTH: usize = 32;
/// Larger files are left out, in bytes.
const MOST_BYTES: u64 = 4 << 20;
/// Longest line that is told, in characters.
const MOST_LINE: usize = 300;
/// It ends then, wherever it is.
const PATIENCE: Duration = Duration::from_secs(15);

struct Search<'a> {
    place: &'a Place,
    words: Vec<String>,
    found: Vec<String>,
    files: usize,
    start: Instant,
}

/// Files whose names hold all words, and lines that do.
pub(super) fn search(place: &Place, query: &str, folder: Option<&str>) -> Result<String, ToolError> {
    let folder = place.find(folder.unwrap_or("."))?;
    let words = query.split_whitespace().map(str::to_lowercase).collect();
    let mut search = Search { place, words, found: Vec::new(), files: 0, start: Instant::now() };
    search.folder(&folder, 0);
    let is_whole = !search.is_over();
    let mut found = search.found;
    if !is_whole {
        found.push("[there may be more: the search ended early]".into());
    }
    Ok(if found.is_empty() { "Nothing was found.".into() } else { found.join("\n") })
}

impl Search<'_> {
    fn is_over(&self) -> bool {
        self.found.len() >= MOST_FOUND || self.files >= MOST_FILES || self.start.elapsed() > PATIENCE
    }

    fn folder(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = std::fs::read_dir(folder) else { return };
        let mut paths: Vec<PathBuf> = entries.flatten().take(MOST_FILES).map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            if self.is_over() {
                return;
            }
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // Links are not followed: each file is looked at where it is, once.
            let Ok(known) = std::fs::symlink_metadata(&path) else { continue };
            if known.is_dir() && !is_hidden && depth < MOST_DEPTH {
                self.folder(&path, depth + 1);
            } else if known.is_file() && !is_hidden {
                self.files += 1;
                self.file(&path, known.len());
            }
        }
    }

    fn file(&mut self, path: &Path, bytes: u64) {
        let name = self.place.name(path);
        if self.is_match(&name) {
            self.found.push(name.clone());
        }
        if bytes > MOST_BYTES {
            return;
        }
        let Ok(file) = self.place.open(path) else { return };
        let lines = BufReader::new(file.take(MOST_BYTES)).split(b'\n');
        for (number, line) in lines.map_while(Result::ok).enumerate() {
            if line.contains(&0) || self.is_over() {
                return;
            }
            let line = String::from_utf8_lossy(&line);
            if self.is_match(&line) {
                let shown: String = line.trim().chars().take(MOST_LINE).collect();
                self.found.push(format!("{name}:{}: {shown}", number + 1));
            }
        }
    }

    fn is_match(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        !self.words.is_empty() && self.words.iter().all(|word| text.contains(word))
    }
}

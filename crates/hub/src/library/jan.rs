//! Jan's data folder: each model is a folder with a `model.yml`, which says where the file is.
//!
//! Versions since 0.6 keep models in `llamacpp/models/<id>/` with `model_path` and `mmproj_path` (from the data folder, or
//! anywhere for models that were imported in place); older ones in `models/<id>/` with a `model.json` or a `model.yml` whose
//! `files` is a list. Model files that lie in these folders are found whether or not a description names them.

use std::fs;
use std::path::{Path, PathBuf};

use lantern_protocol::{ModelSource, PlaceOwner};

use super::scan::{self, Found, Scan};

/// Longest description that is read.
const MAX_DESCRIPTION: u64 = 1 << 20;

const PLACES: [&str; 2] = ["llamacpp/models", "models"];

/// Whether a folder is laid out like Jan's data folder.
pub(crate) fn is_data_folder(folder: &Path) -> bool {
    folder.join("llamacpp").join("models").is_dir()
}

/// Every model of a data folder.
pub(crate) fn scan(data: &Path) -> Scan {
    let mut all = Scan::default();
    for place in PLACES.iter().map(|place| data.join(place)).filter(|place| place.is_dir()) {
        let scan = scan::folder(&place, ModelSource::InPlace, PlaceOwner::Jan);
        all.problems.extend(scan.problems);
        all.found.extend(scan.found);
        let mut descriptions = Vec::new();
        descriptions_in(&place, 6, &mut descriptions);
        for description in descriptions {
            let Some(described) = Described::read(data, &description) else { continue };
            match all.found.iter_mut().find(|found| found.path == described.model) {
                Some(found) => found.projector = described.projector,
                None => all.found.push(Found {
                    projector: described.projector,
                    ..Found::in_place(described.model, PlaceOwner::Jan)
                }),
            }
        }
    }
    all
}

fn descriptions_in(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() && depth > 0 {
            descriptions_in(&entry.path(), depth - 1, files);
        } else if entry.file_name() == "model.yml" {
            files.push(entry.path());
        }
    }
}

struct Described {
    model: PathBuf,
    projector: Option<PathBuf>,
}

impl Described {
    /// What a description says, if the file it names is there.
    fn read(data: &Path, description: &Path) -> Option<Self> {
        if fs::metadata(description).ok()?.len() > MAX_DESCRIPTION {
            return None;
        }
        let text = fs::read_to_string(description).ok()?;
        let file = |path: String| Some(data.join(path)).filter(|path| path.is_file());
        let model = value(&text, "model_path").or_else(|| first_of(&text, "files")).and_then(file)?;
        Some(Self { model, projector: value(&text, "mmproj_path").and_then(file) })
    }
}

/// The text behind `key:` at the beginning of a line, without quotes. These descriptions are flat, so this is all of YAML that
/// is needed.
fn value(text: &str, key: &str) -> Option<String> {
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    unquoted(value)
}

/// The first item of the list behind `key:`.
fn first_of(text: &str, key: &str) -> Option<String> {
    let mut lines =
        text.lines().skip_while(|line| line.strip_prefix(key).is_none_or(|rest| rest.trim() != ":"));
    lines.next()?;
    unquoted(lines.next()?.trim().strip_prefix('-')?)
}

fn unquoted(value: &str) -> Option<String> {
    let value = value.trim();
    let inner = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote);
    let value = inner('"').or_else(|| inner('\'')).unwrap_or(value);
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_of_both_kinds_are_read() {
        let new = "embedding: false\nmodel_path: llamacpp/models/o/n/model.gguf\nname: \"n\"\nmmproj_path: 'C:\\x\\m.gguf'\n";
        assert_eq!(value(new, "model_path").as_deref(), Some("llamacpp/models/o/n/model.gguf"));
        assert_eq!(value(new, "mmproj_path").as_deref(), Some("C:\\x\\m.gguf"));
        assert_eq!(value(new, "path"), None);
        let old = "id: a\nfiles:\n  - /somewhere/a.gguf\nname: a\n";
        assert_eq!(first_of(old, "files").as_deref(), Some("/somewhere/a.gguf"));
        assert_eq!(first_of("files: []\n", "files"), None);
        assert_eq!(value("model_path:\n", "model_path"), None);
    }
}

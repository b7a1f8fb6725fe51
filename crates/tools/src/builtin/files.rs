//! Files of one folder: list, read, search. Nothing is written, and nothing outside the folder is seen: every path is followed to
//! where it really leads, and must lead into the folder.

mod place;
mod search;

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use serde_json::json;

use super::{Arguments, object, optional, reading, required};
use crate::{Definition, ToolError, ToolOutput};
use place::Place;

const LIST: &str = "list_files";
const READ: &str = "read_file";
const SEARCH: &str = "search_files";

/// Most entries of a list.
const MOST_ENTRIES: usize = 500;
/// Most that is read at once, in bytes.
const MOST_READ: usize = 64 << 10;

/// Whether a tool of this name is here.
pub fn has(name: &str) -> bool {
    [LIST, READ, SEARCH].contains(&name)
}

/// As they are told to the model.
pub(super) fn definitions() -> Vec<Definition> {
    let folder = json!({"type": "string", "description": "A folder, relative to the allowed one; without it, that one"});
    let file = json!({"type": "string", "description": "A file, relative to the allowed folder"});
    let from = json!({"type": "integer", "minimum": 1, "description": "The first line to read, from 1"});
    let query = json!({"type": "string", "description": "Words to look for; letters' case does not matter"});
    vec![
        reading(
            LIST,
            "List files",
            "Lists files and folders of the folder that the user has allowed.",
            object(&[("folder", folder.clone())], 0),
        ),
        reading(
            READ,
            "Read a file",
            "Reads a text file of the folder that the user has allowed, at most 64 kB at once.",
            object(&[("file", file), ("from_line", from)], 1),
        ),
        reading(
            SEARCH,
            "Search files",
            "Finds lines that hold some words, and files that are called so, in the folder that the user has allowed.",
            object(&[("query", query), ("folder", folder)], 1),
        ),
    ]
}

/// Runs one of them in the allowed folder.
pub(super) fn run(name: &str, arguments: &Arguments, folder: &Path) -> Result<ToolOutput, ToolError> {
    let place = Place::new(folder)?;
    let text = match name {
        LIST => list(&place, optional(arguments, "folder")?)?,
        READ => {
            let from = arguments.get("from_line").and_then(serde_json::Value::as_u64).unwrap_or(1);
            read(&place, required(arguments, "file")?, usize::try_from(from).unwrap_or(usize::MAX))?
        }
        _ => search::search(&place, required(arguments, "query")?, optional(arguments, "folder")?)?,
    };
    Ok(ToolOutput::text(text))
}

fn list(place: &Place, folder: Option<&str>) -> Result<String, ToolError> {
    let folder = place.find(folder.unwrap_or("."))?;
    let entries = std::fs::read_dir(&folder).map_err(|error| place.failed(&folder, &error))?;
    let mut lines = Vec::new();
    let mut more = 0usize;
    for entry in entries.flatten() {
        if lines.len() == MOST_ENTRIES {
            more += 1;
            continue;
        }
        let name = entry.file_name().to_string_lossy().into_owned();
        // Of the entry itself: where a link leads is nobody's business before it is asked for.
        lines.push(match entry.metadata() {
            Ok(known) if known.is_dir() => format!("{name}/"),
            Ok(known) if known.is_file() => format!("{name} ({} bytes)", known.len()),
            Ok(_) => format!("{name} (a link or something else)"),
            Err(_) => name,
        });
    }
    lines.sort();
    if more > 0 {
        lines.push(format!("[{more} more]"));
    }
    Ok(if lines.is_empty() { "The folder is empty.".into() } else { lines.join("\n") })
}

fn read(place: &Place, file: &str, from: usize) -> Result<String, ToolError> {
    let path = place.find(file)?;
    let opened = place.open(&path)?;
    let mut reader = BufReader::new(opened);
    let mut skipped = 0;
    // A line without an end must not become memory: what is skipped is skipped piece by piece.
    while skipped + 1 < from {
        let piece = reader.fill_buf().map_err(|error| place.failed(&path, &error))?;
        if piece.is_empty() {
            return Err(ToolError::Arguments(format!("the file has only {skipped} lines")));
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        skipped += usize::from(end.is_some());
        let used = end.map_or(piece.len(), |end| end + 1);
        reader.consume(used);
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(MOST_READ + 1).unwrap_or(u64::MAX);
    reader.take(most).read_to_end(&mut bytes).map_err(|error| place.failed(&path, &error))?;
    if bytes.contains(&0) {
        return Err(ToolError::Failed("this is no text file".into()));
    }
    let is_cut = bytes.len() > MOST_READ;
    bytes.truncate(MOST_READ);
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if is_cut {
        // Whole lines, so that the next reading goes on where this one ends.
        let end = text.rfind('\n').map_or(text.len(), |end| end + 1);
        text.truncate(end);
        let next = from + text.lines().count();
        text.push_str(&format!("[the file goes on; read on with from_line {next}]"));
    }
    Ok(if text.is_empty() { "The file is empty.".into() } else { text })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("allowed");
        std::fs::create_dir_all(root.join("notes/deep")).unwrap();
        std::fs::write(root.join("notes/a.txt"), "one\nThe Lantern is lit\nthree\n").unwrap();
        std::fs::write(root.join("notes/deep/lantern.md"), "nothing\n").unwrap();
        std::fs::write(root.join("picture.bin"), b"\x00\x01lantern").unwrap();
        std::fs::write(folder.path().join("secret.txt"), "the lantern's secret").unwrap();
        folder
    }

    fn ask(folder: &tempfile::TempDir, name: &str, arguments: Value) -> Result<String, ToolError> {
        let Value::Object(arguments) = arguments else { panic!("no object") };
        run(name, &arguments, &folder.path().join("allowed")).map(|output| output.text)
    }

    #[test]
    fn what_is_in_the_folder_is_listed_read_and_found() {
        let folder = folder();
        assert_eq!(ask(&folder, LIST, json!({})).unwrap(), "notes/\npicture.bin (9 bytes)");
        assert_eq!(ask(&folder, LIST, json!({"folder": "notes"})).unwrap(), "a.txt (29 bytes)\ndeep/");
        let text = ask(&folder, READ, json!({"file": "notes/a.txt", "from_line": 2})).unwrap();
        assert_eq!(text, "The Lantern is lit\nthree\n");
        let found = ask(&folder, SEARCH, json!({"query": "lantern"})).unwrap();
        assert!(found.contains("notes/a.txt:2: The Lantern is lit"), "{found}");
        assert!(found.contains("notes/deep/lantern.md"), "{found}");
        assert!(!found.contains("secret") && !found.contains("picture"), "{found}");
        assert_eq!(ask(&folder, SEARCH, json!({"query": "absent"})).unwrap(), "Nothing was found.");
    }

    #[test]
    fn nothing_outside_is_reached() {
        let folder = folder();
        let outside = folder.path().join("secret.txt");
        for path in ["../secret.txt", "notes/../../secret.txt", outside.to_str().unwrap(), "/etc/passwd", "~"]
        {
            let error = ask(&folder, READ, json!({"file": path})).expect_err(path);
            assert_eq!(error.code(), "tool_failed", "{path}: {error}");
            assert!(!error.to_string().contains("lantern's secret"));
        }
        assert!(ask(&folder, LIST, json!({"folder": ".."})).is_err());
        assert!(ask(&folder, SEARCH, json!({"query": "secret", "folder": ".."})).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_lead_nowhere_else() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        let root = folder.path().join("allowed");
        symlink(folder.path().join("secret.txt"), root.join("link.txt")).unwrap();
        symlink(folder.path(), root.join("up")).unwrap();
        symlink(root.join("notes"), root.join("inside")).unwrap();
        assert!(ask(&folder, READ, json!({"file": "link.txt"})).is_err());
        assert!(ask(&folder, READ, json!({"file": "up/secret.txt"})).is_err());
        assert!(ask(&folder, LIST, json!({"folder": "up"})).is_err());
        assert!(ask(&folder, READ, json!({"file": "inside/a.txt"})).is_ok(), "a link inside is fine");
        let found = ask(&folder, SEARCH, json!({"query": "secret"})).unwrap();
        assert_eq!(found, "Nothing was found.");
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = folder();
        let pipe = folder.path().join("allowed/pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        assert!(ask(&folder, READ, json!({"file": "pipe"})).is_err());
        assert!(ask(&folder, SEARCH, json!({"query": "lantern"})).is_ok());
    }

    #[test]
    fn large_files_are_read_in_pieces_and_others_refused() {
        let folder = folder();
        let lines: String = (1..=20_000).map(|n| format!("line {n}\n")).collect();
        std::fs::write(folder.path().join("allowed/long.txt"), &lines).unwrap();
        let (mut from, mut all) = (1usize, String::new());
        loop {
            let text = ask(&folder, READ, json!({"file": "long.txt", "from_line": from})).unwrap();
            match text.split_once("[the file goes on; read on with from_line ") {
                Some((piece, next)) => {
                    all.push_str(piece);
                    from = next.trim_end_matches(']').parse().unwrap();
                }
                None => {
                    all.push_str(&text);
                    break;
                }
            }
        }
        assert_eq!(all, lines);
        assert!(ask(&folder, READ, json!({"file": "long.txt", "from_line": 99_999})).is_err());
        assert!(ask(&folder, READ, json!({"file": "picture.bin"})).is_err());
        assert!(ask(&folder, READ, json!({"file": "missing"})).is_err());
        assert!(ask(&folder, READ, json!({"file": "notes"})).is_err());
    }
}

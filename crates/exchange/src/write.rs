//! From records to files. A file gets its name once it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use lantern_protocol::{ConversationRecord, ExportFormat, Folder};

use crate::json::Writer;
use crate::{ExchangeError, html, markdown};

/// What a file of a format is called.
pub fn extension(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Json => "json",
        ExportFormat::Markdown => "md",
        ExportFormat::Html => "html",
    }
}

/// Writes conversations to one file; if one of them cannot be had, the file stays as it was. Markdown and HTML want exactly one; more of them go into a [`folder`].
pub fn file(
    path: &Path,
    format: ExportFormat,
    folders: &[Folder],
    records: &mut dyn Iterator<Item = io::Result<ConversationRecord>>,
) -> Result<usize, ExchangeError> {
    whole(path, |out| {
        let mut count = 0;
        match format {
            ExportFormat::Json => {
                let mut writer = Writer::begin(out, folders)?;
                for record in records {
                    writer.conversation(&record?)?;
                    count += 1;
                }
                writer.end()?;
            }
            ExportFormat::Markdown | ExportFormat::Html => {
                for record in records.take(1) {
                    let record = record?;
                    let text = if format == ExportFormat::Html { html(&record) } else { markdown(&record) };
                    out.write_all(text.as_bytes())?;
                    count += 1;
                }
            }
        }
        Ok(count)
    })
}

/// Writes each conversation to a file of its own, named after its title. Files that are there already stay.
pub fn folder(
    folder: &Path,
    format: ExportFormat,
    records: &mut dyn Iterator<Item = io::Result<ConversationRecord>>,
) -> Result<usize, ExchangeError> {
    fs::create_dir_all(folder).map_err(|error| ExchangeError::io(folder, error))?;
    let mut count = 0;
    for record in records {
        let record = record.map_err(|error| ExchangeError::io(folder, error))?;
        let path = free(folder, &file_name(&record.conversation.title), extension(format));
        count += file(&path, format, &[], &mut std::iter::once(Ok(record)))?;
    }
    Ok(count)
}

/// Conversations as JSON in memory.
pub fn to_bytes(folders: &[Folder], records: &[ConversationRecord]) -> io::Result<Vec<u8>> {
    let mut writer = Writer::begin(Vec::new(), folders)?;
    for record in records {
        writer.conversation(record)?;
    }
    writer.end()
}

fn whole(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> io::Result<usize>,
) -> Result<usize, ExchangeError> {
    let part = path.with_added_extension("part");
    let written = File::create(&part).and_then(|file| {
        let mut out = BufWriter::new(file);
        let count = write(&mut out)?;
        out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
        fs::rename(&part, path)?;
        Ok(count)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&part);
        ExchangeError::io(path, error)
    })
}

/// Longest name of a file, in characters, without its extension.
const NAME_LENGTH: usize = 60;
/// Names that mean devices on Windows.
const DEVICES: &[&str] = &["con", "prn", "aux", "nul"];

/// A title as the name of a file on every system.
pub fn file_name(title: &str) -> String {
    let allowed = |c: char| if c.is_alphanumeric() || " -_.,()".contains(c) { c } else { ' ' };
    let name: String = title.chars().map(allowed).collect();
    let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
    let name: String = name.chars().take(NAME_LENGTH).collect();
    let name = name.trim_matches([' ', '.']).to_owned();
    let stem = name.split('.').next().unwrap_or_default().to_ascii_lowercase();
    let is_device = DEVICES.contains(&stem.as_str())
        || ["com", "lpt"].iter().any(|port| stem.strip_prefix(port).is_some_and(|n| n.len() == 1));
    if name.is_empty() || is_device { format!("Conversation {name}").trim_end().to_owned() } else { name }
}

fn free(folder: &Path, name: &str, extension: &str) -> PathBuf {
    let path = |name: &str| folder.join(format!("{name}.{extension}"));
    let mut free = path(name);
    let mut number = 2;
    while free.exists() {
        free = path(&format!("{name} {number}"));
        number += 1;
    }
    free
}

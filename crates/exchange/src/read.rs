//! From paths to records: what a file is says its content; a folder and a zip archive are all that is in them.
//!
//! A file is parsed one conversation at a time. Jan's conversations are several files, so what was found of them waits until
//! everything was seen.

use std::fs::{self, File};
use std::io::{self, Cursor, Read as _, Seek};
use std::path::{Path, PathBuf};

use lantern_protocol::{ConversationRecord, Folder};
use serde::de::Deserializer as _;
use serde_json::{Deserializer, Value};

use crate::from::{Source, Threads, convert, recognise};
use crate::json::VERSION;
use crate::top::Top;
use crate::{ExchangeError, Tally};

/// Bytes of a file, and of what is unpacked of an archive.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes a file of an archive may have whatever its packed size, and how much more than that size.
const UNPACKED_FREE: u64 = 64 << 20;
const UNPACKED_TIMES: u64 = 100;
/// Files of a folder or an archive, and how deep they lie.
const MOST_FILES: usize = 20_000;
const DEEPEST: usize = 6;

/// What was found in one file.
#[derive(Debug, Default)]
pub struct FileRead {
    /// Its path; inside an archive, that of the archive and of the file in it.
    pub name: String,
    /// Which program wrote it.
    pub source: Option<Source>,
    /// What was not taken.
    pub left: Tally,
    /// What ended the reading before its end.
    pub error: Option<ExchangeError>,
}

/// What [`read`] hands out as it finds it.
#[derive(Debug)]
pub enum Item {
    /// A folder of an export of Lantern's; conversations name it.
    Folder(Folder),
    /// A conversation.
    Conversation(Box<ConversationRecord>),
    /// A file is done. The conversations since the one before are of it.
    File(FileRead),
}

/// Reads a file, a folder or an archive. Each file ends with an [`Item::File`], whatever was wrong with it.
pub fn read(path: &Path, each: &mut dyn FnMut(Item)) {
    let mut reader = Reader { each, threads: Threads::default(), others: 0, files: 0 };
    let name = path.display().to_string();
    let outcome = match path.is_dir() {
        true => reader.folder(path, &name, 0),
        false => reader.file(path, &name),
    };
    if let Err(error) = outcome {
        reader.done(FileRead { name: name.clone(), error: Some(error), ..FileRead::default() });
    }
    reader.jan(path, &name);
    if reader.others > 0 {
        let mut left = Tally::default();
        left.add_many("files that are no conversations", reader.others);
        reader.done(FileRead { name, left, ..FileRead::default() });
    }
}

pub(crate) struct Reader<'a> {
    pub(crate) each: &'a mut dyn FnMut(Item),
    threads: Threads,
    /// Files of a folder or archive that are something else.
    others: usize,
    files: usize,
}

impl Reader<'_> {
    fn done(&mut self, file: FileRead) {
        (self.each)(Item::File(file));
    }

    fn folder(&mut self, folder: &Path, name: &str, depth: usize) -> Result<(), ExchangeError> {
        let entries = fs::read_dir(folder).map_err(|error| ExchangeError::io(folder, error))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Ok(kind) = fs::symlink_metadata(&path) else { continue };
            if kind.is_dir() && depth < DEEPEST {
                self.folder(&path, name, depth + 1)?;
            } else if kind.is_file() {
                self.count(name)?;
                let inner = path.display().to_string();
                match sniff(&path) {
                    Ok(Kind::Other) => self.others += 1,
                    Ok(_) => {
                        if let Err(error) = self.file(&path, &inner) {
                            self.refused(inner, error);
                        }
                    }
                    Err(error) => {
                        let error = Some(ExchangeError::io(&path, error));
                        self.done(FileRead { name: inner, error, ..FileRead::default() });
                    }
                }
            }
        }
        Ok(())
    }

    /// A file among many that is of no known kind is one of the others; anything else is told.
    fn refused(&mut self, name: String, error: ExchangeError) {
        match error {
            ExchangeError::Unknown(_) => self.others += 1,
            error => self.done(FileRead { name, error: Some(error), ..FileRead::default() }),
        }
    }

    fn count(&mut self, name: &str) -> Result<(), ExchangeError> {
        self.files += 1;
        match self.files > MOST_FILES {
            true => Err(ExchangeError::TooMany { name: name.to_owned(), most: MOST_FILES }),
            false => Ok(()),
        }
    }

    fn file(&mut self, path: &Path, name: &str) -> Result<(), ExchangeError> {
        let io = |error| ExchangeError::io(path, error);
        match sniff(path).map_err(io)? {
            Kind::Zip => self.archive(File::open(path).map_err(io)?, name),
            Kind::Json | Kind::Other => {
                let bytes = fs::metadata(path).map_err(io)?.len();
                if bytes > MOST_BYTES {
                    return Err(ExchangeError::TooLarge { name: name.to_owned(), bytes, most: MOST_BYTES });
                }
                let content = fs::read(path).map_err(io)?;
                self.json(&content, name)
            }
        }
    }

    fn archive(&mut self, file: impl io::Read + Seek, name: &str) -> Result<(), ExchangeError> {
        let bad = |reason: String| ExchangeError::Zip { name: name.to_owned(), reason };
        let mut archive = zip::ZipArchive::new(file).map_err(|error| bad(error.to_string()))?;
        let mut room = MOST_BYTES;
        for at in 0..archive.len() {
            self.count(name)?;
            let mut entry = archive.by_index(at).map_err(|error| bad(error.to_string()))?;
            if !entry.is_file() {
                continue;
            }
            let inner = format!("{name}: {}", entry.name().unwrap_or_default());
            let most = room.min(UNPACKED_FREE.max(entry.compressed_size().saturating_mul(UNPACKED_TIMES)));
            let mut begin = [0u8; SNIFFED];
            let length = fill(&mut entry, &mut begin).map_err(|error| bad(error.to_string()))?;
            let begin = &begin[..length];
            if kind(begin) != Kind::Json {
                self.others += 1;
                continue;
            }
            let mut content = begin.to_vec();
            let unpacked = entry.take(most.saturating_sub(length as u64) + 1).read_to_end(&mut content);
            unpacked.map_err(|error| bad(error.to_string()))?;
            let bytes = content.len() as u64;
            if bytes > most {
                return Err(ExchangeError::TooLarge { name: inner, bytes, most });
            }
            room -= bytes;
            if let Err(error) = self.json(&content, &inner) {
                self.refused(inner, error);
            }
        }
        Ok(())
    }

    /// One value, or several, one a line.
    fn json(&mut self, content: &[u8], name: &str) -> Result<(), ExchangeError> {
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        let mut file = FileRead { name: name.to_owned(), ..FileRead::default() };
        let mut values = Deserializer::from_slice(content);
        let mut found = 0;
        let mut newer = None;
        let outcome = loop {
            let mut top = Top { reader: self, file: &mut file, found: &mut found, newer: &mut newer };
            if let Err(error) = values.deserialize_any(&mut top) {
                break Err(error);
            }
            if newer.is_some() || values.end().is_ok() {
                break Ok(());
            }
        };
        if let Some(version) = newer {
            return Err(ExchangeError::Newer { name: name.to_owned(), found: version, known: VERSION });
        }
        match outcome {
            Err(error) if found == 0 => {
                return Err(ExchangeError::Json { name: name.to_owned(), reason: error.to_string() });
            }
            Err(error) => {
                file.error = Some(ExchangeError::Json { name: name.to_owned(), reason: error.to_string() });
            }
            Ok(()) if found == 0 => return Err(ExchangeError::Unknown(name.to_owned())),
            Ok(()) => {}
        }
        // Jan's files end together.
        if file.source != Some(Source::Jan) || file.error.is_some() {
            self.done(file);
        }
        Ok(())
    }

    /// One object that may be a conversation. Whether it is.
    pub(crate) fn object(&mut self, value: Value, file: &mut FileRead) -> bool {
        let Some(source) = recognise(&value) else {
            file.left.add("entries that are no conversations");
            return false;
        };
        file.source = Some(source);
        match convert(source, &value) {
            Some((record, left)) => self.hand_out(record, left, file),
            None => self.threads.take(value),
        }
        true
    }

    pub(crate) fn hand_out(&mut self, record: ConversationRecord, left: Tally, file: &mut FileRead) {
        for counted in left.counted() {
            file.left.add_many(&counted.what, usize::try_from(counted.count).unwrap_or(usize::MAX));
        }
        (self.each)(Item::Conversation(Box::new(record)));
    }

    /// What was found of Jan's, put together. Of one file alone its neighbour has the other half.
    fn jan(&mut self, path: &Path, name: &str) {
        if self.threads.is_half()
            && path.is_file()
            && let Some(folder) = path.parent()
            && let Ok(entries) = fs::read_dir(folder)
        {
            let mut others = Threads::default();
            std::mem::swap(&mut others, &mut self.threads);
            let wanted = others.names();
            let mut ignore = |_: Item| {};
            let mut beside = Reader { each: &mut ignore, threads: others, others: 0, files: 0 };
            for entry in entries.flatten().take(MOST_FILES).filter(|entry| entry.path() != path) {
                if entry.path().is_file() && matches!(sniff(&entry.path()), Ok(Kind::Json)) {
                    let _ = beside.file(&entry.path(), name);
                }
            }
            self.threads = beside.threads;
            self.threads.retain(&wanted);
        }
        let conversations = std::mem::take(&mut self.threads).finish();
        if conversations.is_empty() {
            return;
        }
        let mut file = FileRead { name: name.to_owned(), source: Some(Source::Jan), ..FileRead::default() };
        for (record, left) in conversations {
            self.hand_out(record, left, &mut file);
        }
        self.done(file);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Zip,
    Other,
}

/// Bytes by which a file is told.
const SNIFFED: usize = 64;

fn sniff(path: &Path) -> io::Result<Kind> {
    let mut begin = [0u8; SNIFFED];
    let length = fill(&mut File::open(path)?, &mut begin)?;
    Ok(kind(&begin[..length]))
}

fn fill(from: &mut impl io::Read, into: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < into.len() {
        match from.read(&mut into[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

fn kind(begin: &[u8]) -> Kind {
    if begin.starts_with(b"PK\x03\x04") || begin.starts_with(b"PK\x05\x06") {
        return Kind::Zip;
    }
    let begin = begin.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(begin);
    match begin.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{' | b'[') => Kind::Json,
        _ => Kind::Other,
    }
}

/// Reads what is in memory already, as [`read`] reads a file.
pub fn read_bytes(name: &str, content: &[u8], each: &mut dyn FnMut(Item)) {
    let mut reader = Reader { each, threads: Threads::default(), others: 0, files: 0 };
    let outcome = match kind(&content[..content.len().min(SNIFFED)]) {
        Kind::Zip => reader.archive(Cursor::new(content), name),
        Kind::Json | Kind::Other => reader.json(content, name),
    };
    if let Err(error) = outcome {
        reader.done(FileRead { name: name.to_owned(), error: Some(error), ..FileRead::default() });
    }
    reader.jan(Path::new(""), name);
}

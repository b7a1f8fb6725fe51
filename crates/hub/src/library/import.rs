//! Bringing a file that is already on this machine into the library.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use lantern_convert::{HfFolder, is_model_folder};
use lantern_gguf::GgufFile;
use lantern_protocol::LibraryModel;
use sha2::{Digest, Sha256};

use super::record::{self, Change, Content, Taken};
use super::shards::{ModelStamp, files_of, shard_name};
use super::{ModelLibrary, header};
use crate::cache::make_parent;
use crate::part::with_suffix;
use crate::{FreeSpace, HubError};

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// It is used where it lies and never altered.
    InPlace,
    /// Lantern keeps a copy in its data folder, which costs no room when both are on one disk.
    Copy,
}

impl ModelLibrary {
    /// Adds a GGUF file, a split model by any of its pieces, or a folder of safetensors files. Anything else is refused in the words of the format's reader.
    pub fn import(&self, path: &Path, mode: ImportMode) -> Result<LibraryModel, HubError> {
        let path = std::path::absolute(path).map_err(HubError::io("find", path))?;
        let path = match is_model_folder(&path) {
            true => {
                HfFolder::open(&path)
                    .map_err(|error| HubError::Folder { path: path.clone(), source: Arc::new(error) })?;
                path
            }
            false => {
                let file = GgufFile::open(&path)
                    .map_err(|source| HubError::Gguf { path: path.clone(), source: Arc::new(source) })?;
                file.path().to_owned()
            }
        };
        let (_here, held) = self.begin_change()?;
        // What was no longer to be listed is wanted again.
        let is_hidden = |content: &Content| content.hidden.iter().any(|hidden| hidden.path == path);
        if is_hidden(&self.record().content()) {
            self.record().change(&held, |content| content.hidden.retain(|hidden| hidden.path != path))?;
        }
        let is_at = |model: &LibraryModel, path: &Path| {
            model.places.iter().any(|place| same(Path::new(&place.path), path))
        };
        let kept = match mode {
            ImportMode::InPlace => {
                if !self.list().iter().any(|model| is_at(model, &path)) {
                    self.record().change(&held, |content| record::add(&mut content.in_place, &path))?;
                }
                path
            }
            ImportMode::Copy => self.copy_in(&held, &path)?,
        };
        let known = self.list().into_iter().find(|model| is_at(model, &kept));
        Ok(known.unwrap_or_else(|| self.describe_path(&kept)))
    }

    /// A second import of the same content gives the first copy. Gives the first file's path.
    fn copy_in(&self, held: &Change, path: &Path) -> Result<PathBuf, HubError> {
        let stem = header::stem(path);
        for number in 1.. {
            let stem = if number == 1 { stem.clone() } else { format!("{stem}-{number}") };
            let pairs: Vec<(PathBuf, PathBuf)> = files_of(path)
                .into_iter()
                .map(|file| {
                    let target = match (path.is_dir(), file.file_name()) {
                        (true, Some(name)) => self.models_dir().join(&stem).join(name),
                        _ => self.models_dir().join(copy_name(&stem, &file)),
                    };
                    (file, target)
                })
                .collect();
            let target = if path.is_dir() { self.models_dir().join(&stem) } else { pairs[0].1.clone() };
            if !pairs.iter().any(|(_, target)| target.exists()) {
                pairs.iter().try_for_each(|(_, target)| make_parent(target))?;
                // The first piece comes last, because by it the model is listed.
                for (file, target) in pairs.iter().rev() {
                    if let Some(sha256) = copy_or_link(file, target)? {
                        let taken = Taken { sha256, stamp: ModelStamp::of_file(target) };
                        self.record().change(held, |content| {
                            content.hashes.insert(target.clone(), taken);
                        })?;
                    }
                }
                return Ok(target);
            }
            if all_same(&pairs)? {
                return Ok(target);
            }
        }
        Err(HubError::Internal("no free name for the copy".into()))
    }
}

/// The name of a file's copy: `stem` in place of its own.
fn copy_name(stem: &str, file: &Path) -> String {
    match shard_name(file) {
        Some(name) => format!("{stem}-{:05}-of-{:05}.gguf", name.number(), name.count()),
        None => format!("{stem}.gguf"),
    }
}

/// Whether each second file is there and has the content of the first.
fn all_same(pairs: &[(PathBuf, PathBuf)]) -> Result<bool, HubError> {
    for (file, copy) in pairs {
        let equal = copy.exists()
            && (same(file, copy) || same_content(file, copy).map_err(HubError::io("compare", file))?);
        if !equal {
            return Ok(false);
        }
    }
    Ok(true)
}

fn same(a: &Path, b: &Path) -> bool {
    matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

fn same_content(a: &Path, b: &Path) -> io::Result<bool> {
    let (mut a, mut b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    loop {
        let n = a.read(&mut left)?;
        if n == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..n])?;
        if left[..n] != right[..n] {
            return Ok(false);
        }
    }
}

/// A hard link to the real file where the system allows one, else a copy; visible under its name only when whole. Gives the
/// SHA-256 of what was copied.
fn copy_or_link(from: &Path, to: &Path) -> Result<Option<String>, HubError> {
    let real = from.canonicalize().map_err(HubError::io("find", from))?;
    let draft = with_suffix(to, ".part");
    let _ = fs::remove_file(&draft);
    let mut sha256 = None;
    if fs::hard_link(&real, &draft).is_err() {
        check_room(&real, to)?;
        let copied = copy(&real, &draft).inspect_err(|_| drop(fs::remove_file(&draft)));
        sha256 = Some(copied.map_err(HubError::io("copy", from))?);
    }
    fs::rename(&draft, to).map_err(HubError::io("rename", &draft))?;
    Ok(sha256)
}

/// Gives the SHA-256, which costs little while the bytes pass anyway.
fn copy(from: &Path, to: &Path) -> io::Result<String> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            n => {
                hash.update(&buffer[..n]);
                to.write_all(&buffer[..n])?;
            }
        }
    }
    to.sync_all()?;
    Ok(format!("{:x}", hash.finalize()))
}

fn check_room(from: &Path, to: &Path) -> Result<(), HubError> {
    let needed = fs::metadata(from).map_err(HubError::io("read", from))?.len();
    let folder = to.parent().unwrap_or(to);
    match FreeSpace::default().available(folder) {
        Some(available) if available < needed => {
            Err(HubError::DiskFull { path: folder.to_owned(), needed: needed - available, available })
        }
        _ => Ok(()),
    }
}

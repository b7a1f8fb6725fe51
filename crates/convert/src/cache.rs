//! Folders as files: what was made of a folder is kept, and made again when the folder has changed.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::write::{Progress, convert};
use crate::{ConvertError, FileType, HfFolder};

/// The version of everything a conversion does. It goes up with every change of what comes out, so that kept files are
/// made anew.
const VERSION: u32 = 1;

/// Whether a folder holds a model in Hugging Face's files.
pub fn is_model_folder(path: &Path) -> bool {
    path.join("config.json").is_file()
        && (path.join("model.safetensors").is_file() || path.join("model.safetensors.index.json").is_file())
}

/// A folder of files made of folders. Nothing in it is anybody's only copy of anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvertedFolders {
    folder: PathBuf,
}

impl ConvertedFolders {
    /// What is kept in a folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        ConvertedFolders { folder: folder.into() }
    }

    /// The GGUF file of a model's folder: the one that is kept, or a new one.
    ///
    /// Its name follows from where the folder really lies, the names, sizes and times of its files, and the type.
    /// Files of the same folder in an earlier state go when a new one is there.
    pub fn get(
        &self,
        model: &Path,
        file_type: FileType,
        threads: usize,
        progress: impl FnMut(Progress<'_>),
    ) -> Result<PathBuf, ConvertError> {
        let real = model.canonicalize().map_err(ConvertError::io(model, "read"))?;
        let place = hash(&[real.as_os_str().as_encoded_bytes()]);
        let name = format!("{place}-{}-{}.gguf", state(&real)?, file_type.name());
        let path = self.folder.join(&name);
        if path.is_file() {
            return Ok(path);
        }
        let source = HfFolder::open(&real)?;
        fs::create_dir_all(&self.folder).map_err(ConvertError::io(&self.folder, "written"))?;
        let _lock = self.lock()?;
        // Whoever held the lock may have made it.
        if !path.is_file() {
            convert(&source, &path, file_type, threads, progress)?;
            self.remove_older(&place, file_type, &name)?;
        }
        Ok(path)
    }

    /// Held while a file is made, so that two programs do not make the same one.
    fn lock(&self) -> Result<File, ConvertError> {
        let path = self.folder.join("lock");
        let file = File::create(&path).map_err(ConvertError::io(&path, "written"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => file.lock().map_err(ConvertError::io(&path, "locked"))?,
            Err(TryLockError::Error(error)) => return Err(ConvertError::io(&path, "locked")(error)),
        }
        Ok(file)
    }

    fn remove_older(&self, place: &str, file_type: FileType, keep: &str) -> Result<(), ConvertError> {
        let io = ConvertError::io(&self.folder, "read");
        for entry in fs::read_dir(&self.folder).map_err(&io)? {
            let entry = entry.map_err(&io)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let same = name.starts_with(place) && name.ends_with(&format!("-{}.gguf", file_type.name()));
            if same && name != keep {
                let path = entry.path();
                fs::remove_file(&path).map_err(ConvertError::io(&path, "deleted"))?;
            }
        }
        Ok(())
    }
}

/// A name for the state of a folder: its files' names, sizes and times of change, and the version of the conversion.
fn state(folder: &Path) -> Result<String, ConvertError> {
    let io = ConvertError::io(folder, "read");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(&io)? {
        let path = entry.map_err(&io)?.path();
        // Follows links, which is what the Hub's cache is made of.
        let about = fs::metadata(&path).map_err(ConvertError::io(&path, "read"))?;
        let kind =
            path.extension().is_some_and(|end| end == "json" || end == "safetensors" || end == "jinja");
        if kind && about.is_file() {
            let stamp = lantern_gguf::FileStamp::of(&about);
            files.push(format!("{:?} {stamp:?}", path.file_name().unwrap_or_default()));
        }
    }
    files.sort();
    Ok(hash(&[files.join("\n").as_bytes(), &VERSION.to_le_bytes()]))
}

/// The first sixteen hexadecimal digits of a SHA-256.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

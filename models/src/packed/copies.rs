//! The folder of packed copies: which file is whose, what they take, and how they go.

use std::path::{Path, PathBuf};
use std::{fs, io};

use lantern_gguf::FileMap;
use sha2::{Digest, Sha256};

use super::header::Header;

/// What the name of a copy ends in.
const EXTENSION: &str = "packed";

/// A folder of packed copies. Nothing in it is anybody's only copy of anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedCopies {
    folder: PathBuf,
}

/// A copy that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOnDisk {
    /// The file.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Where the model lay that it was made from; `None` when the copy cannot be read.
    pub model: Option<PathBuf>,
}

impl PackedCopies {
    /// The copies in a folder, which need not exist yet.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        PackedCopies { folder: folder.into() }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the copy of a model is, or would be. Its name follows from where the model really lies, links followed.
    pub fn path_of(&self, model: &Path) -> io::Result<PathBuf> {
        let real = model.canonicalize()?;
        let hash = Sha256::digest(real.as_os_str().as_encoded_bytes());
        let name: String = hash[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(self.folder.join(name).with_extension(EXTENSION))
    }

    /// Deletes the copy of a model, if there is one, and gives the bytes that the disk got back. The model may be gone.
    pub fn remove(&self, model: &Path) -> io::Result<u64> {
        match self.path_of(model) {
            Ok(path) => remove_file(&path),
            // Where it really lay cannot be said any more, but its copy has kept the name it went by.
            Err(_) => {
                let copies = self.list()?.into_iter().filter(|copy| copy.model.as_deref() == Some(model));
                copies.map(|copy| remove_file(&copy.path)).sum()
            }
        }
    }

    /// Deletes all copies.
    pub fn remove_all(&self) -> io::Result<()> {
        self.list()?.iter().try_for_each(|copy| remove_file(&copy.path).map(drop))
    }

    /// Every copy in the folder.
    pub fn list(&self) -> io::Result<Vec<CopyOnDisk>> {
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut copies = Vec::new();
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == EXTENSION) {
                let header = FileMap::open(&path).ok().and_then(|map| Header::decode(&map).ok());
                let model = header.map(|header| PathBuf::from(header.model.path));
                copies.push(CopyOnDisk { bytes: fs::metadata(&path)?.len(), path, model });
            }
        }
        Ok(copies)
    }
}

/// Deletes a file that may be there, and gives its size.
fn remove_file(path: &Path) -> io::Result<u64> {
    let remove = || {
        let bytes = fs::metadata(path)?.len();
        fs::remove_file(path).map(|()| bytes)
    };
    match remove() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        done => done,
    }
}

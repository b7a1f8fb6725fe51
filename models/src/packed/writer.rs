//! Writes a packed copy, after the model was loaded and beside its work.
//!
//! The file gets its name only when all of it is on the disk: who stops at any moment leaves the copy that was there
//! before, or none, and a draft that the next writer removes.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use lantern_gguf::GgufFile;
use lantern_kernels::QMatrix;

use super::header::{ALIGNMENT, Header, Model, PIECE, Tensor, checksum};
use crate::fingerprint;

/// What a draft's name ends in.
const DRAFT: &str = "part";
/// Locked by whoever writes into the folder.
const LOCK: &str = "lock";

/// A copy to be written. It does not keep the model in memory.
#[derive(Debug)]
pub struct CopyWriter {
    path: PathBuf,
    header: Header,
    /// As in the header.
    matrices: Vec<Weak<QMatrix>>,
}

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is on the disk and takes so many bytes.
    Kept(u64),
    /// The model has left the memory meanwhile.
    Abandoned,
    /// Another process writes a copy at the moment.
    Busy,
}

impl CopyWriter {
    /// A copy of these matrices of `model`, to be written to `path`. Those that are not packed have no part in it.
    pub(crate) fn new<'a>(
        path: PathBuf,
        model: &GgufFile,
        matrices: impl Iterator<Item = (&'a str, &'a Arc<QMatrix>)>,
    ) -> Self {
        let (mut tensors, mut weak) = (Vec::new(), Vec::new());
        for (name, matrix) in matrices {
            let Some(tiles) = matrix.packed_bytes() else { continue };
            tensors.push(Tensor {
                name: name.to_owned(),
                type_id: matrix.ty().id(),
                shape: matrix.shape(),
                offset: 0,
                len: tiles.len() as u64,
                checksums: vec![0; tiles.len().div_ceil(PIECE)],
            });
            weak.push(Arc::downgrade(matrix));
        }
        let model = Model {
            path: std::path::absolute(model.path()).map_or_else(|_| String::new(), lossy),
            stamp: model.stamp(),
            fingerprint: fingerprint(model),
        };
        let mut header = Header { file_len: 0, model, tensors };
        // Now that its length is known, everything behind it has its place.
        header.file_len = header.encode().len() as u64;
        for tensor in &mut header.tensors {
            tensor.offset = header.file_len.next_multiple_of(ALIGNMENT as u64);
            header.file_len = tensor.offset + tensor.len;
        }
        CopyWriter { path, header, matrices: weak }
    }

    /// Writes the copy, in place of an older one. Blocks for as long as the disk takes.
    pub fn write(mut self) -> io::Result<Written> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let lock = File::options().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Written::Busy),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        remove_drafts(folder)?;
        let draft = self.path.with_extension(DRAFT);
        let written = self.write_draft(&draft).and_then(|whole| match whole {
            true => fs::rename(&draft, &self.path).map(|()| Written::Kept(self.header.file_len)),
            false => Ok(Written::Abandoned),
        });
        if !matches!(written, Ok(Written::Kept(_))) {
            // Half a copy is of no use to anybody and may be what fills the disk. It may also not be there.
            let _ = fs::remove_file(&draft);
        }
        written
    }

    /// Whether everything was there to be written.
    fn write_draft(&mut self, draft: &Path) -> io::Result<bool> {
        let mut file = File::create(draft)?;
        for (tensor, matrix) in self.header.tensors.iter_mut().zip(&self.matrices) {
            // One matrix at a time is kept in memory by this.
            let Some(matrix) = matrix.upgrade() else { return Ok(false) };
            let tiles = matrix.packed_bytes().unwrap_or_default();
            tensor.checksums = tiles.chunks(PIECE).map(checksum).collect();
            file.seek(SeekFrom::Start(tensor.offset))?;
            file.write_all(tiles)?;
        }
        file.set_len(self.header.file_len)?;
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&self.header.encode())?;
        file.sync_all()?;
        Ok(true)
    }
}

fn lossy(path: PathBuf) -> String {
    path.to_string_lossy().into_owned()
}

/// What writers have left that were stopped. Nobody else writes: the caller holds the lock.
fn remove_drafts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == DRAFT) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

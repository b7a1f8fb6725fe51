//! A packed copy in use: checked as a whole, then tensor by tensor where it lies in the map.
//!
//! It is mapped, not read into memory of our own. Reading asks the system for as many cleared pages to copy into, and
//! leaves what it read in the system's cache beside them; a map has neither. What large pages give an arena, a map has
//! where the system's cache keeps files in large pages, as Linux does for some file systems (ext4 since 2025). With pages
//! of 4 KiB two cores of an AMD Zen 5 read 1.1 GB at 27 to 28 GB/s, with large ones at 29 to 30, so moving the tiles to
//! memory of our own later, for a while with two copies, would gain a few percent at the most.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use lantern_gguf::{FileMap, GgufError, GgufFile, TensorBytes};
use lantern_kernels::{Pool, QMatrix};

use super::header::{Header, PIECE, Tensor, checksum};
use crate::fingerprint;

/// Why a copy is not used. None of these is an error: the model is packed again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Miss {
    /// There is none.
    #[error("there is no packed copy")]
    Absent,
    /// The system refuses it.
    #[error("the packed copy cannot be read: {0}")]
    Unreadable(String),
    /// It was written by another version of Lantern, or is something else.
    #[error("the packed copy is of another version")]
    Version,
    /// The model's file is not the one it was made from.
    #[error("the packed copy was made from another file, or the file has changed since")]
    OtherFile,
    /// It lacks matrices that this version packs.
    #[error("the packed copy does not hold every matrix")]
    Incomplete,
    /// Its bytes are not those that were written.
    #[error("the packed copy is damaged: {0}")]
    Damaged(&'static str),
}

/// The tiles of one model's matrices.
#[derive(Debug)]
pub(crate) struct PackedFile {
    map: FileMap,
    tensors: HashMap<String, Tensor>,
}

impl PackedFile {
    /// Opens the copy at `path` of `model` and reads all of it once, on all threads of the pool.
    pub(crate) fn open(path: &Path, model: &GgufFile, pool: &Pool) -> Result<Self, Miss> {
        let map = FileMap::open(path).map_err(|error| match error {
            GgufError::Io { not_found: true, .. } => Miss::Absent,
            other => Miss::Unreadable(other.to_string()),
        })?;
        let header = Header::decode(&map)?;
        if header.model.stamp != model.stamp() || header.model.fingerprint != fingerprint(model) {
            return Err(Miss::OtherFile);
        }
        map.will_need_all();
        check_tiles(&map, &header.tensors, pool)?;
        let tensors = header.tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect();
        Ok(PackedFile { map, tensors })
    }

    /// The tiles of a tensor, if they are those of this matrix by type, shape and length.
    pub(crate) fn tiles(&self, name: &str, matrix: &QMatrix) -> Option<TensorBytes> {
        let tensor = self.tensors.get(name)?;
        let (start, len) = (usize::try_from(tensor.offset).ok()?, usize::try_from(tensor.len).ok()?);
        let fits = tensor.type_id == matrix.ty().id() && tensor.shape == matrix.shape();
        (fits && matrix.packed_len() == Ok(len)).then(|| self.map.bytes(start, len))?
    }
}

/// Compares every piece of every tensor with its checksum.
fn check_tiles(map: &FileMap, tensors: &[Tensor], pool: &Pool) -> Result<(), Miss> {
    // The header's reader has made sure that every tensor lies inside the file.
    let pieces: Vec<(&[u8], u64)> = tensors
        .iter()
        .flat_map(|tensor| {
            let bytes = &map[tensor.offset as usize..(tensor.offset + tensor.len) as usize];
            bytes.chunks(PIECE).zip(tensor.checksums.iter().copied())
        })
        .collect();
    let wrong = AtomicBool::new(false);
    pool.run(pieces.len(), &|i| {
        let (bytes, sum) = pieces[i];
        if !wrong.load(Ordering::Relaxed) && checksum(bytes) != sum {
            wrong.store(true, Ordering::Relaxed);
        }
    });
    match wrong.into_inner() {
        true => Err(Miss::Damaged("a checksum of its tiles is wrong")),
        false => Ok(()),
    }
}

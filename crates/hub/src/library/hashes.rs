//! SHA-256 of single files: what is known without reading them, and taking it.

use std::path::{Path, PathBuf};

use super::ModelLibrary;
use super::record::Taken;
use super::scan::blob_sha256;
use super::shards::{ModelStamp, files_of};
use super::verify::hash;
use crate::HubError;
use crate::names::parse_sha256;

/// Every file of the model whose first file this is.
pub fn model_files(path: &Path) -> Vec<PathBuf> {
    files_of(path)
}

impl ModelLibrary {
    /// SHA-256 in hex of a file, as far as it is known: it was taken of the file as it is, or a store of contents named the
    /// file after it.
    pub fn known_sha256(&self, file: &Path) -> Option<String> {
        let taken = self.record().content().hashes.remove(file).filter(|taken| taken.is_of(file));
        taken.map(|taken| taken.sha256).or_else(|| blob_sha256(file)).or_else(|| ollama_sha256(file))
    }

    /// Takes a file's SHA-256 and records it. `told` hears the bytes read since it was told last, and says whether to go on.
    /// `None` for a file that cannot be read or has changed meanwhile.
    pub fn take_sha256(
        &self,
        file: &Path,
        told: impl FnMut(u64) -> bool,
    ) -> Result<Option<String>, HubError> {
        let stamp = ModelStamp::of_file(file);
        let Some(sha256) = hash(file, told)? else { return Ok(None) };
        let taken = Taken { sha256: sha256.clone(), stamp };
        if !taken.is_of(file) {
            return Ok(None);
        }
        self.record_hash(file, sha256.clone(), stamp)?;
        Ok(Some(sha256))
    }
}

/// Ollama's blobs: `sha256-abcd…`.
fn ollama_sha256(file: &Path) -> Option<String> {
    parse_sha256(file.file_name()?.to_str()?.strip_prefix("sha256-")?)
}

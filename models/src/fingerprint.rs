//! A name for the content of a model file.

use lantern_gguf::{GgufFile, Value};
use sha2::{Digest, Sha256};

/// Bytes taken from the beginning and the end of every tensor.
const SAMPLE: usize = 64;

/// SHA-256, in hex, over scalars of the metadata, the tensor table and samples of every tensor. Reads a few hundred
/// bytes per tensor: two files that differ in a fine-tuning run differ here, and a load is not held up.
pub fn fingerprint(file: &GgufFile) -> String {
    let mut hash = Sha256::new();
    hash.update(file.file_len().to_le_bytes());
    for (key, value) in file.metadata().iter() {
        if !matches!(value, Value::Array(_)) {
            hash.update(format!("{key}={value:?}\n"));
        }
    }
    for tensor in file.tensors().values() {
        hash.update(format!("{} {:?} {}\n", tensor.name, tensor.shape, tensor.type_id));
        if let Ok(bytes) = file.bytes(tensor) {
            hash.update(&bytes[..bytes.len().min(SAMPLE)]);
            hash.update(&bytes[bytes.len().saturating_sub(SAMPLE)..]);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

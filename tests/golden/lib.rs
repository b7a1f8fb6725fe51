//! Where the golden data lies, for the tests of all crates. README.md says what it is.

use std::env;
use std::path::{Path, PathBuf};

/// The repository, as cargo tells it while a test runs: clones that share their build output run the same programs.
pub fn repository() -> PathBuf {
    let tested = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut folders = Path::new(&tested).ancestors();
    let root = folders.find(|folder| folder.join("tests/golden/manifest.json").is_file());
    root.expect("tests are part of the repository").to_owned()
}

/// A file or folder of the golden data, such as `models/qwen2-Q8_0.gguf`.
pub fn path(below: impl AsRef<Path>) -> PathBuf {
    repository().join("tests/golden").join(below)
}

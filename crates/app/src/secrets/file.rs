//! Secrets where there is no keyring: a JSON object in a file that only its owner can read.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// In the data directory.
pub(super) const FILE: &str = "secrets.json";

/// The file; it is there as long as it holds something.
pub(super) struct SecretFile(pub(super) PathBuf);

impl SecretFile {
    pub(super) fn get(&self, name: &str) -> io::Result<Option<String>> {
        Ok(self.read()?.remove(name))
    }

    pub(super) fn set(&self, name: &str, secret: &str) -> io::Result<()> {
        let mut all = self.read()?;
        all.insert(name.into(), secret.into());
        self.write(&all)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        let mut all = self.read()?;
        if all.remove(name).is_none() {
            return Ok(());
        }
        if all.is_empty() { std::fs::remove_file(&self.0) } else { self.write(&all) }
    }

    fn read(&self) -> io::Result<BTreeMap<String, String>> {
        match std::fs::read(&self.0) {
            // The parser's words may quote the file; its place is all that may be told.
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let what = format!("it is no object of texts (line {})", error.line());
                io::Error::new(ErrorKind::InvalidData, what)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    fn write(&self, all: &BTreeMap<String, String>) -> io::Result<()> {
        write_private(&self.0, &serde_json::to_vec_pretty(all)?)
    }
}

/// Writes a file that only its owner can read, not even for a moment anybody else; under its name only when it is whole.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&new, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_file_is_told_without_what_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        std::fs::write(&path, "{\"a\": sk-secret}").unwrap();
        let file = SecretFile(path.clone());
        let error = file.get("a").unwrap_err().to_string();
        assert!(error.contains("line 1") && !error.contains("sk-"), "{error}");
        assert!(file.set("b", "x").is_err(), "a damaged file was overwritten");
        assert!(std::fs::read_to_string(&path).unwrap().contains("sk-secret"));
    }

    #[cfg(unix)]
    #[test]
    fn only_its_owner_can_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let home = tempfile::tempdir().unwrap();
        let file = SecretFile(home.path().join(FILE));
        file.set("a", "x").unwrap();
        file.set("b", "y").unwrap();
        assert_eq!(std::fs::metadata(&file.0).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "something was left beside it");
    }
}

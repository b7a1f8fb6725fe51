//! Where secrets are: the keyring first, the file for what is not there.

use std::path::PathBuf;
use std::sync::Arc;

use keyring_core::{CredentialStore, Entry, Error};
use lantern_protocol::SecretStorage;

use super::file::SecretFile;
use crate::AppError;

/// What Lantern's entries are filed under.
const SERVICE: &str = "Lantern";

/// Lives on the thread of secrets: what it calls may block.
pub(super) struct Keeper {
    keyring: Option<Arc<CredentialStore>>,
    file: SecretFile,
}

impl Keeper {
    /// The file alone.
    pub(super) fn of_file(file: PathBuf) -> Self {
        Self { keyring: None, file: SecretFile(file) }
    }

    /// The system's keyring, if it can be reached.
    pub(super) fn of_system(file: PathBuf) -> Self {
        let keyring = system_keyring();
        if let Err(error) = &keyring {
            tracing::debug!("there is no keyring, secrets are in a file: {error}");
        }
        Self { keyring: keyring.ok(), file: SecretFile(file) }
    }

    #[cfg(test)]
    pub(super) fn of_keyring(keyring: Arc<CredentialStore>, file: PathBuf) -> Self {
        Self { keyring: Some(keyring), file: SecretFile(file) }
    }

    pub(super) fn storage(&self) -> SecretStorage {
        if self.keyring.is_some() { SecretStorage::Keyring } else { SecretStorage::File }
    }

    /// What only the file has moves into the keyring: it was written while there was none.
    pub(super) fn get(&mut self, name: &str) -> Result<Option<String>, AppError> {
        let in_file = |file: &SecretFile| file.get(name).map_err(|error| file_error(&error));
        if self.keyring.is_none() {
            return in_file(&self.file);
        }
        match self.entry(name).and_then(|entry| entry.get_password()) {
            Ok(secret) => return Ok(Some(secret)),
            Err(Error::NoEntry) => {}
            Err(error) => {
                return in_file(&self.file)?
                    .map_or_else(|| Err(keyring_error(&error)), |found| Ok(Some(found)));
            }
        }
        let found = in_file(&self.file)?;
        if let Some(secret) = &found
            && let Err(error) = self.set(name, secret)
        {
            tracing::warn!("a secret stays in the file: {error}");
        }
        Ok(found)
    }

    /// A keyring that fails is not replaced by the file: the user believes what is told of where secrets are.
    pub(super) fn set(&mut self, name: &str, secret: &str) -> Result<(), AppError> {
        if self.keyring.is_none() {
            return self.file.set(name, secret).map_err(|error| file_error(&error));
        }
        let entry = self.entry(name).map_err(|error| keyring_error(&error))?;
        let kept = entry.set_password(secret).and_then(|()| entry.get_password());
        match kept {
            Ok(kept) if kept == secret => {
                // It may hold an earlier one of the name.
                self.file.remove(name).map_err(|error| file_error(&error))
            }
            Ok(_) => Err(keyring_error(&"what it keeps is not what it was given")),
            Err(error) => Err(keyring_error(&error)),
        }
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<(), AppError> {
        if self.keyring.is_some() {
            match self.entry(name).and_then(|entry| entry.delete_credential()) {
                Ok(()) | Err(Error::NoEntry) => {}
                Err(error) => return Err(keyring_error(&error)),
            }
        }
        self.file.remove(name).map_err(|error| file_error(&error))
    }

    fn entry(&self, name: &str) -> Result<Entry, Error> {
        let keyring = self.keyring.as_ref().ok_or(Error::NoDefaultStore)?;
        Entry::new_in_store(keyring, SERVICE, name)
    }
}

/// The Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus.
#[cfg(all(unix, not(target_os = "macos")))]
fn system_keyring() -> Result<Arc<CredentialStore>, Error> {
    Ok(zbus_secret_service_keyring_store::Store::new()?)
}

#[cfg(target_os = "macos")]
fn system_keyring() -> Result<Arc<CredentialStore>, Error> {
    Ok(apple_native_keyring_store::keychain::Store::new()?)
}

#[cfg(windows)]
fn system_keyring() -> Result<Arc<CredentialStore>, Error> {
    Ok(windows_native_keyring_store::Store::new()?)
}

fn keyring_error(why: &dyn std::fmt::Display) -> AppError {
    AppError::new(
        "keyring",
        format!("The system's keyring refused: {why}."),
        "Unlock it and try again, or start Lantern with LANTERN_SECRETS=file to keep keys in a file that only you can read.",
    )
}

fn file_error(why: &std::io::Error) -> AppError {
    AppError::new(
        "secrets_file",
        format!("The file of keys ({} in the data directory) cannot be used: {why}.", super::file::FILE),
        "Check the disk and the file's permissions, or remove the file and enter the keys again.",
    )
}

//! The servers as they lie on disk, and their keys among the secrets.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::AppError;
use crate::secrets::{Secrets, write_private};

pub(super) const FILE: &str = "remotes.json";

/// As it lies on disk.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) url: String,
    /// Under which name its key is among the secrets. Each key has a name that nothing had before, so no server is ever sent
    /// the key of an earlier one, in this or another data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) secret: Option<String>,
    /// The key itself, as earlier versions kept it; it moves to the secrets when they take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl Stored {
    pub(super) fn new(name: &str, url: &str, secret: Option<String>) -> Self {
        Self { name: name.into(), url: url.into(), secret, key: None }
    }

    pub(super) fn has_key(&self) -> bool {
        self.secret.is_some() || self.key.is_some()
    }

    /// What the server is sent as bearer token.
    pub(super) async fn key(&self, secrets: &Secrets) -> Result<Option<String>, AppError> {
        let Some(secret) = &self.secret else { return Ok(self.key.clone()) };
        let key = secrets.get(secret).await?;
        key.map(Some).ok_or_else(|| {
            AppError::new(
                "remote_key_missing",
                format!("The key of the remote engine `{}` is not where it was kept: `{secret}`.", self.name),
                "Start Lantern where the keyring is that has it, or remove the engine and add it again.",
            )
        })
    }
}

/// A name for the key of this server.
pub(super) fn name_of_secret(remote: &str) -> String {
    format!("remote engine {remote} {}", uuid::Uuid::new_v4().simple())
}

pub(super) fn read(path: &Path) -> Result<Vec<Stored>, AppError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| file_error(&error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(file_error(&error.to_string())),
    }
}

pub(super) fn write(path: &Path, all: &[Stored]) -> Result<(), AppError> {
    let written =
        serde_json::to_vec_pretty(all).map_err(Into::into).and_then(|text| write_private(path, &text));
    written.map_err(|error: std::io::Error| file_error(&error.to_string()))
}

/// Moves keys that an earlier version wrote into the file to the secrets, one after the other: a key leaves the file once it
/// was read back from its new place. Those that cannot move stay and go on working.
pub(super) async fn move_keys(path: &Path, secrets: &Secrets) -> Result<(), AppError> {
    let mut all = read(path)?;
    for at in 0..all.len() {
        let Some(key) = all[at].key.clone() else { continue };
        let secret = name_of_secret(&all[at].name);
        if let Err(error) = secrets.set(&secret, &key).await {
            tracing::warn!("the key of the remote engine {} stays in {FILE}: {error}", all[at].name);
            continue;
        }
        (all[at].secret, all[at].key) = (Some(secret), None);
        write(path, &all)?;
    }
    Ok(())
}

fn file_error(why: &str) -> AppError {
    AppError::new(
        "remotes_file",
        format!("The list of remote engines ({FILE} in the data directory) cannot be used: {why}."),
        "Check the disk and the file's permissions, or remove the file and add the servers again.",
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, Entry, Error, mock};

    use super::*;

    const OLD: &str = r#"[
        {"name": "a", "url": "http://127.0.0.1:9/v1", "key": "sk-a"},
        {"name": "b", "url": "http://127.0.0.1:9/v1", "key": "sk-b"},
        {"name": "c", "url": "http://127.0.0.1:9/v1", "key": null}
    ]"#;

    /// A keyring that is locked while so many entries are in it.
    #[derive(Debug)]
    struct Locking(Arc<mock::Store>, std::sync::atomic::AtomicUsize);

    impl keyring_core::api::CredentialStoreApi for Locking {
        fn vendor(&self) -> String {
            self.0.vendor()
        }

        fn id(&self) -> String {
            self.0.id()
        }

        fn build(
            &self,
            service: &str,
            user: &str,
            modifiers: Option<&std::collections::HashMap<&str, &str>>,
        ) -> keyring_core::Result<Entry> {
            let left = &self.1;
            if left.load(std::sync::atomic::Ordering::SeqCst) == 0 {
                return Err(Error::NoStorageAccess("it is locked".into()));
            }
            left.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
            self.0.build(service, user, modifiers)
        }

        fn as_any(&self) -> &dyn std::any::Any {
            self
        }
    }

    async fn keys(path: &Path, secrets: &Secrets) -> Vec<Option<String>> {
        let all = read(path).unwrap();
        let mut keys = Vec::new();
        for stored in all {
            keys.push(stored.key(secrets).await.unwrap());
        }
        keys
    }

    #[tokio::test]
    async fn old_keys_move_and_leave_the_file() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        std::fs::write(&path, OLD).unwrap();
        let store: Arc<CredentialStore> = mock::Store::new().unwrap();
        let secrets = Secrets::in_keyring(home.path(), store);
        move_keys(&path, &secrets).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("sk-"), "{text}");
        assert_eq!(keys(&path, &secrets).await, [Some("sk-a".into()), Some("sk-b".into()), None]);
    }

    #[tokio::test]
    async fn a_keyring_that_fails_in_the_middle_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        std::fs::write(&path, OLD).unwrap();
        let kept = mock::Store::new().unwrap();
        let locking = Locking(kept.clone(), 1.into());
        let secrets = Secrets::in_keyring(home.path(), Arc::new(locking));
        move_keys(&path, &secrets).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(!text.contains("sk-a") && text.contains("sk-b"), "{text}");

        // Unlocked again, the rest follows.
        let secrets = Secrets::in_keyring(home.path(), kept);
        assert_eq!(keys(&path, &secrets).await, [Some("sk-a".into()), Some("sk-b".into()), None]);
        move_keys(&path, &secrets).await.unwrap();
        assert!(!std::fs::read_to_string(&path).unwrap().contains("sk-"));
        assert_eq!(keys(&path, &secrets).await, [Some("sk-a".into()), Some("sk-b".into()), None]);
    }

    #[tokio::test]
    async fn a_key_that_is_gone_is_told_by_name() {
        let home = tempfile::tempdir().unwrap();
        let stored = Stored::new("box", "http://127.0.0.1:9/v1", Some(name_of_secret("box")));
        let error = stored.key(&Secrets::new(home.path(), true)).await.unwrap_err();
        assert_eq!(error.code, "remote_key_missing");
        assert!(error.message.contains("box"), "{error}");
    }
}

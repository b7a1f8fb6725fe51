//! Keys and tokens that Lantern keeps for the user: in the system's keyring where there is one, else in a file that only
//! its owner can read. The same names and calls either way, and [`Secrets::storage`] tells which it is.
//!
//! A keyring may ask the user to unlock it, and blocks until they do. All calls therefore run on a thread of their own, one
//! after the other, and whoever waits for one does so for a limited time.

mod file;
mod keeper;

use std::path::Path;
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use lantern_protocol::SecretStorage;
use tokio::sync::oneshot;

pub(crate) use file::write_private;
use keeper::Keeper;

use crate::{AppError, lock};

/// Long enough to type a password into the keyring's dialog.
const PATIENCE: Duration = Duration::from_secs(60);

type Job = Box<dyn FnOnce(&mut Keeper) + Send>;

/// The secrets of one data directory. Nothing is opened before the first call.
pub(crate) struct Secrets {
    patience: Duration,
    /// How the thread opens what it keeps secrets in; taken when it starts.
    open: Mutex<Option<Box<dyn FnOnce() -> Keeper + Send>>>,
    jobs: OnceLock<mpsc::Sender<Job>>,
}

impl Secrets {
    /// The keyring, or a file in `home` if there is none, `LANTERN_SECRETS` is `file`, or `only_file` says so.
    pub(crate) fn new(home: &Path, only_file: bool) -> Self {
        let file = home.join(file::FILE);
        let only_file = only_file || std::env::var_os("LANTERN_SECRETS").is_some_and(|value| value == "file");
        Self::with(move || if only_file { Keeper::of_file(file) } else { Keeper::of_system(file) }, PATIENCE)
    }

    fn with(open: impl FnOnce() -> Keeper + Send + 'static, patience: Duration) -> Self {
        Self { patience, open: Mutex::new(Some(Box::new(open))), jobs: OnceLock::new() }
    }

    /// Where secrets are kept.
    pub(crate) async fn storage(&self) -> Result<SecretStorage, AppError> {
        self.run(|keeper| Ok(keeper.storage())).await
    }

    /// The secret of this name; `None` if there is none.
    pub(crate) async fn get(&self, name: &str) -> Result<Option<String>, AppError> {
        let name = name.to_owned();
        self.run(move |keeper| keeper.get(&name)).await
    }

    /// Keeps a secret, in place of an earlier one of the name. It was read back when this returns.
    pub(crate) async fn set(&self, name: &str, secret: &str) -> Result<(), AppError> {
        let (name, secret) = (name.to_owned(), secret.to_owned());
        self.run(move |keeper| keeper.set(&name, &secret)).await
    }

    /// Forgets a secret; that there is none of the name is no error.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), AppError> {
        let name = name.to_owned();
        self.run(move |keeper| keeper.remove(&name)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Keeper) -> Result<T, AppError> + Send + 'static,
    ) -> Result<T, AppError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |keeper| {
            // Who gave up waiting was told that it failed.
            if !reply.is_closed() {
                let _ = reply.send(job(keeper));
            }
        });
        self.jobs().send(job).map_err(AppError::internal)?;
        match tokio::time::timeout(self.patience, answer).await {
            Ok(answer) => answer.map_err(AppError::internal)?,
            Err(_) => Err(AppError::new(
                "keyring_timeout",
                format!("The system's keyring did not answer within {} s.", self.patience.as_secs()),
                "Unlock it and try again, or start Lantern with LANTERN_SECRETS=file.",
            )),
        }
    }

    /// A thread of its own and not one of the runtime's: the runtime's end waits for those, and a keyring may never answer.
    fn jobs(&self) -> &mpsc::Sender<Job> {
        self.jobs.get_or_init(|| {
            let (sender, jobs) = mpsc::channel::<Job>();
            let open = lock(&self.open).take();
            let work = move || {
                let Some(mut keeper) = open.map(|open| open()) else { return };
                jobs.into_iter().for_each(|job| job(&mut keeper));
            };
            // A thread that cannot be had leaves the channel without a receiver, which every call then tells.
            if let Err(error) = std::thread::Builder::new().name("lantern-secrets".into()).spawn(work) {
                tracing::warn!("secrets cannot be read: {error}");
            }
            sender
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use keyring_core::{CredentialStore, mock};
    use tempfile::TempDir;

    use super::*;

    impl Secrets {
        /// Secrets in this keyring.
        pub(crate) fn in_keyring(home: &Path, keyring: Arc<CredentialStore>) -> Self {
            let file = home.join(file::FILE);
            Self::with(move || Keeper::of_keyring(keyring, file), PATIENCE)
        }
    }

    fn keyring() -> (TempDir, Arc<CredentialStore>) {
        (tempfile::tempdir().unwrap(), mock::Store::new().unwrap())
    }

    #[tokio::test]
    async fn a_keyring_keeps_secrets_and_no_file_does() {
        let (home, store) = keyring();
        let secrets = Secrets::in_keyring(home.path(), store);
        assert_eq!(secrets.storage().await.unwrap(), SecretStorage::Keyring);
        secrets.set("a", "sk-1").await.unwrap();
        secrets.set("a", "sk-2").await.unwrap();
        assert_eq!(secrets.get("a").await.unwrap().as_deref(), Some("sk-2"));
        secrets.remove("a").await.unwrap();
        secrets.remove("a").await.unwrap();
        assert_eq!(secrets.get("a").await.unwrap(), None);
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_a_file_kept_moves_into_the_keyring_once_there_is_one() {
        let (home, store) = keyring();
        let without = Secrets::new(home.path(), true);
        assert_eq!(without.storage().await.unwrap(), SecretStorage::File);
        without.set("a", "sk-1").await.unwrap();
        without.set("b", "sk-2").await.unwrap();

        let with = Secrets::in_keyring(home.path(), store);
        assert_eq!(with.get("a").await.unwrap().as_deref(), Some("sk-1"));
        assert_eq!(
            Secrets::new(home.path(), true).get("a").await.unwrap(),
            None,
            "a copy is left in the file"
        );
        assert_eq!(with.get("a").await.unwrap().as_deref(), Some("sk-1"));
        assert_eq!(Secrets::new(home.path(), true).get("b").await.unwrap().as_deref(), Some("sk-2"));
        with.remove("b").await.unwrap();
        assert_eq!(with.get("b").await.unwrap(), None);
        assert!(!home.path().join(file::FILE).exists(), "an empty file is left");
    }

    #[tokio::test]
    async fn a_keyring_that_never_answers_is_waited_for_only_so_long() {
        let wait = Duration::from_millis(20);
        let stuck = Secrets::with(
            || loop {
                std::thread::park()
            },
            wait,
        );
        for _ in 0..2 {
            assert_eq!(stuck.get("a").await.unwrap_err().code, "keyring_timeout");
        }
    }
}

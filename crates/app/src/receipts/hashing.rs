//! Hashes of files that nobody knows yet: taken in the background, while no answer is written, and added to the receipts that
//! wait for them. A file of 18 GB takes half a minute or more, for which nobody should wait.

use std::path::Path;
use std::time::{Duration, Instant};

use lantern_store::Unhashed;

use super::now::stamp;
use crate::database::Database;
use crate::{App, AppError};

/// Between two looks whether answers are still being written.
const PATIENCE: Duration = Duration::from_millis(100);

impl App {
    /// Takes the hashes that receipts wait for, some time.
    pub(crate) fn hash_later(&self) {
        let app = self.clone();
        self.0.tasks.spawn_on(
            async move {
                // Whoever has the turn finds what there is for everybody.
                let Ok(_turn) = app.0.receipts.hashing.try_lock() else { return };
                for db in [app.0.db.clone(), app.0.db.temporary()] {
                    if let Err(error) = app.take_hashes(&db).await {
                        tracing::info!(code = error.code, "a receipt goes on without a hash: {error}");
                    }
                }
            },
            &self.0.runtime,
        );
    }

    async fn take_hashes(&self, db: &Database) -> Result<(), AppError> {
        loop {
            let files = db.run(|store| store.unhashed()).await?;
            if files.is_empty() {
                return Ok(());
            }
            for file in files {
                let sha256 = self.take_hash(file.clone()).await?;
                db.run(move |store| store.set_hash(&file, sha256.as_deref())).await?;
            }
        }
    }

    /// A file's hash; `None` where it is not as it was.
    async fn take_hash(&self, file: Unhashed) -> Result<Option<String>, AppError> {
        let app = self.clone();
        // A thread outlives whoever waits for it, and a runtime that ends waits for its threads.
        let gone = self.0.closing.child_token();
        let _guard = gone.clone().drop_guard();
        self.with_library(move |library| {
            let path = Path::new(&file.path);
            if stamp(path) != file {
                return Ok(None);
            }
            if let Some(known) = library.known_sha256(path) {
                return Ok(Some(known));
            }
            let mut last = Instant::now();
            let sha256 = library.take_sha256(path, |_| {
                // As much rest as work, and none of it while somebody waits for words.
                std::thread::sleep(last.elapsed());
                while app.0.answers.are_running() && !gone.is_cancelled() {
                    std::thread::sleep(PATIENCE);
                }
                last = Instant::now();
                !gone.is_cancelled()
            })?;
            Ok(sha256.filter(|_| stamp(path) == file))
        })
        .await
    }
}

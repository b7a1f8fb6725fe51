//! Keeping folders read: their files as they change, and vectors of their passages.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use lantern_knowledge::folder::{FoundFile, Listing, list};
use lantern_knowledge::{Limits, extract};
use lantern_protocol::{AppEvent, DocumentKind, KnowledgeState};
use lantern_store::{StoredFile, StoredFolder};

use super::attachments::read_file;
use super::{about_file, hash_of, read_document};
use crate::{App, AppError, lock};

/// Between two looks into the folders. Looking is cheap and works on every disk; being told by the system works on some.
const PAUSE: Duration = Duration::from_secs(20);

/// Looking takes at most one part of so many of the time.
const SHARE: u32 = 50;

/// Between two words about how far reading has come.
const TELL_EVERY: Duration = Duration::from_millis(300);

/// A folder has many files, and none of them is worth what a file that was chosen alone is.
const LIMITS: Limits = Limits {
    file_bytes: 32 << 20,
    unpacked_bytes: 256 << 20,
    text_bytes: 8 << 20,
    time: Duration::from_secs(30),
};

/// Vectors made of one folder before the next one has its turn.
const EMBED_ROUND: usize = 1024;

impl App {
    /// Keeps folders read until the application closes or nobody has it any more. Called once, by whoever shows a window:
    /// of several processes one is enough.
    pub fn watch_knowledge(&self) {
        let (inner, closing) = (Arc::downgrade(&self.0), self.0.closing.clone());
        let wake = Arc::clone(&self.0.knowledge.wake);
        let watch = async move {
            let mut swept = false;
            loop {
                let Some(inner) = inner.upgrade() else { return };
                let (app, begun) = (App(inner), Instant::now());
                if !std::mem::replace(&mut swept, true)
                    && let Err(error) = app.sweep_documents().await
                {
                    tracing::warn!("documents that nobody uses stay: {error}");
                }
                if let Err(error) = app.read_folders().await {
                    tracing::warn!("folders were not read: {error}");
                }
                drop(app);
                let pause = tokio::time::sleep(PAUSE.max(begun.elapsed() * SHARE));
                let next = async {
                    tokio::select! { () = pause => {}, () = wake.notified() => {} }
                };
                if closing.run_until_cancelled(next).await.is_none() {
                    return;
                }
            }
        };
        self.0.tasks.spawn_on(watch, &self.0.runtime);
    }

    /// Reads what has changed in every folder, and gives passages their vectors.
    pub async fn read_folders(&self) -> Result<(), AppError> {
        let folders = self.0.db.run(|store| store.knowledge_folders()).await?;
        for folder in &folders {
            if let Err(error) = self.read_folder(folder).await {
                self.set_state(&folder.id, KnowledgeState::Failed { error: error.into() });
            }
        }
        for folder in &folders {
            self.embed_folder(folder).await?;
        }
        Ok(())
    }

    pub(super) fn set_state(&self, folder: &str, state: KnowledgeState) {
        let before = lock(&self.0.knowledge.states).insert(folder.to_owned(), state.clone());
        if before.as_ref() != Some(&state) {
            self.emit(AppEvent::KnowledgeChanged);
        }
    }

    async fn read_folder(&self, folder: &StoredFolder) -> Result<(), AppError> {
        let path = PathBuf::from(&folder.path);
        let listing = tokio::task::spawn_blocking({
            let path = path.clone();
            move || list(&path)
        });
        let listing =
            listing.await.map_err(AppError::internal)?.map_err(|error| unreadable(&path, &error))?;
        let id = folder.id.clone();
        let known = self.0.db.run(move |store| store.knowledge_files(&id)).await?;
        let Changes { mut to_read, gone, lost } = changes(listing, known);
        let (id, total) = (folder.id.clone(), count(to_read.len()));
        if !gone.is_empty() {
            self.0.db.run(move |store| store.forget_knowledge_files(&id, &gone)).await?;
        }
        let mut lost = lost;
        let mut told = Instant::now();
        for (done, file) in to_read.drain(..).enumerate() {
            if self.0.closing.is_cancelled() || !self.has_folder(&folder.id).await? {
                return Ok(());
            }
            if done == 0 || told.elapsed() > TELL_EVERY {
                self.set_state(&folder.id, KnowledgeState::Reading { done: count(done), total });
                told = Instant::now();
            }
            lost.extend(self.read_one(&folder.id, file).await?);
        }
        self.forget_documents(lost).await?;
        self.set_state(&folder.id, KnowledgeState::Ready);
        if total > 0 {
            self.emit(AppEvent::KnowledgeChanged);
        }
        Ok(())
    }

    async fn has_folder(&self, id: &str) -> Result<bool, AppError> {
        let id = id.to_owned();
        Ok(self.0.db.run(move |store| store.knowledge_folder(&id)).await?.is_some())
    }

    /// Reads one file. Gives the document that it was before, if it was another.
    async fn read_one(
        &self,
        folder: &str,
        (file, before): (FoundFile, Option<String>),
    ) -> Result<Option<String>, AppError> {
        let FoundFile { path, name, size, modified } = file;
        let shown = name.clone();
        let read = move || {
            let bytes = read_file(&path, LIMITS.file_bytes)?;
            let hash = hash_of(&bytes);
            read_document(hash, &shown, bytes, LIMITS).map(|(document, _)| document)
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(AppError::internal)?;
        let (document, error) = match read {
            // A picture has nothing that could be searched.
            Ok(document) if document.kind == DocumentKind::Image => (None, None),
            Ok(document) => (Some(document), None),
            Err(error) => (None, Some(about_file(&name, &error).into())),
        };
        let hash = document.as_ref().map(|document| document.hash.clone());
        let stored = StoredFile {
            path: name,
            size,
            modified,
            reader: extract::VERSION,
            document: hash.clone(),
            error,
        };
        let folder = folder.to_owned();
        let keep = move |store: &mut lantern_store::Store| {
            if let Some(document) = &document {
                store.keep_document(document)?;
            }
            store.keep_knowledge_file(&folder, &stored)
        };
        self.0.db.run(keep).await?;
        Ok(before.filter(|before| Some(before) != hash.as_ref()))
    }

    /// Gives passages of a folder their vectors, if there is a model for that.
    async fn embed_folder(&self, folder: &StoredFolder) -> Result<(), AppError> {
        let Some(embedder) = self.embedder_in_use().await.unwrap_or_else(|error| {
            *lock(&self.0.knowledge.trouble) = Some(error.into());
            None
        }) else {
            return Ok(());
        };
        let (id, model) = (folder.id.clone(), embedder.content().to_owned());
        let (documents, counted) = self
            .0
            .db
            .run(move |store| {
                Ok((store.documents_of_folder(&id)?, store.count_knowledge(&id, Some(&model))?))
            })
            .await?;
        if counted.embedded >= counted.passages {
            return Ok(());
        }
        let documents: Vec<String> = documents.into_iter().map(|(document, _)| document).collect();
        let tell = |done: usize| {
            let done = counted.embedded.saturating_add(count(done));
            self.set_state(&folder.id, KnowledgeState::Embedding { done, total: counted.passages });
        };
        tell(0);
        let embedded = self.embed_missing(&embedder, &documents, EMBED_ROUND, tell).await;
        self.set_state(&folder.id, KnowledgeState::Ready);
        match embedded {
            // There is more to do: another round, once everybody else has had a turn.
            Ok(done) if done == EMBED_ROUND => self.0.knowledge.wake.notify_one(),
            Ok(_) => *lock(&self.0.knowledge.trouble) = None,
            Err(error) => {
                tracing::warn!(code = error.code, "passages got no vectors: {error}");
                *lock(&self.0.knowledge.trouble) = Some(error.into());
                self.emit(AppEvent::KnowledgeChanged);
            }
        }
        Ok(())
    }
}

/// What is to be done to know a folder as it is.
struct Changes {
    /// Files, each with the document that it was before.
    to_read: Vec<(FoundFile, Option<String>)>,
    /// Paths of files that are gone.
    gone: Vec<String>,
    /// Their documents.
    lost: Vec<String>,
}

fn changes(listing: Listing, known: Vec<StoredFile>) -> Changes {
    let mut known: HashMap<String, StoredFile> =
        known.into_iter().map(|file| (file.path.clone(), file)).collect();
    let mut to_read = Vec::new();
    for file in listing.files {
        match known.remove(&file.name) {
            Some(before) if is_same(&file, &before) => {}
            before => to_read.push((file, before.and_then(|before| before.document))),
        }
    }
    let (gone, documents): (Vec<_>, Vec<_>) =
        known.into_values().map(|file| (file.path, file.document)).unzip();
    Changes { to_read, gone, lost: documents.into_iter().flatten().collect() }
}

fn is_same(file: &FoundFile, before: &StoredFile) -> bool {
    file.size == before.size && file.modified == before.modified && before.reader == extract::VERSION
}

fn unreadable(path: &Path, error: &std::io::Error) -> AppError {
    AppError::new(
        "folder_unreadable",
        format!("The folder {} cannot be read: {error}.", path.display()),
        "Check that it is still there, or remove it from the list.",
    )
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

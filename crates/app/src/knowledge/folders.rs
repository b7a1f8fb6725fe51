//! The folders that are searched: adding, removing, and how far reading them has come.

use std::path::PathBuf;

use lantern_protocol::{AppEvent, FailedFile, KnowledgeFolder, KnowledgeState, KnowledgeStatus};
use lantern_store::{FolderCount, StoredFolder};

use crate::{App, AppError, lock};

/// Folders that are searched.
const MOST_FOLDERS: usize = 100;

impl App {
    /// Every folder, how far reading it has come, and which model makes vectors.
    pub async fn knowledge(&self) -> Result<KnowledgeStatus, AppError> {
        let (embedder, error) = match self.embedder_in_use().await {
            Ok(embedder) => (embedder, lock(&self.0.knowledge.trouble).clone()),
            Err(error) => (None, Some(error.into())),
        };
        let content = embedder.as_ref().map(|embedder| embedder.content().to_owned());
        let count = move |store: &mut lantern_store::Store| {
            let folders = store.knowledge_folders()?.into_iter();
            let counted = folders.map(|folder| {
                let counted = store.count_knowledge(&folder.id, content.as_deref())?;
                Ok((folder, counted))
            });
            counted.collect::<Result<Vec<_>, _>>()
        };
        let counted = self.0.db.run(count).await?;
        let folders =
            counted.into_iter().map(|(folder, counted)| self.told_folder(folder, counted)).collect();
        let models = self.embedding_models().await?;
        Ok(KnowledgeStatus {
            folders,
            embedding_model: embedder.map(|embedder| embedder.model.id),
            embedding_models: models.into_iter().map(|model| model.id).collect(),
            error,
        })
    }

    fn told_folder(&self, folder: StoredFolder, counted: FolderCount) -> KnowledgeFolder {
        let path = PathBuf::from(&folder.path);
        let name = path.file_name().map_or(folder.path.clone(), |name| name.to_string_lossy().into_owned());
        let state = lock(&self.0.knowledge.states).get(&folder.id).cloned();
        let FolderCount { files, passages, embedded, failed } = counted;
        let state = state.unwrap_or(KnowledgeState::Waiting);
        KnowledgeFolder { id: folder.id, path: folder.path, name, state, files, passages, embedded, failed }
    }

    /// Adds a folder; its files are read beside. Gives its id.
    pub async fn add_knowledge_folder(&self, path: impl Into<PathBuf>) -> Result<String, AppError> {
        let path: PathBuf = path.into();
        let shown = path.display().to_string();
        let refused = move |reason: &str| {
            AppError::new(
                "folder_unreadable",
                format!("The folder {shown} cannot be searched: {reason}."),
                "Choose a folder that exists and may be read.",
            )
        };
        let home = self.0.home.clone();
        let resolve = move || -> Result<PathBuf, AppError> {
            let path = std::fs::canonicalize(&path).map_err(|error| refused(&error.to_string()))?;
            std::fs::read_dir(&path).map_err(|error| refused(&error.to_string()))?;
            let home = std::fs::canonicalize(home).unwrap_or_default();
            if path.starts_with(&home) || home.starts_with(&path) && path.parent().is_none() {
                return Err(refused("it is Lantern's own, or the whole disk"));
            }
            Ok(path)
        };
        let path = tokio::task::spawn_blocking(resolve).await.map_err(AppError::internal)??;
        let path = path.to_string_lossy().into_owned();
        let known = self.0.db.run(|store| store.knowledge_folders()).await?.len();
        if known >= MOST_FOLDERS {
            return Err(AppError::new(
                "too_many_folders",
                format!("{known} folders are searched already."),
                "Remove one first, or add a folder that holds several of them.",
            ));
        }
        let id = self.0.db.run(move |store| store.add_knowledge_folder(&path)).await?;
        self.emit(AppEvent::KnowledgeChanged);
        self.0.knowledge.wake.notify_one();
        Ok(id)
    }

    /// Forgets a folder and what was read of it; nothing in it is touched.
    pub async fn remove_knowledge_folder(&self, id: &str) -> Result<(), AppError> {
        let folder = id.to_owned();
        let remove = move |store: &mut lantern_store::Store| {
            let documents = store.documents_of_folder(&folder)?;
            store.remove_knowledge_folder(&folder)?;
            Ok(documents)
        };
        let documents = self.0.db.run(remove).await?;
        lock(&self.0.knowledge.states).remove(id);
        self.forget_documents(documents.into_iter().map(|(document, _)| document).collect()).await?;
        self.emit(AppEvent::KnowledgeChanged);
        Ok(())
    }

    /// Files of a folder that could not be read, each with the reason.
    pub async fn failed_files(&self, id: &str) -> Result<Vec<FailedFile>, AppError> {
        let id = id.to_owned();
        self.0.db.run(move |store| store.failed_files(&id)).await
    }

    /// Looks into the folders now.
    pub fn reread_knowledge(&self) {
        self.0.knowledge.wake.notify_one();
    }
}

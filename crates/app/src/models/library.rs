//! The models on this machine: listing, importing, deleting, and which one answers when nobody names one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lantern_hub::{HubError, ImportMode, ModelLibrary, StaticEntry};
use lantern_protocol::{AppEvent, CatalogueEntry, LibraryModel, RemovedModel, SettingsPatch};

use crate::{App, AppError};

impl App {
    /// Every model file that is known here, those that cannot be used included.
    pub async fn library(&self) -> Result<Vec<LibraryModel>, AppError> {
        self.with_library(|library| Ok(library.list())).await
    }

    /// Id of the model by this name, which must be in the library or be a remote engine's whole id: for names that come from other programs,
    /// which must not open whatever file they like.
    pub async fn listed_model(&self, name: &str) -> Result<String, AppError> {
        if let Some(remote) = self.remote_named(name).await? {
            return Ok(remote.id);
        }
        Ok(self.find_listed(name).await?.id)
    }

    /// The model of the library by this name.
    pub(crate) async fn find_listed(&self, name: &str) -> Result<LibraryModel, AppError> {
        let name = name.to_owned();
        self.with_library(move |library| library.find_listed(&name)).await
    }

    /// The models Lantern recommends, with the library ids of those that are here.
    pub async fn catalogue(&self) -> Result<Vec<CatalogueEntry>, AppError> {
        self.with_library(|library| {
            let models = library.list();
            let here =
                |e: &StaticEntry| models.iter().find(|model| e.is(model)).map(|model| model.id.clone());
            let entry = |e: &StaticEntry| e.entry(here(e));
            Ok(lantern_hub::catalogue().iter().map(entry).collect())
        })
        .await
    }

    /// Takes a file into the library: where it lies, or as a copy in the data directory.
    pub async fn import_model(&self, path: impl Into<PathBuf>, copy: bool) -> Result<LibraryModel, AppError> {
        let path = path.into();
        let mode = if copy { ImportMode::Copy } else { ImportMode::InPlace };
        let model = self.with_library(move |library| library.import(&path, mode)).await?;
        self.emit(AppEvent::LibraryChanged);
        Ok(model)
    }

    /// Removes a model: into the trash if Lantern or the Hub's cache keeps it, only from the list if it lies elsewhere.
    /// [`Self::restore_model`] takes it back. Its packed copy is deleted in any case.
    pub async fn delete_model(&self, id: &str) -> Result<RemovedModel, AppError> {
        let model = self.find_model(id).await?;
        if self.engines_in_memory().iter().any(|(id, _)| *id == model.id) {
            return Err(AppError::new(
                "model_in_use",
                format!("{} is in memory.", model.id),
                "Unload it first, then delete it.",
            ));
        }
        let (removed, packed) = (model.clone(), self.0.models.packed.clone());
        let removed = self.with_library(move |library| {
            // First, while it can still be said whose it is. Without it the model is merely loaded more slowly.
            if let Err(error) = packed.remove(Path::new(&removed.path)) {
                tracing::warn!(model = removed.id, "its packed copy could not be deleted: {error}");
            }
            library.remove(&removed.id)
        });
        let removed = removed.await?;
        self.emit(AppEvent::LibraryChanged);
        // A default that is gone would fail every new conversation.
        if self.settings().await?.default_model.as_deref() == Some(&model.id) {
            let patch = SettingsPatch { default_model: Some(String::new()), ..SettingsPatch::default() };
            self.update_settings(patch).await?;
        }
        Ok(removed)
    }

    /// Deletes all packed copies: nobody wants them any more. One in use goes when its model is unloaded.
    pub(crate) async fn delete_packed_copies(&self) -> Result<(), AppError> {
        let packed = self.0.models.packed.clone();
        let deleted = tokio::task::spawn_blocking(move || packed.remove_all());
        if let Err(error) = deleted.await.map_err(AppError::internal)? {
            tracing::warn!("packed copies could not be deleted: {error}");
        }
        Ok(())
    }

    /// The model a name means.
    pub(crate) async fn find_model(&self, name: &str) -> Result<LibraryModel, AppError> {
        if let Some(folder) = super::model_folder(name) {
            return self.model_of_folder(name, folder).await;
        }
        let name = name.to_owned();
        self.with_library(move |library| library.find(&name)).await
    }

    /// Library id of the model that answers when nobody names one: the default of the settings, else the one in memory,
    /// else the starter model, else the first that can be used.
    pub(crate) async fn default_model(&self) -> Result<String, AppError> {
        if let Some(chosen) = self.settings().await?.default_model.or_else(|| self.loaded_model()) {
            return Ok(chosen);
        }
        let mut usable = self.library().await?;
        let generates =
            |model: &LibraryModel| model.architecture.as_deref().is_some_and(lantern_engine::generates);
        usable.retain(|model| model.error.is_none() && generates(model));
        let starter = usable.iter().find(|model| lantern_hub::STARTER.is(model));
        starter.or(usable.first()).map(|model| model.id.clone()).ok_or_else(|| {
            AppError::new(
                "no_model",
                "There is no model on this computer yet.",
                format!("Download one, such as {}, or import a GGUF file.", lantern_hub::STARTER.name),
            )
        })
    }

    /// Reads folders and file headers, so never on a runtime thread.
    pub(crate) async fn with_library<T: Send + 'static>(
        &self,
        f: impl FnOnce(&ModelLibrary) -> Result<T, HubError> + Send + 'static,
    ) -> Result<T, AppError> {
        let library = Arc::clone(&self.0.models.library);
        let done = tokio::task::spawn_blocking(move || f(&library));
        Ok(done.await.map_err(AppError::internal)??)
    }
}

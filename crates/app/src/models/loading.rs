//! Models come into memory when they are first needed, and leave it when others need the room.
//!
//! Whoever needs a model asks for it by name and gets a handle that keeps it alive. Callers that need the same model at
//! the same time share one load, its failure included. A model that does not fit beside the others, or only with a shorter
//! context than was asked for, makes those give back cache that nobody uses, and then leave, the least recently used one first; if that is not
//! enough it is refused with numbers. When `threads` has changed since a load, the model leaves at once, and the
//! memory when its last answer has ended.
//!
//! How long a conversation may be is no part of a load: an engine makes room for longer ones while it runs.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use lantern_convert::{FileType, is_model_folder};
use lantern_engine::{
    DEFAULT_CONTEXT, Engine, EngineError, EngineOptions, Growth, KvType, TemplateSource, projector_beside,
};
use lantern_protocol::{AppEvent, ErrorInfo, LibraryModel, ModelState, Settings};

use super::folders::file_of_folder;
use super::slot::{Key, LoadedModel, OnDisk};
use crate::{App, AppError};

impl App {
    /// The model by this name (library id, file name, path or repository), or the default one; loads it if need be. With
    /// the context of the settings.
    pub async fn engine(&self, model: Option<&str>) -> Result<LoadedModel, AppError> {
        self.engine_for(model, None).await
    }

    /// The same, for conversations of up to so many tokens; `None` takes what the settings say.
    pub async fn engine_for(
        &self,
        model: Option<&str>,
        context: Option<u32>,
    ) -> Result<LoadedModel, AppError> {
        let seen = self.loads_so_far();
        let name = match model {
            Some(name) => name.to_owned(),
            None => self.default_model().await?,
        };
        self.load_found(self.find_model(&name).await?, &self.settings().await?, context, seen).await
    }

    /// Loads a model that other programs are to use. One that a path means is listed with the others as long as the
    /// application runs, so that they can name it.
    pub async fn serve_model(&self, name: &str) -> Result<LoadedModel, AppError> {
        let seen = self.loads_so_far();
        let path = PathBuf::from(self.find_model(name).await?.path);
        let listed = self.with_library(move |library| Ok(library.lend(&path))).await?;
        self.load_found(listed, &self.settings().await?, None, seen).await
    }

    /// Loads a model now instead of at the first question.
    pub async fn load_model(&self, id: &str) -> Result<ModelState, AppError> {
        self.engine(Some(id)).await?;
        Ok(self.model_state().await)
    }

    /// Takes all models out of memory, those that make vectors too; answers still being written keep theirs there until they
    /// end.
    pub async fn unload_model(&self) -> Result<(), AppError> {
        let embedder = self.0.models.embedder.leave().await;
        let _turn = self.0.models.slot.turn.lock().await;
        let old = (self.0.models.slot.leave_all(), embedder);
        // Frees gigabytes and waits for the engine's thread: not on a runtime thread.
        let freed = tokio::task::spawn_blocking(move || drop(old)).await;
        self.emit(AppEvent::ModelChanged { model: ModelState::Unloaded });
        freed.map_err(AppError::internal)
    }

    /// What is in memory now: the model that was used last.
    pub async fn model_state(&self) -> ModelState {
        self.0.models.slot.state()
    }

    /// Library id of the model that was used last, of those in memory.
    pub(crate) fn loaded_model(&self) -> Option<String> {
        self.0.models.slot.last_used()
    }

    /// The engines in memory, with the library ids of their models.
    pub(crate) fn engines_in_memory(&self) -> Vec<(String, Arc<Engine>)> {
        self.0.models.slot.engines()
    }

    /// Whether a model could answer without being loaded first.
    pub(crate) async fn is_ready(&self, model: &LibraryModel, settings: &Settings) -> Result<bool, AppError> {
        let defaults = self.notes_of(model).await?.defaults;
        Ok(self.0.models.slot.has(&Key::new(model, settings, &defaults)?))
    }

    /// How many loads have ended; taken by a caller when it begins, so that it shares the failure of a load that ends
    /// while it waits, and tries anew after one that had failed before.
    pub(crate) fn loads_so_far(&self) -> u64 {
        self.0.models.slot.loads()
    }

    /// The model in memory, after loading it if need be, with room for a conversation of `context` tokens, or of what its
    /// defaults or the settings say. A caller that stops waiting does not cut a load short.
    pub(crate) async fn load_found(
        &self,
        model: LibraryModel,
        settings: &Settings,
        context: Option<u32>,
        seen: u64,
    ) -> Result<LoadedModel, AppError> {
        self.load_like(model, settings, context, seen, None).await
    }

    /// The same, with keys and values kept in this way, whatever the model's defaults say.
    pub(crate) async fn load_like(
        &self,
        model: LibraryModel,
        settings: &Settings,
        context: Option<u32>,
        seen: u64,
        kv_type: Option<KvType>,
    ) -> Result<LoadedModel, AppError> {
        let (app, settings) = (self.clone(), settings.clone());
        let load = self.0.runtime.spawn(async move {
            let defaults = app.notes_of(&model).await?.defaults;
            let key = Key::new(&model, &settings, &defaults)?.with_kv_type(kv_type);
            let settings = defaults.over(settings);
            let context = context.or(settings.context_length);
            let loaded = app.loaded_or_load(&model, &key, &settings, context, seen).await?;
            let wanted = context.map_or(DEFAULT_CONTEXT, |tokens| tokens as usize);
            let loaded = app.with_room(model, key, &settings, loaded, wanted).await?;
            if let Some(state) = app.0.models.slot.note_use(&loaded) {
                app.emit(AppEvent::ModelChanged { model: state });
            }
            Ok(loaded)
        });
        load.await.map_err(AppError::internal)?
    }

    async fn loaded_or_load(
        &self,
        model: &LibraryModel,
        key: &Key,
        settings: &Settings,
        context: Option<u32>,
        seen: u64,
    ) -> Result<LoadedModel, AppError> {
        let slot = &self.0.models.slot;
        if let Some(loaded) = slot.ready(key) {
            return Ok(loaded);
        }
        let _turn = slot.turn.lock().await;
        if let Some(loaded) = slot.ready(key) {
            return Ok(loaded);
        }
        match slot.failed_since(key, seen) {
            Some(error) => Err(error),
            None => self.load(model, key.clone(), settings, context).await,
        }
    }

    /// The handle of somebody who wants conversations of `wanted` tokens. What the engine has no room for yet is made room
    /// for, without loading where the model allows that.
    async fn with_room(
        &self,
        model: LibraryModel,
        key: Key,
        settings: &Settings,
        loaded: LoadedModel,
        wanted: usize,
    ) -> Result<LoadedModel, AppError> {
        let limited = |loaded: LoadedModel| {
            let context_length = wanted.min(loaded.engine.context_length());
            LoadedModel { context_length, ..loaded }
        };
        let wanted = wanted.min(loaded.engine.info().model_context_length);
        if loaded.engine.context_length() >= wanted {
            return Ok(limited(loaded));
        }
        let _turn = self.0.models.slot.turn.lock().await;
        loop {
            let engine = loaded.engine.clone();
            let grown = tokio::task::spawn_blocking(move || engine.grow_context(wanted)).await;
            match grown.map_err(AppError::internal)?? {
                Growth::Reload => {
                    drop(loaded);
                    let context = u32::try_from(wanted).ok();
                    return Ok(limited(self.load(&model, key, settings, context).await?));
                }
                Growth::Room(room) if room < wanted && self.make_some_room(Some(&key)).await? => {}
                Growth::Room(_) => break,
            }
        }
        if self.0.models.slot.is_news(&loaded, wanted) {
            self.tell_reduced_context(&loaded, wanted);
        }
        Ok(limited(loaded))
    }

    /// Makes a model that nobody uses give back what its cache has beyond the least, or leave, if there is one. The caller
    /// holds the turn.
    async fn make_some_room(&self, but: Option<&Key>) -> Result<bool, AppError> {
        let idle = self.0.models.slot.idle(but);
        let shrink = move || idle.iter().any(|engine| engine.shrink_context());
        let has_shrunk = tokio::task::spawn_blocking(shrink).await.map_err(AppError::internal)?;
        Ok(has_shrunk || self.make_one_leave(but).await?)
    }

    /// Takes a model out of memory that nobody uses, if there is one. The caller holds the turn.
    pub(super) async fn make_one_leave(&self, but: Option<&Key>) -> Result<bool, AppError> {
        let models = &self.0.models;
        let (engine, embedder) = match models.slot.leave_idle(but) {
            Some(loaded) => (Some(loaded), None),
            None => (None, models.embedder.leave_if_idle()),
        };
        let leaves = engine.is_some() || embedder.is_some();
        if let Some(loaded) = &engine {
            tracing::info!(model = loaded.id, "leaves the memory for others");
        }
        tokio::task::spawn_blocking(move || drop((engine, embedder))).await.map_err(AppError::internal)?;
        Ok(leaves)
    }

    /// Takes models out of memory that nobody uses until there is room for something that is no model of the library.
    pub(crate) async fn make_room_beside(
        &self,
        fits: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<(), AppError> {
        let _turn = self.0.models.slot.turn.lock().await;
        self.make_room(None, fits).await
    }

    /// Takes models out of memory that nobody uses, until what `plan` plans fits as it is wanted, or there is none left.
    pub(super) async fn make_room(
        &self,
        but: Option<&Key>,
        fits: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Result<(), AppError> {
        let fits = Arc::new(fits);
        loop {
            let plan = Arc::clone(&fits);
            if tokio::task::spawn_blocking(move || plan()).await.map_err(AppError::internal)?
                || !self.make_some_room(but).await?
            {
                return Ok(());
            }
        }
    }

    /// Brings a model into memory, in place of the same one loaded in another way. The caller holds the turn.
    async fn load(
        &self,
        model: &LibraryModel,
        key: Key,
        settings: &Settings,
        context: Option<u32>,
    ) -> Result<LoadedModel, AppError> {
        let models = &self.0.models;
        let loading = ModelState::Loading { model: model.id.clone() };
        let old = models.slot.leave(&key, loading.clone());
        self.emit(AppEvent::ModelChanged { model: loading });
        let packed = (models.always_keep_packed || settings.keep_packed).then(|| models.packed.clone());
        let on_disk = OnDisk { packed, prefixes: models.prefix_disk(settings) };
        let options = key.options(&models.loading, on_disk, context, models.ledger.clone());
        let result = self.load_engine(&key, options, old).await;
        let result = result.map(|engine| LoadedModel {
            id: model.id.clone(),
            content_id: model.content_id.clone(),
            context_length: engine.context_length(),
            engine: Arc::new(engine),
        });
        if let Ok(loaded) = &result {
            self.tell_pins(&loaded.engine).await;
        }
        let state = models.slot.enter(key, model, &result);
        self.emit(AppEvent::ModelChanged { model: state });
        match &result {
            Ok(loaded) => {
                let wanted = loaded.engine.info().wanted_context_length;
                models.slot.is_news(loaded, wanted);
                self.tell_reduced_context(loaded, wanted);
                self.tell_template(loaded);
            }
            Err(error) => {
                tracing::warn!(code = error.code, model = model.id, "a model was not loaded: {error}")
            }
        }
        result
    }

    async fn load_engine(
        &self,
        key: &Key,
        options: EngineOptions,
        old: Option<LoadedModel>,
    ) -> Result<Engine, AppError> {
        let (path, home) = (key.path.clone(), self.0.home.clone());
        let path = tokio::task::spawn_blocking(move || {
            // First out, then in: two models at once may not fit.
            drop(old);
            match is_model_folder(&path) {
                true => file_of_folder(&home, &path, FileType::Keep),
                false => Ok(path),
            }
        });
        let path = path.await.map_err(AppError::internal)??;
        // What the place says of it comes first: in stores of contents nothing lies beside anything.
        let projector =
            key.projector.clone().filter(|file| file.is_file()).or_else(|| projector_beside(&path));
        let options = EngineOptions { projector, ..options };
        let planned = (path.clone(), options.clone());
        self.make_room(Some(key), move || fits(&planned.0, &planned.1)).await?;
        let load = tokio::task::spawn_blocking(move || Engine::load(&path, options));
        Ok(load.await.map_err(AppError::internal)??)
    }

    /// Neither is a chat template other than the file's, when the file's does not work.
    fn tell_template(&self, loaded: &LoadedModel) {
        let info = loaded.engine.info();
        let Some(fault) = &info.template_fault else { return };
        let instead = match info.template {
            Some(TemplateSource::Replaced(name)) => format!("Lantern's “{name}” is used instead."),
            Some(_) => "It would be for conversations with tools.".to_owned(),
            None => "This model can continue text, but not chat.".to_owned(),
        };
        self.emit(AppEvent::Notice {
            notice: ErrorInfo {
                code: fault.code().into(),
                message: format!("{}: {fault}. {instead}", loaded.id),
                next_step: fault.next_step(),
            },
        });
    }

    /// A context smaller than wanted is never silent.
    fn tell_reduced_context(&self, loaded: &LoadedModel, wanted: usize) {
        let there = loaded.engine.context_length();
        if there >= wanted {
            return;
        }
        self.emit(AppEvent::Notice {
            notice: ErrorInfo {
                code: "context_reduced".into(),
                message: format!("Memory allows {there} of {wanted} tokens of context for {}.", loaded.id),
                next_step: "Close other programs and ask again, or choose a smaller model.".into(),
            },
        });
    }
}

/// Whether a model would be loaded as it is wanted. What is wrong with it otherwise is for the load to say.
fn fits(path: &Path, options: &EngineOptions) -> bool {
    match Engine::plan(path, options) {
        Ok(plan) => plan.context_length >= plan.wanted_context,
        Err(EngineError::ModelTooLarge { .. }) => false,
        Err(_) => true,
    }
}

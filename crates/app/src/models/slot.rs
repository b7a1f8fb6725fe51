//! The model in memory: one at a time, loaded when it is first needed.
//!
//! Whoever needs a model asks for it by name and gets a handle that keeps it alive. Callers that need the same model at
//! the same time share one load, its failure included. When another model takes the place, or `context_length` or
//! `threads` have changed since, the old one leaves the slot at once and the memory when its last answer has ended.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use lantern_convert::{FileType, is_model_folder};
use lantern_engine::{
    DiskCacheOptions, Engine, EngineOptions, PackedCopies, TemplateSource, projector_beside,
};
use lantern_protocol::{AppEvent, ErrorInfo, LibraryModel, ModelState, Settings};

use super::Loading;
use super::folders::file_of_folder;
use crate::{App, AppError, lock};

/// A model in memory. It stays there at least as long as this handle, so hold it while a stream of it is read.
#[derive(Clone)]
pub struct LoadedModel {
    /// Library id.
    pub id: String,
    /// Ready to generate.
    pub engine: Arc<Engine>,
}

/// What makes two loads the same.
#[derive(Debug, Clone, PartialEq)]
struct Key {
    path: PathBuf,
    context_length: Option<u32>,
    threads: Option<u32>,
}

/// What engines keep on disk. Asking for it, or for less, is no reason to load again what is loaded.
struct OnDisk {
    packed: Option<PackedCopies>,
    prefixes: Option<DiskCacheOptions>,
}

impl Key {
    fn new(model: &LibraryModel, settings: &Settings) -> Self {
        Self {
            path: PathBuf::from(&model.path),
            context_length: settings.context_length,
            threads: settings.threads,
        }
    }

    fn options(&self, loading: Loading, on_disk: OnDisk) -> EngineOptions {
        EngineOptions {
            gpu_layers: loading.gpu_layers,
            cpu_expert_layers: loading.cpu_expert_layers,
            expert_memory: loading.expert_memory,
            guess: loading.guess,
            threads: self.threads.unwrap_or(0) as usize,
            context_length: self.context_length,
            packed_copies: on_disk.packed,
            prefix_disk: on_disk.prefixes,
            ..EngineOptions::default()
        }
    }
}

/// The place for one model.
pub(crate) struct Slot {
    /// Held while a model is loaded or unloaded.
    turn: tokio::sync::Mutex<()>,
    current: Mutex<Current>,
}

struct Current {
    state: ModelState,
    loaded: Option<(Key, LoadedModel)>,
    /// Loads that have ended.
    loads: u64,
    last_failure: Option<(Key, AppError)>,
}

impl Default for Slot {
    fn default() -> Self {
        let current = Current { state: ModelState::Unloaded, loaded: None, loads: 0, last_failure: None };
        Self { turn: tokio::sync::Mutex::default(), current: Mutex::new(current) }
    }
}

impl Slot {
    fn ready(&self, key: &Key) -> Option<LoadedModel> {
        lock(&self.current).loaded.as_ref().filter(|(k, _)| k == key).map(|(_, loaded)| loaded.clone())
    }

    /// Empties the slot and says what is going on now.
    fn leave(&self, state: ModelState) -> Option<LoadedModel> {
        let mut current = lock(&self.current);
        current.state = state;
        current.loaded.take().map(|(_, loaded)| loaded)
    }

    fn enter(&self, key: Key, model: &LibraryModel, result: &Result<LoadedModel, AppError>) -> ModelState {
        let mut current = lock(&self.current);
        current.loads += 1;
        current.last_failure = None;
        current.state = match result {
            Ok(loaded) => {
                current.loaded = Some((key, loaded.clone()));
                loaded_state(loaded)
            }
            Err(error) => {
                current.last_failure = Some((key, error.clone()));
                ModelState::Failed { model: model.id.clone(), error: error.clone().into() }
            }
        };
        current.state.clone()
    }
}

impl App {
    /// The model by this name (library id, file name, path or repository), or the default one; loads it if need be.
    pub async fn engine(&self, model: Option<&str>) -> Result<LoadedModel, AppError> {
        let seen = self.loads_so_far();
        let name = match model {
            Some(name) => name.to_owned(),
            None => self.default_model().await?,
        };
        self.load_found(self.find_model(&name).await?, &self.settings().await?, seen).await
    }

    /// Loads a model now instead of at the first question.
    pub async fn load_model(&self, id: &str) -> Result<ModelState, AppError> {
        self.engine(Some(id)).await?;
        Ok(self.model_state().await)
    }

    /// Takes the model out of memory, and the one that makes vectors; answers still being written keep it there until they
    /// end.
    pub async fn unload_model(&self) -> Result<(), AppError> {
        let _turn = self.0.models.slot.turn.lock().await;
        let old = (self.0.models.slot.leave(ModelState::Unloaded), self.0.models.embedder.leave().await);
        // Frees gigabytes and waits for the engine's thread: not on a runtime thread.
        let freed = tokio::task::spawn_blocking(move || drop(old)).await;
        self.emit(AppEvent::ModelChanged { model: ModelState::Unloaded });
        freed.map_err(AppError::internal)
    }

    /// What is in memory now.
    pub async fn model_state(&self) -> ModelState {
        lock(&self.0.models.slot.current).state.clone()
    }

    /// Library id of the model in memory.
    pub(crate) fn loaded_model(&self) -> Option<String> {
        lock(&self.0.models.slot.current).loaded.as_ref().map(|(_, loaded)| loaded.id.clone())
    }

    /// The engine in memory.
    pub(crate) fn engine_in_memory(&self) -> Option<Arc<Engine>> {
        lock(&self.0.models.slot.current).loaded.as_ref().map(|(_, loaded)| loaded.engine.clone())
    }

    /// Whether a model could answer without being loaded first.
    pub(crate) fn is_ready(&self, model: &LibraryModel, settings: &Settings) -> bool {
        self.0.models.slot.ready(&Key::new(model, settings)).is_some()
    }

    /// How many loads have ended; taken by a caller when it begins, so that it shares the failure of a load that ends
    /// while it waits, and tries anew after one that had failed before.
    pub(crate) fn loads_so_far(&self) -> u64 {
        lock(&self.0.models.slot.current).loads
    }

    /// The model in memory, after loading it if need be. A caller that stops waiting does not cut a load short.
    pub(crate) async fn load_found(
        &self,
        model: LibraryModel,
        settings: &Settings,
        seen: u64,
    ) -> Result<LoadedModel, AppError> {
        let key = Key::new(&model, settings);
        if let Some(loaded) = self.0.models.slot.ready(&key) {
            return Ok(loaded);
        }
        let (models, app) = (&self.0.models, self.clone());
        let packed = (models.always_keep_packed || settings.keep_packed).then(|| models.packed.clone());
        let on_disk = OnDisk { packed, prefixes: models.prefix_disk(settings) };
        let load = self.0.runtime.spawn(async move {
            let slot = &app.0.models.slot;
            let _turn = slot.turn.lock().await;
            if let Some(loaded) = slot.ready(&key) {
                return Ok(loaded);
            }
            if let Some(error) = app.failed_meanwhile(&key, seen) {
                return Err(error);
            }
            app.load(model, key, on_disk).await
        });
        load.await.map_err(AppError::internal)?
    }

    /// The error of the same load, if it failed while this caller waited for its turn.
    fn failed_meanwhile(&self, key: &Key, seen: u64) -> Option<AppError> {
        let current = lock(&self.0.models.slot.current);
        let (failed, error) = current.last_failure.as_ref()?;
        (failed == key && current.loads > seen).then(|| error.clone())
    }

    /// Replaces what is in the slot. The caller holds the turn.
    async fn load(&self, model: LibraryModel, key: Key, on_disk: OnDisk) -> Result<LoadedModel, AppError> {
        let slot = &self.0.models.slot;
        let loading = ModelState::Loading { model: model.id.clone() };
        let old = slot.leave(loading.clone());
        self.emit(AppEvent::ModelChanged { model: loading });
        let options = key.options(self.0.models.loading, on_disk);
        let (id, path, home) = (model.id.clone(), key.path.clone(), self.0.home.clone());
        let result = tokio::task::spawn_blocking(move || -> Result<Engine, AppError> {
            // First out, then in: two models at once may not fit.
            drop(old);
            let path = match is_model_folder(&path) {
                true => file_of_folder(&home, &path, FileType::Keep)?,
                false => path,
            };
            let projector = projector_beside(&path);
            Ok(Engine::load(&path, EngineOptions { projector, ..options })?)
        })
        .await;
        let result = match result {
            Ok(Ok(engine)) => Ok(LoadedModel { id, engine: Arc::new(engine) }),
            Ok(Err(error)) => Err(error),
            Err(panic) => Err(AppError::internal(panic)),
        };
        let state = slot.enter(key, &model, &result);
        self.emit(AppEvent::ModelChanged { model: state });
        match &result {
            Ok(loaded) => {
                self.tell_reduced_context(loaded);
                self.tell_template(loaded);
            }
            Err(error) => {
                tracing::warn!(code = error.code, model = model.id, "a model was not loaded: {error}")
            }
        }
        result
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
    fn tell_reduced_context(&self, loaded: &LoadedModel) {
        let info = loaded.engine.info();
        if info.context_length >= info.wanted_context_length {
            return;
        }
        self.emit(AppEvent::Notice {
            notice: ErrorInfo {
                code: "context_reduced".into(),
                message: format!(
                    "Memory allows {} of {} tokens of context for {}.",
                    info.context_length, info.wanted_context_length, loaded.id
                ),
                next_step: "Close other programs and load the model again, or choose a smaller model.".into(),
            },
        });
    }
}

fn loaded_state(loaded: &LoadedModel) -> ModelState {
    let info = loaded.engine.info();
    ModelState::Loaded {
        model: loaded.id.clone(),
        context_length: u32::try_from(info.context_length).unwrap_or(u32::MAX),
        memory_bytes: info.memory_bytes,
    }
}

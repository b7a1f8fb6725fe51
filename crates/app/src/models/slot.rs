//! The models in memory, and which of them leaves first.
//!
//! A model stays until it is unloaded, or until another one needs its room: then those that nobody uses leave, the least
//! recently used one first ([`super::loading`]). The one used last is *the* model as far as the window is concerned.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lantern_engine::{DiskCacheOptions, Engine, EngineOptions, KvType, Ledger, PackedCopies};
use lantern_protocol::{LibraryModel, ModelDefaults, ModelState, Settings};

use super::{Loading, notes};
use crate::{AppError, lock};

/// A model in memory. It stays there at least as long as this handle, so hold it while a stream of it is read.
#[derive(Clone)]
pub struct LoadedModel {
    /// Library id.
    pub id: String,
    /// Names the model's content in the library.
    pub content_id: String,
    /// Ready to generate.
    pub engine: Arc<Engine>,
    /// Tokens that whoever asked for this handle may have in a conversation: a request's
    /// [`context_length`](lantern_engine::GenerateRequest::context_length).
    pub context_length: usize,
}

/// How long a model stays in memory after it was used, if whoever used it has a say in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Until its room is needed.
    Always,
    /// So long.
    For(Duration),
}

/// What makes two loads the same.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) path: PathBuf,
    /// The file that shows it pictures, where its place in the library names one.
    pub(super) projector: Option<PathBuf>,
    threads: Option<u32>,
    kv_type: Option<KvType>,
    gpu_layers: Option<u32>,
    cpu_expert_layers: Option<u32>,
    expert_memory: Option<u64>,
    template: Option<String>,
}

/// What engines keep on disk. Asking for it, or for less, is no reason to load again what is loaded.
pub(super) struct OnDisk {
    pub(super) packed: Option<PackedCopies>,
    pub(super) prefixes: Option<DiskCacheOptions>,
}

impl Key {
    pub(super) fn new(
        model: &LibraryModel,
        settings: &Settings,
        defaults: &ModelDefaults,
    ) -> Result<Self, AppError> {
        Ok(Self {
            path: PathBuf::from(&model.path),
            projector: model.projector.as_ref().map(PathBuf::from),
            threads: settings.threads,
            kv_type: notes::kv_type(defaults)?,
            gpu_layers: defaults.gpu_layers,
            cpu_expert_layers: defaults.cpu_expert_layers,
            expert_memory: defaults.expert_memory,
            template: defaults.template.clone(),
        })
    }

    /// With keys and values kept in this way, whatever the model's defaults say.
    pub(super) fn with_kv_type(self, kv_type: Option<KvType>) -> Self {
        let is_so = kv_type.is_none_or(|kv_type| kv_type == self.kv_type.unwrap_or_default());
        if is_so { self } else { Self { kv_type, ..self } }
    }

    pub(super) fn options(
        &self,
        loading: &Loading,
        on_disk: OnDisk,
        context_length: Option<u32>,
        ledger: Ledger,
    ) -> EngineOptions {
        EngineOptions {
            // What was said as the application was started goes before what holds for the model.
            gpu_layers: loading.gpu_layers.or(self.gpu_layers),
            cpu_expert_layers: loading.cpu_expert_layers.or(self.cpu_expert_layers),
            expert_memory: loading.expert_memory.or(self.expert_memory),
            kv_type: self.kv_type.unwrap_or_default(),
            chat_template: self.template.clone(),
            guess: loading.guess,
            // A model does not guess for itself.
            draft: loading.draft.clone().filter(|draft| *draft != self.path),
            threads: self.threads.unwrap_or(0) as usize,
            context_length,
            ledger,
            packed_copies: on_disk.packed,
            prefix_disk: on_disk.prefixes,
            ..EngineOptions::default()
        }
    }
}

/// The place for models.
pub(crate) struct Slot {
    /// Held while a model is loaded or unloaded.
    pub(super) turn: tokio::sync::Mutex<()>,
    current: Mutex<Current>,
}

/// A model in memory.
struct Entry {
    key: Key,
    model: LoadedModel,
    /// When it was asked for, or seen in use, last.
    used: Instant,
    /// What was said about that use; the settings decide where nothing was.
    stay: Option<Stay>,
}

impl Entry {
    /// Whether nobody holds it.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.model.engine) == 1
    }
}

struct Current {
    state: ModelState,
    /// The least recently used one first.
    loaded: Vec<Entry>,
    /// Loads that have ended.
    loads: u64,
    last_failure: Option<(Key, AppError)>,
    /// The model for which there was too little memory last, and the context that was wanted.
    told: Option<(String, usize)>,
}

impl Default for Slot {
    fn default() -> Self {
        let current = Current {
            state: ModelState::Unloaded,
            loaded: Vec::new(),
            loads: 0,
            last_failure: None,
            told: None,
        };
        Self { turn: tokio::sync::Mutex::default(), current: Mutex::new(current) }
    }
}

impl Slot {
    /// A model that is there, which counts as a use of it.
    pub(super) fn ready(&self, key: &Key) -> Option<LoadedModel> {
        let mut current = lock(&self.current);
        let at = current.loaded.iter().position(|entry| entry.key == *key)?;
        let entry = Entry { used: Instant::now(), stay: None, ..current.loaded.remove(at) };
        let model = entry.model.clone();
        current.loaded.push(entry);
        Some(model)
    }

    /// Whether a model is there.
    pub(super) fn has(&self, key: &Key) -> bool {
        lock(&self.current).loaded.iter().any(|entry| entry.key == *key)
    }

    /// Takes a model out, in whatever way it was loaded, and says what is going on now.
    pub(super) fn leave(&self, key: &Key, state: ModelState) -> Option<LoadedModel> {
        let mut current = lock(&self.current);
        current.state = state;
        let at = current.loaded.iter().position(|entry| entry.key.path == key.path)?;
        Some(current.loaded.remove(at).model)
    }

    /// Takes the model with this library id out, and says how it stands then.
    pub(super) fn take(&self, id: &str) -> Option<(LoadedModel, ModelState)> {
        let mut current = lock(&self.current);
        let at = current.loaded.iter().position(|entry| entry.model.id == id)?;
        let taken = current.loaded.remove(at).model;
        current.state = current.loaded.last().map_or(ModelState::Unloaded, |last| loaded_state(&last.model));
        Some((taken, current.state.clone()))
    }

    /// The models in memory, the least recently used first.
    pub(super) fn all(&self) -> Vec<LoadedModel> {
        lock(&self.current).loaded.iter().map(|entry| entry.model.clone()).collect()
    }

    /// Takes all models out.
    pub(super) fn leave_all(&self) -> Vec<LoadedModel> {
        let mut current = lock(&self.current);
        current.state = ModelState::Unloaded;
        current.loaded.drain(..).map(|entry| entry.model).collect()
    }

    /// The engines that nobody holds and that are not `but`, the one not used for longest first.
    pub(super) fn idle(&self, but: Option<&Key>) -> Vec<Arc<Engine>> {
        let current = lock(&self.current);
        let is_idle = |entry: &&Entry| Some(&entry.key) != but && entry.is_idle();
        current.loaded.iter().filter(is_idle).map(|entry| entry.model.engine.clone()).collect()
    }

    /// Takes out the model that was not used for longest, of those that nobody holds and that are not `but`.
    pub(super) fn leave_idle(&self, but: Option<&Key>) -> Option<LoadedModel> {
        let mut current = lock(&self.current);
        let at = current.loaded.iter().position(|entry| Some(&entry.key) != but && entry.is_idle())?;
        Some(current.loaded.remove(at).model)
    }

    /// Notes how long a model is to stay after its last use.
    pub(super) fn stay(&self, id: &str, stay: Stay) {
        let mut current = lock(&self.current);
        for entry in current.loaded.iter_mut().filter(|entry| entry.model.id == id) {
            entry.stay = Some(stay);
        }
    }

    /// Takes out the models that nobody has held for as long as was said about their last use, or else for so long.
    pub(super) fn leave_unused(&self, longer_than: Option<Duration>) -> Vec<LoadedModel> {
        let mut current = lock(&self.current);
        let now = Instant::now();
        for entry in current.loaded.iter_mut().filter(|entry| !entry.is_idle()) {
            entry.used = now;
        }
        let is_unused = |entry: &mut Entry| {
            let most = match entry.stay {
                Some(Stay::Always) => None,
                Some(Stay::For(time)) => Some(time),
                None => longer_than,
            };
            entry.is_idle() && most.is_some_and(|most| now.duration_since(entry.used) >= most)
        };
        let left = current.loaded.extract_if(.., is_unused).map(|entry| entry.model).collect();
        if current.loaded.is_empty() && matches!(current.state, ModelState::Loaded { .. }) {
            current.state = ModelState::Unloaded;
        }
        left
    }

    pub(super) fn enter(
        &self,
        key: Key,
        model: &LibraryModel,
        result: &Result<LoadedModel, AppError>,
    ) -> ModelState {
        let mut current = lock(&self.current);
        current.loads += 1;
        current.last_failure = None;
        current.state = match result {
            Ok(loaded) => {
                current.loaded.push(Entry { key, model: loaded.clone(), used: Instant::now(), stay: None });
                loaded_state(loaded)
            }
            Err(error) => {
                current.last_failure = Some((key, error.clone()));
                ModelState::Failed { model: model.id.clone(), error: error.clone().into() }
            }
        };
        current.state.clone()
    }

    /// Notes which model is used, and how much room it has; gives the state if that is news.
    pub(super) fn note_use(&self, loaded: &LoadedModel) -> Option<ModelState> {
        let mut current = lock(&self.current);
        let state = loaded_state(loaded);
        // A load that is under way is what people wait for.
        let is_news = current.state != state && !matches!(current.state, ModelState::Loading { .. });
        is_news.then(|| {
            current.state = state.clone();
            state
        })
    }

    /// Whether nobody was told yet that a model has no room for so many tokens.
    pub(super) fn is_news(&self, loaded: &LoadedModel, wanted: usize) -> bool {
        let told = Some((loaded.id.clone(), wanted));
        std::mem::replace(&mut lock(&self.current).told, told.clone()) != told
    }

    pub(super) fn state(&self) -> ModelState {
        lock(&self.current).state.clone()
    }

    /// What the model used last was loaded by.
    pub(super) fn last_key(&self) -> Option<Key> {
        lock(&self.current).loaded.last().map(|entry| entry.key.clone())
    }

    /// Library id of the model used last.
    pub(super) fn last_used(&self) -> Option<String> {
        lock(&self.current).loaded.last().map(|entry| entry.model.id.clone())
    }

    pub(super) fn engines(&self) -> Vec<(String, Arc<Engine>)> {
        let engine = |entry: &Entry| (entry.model.id.clone(), entry.model.engine.clone());
        lock(&self.current).loaded.iter().map(engine).collect()
    }

    pub(super) fn loads(&self) -> u64 {
        lock(&self.current).loads
    }

    /// The error of the same load, if it failed after `seen` loads had ended.
    pub(super) fn failed_since(&self, key: &Key, seen: u64) -> Option<AppError> {
        let current = lock(&self.current);
        let (failed, error) = current.last_failure.as_ref()?;
        (failed == key && current.loads > seen).then(|| error.clone())
    }
}

fn loaded_state(loaded: &LoadedModel) -> ModelState {
    ModelState::Loaded {
        model: loaded.id.clone(),
        context_length: u32::try_from(loaded.engine.context_length()).unwrap_or(u32::MAX),
        memory_bytes: loaded.engine.memory_bytes(),
    }
}

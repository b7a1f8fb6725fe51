//! What the user keeps about models, and the settings as they hold for one.
//!
//! Who decides, the first that says anything: the request, the conversation, the model's defaults, the settings. What a
//! model's authors recommend is shown beside it, and used where the user takes it over.

use lantern_engine::KvType;
use lantern_protocol::{AppEvent, LibraryModel, ModelDefaults, ModelNotes, SamplingSettings, Settings};

use crate::settings::{CONTEXT_LENGTH, check_sampling, within};
use crate::{App, AppError};

/// Longest note, in bytes.
const MAX_NOTE: usize = 64 << 10;

/// Longest chat template, in bytes; the longest known have some 20 kB.
const MAX_TEMPLATE: usize = 1 << 20;

impl App {
    /// What is kept about all models, by content.
    pub async fn all_model_notes(&self) -> Result<Vec<ModelNotes>, AppError> {
        self.0.db.run(|store| store.all_model_notes()).await
    }

    /// What is kept about the model with this name.
    pub async fn model_notes(&self, id: &str) -> Result<ModelNotes, AppError> {
        let model = self.find_model(id).await?;
        self.notes_of(&model).await
    }

    /// Keeps notes about the model with this name in place of those that were kept. They belong to its content, so it keeps
    /// them under another name and at another place. Defaults hold from the next answer on; what a load needs, from the next
    /// load.
    pub async fn set_model_notes(&self, id: &str, notes: ModelNotes) -> Result<ModelNotes, AppError> {
        let model = self.find_model(id).await?;
        if model.content_id.is_empty() {
            return Err(AppError::new(
                "model_unreadable",
                format!("{} cannot be read, so nothing can be kept about it.", model.id),
                "Mend the file first.",
            ));
        }
        within("note", notes.note.len(), 0..=MAX_NOTE)?;
        check(&notes.defaults)?;
        let notes = ModelNotes { content_id: model.content_id, ..notes };
        let kept = notes.clone();
        self.0.db.run(move |store| store.keep_model_notes(&kept)).await?;
        self.emit(AppEvent::LibraryChanged);
        Ok(notes)
    }

    /// The settings as they hold for the model with this name, or for the one that answers when nobody names one. For a name
    /// that nobody has they are just the settings: what is wrong with it, the load says.
    pub async fn settings_for(&self, model: Option<&str>) -> Result<Settings, AppError> {
        let name = match model {
            Some(name) => name.to_owned(),
            None => self.default_model().await.unwrap_or_default(),
        };
        let model = match self.remote_named(&name).await.is_ok_and(|remote| remote.is_some()) {
            true => None,
            false => self.find_listed(&name).await.ok(),
        };
        self.settings_with(model).await
    }

    /// The same for a name that the person at this computer used, who may mean any file.
    pub(crate) async fn settings_of(&self, name: &str) -> Result<Settings, AppError> {
        let model = match self.remote_named(name).await?.is_some() {
            true => None,
            false => self.find_model(name).await.ok(),
        };
        self.settings_with(model).await
    }

    async fn settings_with(&self, model: Option<LibraryModel>) -> Result<Settings, AppError> {
        let settings = self.settings().await?;
        match model {
            Some(model) => Ok(self.notes_of(&model).await?.defaults.over(settings)),
            None => Ok(settings),
        }
    }

    pub(crate) async fn notes_of(&self, model: &LibraryModel) -> Result<ModelNotes, AppError> {
        let content_id = model.content_id.clone();
        if content_id.is_empty() {
            return Ok(ModelNotes::default());
        }
        self.0.db.run(move |store| store.model_notes(&content_id)).await
    }
}

fn check(defaults: &ModelDefaults) -> Result<(), AppError> {
    check_sampling(&defaults.sampling.over(&SamplingSettings::default()))?;
    if let Some(length) = defaults.context_length {
        within("contextLength", length, CONTEXT_LENGTH)?;
    }
    if let Some(template) = &defaults.template {
        within("template", template.len(), 1..=MAX_TEMPLATE)?;
        lantern_engine::ChatTemplate::from_source(template, "", "").map_err(|error| {
            let next_step = "Correct it, or leave it out to use the file's.";
            AppError::new("bad_template", format!("The chat template cannot be used: {error}."), next_step)
        })?;
    }
    kv_type(defaults).map(drop)
}

/// How keys and values are kept, where the defaults say.
pub(super) fn kv_type(defaults: &ModelDefaults) -> Result<Option<KvType>, AppError> {
    let Some(name) = &defaults.kv_type else { return Ok(None) };
    let known = || KvType::ALL.iter().map(|kv_type| kv_type.name()).collect::<Vec<_>>().join(", ");
    KvType::from_name(name).map(Some).ok_or_else(|| {
        let message = format!("kvType is {name}, which is none of {}.", known());
        AppError::new("invalid_settings", message, "Choose one of them.")
    })
}

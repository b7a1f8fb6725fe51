//! Everything that can be said of a model without loading it.

use std::path::{Path, PathBuf};

use lantern_engine::{
    ChatTemplate, Engine, EngineError, EngineOptions, TemplateSource, Tokenizer, available_bytes,
    capabilities, projector_beside,
};
use lantern_gguf::GgufFile;
use lantern_hub::file_details;
use lantern_protocol::{
    ErrorInfo, LibraryModel, MemoryNeed, ModelCapabilities, ModelDefaults, ModelDetails, ModelNotes,
    TemplateDetails, TemplateOrigin,
};
use sha2::{Digest, Sha256};

use crate::{App, AppError};

impl App {
    /// A model's page: what its file says, where it lies, what it would need, and what the user keeps about it.
    pub async fn model_details(&self, id: &str) -> Result<ModelDetails, AppError> {
        let model = self.find_model(id).await?;
        let notes = self.notes_of(&model).await?;
        let settings = notes.defaults.over(self.settings().await?);
        let mut options = EngineOptions {
            context_length: settings.context_length,
            gpu_layers: notes.defaults.gpu_layers,
            cpu_expert_layers: notes.defaults.cpu_expert_layers,
            expert_memory: notes.defaults.expert_memory,
            ledger: self.0.models.ledger.clone(),
            ..EngineOptions::default()
        };
        options.kv_type = super::notes::kv_type(&notes.defaults)?.unwrap_or_default();
        let read = tokio::task::spawn_blocking(move || read(model, notes, options));
        read.await.map_err(AppError::internal)
    }

    /// The template in use of a model, and the repositories it says it was made from.
    pub(super) async fn template_of(&self, id: &str) -> Result<(String, Vec<String>), AppError> {
        let details = self.model_details(id).await?;
        let bases = details.file.map(|file| file.base_models).unwrap_or_default();
        let text = details.template.map(|template| template.text).ok_or_else(|| {
            let message = format!("{} has no chat template.", details.model.id);
            AppError::new("no_template", message, "Choose a model that chats: only those have one.")
        })?;
        Ok((text, bases))
    }
}

fn read(model: LibraryModel, notes: ModelNotes, options: EngineOptions) -> ModelDetails {
    let path = PathBuf::from(&model.path);
    let mut problems: Vec<ErrorInfo> = model.error.iter().cloned().collect();
    if model.error.is_some() || path.is_dir() {
        let (capabilities, file, template, memory) = (ModelCapabilities::default(), None, None, None);
        return ModelDetails { model, file, capabilities, template, memory, notes, problems };
    }
    let projector = model.projector.as_ref().map(PathBuf::from).or_else(|| projector_beside(&path));
    let can = capabilities(&path).unwrap_or_default();
    let mut keep = |error: EngineError| {
        let info =
            ErrorInfo { code: error.code().into(), message: error.to_string(), next_step: error.next_step() };
        if !problems.contains(&info) {
            problems.push(info);
        }
    };
    let template = match can.chat {
        true => template(&path, &notes.defaults).map_err(&mut keep).ok(),
        false => None,
    };
    let capabilities = ModelCapabilities {
        chat: can.chat,
        tools: can.tools,
        thinking: can.thinking,
        vision: can.chat && projector.is_some(),
        embedding: can.embeddings,
    };
    let options = EngineOptions { projector, ..options };
    let memory = match can.chat {
        true => memory(&path, &options).map_err(&mut keep).ok(),
        false => None,
    };
    ModelDetails { file: file_details(&path).ok(), capabilities, template, memory, notes, problems, model }
}

/// The template that a load would use.
fn template(path: &Path, defaults: &ModelDefaults) -> Result<TemplateDetails, EngineError> {
    let file = GgufFile::open(path)?;
    let tokenizer = Tokenizer::from_gguf(&file)?;
    let template = match &defaults.template {
        Some(text) => ChatTemplate::given(text, &tokenizer)?,
        None => ChatTemplate::from_gguf(&file, &tokenizer)?,
    };
    let origin = match template.source() {
        TemplateSource::File => TemplateOrigin::File,
        TemplateSource::BuiltIn(_) => TemplateOrigin::Lantern,
        TemplateSource::Replaced(_) => TemplateOrigin::Replaced,
        TemplateSource::Given => TemplateOrigin::User,
    };
    let of_file = || file.metadata().opt_str("tokenizer.chat_template").ok().flatten().map(str::to_owned);
    let text = match origin {
        // As it is written there: loading prepares it a little.
        TemplateOrigin::File => of_file(),
        TemplateOrigin::User => defaults.template.clone(),
        _ => None,
    };
    let text = text.unwrap_or_else(|| template.text().trim_end().to_owned());
    Ok(TemplateDetails { origin, sha256: sha256(&text), text })
}

pub(super) fn sha256(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

fn memory(path: &Path, options: &EngineOptions) -> Result<MemoryNeed, EngineError> {
    let plan = Engine::plan(path, options)?;
    Ok(MemoryNeed {
        context_length: u32::try_from(plan.context_length).unwrap_or(u32::MAX),
        weight_bytes: plan.weight_bytes,
        kv_bytes: plan.kv_bytes,
        scratch_bytes: plan.scratch_bytes,
        total_bytes: plan.total_bytes(),
        available_bytes: available_bytes(),
    })
}

//! Whether a model runs on this machine, planned from its header as if it were loaded.

use lantern_engine::{
    Capabilities, Engine, EngineError, EngineOptions, HostMemory, Ledger, MemoryPlan, capabilities_of,
};
use lantern_gguf::GgufFile;
use lantern_hub::human_bytes;
use lantern_protocol::{ErrorInfo, Fit, FitVerdict, ModelCapability};

use crate::{App, AppError};

/// The header of a file on the Hub, and what it is planned with.
pub struct PlannedFile {
    /// The header; it has no bytes of tensors.
    pub header: GgufFile,
    /// As the model would be loaded.
    pub options: EngineOptions,
}

impl App {
    /// Whether a file of a repository runs here, by its header alone, which is read from the Hub. `context` is how many
    /// tokens a conversation should have; `None` takes what the settings say, or the model's own length up to 8192.
    pub async fn file_fit(&self, repo: &str, file: &str, context: Option<u32>) -> Result<Fit, AppError> {
        let planned = self.planned_file(repo, file, context).await?;
        plan(planned.header, planned.options).await
    }

    /// The header of a file of a repository, with the options that it would be loaded with.
    pub async fn planned_file(
        &self,
        repo: &str,
        file: &str,
        context: Option<u32>,
    ) -> Result<PlannedFile, AppError> {
        let finder = self.finder().await;
        let header = finder.headers(repo).await?.read(file).await?;
        let projector = finder.projector_bytes(repo, file).await?;
        let options = self.fit_options(projector, context).await?;
        Ok(PlannedFile { header, options })
    }

    pub(super) async fn fit_of(
        &self,
        header: GgufFile,
        projector_bytes: Option<u64>,
        context: Option<u32>,
    ) -> Result<Fit, AppError> {
        plan(header, self.fit_options(projector_bytes, context).await?).await
    }

    /// Those with which a model would be loaded if no other were in memory.
    async fn fit_options(
        &self,
        projector_bytes: Option<u64>,
        context: Option<u32>,
    ) -> Result<EngineOptions, AppError> {
        let (settings, models) = (self.settings().await?, &self.0.models);
        let free = models.ledger.available().saturating_add(models.ledger.charged());
        let look = move || HostMemory { available: free, ..HostMemory::default() };
        Ok(EngineOptions {
            context_length: context.or(settings.context_length),
            threads: settings.threads.unwrap_or(0) as usize,
            prefix_disk: models.prefix_disk(&settings),
            projector_bytes,
            gpu_layers: models.loading.gpu_layers,
            cpu_expert_layers: models.loading.cpu_expert_layers,
            expert_memory: models.loading.expert_memory,
            guess: models.loading.guess,
            ledger: Ledger::with(None, look),
            ..EngineOptions::default()
        })
    }
}

async fn plan(header: GgufFile, options: EngineOptions) -> Result<Fit, AppError> {
    tokio::task::spawn_blocking(move || fit(&header, &options)).await.map_err(AppError::internal)
}

/// The verdict.
fn fit(file: &GgufFile, options: &EngineOptions) -> Fit {
    let can = capabilities_of(file, options.projector_bytes.is_some()).unwrap_or_default();
    let available = options.ledger.available();
    let verdict = match can.embeddings {
        true => of_embedder(file, available),
        false => match Engine::plan_file(file, options) {
            Ok(plan) => of_plan(&plan),
            Err(error) => of_error(&error, available),
        },
    };
    Fit { capabilities: words(can), ..verdict }
}

fn of_plan(plan: &MemoryPlan) -> Fit {
    let from_disk = plan.experts.filter(|experts| experts.limit().is_some());
    let on_cpu = plan.device.as_ref().is_some_and(|part| {
        part.has_experts && part.placement.device_expert_layers < part.placement.device_layers
    });
    let (needed, available) = (plan.alone_bytes(), plan.available_bytes);
    let sizes = format!("{} of {}", human_bytes(needed), human_bytes(available));
    let share = from_disk.map(|experts| experts.memory_bytes as f32 / experts.total_bytes as f32);
    let (verdict, mut summary) = match share {
        Some(share) => {
            let words = format!(
                "Fits with {:.0} % of its experts in memory; the others are read from the disk, which is slow ({sizes})",
                100.0 * share
            );
            (FitVerdict::ExpertsFromDisk, words)
        }
        None if on_cpu => (FitVerdict::ExpertsOnCpu, format!("Fits with experts on the processor ({sizes})")),
        None => (FitVerdict::Fits, format!("Fits ({sizes})")),
    };
    if plan.context_length < plan.wanted_context {
        summary +=
            &format!(", with a context of {} tokens instead of {}", plan.context_length, plan.wanted_context);
    }
    Fit {
        verdict,
        summary: summary + ".",
        needed_bytes: needed,
        available_bytes: available,
        weight_bytes: plan.weight_bytes,
        cache_bytes: plan.alone.kv_bytes,
        experts_in_memory: share,
        device: plan.device.as_ref().map(ToString::to_string),
        context_length: tokens(plan.context_length),
        wanted_context_length: tokens(plan.wanted_context),
        capabilities: Vec::new(),
        error: None,
    }
}

/// Those are loaded whole, whatever the context.
fn of_embedder(file: &GgufFile, available: u64) -> Fit {
    let needed = file.file_len();
    let sizes = format!("{} of {}", human_bytes(needed), human_bytes(available));
    let (verdict, summary) = match needed <= available {
        true => (FitVerdict::Fits, format!("Fits ({sizes}).")),
        false => (FitVerdict::TooLarge, format!("Too large ({sizes}).")),
    };
    Fit { needed_bytes: needed, weight_bytes: needed, ..empty(verdict, summary, available) }
}

fn of_error(error: &EngineError, available: u64) -> Fit {
    let info =
        ErrorInfo { code: error.code().into(), message: error.to_string(), next_step: error.next_step() };
    let fit = match error {
        EngineError::ModelTooLarge { needed, weights, cache, context, .. } => {
            let sizes = format!(
                "{} with {context} tokens of context, of {}",
                human_bytes(*needed),
                human_bytes(available)
            );
            Fit {
                needed_bytes: *needed,
                weight_bytes: *weights,
                cache_bytes: *cache,
                wanted_context_length: tokens(*context),
                ..empty(FitVerdict::TooLarge, format!("Too large ({sizes})."), available)
            }
        }
        EngineError::DeviceTooSmall { needed, .. } => {
            let fit = empty(FitVerdict::TooLarge, format!("Too large: {error}"), available);
            Fit { needed_bytes: *needed, ..fit }
        }
        _ => empty(FitVerdict::Unsupported, format!("Cannot be used: {error}"), available),
    };
    Fit { error: Some(info), ..fit }
}

fn empty(verdict: FitVerdict, summary: String, available: u64) -> Fit {
    Fit {
        verdict,
        summary,
        needed_bytes: 0,
        available_bytes: available,
        weight_bytes: 0,
        cache_bytes: 0,
        experts_in_memory: None,
        device: None,
        context_length: 0,
        wanted_context_length: 0,
        capabilities: Vec::new(),
        error: None,
    }
}

fn tokens(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn words(can: Capabilities) -> Vec<ModelCapability> {
    let all = [
        (ModelCapability::Vision, can.vision),
        (ModelCapability::Tools, can.tools),
        (ModelCapability::Thinking, can.thinking),
        (ModelCapability::Embedding, can.embeddings),
    ];
    all.into_iter().filter(|(_, it_can)| *it_can).map(|(capability, _)| capability).collect()
}

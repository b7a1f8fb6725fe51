//! `lantern plan`: what a model will take of memory, part by part, before anything is loaded; and whether that is true.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lantern_app::{App, AppOptions};
use lantern_engine::{
    DiskCacheOptions, Engine, EngineError, EngineOptions, GenerateRequest, GenerationEvent, MemoryPlan,
    Prompt, SamplingParams, Scratch, available_bytes, peak_rss_bytes, projector_beside, rss_bytes,
};
use lantern_gguf::GgufFile;
use lantern_hub::human_bytes;
use lantern_protocol::{ErrorInfo, Settings};
use serde::Serialize;

use super::plan_list;
use crate::device_args::DeviceArgs;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model; of one on the Hub only the header is read. Several are planned one after the other, each in a process of
    /// its own
    #[arg(required = true)]
    pub(super) models: Vec<String>,
    /// Tokens a conversation shall hold [default: that of the settings, or the model's own, at most 8192]
    #[arg(long, short, value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) context: Option<u32>,
    /// The model that is in memory when this one is asked for
    #[arg(long, value_name = "OTHER")]
    pub(super) loaded: Option<String>,
    /// Also load the model, fill one conversation, and tell what that took
    #[arg(long)]
    pub(super) measure: bool,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) device: DeviceArgs,
}

/// All sizes in bytes.
#[derive(Serialize)]
struct Report {
    path: PathBuf,
    available_bytes: u64,
    /// What leaves memory first: there is one model at a time.
    #[serde(skip_serializing_if = "Option::is_none")]
    dropped: Option<Dropped>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<Parts>,
    /// Why the model would not be loaded, and what would fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<ErrorInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    measured: Option<Measured>,
}

#[derive(Serialize)]
struct Dropped {
    path: PathBuf,
    /// What it takes, by its own plan.
    bytes: u64,
}

#[derive(Serialize)]
struct Parts {
    context_length: usize,
    wanted_context_length: usize,
    weight_bytes: u64,
    /// Experts on the processor, and what of them is in memory and counted among the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    expert_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expert_memory_bytes: Option<u64>,
    cache_bytes: u64,
    cache_blocks: usize,
    block_tokens: usize,
    tokenizer_bytes: u64,
    activation_bytes: u64,
    logit_bytes: u64,
    guess_bytes: u64,
    transfer_bytes: u64,
    picture_bytes: u64,
    program_bytes: u64,
    /// With the cache full and every sequence running.
    total_bytes: u64,
    /// With one conversation that has filled its context.
    one_conversation_bytes: u64,
    /// What of its cache that conversation uses.
    one_conversation_cache_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
}

#[derive(Serialize, Clone, Copy)]
struct Measured {
    /// The most that the process held until the model was loaded.
    loaded_bytes: u64,
    /// The most that it ever held.
    peak_bytes: u64,
    planned_bytes: u64,
    /// `planned_bytes / peak_bytes`.
    ratio: f64,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let [model] = &args.models[..] else { return plan_list::run(&args) };
    let app = place::app_on(args.device, AppOptions::default()).await?;
    let Source { path, header, options } = source(&app, model, &args).await?;
    app.shutdown().await;
    let dropped = args.loaded.as_deref().map(|other| dropped(other, &options)).transpose()?;
    let (mut plan, mut refused) = (None, None);
    let planned = match &header {
        Some(header) => Engine::plan_file(header, &options),
        None => Engine::plan(&path, &options),
    };
    match planned {
        Ok(found) => plan = Some(found),
        Err(error @ (EngineError::ModelTooLarge { .. } | EngineError::DeviceTooSmall { .. })) => {
            refused = Some(info(&error));
        }
        Err(error) => return Err(error.into()),
    }
    let measured = match &plan {
        Some(_) if args.measure && header.is_some() => {
            let message = format!("{} is not here, so it cannot be measured.", path.display());
            return Err(CliError::new("not_here", message, format!("Fetch it first: lantern pull {model}")));
        }
        Some(plan) if args.measure => Some(measure(&path, &options, plan).await?),
        _ => None,
    };
    let plan = plan.map(Parts::of);
    let report = Report { path, available_bytes: available_bytes(), dropped, plan, refused, measured };
    if args.json { output::json(&report) } else { print(&report) }
}

/// What is planned.
struct Source {
    path: PathBuf,
    /// Of a model on the Hub.
    header: Option<GgufFile>,
    /// Those with which it would be loaded.
    options: EngineOptions,
}

/// The model here by this name, or the one on the Hub.
async fn source(app: &App, model: &str, args: &Args) -> Result<Source, CliError> {
    match place::model_path(model) {
        Ok(path) => {
            let options = options(&path, args, &app.settings().await?)?;
            Ok(Source { path, header: None, options })
        }
        Err(CliError::Failed(error)) if error.code == "model_not_found" && model.contains('/') => {
            let request = app.resolve_download(model).await?;
            let planned = app.planned_file(&request.repo, &request.file, args.context).await?;
            let path = Path::new(&request.repo).join(&request.file);
            Ok(Source { path, header: Some(planned.header), options: planned.options })
        }
        Err(error) => Err(error),
    }
}

/// Those with which the model would be loaded.
fn options(path: &Path, args: &Args, settings: &Settings) -> Result<EngineOptions, CliError> {
    let quota_bytes = u64::from(settings.prefix_disk_gb) * 1_000_000_000;
    let folder = lantern_app::data_dir()?.join("prefixes");
    Ok(EngineOptions {
        context_length: args.context.or(settings.context_length),
        threads: settings.threads.unwrap_or(0) as usize,
        prefix_disk: (quota_bytes > 0).then_some(DiskCacheOptions { folder, quota_bytes }),
        projector: projector_beside(path),
        gpu_layers: args.device.gpu_layers,
        cpu_expert_layers: args.device.experts_on_cpu,
        expert_memory: args.device.expert_memory,
        ..EngineOptions::default()
    })
}

fn dropped(other: &str, options: &EngineOptions) -> Result<Dropped, CliError> {
    let path = place::model_path(other)?;
    let options = EngineOptions { projector: projector_beside(&path), memory_limit: None, ..options.clone() };
    let bytes = Engine::plan(&path, &options)?.total_bytes();
    Ok(Dropped { path, bytes })
}

/// Loads the model in this process and reads one prompt as long as the context, of tokens from all over the vocabulary.
async fn measure(path: &Path, options: &EngineOptions, plan: &MemoryPlan) -> Result<Measured, CliError> {
    let unknown = || {
        let message = "This system does not tell how much memory a process has held.";
        CliError::new("not_measured", message, "Measure on Linux.")
    };
    let options = EngineOptions { prefix_disk: None, projector: None, ..options.clone() };
    // On this thread, whose memory the plan's header has left free.
    let engine = tokio::task::block_in_place(|| Engine::load(path, options))?;
    let loaded_bytes = peak_rss_bytes().ok_or_else(unknown)?;
    let (count, vocab) = (engine.info().context_length - 1, engine.info().vocab_size);
    let token = |i: usize| u32::try_from(i * vocab / count).unwrap_or(0);
    let request = GenerateRequest {
        sampling: SamplingParams::greedy(),
        max_tokens: Some(1),
        ..GenerateRequest::new(Prompt::Tokens((0..count).map(token).collect()))
    };
    let mut stream = engine.generate(request)?;
    while let Some(event) = stream.next().await {
        if let GenerationEvent::Failed(error) = event {
            return Err(error.into());
        }
    }
    at_rest().await;
    let (peak_bytes, planned_bytes) = (peak_rss_bytes().ok_or_else(unknown)?, plan.alone_bytes());
    Ok(Measured { loaded_bytes, peak_bytes, planned_bytes, ratio: planned_bytes as f64 / peak_bytes as f64 })
}

/// Waits until the memory of this process no longer changes: an engine with nothing else to do packs the experts that no
/// token of the prompt has chosen.
async fn at_rest() {
    const LOOK_EVERY: Duration = Duration::from_millis(100);
    let (mut last, mut same) = (rss_bytes(), 0);
    for _ in 0..600 {
        tokio::time::sleep(LOOK_EVERY).await;
        let now = rss_bytes();
        same = if now == last { same + 1 } else { 0 };
        last = now;
        if same == 3 {
            return;
        }
    }
}

fn info(error: &EngineError) -> ErrorInfo {
    ErrorInfo { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
}

impl Parts {
    fn of(plan: MemoryPlan) -> Self {
        let Scratch { tokenizer, activations, logits, guesses, transfer, pictures, program } = plan.scratch;
        Self {
            context_length: plan.context_length,
            wanted_context_length: plan.wanted_context,
            weight_bytes: plan.weight_bytes,
            expert_bytes: plan.experts.map(|experts| experts.total_bytes),
            expert_memory_bytes: plan.experts.map(|experts| experts.memory_bytes),
            cache_bytes: plan.kv_bytes,
            cache_blocks: plan.blocks(),
            block_tokens: plan.block_tokens(),
            tokenizer_bytes: tokenizer,
            activation_bytes: activations,
            logit_bytes: logits,
            guess_bytes: guesses,
            transfer_bytes: transfer,
            picture_bytes: pictures,
            program_bytes: program,
            total_bytes: plan.total_bytes(),
            one_conversation_bytes: plan.alone_bytes(),
            one_conversation_cache_bytes: plan.alone.kv_bytes,
            gpu: plan.device.as_ref().map(ToString::to_string),
        }
    }

    /// What is to be said of experts; nothing of a model without.
    fn experts(&self) -> String {
        let (Some(all), Some(kept)) = (self.expert_bytes, self.expert_memory_bytes) else {
            return String::new();
        };
        let size = human_bytes(all);
        match kept < all {
            true => format!("experts {} of {size} in memory, others are read when chosen", human_bytes(kept)),
            false => format!("experts {size} of it"),
        }
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let row = |name: &str, bytes: u64, what: String| vec![name.to_owned(), human_bytes(bytes), what];
        let Self { context_length, cache_blocks, block_tokens, wanted_context_length, .. } = *self;
        let shrunk = match context_length < wanted_context_length {
            true => format!("; memory allows {context_length} of {wanted_context_length} tokens of context"),
            false => String::new(),
        };
        let mut rows = vec![
            row("weights", self.weight_bytes, self.experts()),
            row("cache", self.cache_bytes, format!("{cache_blocks} blocks of {block_tokens} tokens{shrunk}")),
            row("tokenizer", self.tokenizer_bytes, "and the file's header".into()),
            row("activations", self.activation_bytes, String::new()),
            row("logits", self.logit_bytes, String::new()),
            row("guesses", self.guess_bytes, "what they bring to layers with a state".into()),
            row("disk buffers", self.transfer_bytes, "for prefixes kept on disk".into()),
            row("pictures", self.picture_bytes, "projector and encoder".into()),
            row("program", self.program_bytes, String::new()),
        ];
        rows.retain(|row| row[1] != human_bytes(0));
        let alone = format!("a context of {context_length} tokens, full");
        rows.push(row("one conversation", self.one_conversation_bytes, alone));
        rows.push(row("at most", self.total_bytes, "several at once, and prefixes for reuse".into()));
        rows.extend(self.gpu.iter().map(|gpu| vec!["GPU".to_owned(), String::new(), gpu.clone()]));
        rows
    }
}

fn print(report: &Report) -> Result<(), CliError> {
    let mut rows = report.plan.as_ref().map(Parts::rows).unwrap_or_default();
    let mut row =
        |name: &str, bytes: u64, what: String| rows.push(vec![name.to_owned(), human_bytes(bytes), what]);
    row("available", report.available_bytes, String::new());
    if let Some(Dropped { path, bytes }) = &report.dropped {
        row("dropped first", *bytes, format!("{}: one model is in memory at a time", path.display()));
    }
    if let Some(Measured { peak_bytes, loaded_bytes, planned_bytes, ratio }) = report.measured {
        let planned = human_bytes(planned_bytes);
        row("measured", peak_bytes, format!("one conversation; planned {planned}, {ratio:.3} of it"));
        row("", loaded_bytes, "of it while loading".into());
    }
    output::table(&rows)?;
    if let Some(refused) = &report.refused {
        output::line(format!("refused: {} {}", refused.message, refused.next_step))?;
    }
    Ok(())
}

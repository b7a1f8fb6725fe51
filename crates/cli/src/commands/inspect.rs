//! `lantern inspect`: what is in a model file, what it needs, and what of it this version cannot do.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lantern_engine::{
    ChatTemplate, Engine, EngineError, EngineOptions, TemplateSource, Tokenizer, available_bytes,
};
use lantern_gguf::{GgufFile, Value};
use lantern_hub::{file_details, human_bytes, recommended_sampling};
use lantern_models::{
    Compute, Device, Embedder, KvType, LoadOptions, ModelConfig, Pooling, embedders, ignored_keys, registry,
};
use lantern_protocol::{ErrorInfo, LibraryModel, ModelPlace, RecommendationSource, RecommendedSampling};
use serde::Serialize;

use super::show::count;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model
    model: String,
    /// Tokens a conversation shall hold, for the memory estimate [default: the model's own, at most 8192]
    #[arg(long, short)]
    context: Option<u32>,
    /// Also print every metadata key
    #[arg(long)]
    metadata: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    path: PathBuf,
    file_bytes: u64,
    /// Files the model is split over.
    files: usize,
    gguf_version: u32,
    architecture: Option<String>,
    name: Option<String>,
    quantisation: String,
    parameters: u64,
    /// Weights that take part in one token, of models with experts.
    active_parameters: Option<u64>,
    licence: Option<String>,
    /// Repositories that it was made from, as its metadata says.
    base_models: Vec<String>,
    /// Names the content wherever it lies.
    content_id: String,
    /// Everywhere it lies.
    places: Vec<ModelPlace>,
    tensors: usize,
    types: Vec<TypeShare>,
    shape: Option<Shape>,
    /// The vectors that the model makes of texts, instead of answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    vectors: Option<Vectors>,
    tokenizer: Option<TokenizerReport>,
    template: Option<TemplateReport>,
    memory: Option<Memory>,
    /// How its authors want tokens chosen.
    recommended: Option<RecommendedSampling>,
    /// Hyper-parameters that say nothing about the computation, and that no family reads.
    ignored_keys: Vec<String>,
    /// What keeps the model from running, or may make it run wrong.
    problems: Vec<ErrorInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
}

/// Tensors of one type.
#[derive(Serialize)]
struct TypeShare {
    r#type: String,
    /// Right, but without a fast kernel.
    slow: bool,
    tensors: usize,
    bytes: u64,
    values: u64,
}

#[derive(Serialize)]
struct Shape {
    context_length: usize,
    layers: usize,
    hidden_size: usize,
    heads: usize,
    vocab_size: usize,
    kv_bytes_per_token: usize,
}

#[derive(Serialize)]
struct Vectors {
    dimensions: usize,
    /// What of a text's tokens becomes its vector.
    pooling: &'static str,
}

#[derive(Serialize)]
struct TokenizerReport {
    kind: Option<String>,
    pre_tokenizer: Option<String>,
    vocab_size: usize,
    bos: Option<u32>,
    eos: Option<u32>,
    adds_bos: bool,
}

#[derive(Serialize)]
struct TemplateReport {
    source: TemplateSource,
    characters: Option<usize>,
}

#[derive(Serialize)]
struct Memory {
    context_length: usize,
    weight_bytes: u64,
    kv_bytes: u64,
    scratch_bytes: u64,
    total_bytes: u64,
    available_bytes: u64,
    /// What of it is on a GPU, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<String>,
}

pub fn run(args: Args) -> Result<(), CliError> {
    // A model that cannot be used is worth looking into as well, so its error is no reason to stop here.
    let library = place::library()?;
    let (path, model) = match lantern_app::model_folder(&args.model) {
        Some(_) => {
            let path = place::model_path(&args.model)?;
            (path.clone(), library.describe_path(&path))
        }
        None => {
            let model = library.find(&args.model)?;
            (place::file_of(&model)?, model)
        }
    };
    let report = inspect(&path, model, &args)?;
    if args.json { output::json(&report) } else { print(&report) }
}

fn inspect(path: &Path, model: LibraryModel, args: &Args) -> Result<Report, CliError> {
    let file = GgufFile::open(path)?;
    let details = file_details(path)?;
    let mut problems = Vec::new();
    let mut keep = |error: EngineError| {
        let info = info(&error);
        if !problems.contains(&info) {
            problems.push(info);
        }
    };
    let options = LoadOptions { device: Device::Cpu, threads: 1 };
    let is_embedder = embedders::is_embedder(&file);
    // Maps the weights without reading them, and so finds tensors that are missing, left over or of unknown type.
    let (shape, vectors) = if is_embedder {
        let model = embedders::load(&file, Compute::new(&options)).map_err(|error| keep(error.into())).ok();
        (model.as_ref().map(|model| describe(model.config())), model.as_ref().map(describe_vectors))
    } else {
        let shape = registry::config(&file).map_err(|error| keep(error.into())).ok();
        let _ = registry::load(&file, &options).map_err(|error| keep(error.into()));
        (shape.as_ref().map(describe), None)
    };
    let tokenizer = Tokenizer::from_gguf(&file).map_err(|error| keep(error.into())).ok();
    let template = tokenizer.as_ref().filter(|_| !is_embedder).and_then(|tokenizer| {
        let template = ChatTemplate::from_gguf(&file, tokenizer).map_err(|error| keep(error.into())).ok()?;
        template.fault().cloned().into_iter().for_each(|fault| keep(fault.into()));
        Some(template)
    });
    let options = EngineOptions { context_length: args.context, ..EngineOptions::default() };
    let memory = match shape.as_ref().filter(|_| !is_embedder).map(|_| Engine::plan(path, &options)) {
        Some(plan) => plan.map_err(keep).ok(),
        None => None,
    };
    let text = |key: &str| file.metadata().opt_str(key).ok().flatten().map(str::to_owned);
    Ok(Report {
        path: path.to_owned(),
        file_bytes: file.file_len(),
        files: file.shard_count(),
        gguf_version: file.version(),
        architecture: file.architecture().ok().map(str::to_owned),
        name: text("general.name"),
        quantisation: lantern_engine::quantisation(&file),
        parameters: details.parameters,
        active_parameters: details.active_parameters,
        licence: details.licence,
        base_models: details.base_models,
        content_id: model.content_id,
        places: model.places,
        tensors: file.tensors().len(),
        types: types(&file),
        shape,
        vectors,
        tokenizer: tokenizer.map(|tokenizer| TokenizerReport {
            kind: text("tokenizer.ggml.model"),
            pre_tokenizer: text("tokenizer.ggml.pre"),
            vocab_size: tokenizer.vocab_size(),
            bos: tokenizer.bos(),
            eos: tokenizer.eos(),
            adds_bos: tokenizer.adds_bos(),
        }),
        template: template.map(|template| TemplateReport {
            source: template.source(),
            characters: text("tokenizer.chat_template").map(|text| text.chars().count()),
        }),
        memory: memory.map(|plan| Memory {
            context_length: plan.context_length,
            weight_bytes: plan.weight_bytes,
            kv_bytes: plan.kv_bytes,
            scratch_bytes: plan.scratch_bytes,
            total_bytes: plan.total_bytes(),
            available_bytes: available_bytes(),
            gpu: plan.device.map(|part| part.to_string()),
        }),
        recommended: recommended_sampling(file.metadata()).filter(|_| !is_embedder),
        ignored_keys: ignored_keys(&file),
        problems,
        metadata: args.metadata.then(|| metadata(&file)),
    })
}

fn info(error: &EngineError) -> ErrorInfo {
    ErrorInfo { code: error.code().into(), message: error.to_string(), next_step: error.next_step() }
}

fn describe(config: &ModelConfig) -> Shape {
    Shape {
        context_length: config.context_length,
        layers: config.n_layers,
        hidden_size: config.hidden_size,
        heads: config.n_heads,
        vocab_size: config.vocab_size,
        kv_bytes_per_token: config.kv_layout.bytes_per_token(KvType::F16),
    }
}

fn describe_vectors(model: &Embedder) -> Vectors {
    let pooling = match model.pooling() {
        Pooling::Mean => "the mean of all tokens",
        Pooling::First => "the first token",
        Pooling::Last => "the last token",
    };
    Vectors { dimensions: model.dimensions(), pooling }
}

/// Most bytes first.
fn types(file: &GgufFile) -> Vec<TypeShare> {
    let slow_types = lantern_engine::slow_types(file);
    let mut shares: BTreeMap<String, TypeShare> = BTreeMap::new();
    for tensor in file.tensors().values() {
        let name = tensor.type_name();
        let slow = slow_types.contains(&name);
        let empty = TypeShare { r#type: name.clone(), slow, tensors: 0, bytes: 0, values: 0 };
        let share = shares.entry(name).or_insert(empty);
        share.tensors += 1;
        share.bytes += tensor.byte_len().unwrap_or(0);
        share.values += tensor.elements();
    }
    let mut shares: Vec<_> = shares.into_values().collect();
    shares.sort_by_key(|share| std::cmp::Reverse(share.bytes));
    shares
}

fn metadata(file: &GgufFile) -> BTreeMap<String, String> {
    let short = |value: &Value| match value {
        Value::String(text) if text.chars().count() > 80 => {
            format!("{}…", text.chars().take(80).collect::<String>())
        }
        Value::String(text) => text.clone(),
        Value::F32(x) => x.to_string(),
        Value::F64(x) => x.to_string(),
        Value::Bool(x) => x.to_string(),
        Value::I8(x) => x.to_string(),
        Value::I16(x) => x.to_string(),
        Value::I32(x) => x.to_string(),
        Value::I64(x) => x.to_string(),
        other => other.as_u64().map_or_else(|| other.kind(), |number| number.to_string()),
    };
    file.metadata().iter().map(|(key, value)| (key.to_owned(), short(value))).collect()
}

fn print(report: &Report) -> Result<(), CliError> {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut rows = vec![
        row(
            "file",
            format!(
                "{}{} ({}, GGUF version {})",
                report.path.display(),
                if report.files > 1 { format!(" and {} more", report.files - 1) } else { String::new() },
                human_bytes(report.file_bytes),
                report.gguf_version
            ),
        ),
        row("name", or_dash(&report.name)),
        row("architecture", or_dash(&report.architecture)),
        row("parameters", format!("{} in {} tensors", count(report.parameters), report.tensors)),
        row("active", report.active_parameters.map_or_else(|| "all of them".into(), count)),
        row("licence", or_dash(&report.licence)),
        row(
            "made from",
            if report.base_models.is_empty() { "-".into() } else { report.base_models.join(", ") },
        ),
        row("quantisation", report.quantisation.clone()),
    ];
    for share in &report.types {
        let percent = 100.0 * share.bytes as f64 / report.file_bytes.max(1) as f64;
        rows.push(row(
            "",
            format!(
                "{}: {} tensors, {}, {percent:.1} %{}",
                share.r#type,
                share.tensors,
                human_bytes(share.bytes),
                if share.slow { ", slow: no fast kernel yet" } else { "" }
            ),
        ));
    }
    if let Some(shape) = &report.shape {
        rows.push(row("context", format!("{} tokens", shape.context_length)));
        rows.push(row(
            "shape",
            format!(
                "{} layers, width {}, {} heads, vocabulary {}",
                shape.layers, shape.hidden_size, shape.heads, shape.vocab_size
            ),
        ));
    }
    if let Some(Vectors { dimensions, pooling }) = &report.vectors {
        rows.push(row("vectors", format!("{dimensions} numbers for each text, from {pooling}")));
    }
    if let Some(tokenizer) = &report.tokenizer {
        let id = |id: Option<u32>| id.map_or("none".into(), |id| id.to_string());
        let begins = if tokenizer.adds_bos { "put before every text" } else { "not added" };
        rows.push(row(
            "tokenizer",
            format!(
                "{} ({}), {} tokens, BOS {} {begins}, EOS {}",
                or_dash(&tokenizer.kind),
                or_dash(&tokenizer.pre_tokenizer),
                tokenizer.vocab_size,
                id(tokenizer.bos),
                id(tokenizer.eos)
            ),
        ));
    }
    if let Some(template) = &report.template {
        rows.push(row(
            "chat template",
            match template.source {
                TemplateSource::File => {
                    format!("from the file, {} characters", template.characters.unwrap_or(0))
                }
                TemplateSource::BuiltIn(name) => format!("the file has none; Lantern's “{name}” is used"),
                TemplateSource::Replaced(name) => {
                    format!("the file's does not work; Lantern's “{name}” is used")
                }
                TemplateSource::Given => "of the model's defaults".to_owned(),
            },
        ));
    }
    if let Some(memory) = &report.memory {
        rows.push(row(
            "memory",
            format!(
                "{}: weights {}, cache for {} tokens {}, work space {}; {} are free",
                human_bytes(memory.total_bytes),
                human_bytes(memory.weight_bytes),
                memory.context_length,
                human_bytes(memory.kv_bytes),
                human_bytes(memory.scratch_bytes),
                human_bytes(memory.available_bytes)
            ),
        ));
        rows.extend(memory.gpu.iter().map(|gpu| row("GPU", gpu.clone())));
    }
    if let Some(recommended) = &report.recommended {
        rows.push(row("recommended", told(recommended)));
    }
    if !report.ignored_keys.is_empty() {
        rows.push(row("ignored keys", report.ignored_keys.join(", ")));
    }
    rows.push(row(
        "problems",
        if report.problems.is_empty() { "none".into() } else { report.problems.len().to_string() },
    ));
    rows.extend(
        report
            .problems
            .iter()
            .map(|p| row("", format!("{}: {}. {}", p.code, p.message.trim_end_matches('.'), p.next_step))),
    );
    for (key, value) in report.metadata.iter().flatten() {
        rows.push(row("", format!("{key} = {}", value.escape_debug())));
    }
    output::table(&rows)
}

/// `temperature 1, top-k 64, by its authors`.
fn told(recommended: &RecommendedSampling) -> String {
    let RecommendedSampling { temperature, top_k, top_p, min_p, repeat_penalty, source } = recommended;
    let float = |name: &str, value: &Option<f32>| value.map(|value| format!("{name} {value}"));
    let values = [
        float("temperature", temperature),
        top_k.map(|top_k| format!("top-k {top_k}")),
        float("top-p", top_p),
        float("min-p", min_p),
        float("repeat penalty", repeat_penalty),
    ];
    let by = match source {
        RecommendationSource::File => "says the file",
        RecommendationSource::Family => "say its authors",
    };
    format!("{}, {by}", values.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

//! `lantern bench`: how fast a model reads and writes here, alone or round by round beside another program.

mod busy;
mod compare;
mod load;
mod other;
mod ours;
mod process;
mod report;

use std::path::PathBuf;

use lantern_engine::bench::{self, BenchOptions, BenchReport, DepthSpeed, ExpertReport};
use lantern_engine::{EngineOptions, KvType};
use lantern_hub::human_bytes;
use serde::Serialize;

use super::kv_types;
use crate::device_args::DeviceArgs;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model
    #[arg(long, short)]
    model: String,
    /// Tokens to read; 0 leaves reading out
    #[arg(long, short, default_value_t = 512)]
    prompt_tokens: usize,
    /// Tokens to write; 0 leaves writing out
    #[arg(long, short = 'n', default_value_t = 128)]
    gen_tokens: usize,
    /// Threads; 0 takes the fast cores
    #[arg(long, short, default_value_t = 0)]
    threads: usize,
    /// Tokens in the context before anything is measured; several, as in 0,2048,8192, are measured one by one
    #[arg(long, short, value_delimiter = ',', default_value = "0")]
    depth: Vec<usize>,
    /// How often each is measured, the median counts; with --compare, the number of rounds
    #[arg(long, short, default_value_t = 3)]
    repetitions: usize,
    /// How keys and values are kept
    #[arg(long, value_parser = kv_types(), default_value = KvType::default().name())]
    kv_type: KvType,
    /// Measure from the first pass on, with cold weights; the time to the first token is then not told
    #[arg(long)]
    no_warm_up: bool,
    /// Keep a packed copy of the model on disk, or use the one that is there; loads are those of the next start then
    #[arg(long)]
    keep_packed: bool,
    /// Measure this llama-bench as well, in turns with Lantern, and print the ratios
    #[arg(long, value_name = "PROGRAM", conflicts_with_all = ["no_warm_up", "gpu_layers", "experts_on_cpu", "expert_memory"])]
    compare: Option<PathBuf>,
    /// Whether the other program may use its flash attention
    #[arg(long, value_parser = ["on", "off"], default_value = "on", requires = "compare")]
    flash_attn: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    load: load::LoadArgs,
}

const AFTER_HELP: &str = "\
Reading is what llama-bench calls pp, writing tg. LANTERN_ISA restricts the kernels: scalar, avx2, avxvnni, avx512, amx.

With --compare each round runs Lantern, then the other program, each in a process of its own, with the same file, \
threads, tokens, depths and kind of cache, and Lantern leaves the GPU alone. Ratios are Lantern's figure over the other's.";

/// A report and what the engine does not know about itself.
#[derive(Serialize)]
struct Output<'a> {
    isa: &'static str,
    #[serde(flatten)]
    report: &'a BenchReport,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let path = place::model_path(&args.model)?;
    if args.load.wanted() {
        let options = EngineOptions {
            threads: args.threads,
            kv_type: args.kv_type,
            gpu_layers: args.device.gpu_layers,
            cpu_expert_layers: args.device.experts_on_cpu,
            expert_memory: args.device.expert_memory,
            ..EngineOptions::default()
        };
        let Args { gen_tokens: tokens, json, .. } = args;
        return args.load.run(&load::Common { path: &path, options, tokens, json });
    }
    let options = BenchOptions {
        prompt: args.prompt_tokens,
        generate: args.gen_tokens,
        threads: args.threads,
        repetitions: args.repetitions,
        depths: args.depth,
        kv_type: args.kv_type,
        packed_copies: match args.keep_packed {
            true => Some(lantern_app::packed_copies(&lantern_app::data_dir()?)),
            false => None,
        },
        warm_up: !args.no_warm_up,
        gpu_layers: args.device.gpu_layers,
        cpu_expert_layers: args.device.experts_on_cpu,
        expert_memory: args.device.expert_memory,
    };
    if let Some(program) = args.compare {
        let other = other::Other { program, flash_attention: args.flash_attn == "on" };
        let comparison = compare::run(&path, &options, &other)?;
        return if args.json { output::json(&comparison) } else { report::print(&comparison) };
    }
    let report = bench::run(&path, &options)?;
    let isa = lantern_kernels::isa().name();
    if args.json { output::json(&Output { isa, report: &report }) } else { print(isa, &report) }
}

fn print(isa: &str, report: &BenchReport) -> Result<(), CliError> {
    let mut rows = vec![
        row(
            "model",
            format!("{} {}, {}", report.architecture, report.quantisation, human_bytes(report.file_bytes)),
        ),
        row("threads", format!("{}, kernels: {isa}", report.threads)),
        row("GPU", report.device.as_str()),
        row("cache", report.options.kv_type.name()),
    ];
    for speed in &report.speeds {
        rows.extend(speed_rows(&report.options, speed));
        rows.extend(speed.decode_experts.map(|experts| experts_row(&experts, "while writing")));
    }
    rows.extend(report.experts.map(|experts| experts_row(&experts, "from the start")));
    let first_token = report.first_token_seconds.map(|seconds| format!("{seconds:.2} s after the start"));
    rows.extend([
        row("loading", loading(report)),
        row("first token", first_token.unwrap_or_else(|| "not measured".into())),
        row("peak memory", report.peak_rss_bytes.map_or("unknown".into(), human_bytes)),
    ]);
    output::table(&rows)
}

fn loading(report: &BenchReport) -> String {
    let seconds = format!("{:.2} s", report.load_seconds);
    match (report.from_packed_copy, &report.options.packed_copies) {
        (true, _) => format!("{seconds}, from a packed copy"),
        (false, Some(_)) => format!("{seconds}; the next time from a packed copy"),
        (false, None) => seconds,
    }
}

fn speed_rows(options: &BenchOptions, speed: &DepthSpeed) -> [Vec<String>; 2] {
    let told = |median: f64, samples: &[f64]| match samples {
        [] => "not measured".to_owned(),
        samples => {
            let (low, high) =
                samples.iter().fold((f64::MAX, 0f64), |(low, high), s| (low.min(*s), high.max(*s)));
            format!("{median:.1} tokens/s   ({low:.1} to {high:.1})")
        }
    };
    [
        row(
            &work_name("reading", options.prompt, speed.depth),
            told(speed.prefill_tokens_per_second, &speed.prefill_samples),
        ),
        row(
            &work_name("writing", options.generate, speed.depth),
            told(speed.decode_tokens_per_second, &speed.decode_samples),
        ),
    ]
}

/// What became of experts, when memory does not hold all of them.
fn experts_row(experts: &ExpertReport, when: &str) -> Vec<String> {
    let ExpertReport { total_bytes, memory_bytes, hit_rate, read_bytes, .. } = *experts;
    let [total, memory, read] = [total_bytes, memory_bytes, read_bytes].map(human_bytes);
    let told =
        format!("{memory} of {total} in memory; {when} {:.1}% were there, {read} read", 100.0 * hit_rate);
    row("experts", told)
}

/// What a speed is the speed of, as tables say it.
fn work_name(verb: &str, tokens: usize, depth: usize) -> String {
    match depth {
        0 => format!("{verb} {tokens}"),
        depth => format!("{verb} {tokens} behind {depth}"),
    }
}

fn row(name: &str, value: impl Into<String>) -> Vec<String> {
    vec![name.to_owned(), value.into()]
}

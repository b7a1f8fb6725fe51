//! `lantern bench`: how fast a model reads and writes here.

use lantern_engine::bench::{self, BenchOptions, BenchReport};
use lantern_hub::human_bytes;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model
    #[arg(long, short)]
    model: String,
    /// Tokens to read
    #[arg(long, short, default_value_t = 512)]
    prompt_tokens: usize,
    /// Tokens to write
    #[arg(long, short = 'n', default_value_t = 128)]
    gen_tokens: usize,
    /// Threads; 0 takes the physical cores
    #[arg(long, short, default_value_t = 0)]
    threads: usize,
    /// Tokens in the context before writing is measured
    #[arg(long, short, default_value_t = 0)]
    depth: usize,
    /// How often each is measured; the median counts
    #[arg(long, short, default_value_t = 3)]
    repetitions: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let path = place::model_path(&args.model)?;
    let options = BenchOptions {
        prompt: args.prompt_tokens,
        generate: args.gen_tokens,
        threads: args.threads,
        repetitions: args.repetitions,
        depth: args.depth,
    };
    let report = bench::run(&path, &options)?;
    if args.json { output::json(&report) } else { print(&report) }
}

fn print(report: &BenchReport) -> Result<(), CliError> {
    let options = &report.options;
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let speed = |median: f64, samples: &[f64]| match samples {
        [] => "not measured".to_owned(),
        samples => {
            let (low, high) =
                samples.iter().fold((f64::MAX, 0f64), |(low, high), s| (low.min(*s), high.max(*s)));
            format!("{median:.1} tokens/s   ({low:.1} to {high:.1})")
        }
    };
    output::table(&[
        row(
            "model",
            format!("{} {}, {}", report.architecture, report.quantisation, human_bytes(report.file_bytes)),
        ),
        row("threads", report.threads.to_string()),
        row(
            &format!("reading {}", options.prompt),
            speed(report.prefill_tokens_per_second, &report.prefill_samples),
        ),
        row(
            &format!("writing {} behind {}", options.generate, options.depth),
            speed(report.decode_tokens_per_second, &report.decode_samples),
        ),
        row("loading", format!("{:.2} s", report.load_seconds)),
        row("first token", format!("{:.2} s after the start", report.first_token_seconds)),
        row("peak memory", report.peak_rss_bytes.map_or("unknown".into(), human_bytes)),
    ])
}

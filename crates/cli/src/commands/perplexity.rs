//! `lantern perplexity`: how well a model predicts a text, and what smaller caches cost.

use std::path::PathBuf;

use lantern_engine::KvType;
use lantern_engine::perplexity::{Change, Estimate, Perplexity, PerplexityOptions, PerplexityReport};

use super::kv_types;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
#[command(after_help = AFTER_HELP)]
pub struct Args {
    /// The model
    #[arg(long, short)]
    model: String,
    /// The text, in UTF-8
    #[arg(long, short)]
    file: PathBuf,
    /// Tokens in a window
    #[arg(long, short, default_value_t = 512)]
    context: usize,
    /// Windows to read; all there are unless told
    #[arg(long)]
    chunks: Option<usize>,
    /// How keys and values are kept; several, as in f16,q8_0, are compared with the first
    #[arg(long, value_delimiter = ',', value_parser = kv_types(), default_value = KvType::default().name())]
    kv_type: Vec<KvType>,
    /// Threads; 0 takes the fast cores
    #[arg(long, short, default_value_t = 0)]
    threads: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const AFTER_HELP: &str = "\
The text is cut into windows, each is read afresh, and the tokens of its second half are scored, as llama-perplexity \
does. Errors are standard errors. Changes come from the differences at each token, so their errors are smaller than \
those of the perplexities.";

pub fn run(args: Args) -> Result<(), CliError> {
    let path = place::model_path(&args.model)?;
    let text =
        std::fs::read_to_string(&args.file).map_err(|error| CliError::file("read", &args.file, &error))?;
    let options = PerplexityOptions {
        context: args.context,
        windows: args.chunks,
        threads: args.threads,
        kv_types: args.kv_type,
        ..PerplexityOptions::default()
    };
    let model = Perplexity::load(&path, options)?;
    // Like llama-perplexity, which leaves out a file's last line break and takes control tokens for text.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let tokens = model.tokenizer().encode(text, false, true).map_err(lantern_engine::EngineError::from)?;
    let windows = model.windows(tokens.len())?;
    let report = model.measure(&tokens, |read, perplexity| {
        output::note(format!("window {read} of {windows}: perplexity {perplexity:.4} so far"));
    })?;
    if args.json { output::json(&report) } else { print(&report) }
}

fn print(report: &PerplexityReport) -> Result<(), CliError> {
    let told = |Estimate { value, error }: Estimate, decimals: usize| {
        format!("{value:.decimals$} ± {error:.decimals$}")
    };
    let head = ["cache", "perplexity", "change, %", "KL divergence", "same top token, %"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for run in &report.runs {
        let change = run.change.map(|Change { perplexity_percent, divergence, same_top_percent }| {
            [told(perplexity_percent, 3), told(divergence, 6), told(same_top_percent, 2)]
        });
        let mut row = vec![run.kv_type.to_owned(), told(run.perplexity, 4)];
        row.extend(change.unwrap_or_else(|| ["", "", ""].map(str::to_owned)));
        rows.push(row);
    }
    output::table(&rows)?;
    output::line(format!(
        "{} tokens scored, in {} windows of {}",
        report.scored_tokens, report.windows, report.context
    ))
}

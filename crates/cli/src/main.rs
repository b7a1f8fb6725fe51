//! `lantern`, the command line: the same models, conversations and endpoint as the window, without one.
//!
//! Answers and lists go to standard output and nothing else does, so that pipes stay clean; progress, notes and errors
//! go to standard error. This program links no window toolkit.
#![forbid(unsafe_code)]

mod commands;
mod constraint;
mod device_args;
mod error;
mod fetching;
mod interrupt;
mod jsonl;
mod output;
mod place;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::{
    assistant, bench, catalogue, chat, compare, doctor, du, embed, export, import, inspect, list, logits,
    perplexity, plan, pull, quantize, receipt, remote, rm, run, search, serve, show, template, token,
    tokenize, verify,
};
use error::CliError;

/// Chat with open-weight models on this computer.
#[derive(Parser)]
#[command(name = "lantern", version, about, arg_required_else_help = true, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
MODEL is a name from `lantern list` (or the unique beginning or part of one), the path of a GGUF file, or a name on the \
Hugging Face Hub: owner/name, owner/name:Q4_K_M, owner/name/file.gguf. A folder of safetensors files is a MODEL too: FOLDER \
as it is, FOLDER:Q8_0 quantised.

Data lies in LANTERN_HOME. Downloads follow HF_ENDPOINT, HF_TOKEN, HF_HOME, HF_HUB_CACHE and the proxy variables. Models of LM \
Studio, Ollama, Jan and GPT4All are used where they lie, unless LANTERN_OTHER_PROGRAMS is 0.";

#[derive(Subcommand)]
enum Command {
    /// Talk with a model; the conversation is kept and also shows in the window
    Chat(chat::Args),
    /// Show, export and import assistants
    Assistant(assistant::Args),
    /// Answer one prompt and end
    Run(run::Args),
    /// Let other programs use the models, in OpenAI's protocol
    Serve(serve::Args),
    /// Find models on the Hugging Face Hub, and which of their files run here
    Search(search::Args),
    /// Fetch models; goes on where an earlier try stopped
    Pull(pull::Args),
    /// Show the models on this computer
    #[command(visible_alias = "ls")]
    List(list::Args),
    /// Show the models Lantern recommends
    Catalogue(catalogue::Args),
    /// Add a GGUF file, or a folder of them, that is already on this computer; or take conversations in
    Import(import::Args),
    /// Write conversations to files
    Export(export::Args),
    /// Show what an answer followed from, or have it again from that
    Receipt(receipt::Args),
    /// Show a model's page: what it is and can do, where it lies, what it needs
    Show(show::Args),
    /// Remove a model, or take a removal back
    Rm(rm::Args),
    /// Show what models take of the disk, and free what nobody needs
    Du(du::Args),
    /// Check that models' bytes are the right ones
    Verify(verify::Args),
    /// Use models of other servers, such as vLLM
    Remote(remote::Args),
    /// Show, keep or forget the Hub's token, which gated models ask for
    Token(token::Args),
    /// Show what is in a model file, and what it needs
    Inspect(inspect::Args),
    /// Show what a model would take of memory, part by part, without loading it
    Plan(plan::Args),
    /// Hold two files of a model against each other: speed, memory, how well they predict
    Compare(compare::Args),
    /// Measure a model's speed
    Bench(bench::Args),
    /// Write a model's raw next-token logits into a safetensors file
    Logits(logits::Args),
    /// Turn texts into vectors
    Embed(embed::Args),
    /// Show the tokens that a text becomes, and the text they become again
    Tokenize(tokenize::Args),
    /// Show the text that a chat template makes of a conversation
    Template(template::Args),
    /// Measure how well a model predicts a text, and what smaller caches cost
    Perplexity(perplexity::Args),
    /// Write a model with another type of weights, from a GGUF file or a folder of safetensors files
    Quantize(quantize::Args),
    /// Check this computer and Lantern's data, and say how to mend what is wrong
    Doctor(doctor::Args),
}

fn main() -> ExitCode {
    // clap prints usage errors itself and ends with 2.
    let cli = Cli::parse();
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("LANTERN_LOG").unwrap_or_else(|_| "error".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
    match dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}

fn dispatch(command: Command) -> Result<(), CliError> {
    match command {
        Command::Chat(args) => on_runtime(chat::run(args)),
        Command::Assistant(args) => on_runtime(assistant::run(args)),
        Command::Run(args) => on_runtime(run::run(args)),
        Command::Serve(args) => on_runtime(serve::run(args)),
        Command::Search(args) => on_runtime(search::run(args)),
        Command::Pull(args) => on_runtime(pull::run(args)),
        Command::List(args) => on_runtime(list::run(args)),
        Command::Catalogue(args) => on_runtime(catalogue::run(args)),
        Command::Import(args) if args.conversations => on_runtime(export::import(args.path, args.json)),
        Command::Import(args) => import::run(args),
        Command::Export(args) => on_runtime(export::run(args)),
        Command::Receipt(args) => on_runtime(receipt::run(args)),
        Command::Rm(args) => rm::run(args),
        Command::Show(args) => on_runtime(show::run(args)),
        Command::Du(args) => on_runtime(du::run(args)),
        Command::Verify(args) => on_runtime(verify::run(args)),
        Command::Remote(args) => on_runtime(remote::run(args)),
        Command::Token(args) => on_runtime(token::run(args)),
        Command::Inspect(args) => inspect::run(args),
        Command::Plan(args) => on_runtime(plan::run(args)),
        Command::Compare(args) => on_runtime(compare::run(args)),
        Command::Bench(args) => bench::run(args),
        Command::Logits(args) => logits::run(args),
        Command::Embed(args) => embed::run(args),
        Command::Tokenize(args) => tokenize::run(args),
        Command::Template(args) => template::run(args),
        Command::Perplexity(args) => perplexity::run(args),
        Command::Quantize(args) => quantize::run(args),
        Command::Doctor(args) => on_runtime(doctor::run(args)),
    }
}

fn on_runtime(work: impl Future<Output = Result<(), CliError>>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| CliError::internal(format!("no runtime: {error}")))?;
    let result = runtime.block_on(work);
    // A thread that waits for a line of input must not keep the program alive.
    runtime.shutdown_background();
    result
}

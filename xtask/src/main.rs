//! Lantern's chores, in Rust so that they are the same on every system: `cargo xtask run`, `test`, `lint`, `types`,
//! `setup`, `aarch64`, `check-cuda`, `fuzz`, `fetching`, `window-start`, `window-speed`. Each step says what it does before it does it, and what to do when it cannot.
#![forbid(unsafe_code)]

mod aarch64;
mod clients;
mod cuda;
mod fetching;
mod fuzz;
mod lint;
mod mcp;
mod models;
mod python;
mod run;
mod searching;
mod shell;
mod system;
mod test;
mod types;
mod ui;
mod window_speed;
mod window_start;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, runs and tests Lantern.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Installs what is missing, builds Lantern, fetches the starter model and opens the window; without a display,
    /// chats in this terminal.
    Run {
        /// Builds without optimising the window's own code: compiles sooner, starts slower.
        #[arg(long)]
        dev: bool,
        /// Builds everything and opens nothing.
        #[arg(long)]
        build_only: bool,
    },
    /// Installs what is missing and runs every test there is.
    Test,
    /// Checks formatting, lints, licences and advisories.
    Lint,
    /// Compiles the command line for CUDA, also without a GPU and without the toolkit.
    CheckCuda,
    /// Generates the UI's types from crates/protocol.
    Types,
    /// Gives random input to everything that reads what strangers made.
    Fuzz {
        /// One target instead of all.
        target: Option<String>,
        /// How many inputs each gets.
        #[arg(long, default_value_t = 10_000_000)]
        runs: u64,
    },
    /// Tries other programs' clients, from OpenAI's to agent frameworks, against the endpoint with a real model.
    Clients {
        /// Some of them, as openai or ai_sdk, instead of all.
        names: Vec<String>,
        /// A model file, instead of the one that is fetched.
        #[arg(long)]
        model: Option<PathBuf>,
    },
    /// Measures `lantern pull` on a slow and on a fast link, beside aria2c.
    Fetching {
        /// Size of the file.
        #[arg(long, default_value_t = 400)]
        megabytes: u64,
    },
    /// Builds a large database and times searches in it.
    Searching {
        /// Messages in it.
        #[arg(long, default_value_t = 50_000)]
        messages: u64,
    },
    /// Measures how soon the built window can be used, what it costs when idle, and its memory.
    WindowStart {
        /// How often it is started.
        #[arg(long, default_value_t = 5)]
        runs: usize,
        /// The unoptimised program.
        #[arg(long)]
        dev: bool,
    },
    /// Measures the window with long conversations and answers, in the real web view.
    WindowSpeed,
    /// Tests the kernels for AArch64 on processors that QEMU plays.
    Aarch64,
    /// Installs the system packages that building needs.
    Setup {
        /// Also those that testing needs.
        #[arg(long)]
        test: bool,
    },
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().chore {
        Chore::Run { dev, build_only } => run::run(dev, build_only),
        Chore::Test => test::test(),
        Chore::Lint => lint::lint(),
        Chore::CheckCuda => cuda::check(),
        Chore::Types => types::generate(),
        Chore::Fuzz { target, runs } => fuzz::fuzz(target, runs),
        Chore::Clients { names, model } => clients::run_all(&names, model),
        Chore::Fetching { megabytes } => fetching::measure(megabytes),
        Chore::Searching { messages } => searching::measure(messages),
        Chore::WindowStart { runs, dev } => window_start::measure(runs, dev),
        Chore::WindowSpeed => window_speed::measure(),
        Chore::Aarch64 => aarch64::test(),
        Chore::Setup { test } => {
            system::install(if test { system::Purpose::Test } else { system::Purpose::Build })
        }
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

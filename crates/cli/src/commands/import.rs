//! `lantern import`: a file that is already on this computer.

use std::path::PathBuf;

use lantern_hub::ImportMode;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file
    file: PathBuf,
    /// Keep a copy in Lantern's data folder (without it the file is used where it lies)
    #[arg(long)]
    copy: bool,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let mode = if args.copy { ImportMode::Copy } else { ImportMode::InPlace };
    let model = place::library()?.import(&args.file, mode)?;
    output::note(format!("{} is in the library: {}", model.id, model.path));
    output::line(model.id)
}

//! `lantern import`: a file, or a folder of files, that is already on this computer.

use std::path::PathBuf;

use lantern_hub::ImportMode;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// A GGUF file, a model's folder, or a folder whose models are used now and later
    pub path: PathBuf,
    /// Keep a copy in Lantern's data folder (without it files are used where they lie)
    #[arg(long)]
    copy: bool,
    /// Take conversations in instead: an export of Lantern, ChatGPT, Claude, LM Studio, Jan or Open WebUI, as a file, a
    /// folder or a zip archive
    #[arg(long, conflicts_with = "copy")]
    pub conversations: bool,
    /// Print what came of it as JSON
    #[arg(long, requires = "conversations")]
    pub json: bool,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let library = place::library()?;
    if args.path.is_dir() && lantern_app::model_folder(&args.path.to_string_lossy()).is_none() {
        if args.copy {
            let message =
                format!("{} is a folder of models, and those are used where they lie.", args.path.display());
            return Err(CliError::new("not_a_model", message, "Import its files one by one to copy them."));
        }
        let folder = library.add_folder(&args.path)?;
        output::note(format!("{} models of {} are in the library", folder.models, folder.path));
        return Ok(());
    }
    let mode = if args.copy { ImportMode::Copy } else { ImportMode::InPlace };
    let model = library.import(&args.path, mode)?;
    output::note(format!("{} is in the library: {}", model.id, model.path));
    output::line(model.id)
}

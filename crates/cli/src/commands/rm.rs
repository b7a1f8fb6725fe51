//! `lantern rm`: a model leaves the library; what others own stays on the disk.

use lantern_hub::human_bytes;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model
    model: String,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let library = place::library()?;
    let model = library.find(&args.model)?;
    let removed = library.remove(&model.id)?;
    output::note(match removed.kept {
        true => format!("{} is no longer in the library; the file stays at {}", model.id, model.path),
        false => format!("{} is deleted, {} freed", model.id, human_bytes(removed.freed_bytes)),
    });
    Ok(())
}

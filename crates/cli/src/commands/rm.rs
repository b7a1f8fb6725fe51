//! `lantern rm`: a model leaves the library, and its packed copy the disk; what others own stays.

use std::path::Path;

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
    // First, while it can still be said whose it is.
    let packed = lantern_app::packed_copies(&lantern_app::data_dir()?).remove(Path::new(&model.path));
    let packed = packed.unwrap_or_else(|error| {
        output::note(format!("note: its packed copy could not be deleted: {error}"));
        0
    });
    let removed = library.remove(&model.id)?;
    output::note(match (removed.kept, packed) {
        (true, 0) => format!("{} is no longer in the library; the file stays at {}", model.id, model.path),
        (true, packed) => format!(
            "{} is no longer in the library and its packed copy is deleted, {} freed; the file stays at {}",
            model.id,
            human_bytes(packed),
            model.path
        ),
        (false, packed) => {
            format!("{} is deleted, {} freed", model.id, human_bytes(removed.freed_bytes + packed))
        }
    });
    Ok(())
}

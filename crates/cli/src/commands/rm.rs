//! `lantern rm`: a model leaves the library, and can be taken back; its packed copy leaves the disk. What others own stays.

use std::path::Path;

use lantern_hub::{ModelLibrary, human_bytes};
use lantern_protocol::{LibraryModel, RemovedModel};
use serde::Serialize;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The model, or a folder that is to be left alone from now on
    model: Option<String>,
    /// Take a removal back: of this model, or the latest one
    #[arg(long, visible_alias = "restore", value_name = "MODEL", num_args = 0..=1)]
    undo: Option<Option<String>>,
    /// Show what can be taken back
    #[arg(long)]
    list: bool,
    /// Delete what was removed for good
    #[arg(long)]
    empty: bool,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let library = place::library()?;
    match (&args.what.model, &args.what.undo) {
        (Some(folder), _) if Path::new(folder).is_dir() && library.remove_folder(Path::new(folder))? => {
            output::note(format!("{folder} is left alone from now on; nothing in it was touched"));
            Ok(())
        }
        (Some(name), _) => {
            let model = library.find(name)?;
            let (removed, packed) = remove(&library, &model)?;
            told(&args, &removed, said(&removed, &model, packed))
        }
        (None, Some(which)) => {
            let restored = library.restore(which.as_deref())?;
            let said = format!("{} is in the library again", restored.model);
            told(&args, &restored, said)
        }
        (None, None) if args.what.list => list(&args, &library.removed()),
        (None, None) => {
            let freed = library.empty_trash(true)?;
            told(&args, &serde_json::json!({ "freedBytes": freed }), format!("{} freed", human_bytes(freed)))
        }
    }
}

fn told(args: &Args, value: &impl Serialize, text: String) -> Result<(), CliError> {
    if args.json {
        return output::json(value);
    }
    output::note(text);
    Ok(())
}

/// Gives the bytes of the packed copy, too, which is not worth keeping: it can be made again.
fn remove(library: &ModelLibrary, model: &LibraryModel) -> Result<(RemovedModel, u64), CliError> {
    // First, while it can still be said whose it is.
    let packed = lantern_app::packed_copies(&lantern_app::data_dir()?).remove(Path::new(&model.path));
    let packed = packed.unwrap_or_else(|error| {
        output::note(format!("note: its packed copy could not be deleted: {error}"));
        0
    });
    Ok((library.remove(&model.id)?, packed))
}

fn said(removed: &RemovedModel, model: &LibraryModel, packed: u64) -> String {
    let mut parts = Vec::new();
    match removed.bytes {
        0 => parts.push(format!("{} is no longer in the library", model.id)),
        bytes => parts.push(format!("{} is in the trash, {} of it", model.id, human_bytes(bytes))),
    }
    if packed > 0 {
        parts.push(format!("its packed copy is deleted, {} freed", human_bytes(packed)));
    }
    if !removed.kept.is_empty() {
        parts.push(format!("what others own stays at {}", removed.kept.join(", ")));
    }
    parts.push("take it back with `lantern rm --undo`".to_owned());
    parts.join("; ")
}

fn list(args: &Args, removed: &[RemovedModel]) -> Result<(), CliError> {
    if args.json {
        return output::json(&removed);
    }
    let mut rows = vec![["MODEL", "IN THE TRASH", "UNTIL"].map(String::from).to_vec()];
    rows.extend(removed.iter().map(|removed| {
        let until = jiff::Timestamp::from_millisecond(removed.expires_at);
        let until = until.map_or_else(|_| "-".into(), |until| until.strftime("%Y-%m-%d").to_string());
        vec![removed.model.clone(), human_bytes(removed.bytes), until]
    }));
    output::table(&rows)
}

//! `lantern list`: the models on this computer.

use lantern_hub::human_bytes;
use lantern_protocol::{LibraryModel, ModelSource};

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: Args) -> Result<(), CliError> {
    let models = place::library()?.list();
    if args.json {
        return output::json(&models);
    }
    if models.is_empty() {
        output::note("There is no model here yet. Fetch the starter: lantern pull smollm2");
        return Ok(());
    }
    let mut rows =
        vec![["NAME", "SIZE", "TYPE", "ARCHITECTURE", "CONTEXT", "FROM"].map(String::from).to_vec()];
    rows.extend(models.iter().map(row));
    output::table(&rows)?;
    for model in &models {
        if let Some(error) = &model.error {
            output::note(format!("note: {}: {} {}", model.id, error.message, error.next_step));
        }
    }
    Ok(())
}

fn row(model: &LibraryModel) -> Vec<String> {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".into());
    let from = match (model.source, &model.repo) {
        (ModelSource::HubCache, Some(repo)) => repo.clone(),
        (ModelSource::HubCache, None) => "cache".into(),
        (ModelSource::Imported, _) => "copy".into(),
        (ModelSource::InPlace, _) => model.path.clone(),
    };
    vec![
        model.id.clone(),
        human_bytes(model.size_bytes),
        or_dash(model.quantisation.clone()),
        if model.error.is_some() { "unreadable".into() } else { or_dash(model.architecture.clone()) },
        or_dash(model.context_length.map(|n| n.to_string())),
        from,
    ]
}

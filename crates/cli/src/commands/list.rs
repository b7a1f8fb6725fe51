//! `lantern list`: the models on this computer, the folders they are looked for in, and whether there are newer ones.

use std::time::Instant;

use lantern_hub::{Hub, human_bytes};
use lantern_protocol::{LibraryFolder, LibraryModel, ModelUpdate, PlaceOwner};

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// Show the folders in which models are looked for instead
    #[arg(long, conflicts_with = "updates")]
    folders: bool,
    /// Ask the Hub which models have a newer revision, and show those
    #[arg(long)]
    updates: bool,
    /// Say how long it took to look: anew, and once more
    #[arg(long)]
    time: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let library = place::library()?;
    if args.folders {
        return folders(&args, &library.folders());
    }
    let begun = Instant::now();
    let models = library.list();
    if args.time {
        let first = begun.elapsed();
        let begun = Instant::now();
        library.list();
        output::note(format!("{} models in {first:.3?}, once more in {:.3?}", models.len(), begun.elapsed()));
    }
    if args.updates {
        return updates(&args, &models).await;
    }
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
    vec![
        model.id.clone(),
        human_bytes(model.size_bytes),
        or_dash(model.quantisation.clone()),
        if model.error.is_some() { "unreadable".into() } else { or_dash(model.architecture.clone()) },
        or_dash(model.context_length.map(|n| n.to_string())),
        from(model),
    ]
}

/// Where it lies, and in how many places more.
fn from(model: &LibraryModel) -> String {
    let Some(first) = model.places.first() else { return "-".into() };
    let place = match (first.owner, &first.repo) {
        (PlaceOwner::HubCache, Some(repo)) => repo.clone(),
        (PlaceOwner::HubCache, None) => "cache".into(),
        (PlaceOwner::Lantern, _) => "copy".into(),
        (PlaceOwner::File | PlaceOwner::Folder, _) => first.path.clone(),
        (owner, _) => owner_name(owner).to_owned(),
    };
    match model.places.len() {
        1 => place,
        places => format!("{place} and {} more", places - 1),
    }
}

/// For people.
pub fn owner_name(owner: PlaceOwner) -> &'static str {
    match owner {
        PlaceOwner::HubCache => "the Hub's cache",
        PlaceOwner::Lantern => "Lantern",
        PlaceOwner::File => "single files",
        PlaceOwner::Folder => "chosen folders",
        PlaceOwner::LmStudio => "LM Studio",
        PlaceOwner::Ollama => "Ollama",
        PlaceOwner::Jan => "Jan",
        PlaceOwner::Gpt4all => "GPT4All",
    }
}

fn folders(args: &Args, folders: &[LibraryFolder]) -> Result<(), CliError> {
    if args.json {
        return output::json(&folders);
    }
    if folders.is_empty() {
        output::note("No folder of another program was found. Add one of your own: lantern import FOLDER");
        return Ok(());
    }
    let mut rows = vec![["FOLDER", "OF", "MODELS"].map(String::from).to_vec()];
    rows.extend(folders.iter().map(|folder| {
        let models = if folder.used { folder.models.to_string() } else { "left alone".into() };
        vec![folder.path.clone(), owner_name(folder.owner).into(), models]
    }));
    output::table(&rows)?;
    for error in folders.iter().filter_map(|folder| folder.error.as_ref()) {
        output::note(format!("note: {} {}", error.message, error.next_step));
    }
    Ok(())
}

async fn updates(args: &Args, models: &[LibraryModel]) -> Result<(), CliError> {
    let hub = Hub::new(place::hub_options().await?)?;
    let mut updates: Vec<ModelUpdate> = Vec::new();
    for model in models {
        match hub.update_of(model).await {
            Ok(update) => updates.extend(update),
            Err(error) => output::note(format!("note: {}: {error}", model.id)),
        }
    }
    if args.json {
        return output::json(&updates);
    }
    if updates.is_empty() {
        output::note("No newer revision is known.");
        return Ok(());
    }
    let mut rows = vec![["NAME", "SIZE", "FETCH IT WITH"].map(String::from).to_vec()];
    rows.extend(updates.iter().map(|update| {
        let size = update.size_bytes.map_or_else(|| "-".into(), human_bytes);
        vec![update.model.clone(), size, format!("lantern pull {}/{}", update.repo, update.file)]
    }));
    output::table(&rows)
}

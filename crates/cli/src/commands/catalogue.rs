//! `lantern catalogue`: the models Lantern recommends, and which of them run here; asks no network.

use lantern_hub::human_bytes;
use lantern_protocol::{CatalogueEntry, CuratedModel, Fit};
use serde::Serialize;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// An entry, and what this machine can do with it.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    entry: CatalogueEntry,
    fit: Fit,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    let mut models = app.curated_models().await?;
    models.sort_by_key(|model| model.entry.size_bytes);
    app.shutdown().await;
    if args.json {
        let row = |CuratedModel { entry, fit, .. }| Row { entry, fit };
        return output::json(&models.into_iter().map(row).collect::<Vec<_>>());
    }
    let mut rows = vec![["NAME", "SIZE", "LICENCE", "HERE", "RUNS", "GOOD FOR"].map(String::from).to_vec()];
    rows.extend(models.into_iter().map(|CuratedModel { entry, fit, .. }| {
        let here = if entry.installed.is_some() { "yes" } else { "no" };
        let runs = fit.summary.trim_end_matches('.').to_owned();
        vec![entry.name, human_bytes(entry.size_bytes), entry.licence, here.into(), runs, entry.description]
    }));
    output::table(&rows)?;
    output::note("Fetch one by any unique part of its name: lantern pull smollm2");
    Ok(())
}

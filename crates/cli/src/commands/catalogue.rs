//! `lantern catalogue`: the models Lantern recommends.

use lantern_hub::{StaticEntry, human_bytes};

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
    let here =
        |entry: &StaticEntry| models.iter().find(|model| entry.is(model)).map(|model| model.id.clone());
    let entries: Vec<_> = lantern_hub::catalogue().iter().map(|entry| entry.entry(here(entry))).collect();
    if args.json {
        return output::json(&entries);
    }
    let mut rows = vec![["NAME", "SIZE", "LICENCE", "HERE", "GOOD FOR"].map(String::from).to_vec()];
    rows.extend(entries.into_iter().map(|entry| {
        let here = if entry.installed.is_some() { "yes" } else { "no" };
        vec![entry.name, human_bytes(entry.size_bytes), entry.licence, here.into(), entry.description]
    }));
    output::table(&rows)?;
    output::note("Fetch one by any unique part of its name: lantern pull smollm2");
    Ok(())
}

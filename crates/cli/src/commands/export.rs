//! `lantern export` and `lantern import --conversations`: conversations out to files, and in from Lantern's and other
//! programs' exports.

use std::path::PathBuf;

use clap::ValueEnum;
use lantern_protocol::{Counted, ExportFormat, ImportReport, ImportedFile};

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The file to write, or for several conversations as Markdown or HTML the folder
    path: PathBuf,
    /// Ids of conversations; without any, all are written
    #[arg(value_name = "CONVERSATION")]
    conversations: Vec<String>,
    /// What is written: json has everything and can be imported again
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Json,
    Markdown,
    Html,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let format = match args.format {
        Format::Json => ExportFormat::Json,
        Format::Markdown => ExportFormat::Markdown,
        Format::Html => ExportFormat::Html,
    };
    let app = place::app().await?;
    let ids = (!args.conversations.is_empty()).then_some(args.conversations);
    let written = app.export_conversations(ids, format, args.path.clone()).await;
    app.shutdown().await;
    output::note(format!("{} in {}", conversations(written?), args.path.display()));
    Ok(())
}

/// Takes conversations in from a file, a folder or a zip archive.
pub async fn import(path: PathBuf, json: bool) -> Result<(), CliError> {
    let app = place::app().await?;
    let report = app.import_conversations(vec![path]).await;
    app.shutdown().await;
    let report = report?;
    if json {
        output::json(&report)?;
    } else {
        report.files.iter().for_each(tell);
    }
    match failure(&report) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

fn tell(file: &ImportedFile) {
    let source = file.source.as_deref().map_or_else(String::new, |source| format!(" ({source})"));
    let known = if file.known > 0 { format!(", {} were here already", file.known) } else { String::new() };
    let new = usize::try_from(file.conversations).unwrap_or(usize::MAX);
    output::note(format!("{}{source}: {}, {} messages{known}", file.name, conversations(new), file.messages));
    let told = |label: &str, list: &[Counted]| {
        for Counted { what, count } in list {
            output::note(format!("  {label}: {count} {what}"));
        }
    };
    told("kept as raw JSON", &file.kept);
    told("not taken", &file.left);
    if let Some(error) = &file.error {
        output::note(format!("  {} {}", error.message, error.next_step));
    }
}

/// The first failure, where nothing at all was taken.
fn failure(report: &ImportReport) -> Option<CliError> {
    let nothing = report.files.iter().all(|file| file.conversations == 0 && file.known == 0);
    let error = report.files.iter().find_map(|file| file.error.clone())?;
    nothing.then(|| error.into())
}

fn conversations(count: usize) -> String {
    if count == 1 { "1 conversation".into() } else { format!("{count} conversations") }
}

//! `lantern show`: a model's page. What is in the file to the last key, `lantern inspect` tells.

use lantern_hub::human_bytes;
use lantern_protocol::{DiffSide, FileDetails, ModelDetails, TemplateDetails, TemplateDiff, TemplateOrigin};

use super::list::owner_name;
use super::search::show_repository;
use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The model, or a repository on the Hub: owner/name
    model: String,
    /// Compare its chat template with that of the repository it was made from; asks the Hub
    #[arg(long)]
    diff: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    if args.diff {
        let diff = app.template_diff(&args.model).await?;
        return if args.json { output::json(&diff) } else { print_diff(&diff) };
    }
    let details = match app.model_details(&args.model).await {
        // A repository on the Hub of which nothing is here.
        Err(error) if error.code == "model_not_found" && args.model.matches('/').count() == 1 => {
            return show_repository(&app, &args.model, None, true, args.json).await;
        }
        details => details?,
    };
    app.shutdown().await;
    if args.json { output::json(&details) } else { print(&details) }
}

fn print(details: &ModelDetails) -> Result<(), CliError> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let model = &details.model;
    let mut rows = vec![row("model", model.id.clone()), row("size", human_bytes(model.size_bytes))];
    rows.extend(details.file.iter().flat_map(file_rows));
    let can = &details.capabilities;
    let can = [
        ("chat", can.chat),
        ("tools", can.tools),
        ("thinking", can.thinking),
        ("vision", can.vision),
        ("embedding", can.embedding),
    ];
    let can: Vec<&str> = can.iter().filter(|(_, can)| *can).map(|(name, _)| *name).collect();
    rows.push(row("can", if can.is_empty() { "-".into() } else { can.join(", ") }));
    rows.extend(details.template.iter().map(|template| row("chat template", told(template))));
    rows.extend(details.memory.iter().map(|memory| {
        let (total, free) = (human_bytes(memory.total_bytes), human_bytes(memory.available_bytes));
        row("memory", format!("{total} for {} tokens; {free} are free", memory.context_length))
    }));
    for (at, place) in model.places.iter().enumerate() {
        let link = if place.is_link { ", a link" } else { "" };
        let name = if at == 0 { "lies at" } else { "" };
        rows.push(row(name, format!("{} ({}{link})", place.path, owner_name(place.owner))));
    }
    rows.extend(model.projector.iter().map(|file| row("projector", file.clone())));
    let notes = &details.notes;
    if notes.favourite {
        rows.push(row("favourite", "yes".into()));
    }
    if !notes.note.is_empty() {
        rows.push(row("note", notes.note.clone()));
    }
    for problem in &details.problems {
        rows.push(row("problem", format!("{} {}", problem.message, problem.next_step)));
    }
    output::table(&rows)
}

fn file_rows(file: &FileDetails) -> Vec<Vec<String>> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    let active = file.active_parameters.map(|active| format!(", {} of them in use", count(active)));
    let mix: Vec<String> =
        file.types.iter().map(|share| format!("{} {}", share.name, human_bytes(share.bytes))).collect();
    let mut rows = vec![
        row("family", or_dash(&file.family)),
        row("parameters", format!("{}{}", count(file.parameters), active.unwrap_or_default())),
        row("weights", mix.join(", ")),
        row("context", file.context_length.map_or_else(|| "-".into(), |n| format!("{n} tokens"))),
        row("licence", or_dash(&file.licence)),
    ];
    rows.extend(file.tokenizer.iter().map(|tokenizer| {
        row("tokenizer", format!("{}, {} tokens", or_dash(&tokenizer.kind), tokenizer.vocabulary))
    }));
    if !file.base_models.is_empty() {
        rows.push(row("made from", file.base_models.join(", ")));
    }
    rows
}

fn told(template: &TemplateDetails) -> String {
    let origin = match template.origin {
        TemplateOrigin::File => "from the file",
        TemplateOrigin::Lantern => "Lantern's, for the file has none",
        TemplateOrigin::Replaced => "Lantern's, for the file's does not work",
        TemplateOrigin::User => "of the model's defaults",
    };
    format!("{origin}, {} characters, SHA-256 {}…", template.text.chars().count(), &template.sha256[..12])
}

fn print_diff(diff: &TemplateDiff) -> Result<(), CliError> {
    if diff.same {
        output::note(format!("The template is that of {} ({}).", diff.repo, diff.file));
        return Ok(());
    }
    output::line(format!("--- {}/{}\n+++ the model", diff.repo, diff.file))?;
    for line in &diff.lines {
        let side = match line.side {
            DiffSide::Both => ' ',
            DiffSide::Original => '-',
            DiffSide::Model => '+',
        };
        output::line(format!("{side}{}", line.text))?;
    }
    Ok(())
}

/// 134515008 → `134.5 million`.
pub fn count(n: u64) -> String {
    match n {
        0..1_000_000 => n.to_string(),
        1_000_000..1_000_000_000 => format!("{:.1} million", n as f64 / 1e6),
        _ => format!("{:.2} billion", n as f64 / 1e9),
    }
}

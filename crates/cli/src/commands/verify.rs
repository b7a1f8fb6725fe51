//! `lantern verify`: whether models' bytes are the right ones. Ends with 1 when some are not.

use indicatif::{ProgressBar, ProgressStyle};
use lantern_hub::{Hub, HubOptions, ModelLibrary};
use lantern_protocol::{CheckState, FileCheck, LibraryModel};
use serde::Serialize;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// The models
    #[arg(required_unless_present = "all")]
    models: Vec<String>,
    /// All models
    #[arg(long, conflicts_with = "models")]
    all: bool,
    /// Ask the Hub what files should be that nobody here knows yet
    #[arg(long)]
    hub: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Checked {
    model: String,
    files: Vec<FileCheck>,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let library = place::library()?;
    let names = match args.all {
        true => library.list().into_iter().map(|model| model.id).collect(),
        false => args.models.clone(),
    };
    let mut checked = Vec::new();
    for name in &names {
        let model = library.find(name)?;
        let mut files = check(&library, &model)?;
        if args.hub {
            Hub::new(HubOptions::from_env())?.confirm(&model, &mut files).await?;
        }
        checked.push(Checked { model: model.id, files });
    }
    if args.json {
        output::json(&checked)?;
    } else {
        let mut rows = vec![["MODEL", "STATE", "SHA-256", "FILE"].map(String::from).to_vec()];
        rows.extend(checked.iter().flat_map(|checked| {
            checked.files.iter().map(|file| {
                let sha256 = file.sha256.clone().unwrap_or_else(|| "-".into());
                vec![checked.model.clone(), state(file), sha256, file.path.clone()]
            })
        }));
        output::table(&rows)?;
    }
    let is_bad = |file: &&FileCheck| matches!(file.state, CheckState::Wrong | CheckState::Unreadable);
    match checked.iter().flat_map(|checked| &checked.files).filter(is_bad).count() {
        0 => Ok(()),
        bad => Err(CliError::new(
            "wrong_bytes",
            format!("{bad} file{} not as expected.", if bad == 1 { " is" } else { "s are" }),
            "Remove the model and fetch it again; if it happens twice, check the disk.",
        )),
    }
}

fn check(library: &ModelLibrary, model: &LibraryModel) -> Result<Vec<FileCheck>, CliError> {
    let style = ProgressStyle::with_template("{prefix} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    let bar = ProgressBar::new(0).with_prefix(model.id.clone());
    let bar = style.map(|style| bar.clone().with_style(style)).unwrap_or(bar);
    let files = library.verify(&model.id, |done, total| {
        bar.set_length(total);
        bar.set_position(done);
        true
    });
    bar.finish_and_clear();
    Ok(files?)
}

fn state(file: &FileCheck) -> String {
    let from = file.known_from.as_deref().map(|from| format!(" ({from})")).unwrap_or_default();
    match file.state {
        CheckState::Right => format!("right{from}"),
        CheckState::Wrong => format!("WRONG{from}"),
        CheckState::Recorded => "recorded".into(),
        CheckState::Unreadable => "UNREADABLE".into(),
    }
}

//! `lantern assistant`: the assistants of the window, on the command line. `lantern chat --assistant` talks with one.

use std::path::PathBuf;

use clap::Subcommand;
use lantern_app::App;
use lantern_protocol::Assistant;

use crate::error::CliError;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the assistants
    #[command(visible_alias = "ls")]
    List {
        /// As JSON, with everything they say
        #[arg(long)]
        json: bool,
    },
    /// Show what an assistant says, in the form in which it is exported
    Show {
        /// Its name or id
        name: String,
    },
    /// Write an assistant to a file
    Export {
        /// Its name or id
        name: String,
        /// The file
        path: PathBuf,
    },
    /// Take an assistant in from a file
    Import {
        /// The file
        path: PathBuf,
    },
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = place::app().await?;
    let done = carry_out(&app, args.command).await;
    app.shutdown().await;
    done
}

async fn carry_out(app: &App, command: Command) -> Result<(), CliError> {
    match command {
        Command::List { json: true } => output::json(&app.assistants().await?),
        Command::List { json: false } => list(app.assistants().await?),
        Command::Show { name } => {
            let id = app.assistant(&name).await?.id;
            output::piece(&app.assistant_as_json(&id).await?)
        }
        Command::Export { name, path } => {
            let assistant = app.assistant(&name).await?;
            app.export_assistant(&assistant.id, path.clone()).await?;
            output::note(format!("{} is in {}", assistant.setup.name, path.display()));
            Ok(())
        }
        Command::Import { path } => {
            let imported = app.import_assistant(path).await?;
            if imported.folders_left > 0 {
                let left = imported.folders_left;
                output::note(format!("note: folders that are not on this computer are left out: {left}"));
            }
            if imported.unasked_left > 0 {
                let left = imported.unasked_left;
                output::note(format!("note: tools that the file lets run without asking ask here: {left}"));
            }
            output::line(&imported.assistant.setup.name)
        }
    }
}

fn list(assistants: Vec<Assistant>) -> Result<(), CliError> {
    if assistants.is_empty() {
        output::note("There is no assistant yet: make one in the window, or import one.");
        return Ok(());
    }
    let mut rows = vec![["NAME", "VERSION", "MODEL", "FOR"].map(String::from).to_vec()];
    rows.extend(assistants.into_iter().map(|Assistant { version, setup, .. }| {
        let model = setup.model.unwrap_or_else(|| "-".into());
        vec![setup.name, version.to_string(), model, setup.description.replace('\n', " ")]
    }));
    output::table(&rows)
}

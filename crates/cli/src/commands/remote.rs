//! `lantern remote`: servers whose models stand beside those of this computer.

use clap::Subcommand;
use lantern_app::{App, AppOptions, RemoteModels};

use crate::error::CliError;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add an OpenAI-compatible server, such as vLLM; its models are then called NAME/MODEL
    Add(Add),
    /// Show the servers, whether they answer, and their models
    #[command(visible_alias = "ls")]
    List,
    /// Forget a server and its key
    Rm {
        /// Its name
        name: String,
    },
}

#[derive(clap::Args)]
struct Add {
    /// What to call it
    name: String,
    /// Its address up to /v1: https://gpu.example.org/v1; http:// only on this machine and the local network
    url: String,
    /// The key it wants; better given in the variable, which no list of processes shows
    #[arg(long, env = "LANTERN_REMOTE_KEY", hide_env_values = true)]
    key: Option<String>,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = App::open(AppOptions::default()).await?;
    match args.command {
        Command::Add(add) => {
            let remote = app.add_remote(&add.name, &add.url, add.key.as_deref()).await?;
            output::note(format!("{} is added: {}", remote.name, remote.url));
            list(app.remote_models().await?.into_iter().filter(|listed| listed.remote == remote))
        }
        Command::List => list(app.remote_models().await?),
        Command::Rm { name } => Ok(app.remove_remote(&name).await?),
    }
}

fn list(servers: impl IntoIterator<Item = RemoteModels>) -> Result<(), CliError> {
    let mut rows = vec![["MODEL", "CONTEXT", "AT"].map(String::from).to_vec()];
    for RemoteModels { remote, models } in servers {
        match models {
            Ok(models) => rows.extend(models.into_iter().map(|model| {
                let context = model.context_length.map_or_else(|| "-".into(), |tokens| tokens.to_string());
                vec![model.id, context, remote.url.clone()]
            })),
            Err(error) => {
                output::note(format!("note: {} does not answer: {error} {}", remote.name, error.next_step));
            }
        }
    }
    if rows.len() > 1 { output::table(&rows) } else { Ok(()) }
}

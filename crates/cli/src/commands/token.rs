//! `lantern token`: the Hub's token, which models behind a gate ask for.

use std::io::{BufRead, IsTerminal};

use clap::Subcommand;
use lantern_app::{App, AppOptions};
use lantern_protocol::{HubTokenSource, SecretStorage, SecretsStatus};

use crate::error::CliError;
use crate::output;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Keep a token, read from standard input: no list of processes and no history of a shell shows it
    Set,
    /// Forget the token that was kept
    Forget,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let app = App::open(AppOptions::default()).await?;
    let status = match args.command {
        None => app.secrets_status().await?,
        Some(Command::Set) => {
            let token = tokio::task::block_in_place(read)?;
            app.set_hub_token(&token).await?
        }
        Some(Command::Forget) => app.set_hub_token("").await?,
    };
    output::line(tell(&status))
}

/// The first line of standard input that has words.
fn read() -> Result<String, CliError> {
    let input = std::io::stdin();
    if input.is_terminal() {
        output::note("Paste the token and press Enter:");
    }
    for line in input.lock().lines() {
        let line = line.map_err(|error| {
            CliError::new(
                "no_token",
                format!("The token cannot be read: {error}."),
                "Give it on standard input.",
            )
        })?;
        if !line.trim().is_empty() {
            return Ok(line);
        }
    }
    Err(CliError::new(
        "no_token",
        "There was no token on standard input.",
        "Give one: lantern token set < FILE. Forget the one that is kept: lantern token forget.",
    ))
}

fn tell(status: &SecretsStatus) -> String {
    let kept = match status.secret_storage {
        SecretStorage::Keyring => "in the system's keyring",
        SecretStorage::File => "in a file that only you can read",
    };
    match status.hub_token {
        HubTokenSource::None => "The Hub gets no token.".into(),
        HubTokenSource::Environment => "The Hub gets the token of HF_TOKEN.".into(),
        HubTokenSource::File => "The Hub gets the token of Hugging Face's own tools.".into(),
        HubTokenSource::Lantern => format!("The Hub gets Lantern's token, which is kept {kept}."),
    }
}

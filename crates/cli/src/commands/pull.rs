//! `lantern pull`: fetches models from the Hub.

use std::path::PathBuf;

use lantern_app::{App, AppOptions};
use lantern_hub::{DEFAULT_CONNECTIONS, Download, Hub, HubError, HubOptions, human_bytes};
use lantern_protocol::LibraryModel;
use serde_json::json;

use crate::device_args::bytes;
use crate::error::{CliError, print_error};
use crate::fetching::Display;
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// owner/name, owner/name:Q4_K_M, owner/name/file.gguf, or a name from `lantern catalogue`; may be several
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Branch, tag or commit
    #[arg(long)]
    revision: Option<String>,
    /// Most connections for one file
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONNECTIONS, value_parser = connections)]
    connections: usize,
    /// Most bytes a second for everything together, such as 5M [default: as in the settings]
    #[arg(long, value_name = "RATE", value_parser = bytes)]
    limit: Option<u64>,
    /// Print how far it has come, and the models at the end, as lines of JSON
    #[arg(long)]
    json: bool,
}

fn connections(text: &str) -> Result<usize, String> {
    let number: usize = text.parse().map_err(|_| "it must be a number".to_owned())?;
    if (1..=32).contains(&number) { Ok(number) } else { Err("it must be from 1 to 32".into()) }
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let limit = match args.limit {
        Some(limit) => Some(limit),
        None => limit_of_settings().await,
    };
    let options =
        HubOptions { connections: args.connections, bytes_per_second: limit, ..place::hub_options().await? };
    let hub = Hub::new(options)?;
    let mut downloads = Vec::new();
    for model in &args.models {
        let mut request = hub.resolve(model).await?;
        request.revision = args.revision.clone();
        output::note(format!("{}/{} from {}", request.repo, request.file, hub.host()));
        downloads.push(hub.download(request)?);
    }
    let ends = follow(&downloads, args.json).await?;
    let mut failed = None;
    for end in ends {
        match end {
            Ok(path) => tell(&path, args.json)?,
            Err(error) if matches!(error, HubError::Cancelled { .. }) => {
                output::note(format!("{error} {}", error.next_step()));
                failed = Some(CliError::Interrupted);
            }
            Err(error) => {
                // All are told, and the last one is the command's.
                if let Some(CliError::Failed(earlier)) = failed.replace(error.into()) {
                    print_error(&earlier);
                }
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

/// Settings that cannot be read, as on a full disk, are no reason to fetch nothing.
async fn limit_of_settings() -> Option<u64> {
    let read = async { App::open(AppOptions::default()).await?.settings().await };
    match read.await {
        Ok(settings) => settings.download_bytes_per_second.map(u64::from),
        Err(error) => {
            tracing::warn!("no limit is kept, because the settings cannot be read: {error}");
            None
        }
    }
}

/// Shows the progress until all have ended. Ctrl-C stops them and keeps what has arrived.
async fn follow(downloads: &[Download], json: bool) -> Result<Vec<Result<PathBuf, HubError>>, CliError> {
    let mut display = Display::new(json);
    let mut interrupts = Interrupts::listen()?;
    let ends = async {
        let mut ends = Vec::new();
        for download in downloads {
            ends.push(download.wait().await);
        }
        ends
    };
    let mut ends = std::pin::pin!(ends);
    loop {
        tokio::select! {
            ends = &mut ends => {
                display.show(downloads)?;
                display.close();
                return Ok(ends);
            }
            () = tokio::time::sleep(Display::PACE) => display.show(downloads)?,
            () = interrupts.next() => downloads.iter().for_each(Download::cancel),
        }
    }
}

/// Says what the file is called from now on.
fn tell(path: &std::path::Path, json: bool) -> Result<(), CliError> {
    let library = place::library()?;
    let model = path.to_str().and_then(|path| library.find(path).ok());
    let model: LibraryModel = model.unwrap_or_else(|| library.describe_path(path));
    if let Some(error) = &model.error {
        output::note(format!(
            "note: it was fetched whole, but cannot be used: {} {}",
            error.message, error.next_step
        ));
    }
    if json {
        return output::line(json!({ "model": model }).to_string());
    }
    output::note(format!(
        "{} ({}) is ready: lantern chat {}",
        model.id,
        human_bytes(model.size_bytes),
        model.id
    ));
    output::line(model.id)
}

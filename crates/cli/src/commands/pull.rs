//! `lantern pull`: fetches a model from the Hub.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use lantern_hub::{Download, Hub, HubError, human_bytes};
use lantern_protocol::{DownloadProgress, DownloadState};

use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// owner/name, owner/name:Q4_K_M, owner/name/file.gguf, or a name from `lantern catalogue`
    model: String,
    /// Branch, tag or commit
    #[arg(long)]
    revision: Option<String>,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let hub = Hub::new(place::hub_options().await?)?;
    let mut request = hub.resolve(&args.model).await?;
    request.revision = args.revision;
    output::note(format!("{}/{} from {}", request.repo, request.file, hub.host()));
    let download = hub.download(request)?;
    let path = follow(&download).await?;
    let library = place::library()?;
    let model = path.to_str().and_then(|path| library.find(path).ok());
    let model = model.unwrap_or_else(|| library.describe_path(&path));
    if let Some(error) = &model.error {
        output::note(format!(
            "note: it was fetched whole, but cannot be used: {} {}",
            error.message, error.next_step
        ));
    }
    output::note(format!(
        "{} ({}) is ready: lantern chat {}",
        model.id,
        human_bytes(model.size_bytes),
        model.id
    ));
    output::line(model.id)
}

/// Shows the progress until the end. Ctrl-C stops it and keeps what has arrived.
async fn follow(download: &Download) -> Result<std::path::PathBuf, CliError> {
    let bar = ProgressBar::no_length();
    bar.set_style(style());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut interrupts = Interrupts::listen()?;
    let mut progress = download.progress();
    let end = download.wait();
    let mut end = std::pin::pin!(end);
    let result = loop {
        tokio::select! {
            result = &mut end => break result,
            changed = progress.changed() => match changed {
                Ok(()) => show(&bar, &progress.borrow_and_update()),
                Err(_) => break (&mut end).await,
            },
            () = interrupts.next() => download.cancel(),
        }
        // A bar needs no more, and a busy loop would cost the transfer.
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    bar.finish_and_clear();
    match result {
        Err(error @ HubError::Cancelled { .. }) => {
            output::note(format!("{error} {}", error.next_step()));
            Err(CliError::Interrupted)
        }
        result => Ok(result?),
    }
}

fn show(bar: &ProgressBar, progress: &DownloadProgress) {
    if let Some(total) = progress.total_bytes {
        bar.set_length(total);
    }
    bar.set_position(progress.received_bytes);
    bar.set_message(match (progress.state, &progress.error) {
        (DownloadState::Retrying, Some(error)) => format!("trying again: {}", error.message),
        (DownloadState::Verifying, _) => "checking".into(),
        (DownloadState::Running, _) => format!("{}/s", human_bytes(progress.bytes_per_second as u64)),
        _ => String::new(),
    });
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{bar:32} {decimal_bytes} of {decimal_total_bytes}  {msg}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

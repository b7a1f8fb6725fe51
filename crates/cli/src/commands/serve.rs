//! `lantern serve`: the endpoint without a window.

use lantern_app::AppOptions;
use lantern_server::{ServeOptions, serve};

use crate::device_args::DeviceArgs;
use crate::error::CliError;
use crate::interrupt::Interrupts;
use crate::{output, place};

#[derive(clap::Args)]
pub struct Args {
    /// Port on 127.0.0.1; 0 takes a free one [default: as in the settings]
    #[arg(long, short)]
    port: Option<u16>,
    /// Key that clients must send [default: as in the settings]
    #[arg(long, env = "LANTERN_API_KEY", hide_env_values = true)]
    api_key: Option<String>,
    /// Model to load at once; others are loaded when a client names them
    #[arg(long, short)]
    model: Option<String>,
    /// Keep a packed copy of each model on disk, as large as the model, so that later loads are faster
    #[arg(long)]
    keep_packed: bool,
    /// A smaller model that guesses for the others, which must have its tokens; answers are the same
    #[arg(long, value_name = "MODEL")]
    draft: Option<String>,
    #[command(flatten)]
    device: DeviceArgs,
}

pub async fn run(args: Args) -> Result<(), CliError> {
    let draft = args.draft.as_deref().map(place::model_path).transpose()?;
    let options = AppOptions { keep_packed: args.keep_packed, draft, ..AppOptions::default() };
    let app = place::app_on(args.device, options).await?;
    let settings = app.settings().await?.endpoint;
    let key = args.api_key.unwrap_or(settings.key);
    if key.trim().is_empty() {
        return Err(CliError::new(
            "empty_key",
            "The endpoint needs a key.",
            "Leave --api-key out to use the one of the settings.",
        ));
    }
    let port = args.port.unwrap_or(settings.port);
    let handle =
        serve(app.clone(), ServeOptions { port, key: key.clone(), ..ServeOptions::default() }).await?;
    // It may wait for the keyring to be unlocked, and the endpoint does not.
    let queue = app.clone();
    tokio::spawn(async move { queue.continue_downloads().await });
    if let Some(model) = &args.model {
        output::note(format!("loading {model} …"));
        let loaded = app.serve_model(model).await?;
        output::note(format!("{} is ready; GPU: {}", loaded.id, loaded.engine.info().device));
    }
    let mut stop = Interrupts::listen_to_all()?;
    output::line(format!("url  {}", handle.url()))?;
    output::line(format!("key  {key}"))?;
    output::note("Ctrl-C ends it.");
    stop.next().await;
    output::note("ending; requests under way are answered first, Ctrl-C again cuts them off");
    tokio::select! {
        () = handle.shutdown() => {}
        () = stop.next() => {}
    }
    app.shutdown().await;
    Ok(())
}

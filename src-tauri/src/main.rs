//! Lantern's desktop program: a window, and the commands its page may call.
//!
//! Everything of substance is `lantern-app`'s; this crate opens it, shows it and passes words between it and the page.
#![forbid(unsafe_code)]
// A release on Windows must not open a console beside its window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod again;
mod artifacts;
mod commands;
mod display;
mod window;

use std::process::ExitCode;
use std::time::Duration;

use lantern_app::{App, AppOptions};
use lantern_server::Endpoint;
use tauri::{Manager, RunEvent};
use tauri_plugin_window_state::StateFlags;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("LANTERN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    // GTK ends a program that has no display with a panic; say it in words before it comes to that.
    if let Err(problem) = display::check() {
        eprintln!("{problem}");
        return ExitCode::FAILURE;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if again::is_worth_it(&error) => {
            eprintln!("Another Lantern was just ending; starting once more.");
            again::start()
        }
        Err(error) => {
            eprintln!("Lantern's window could not be opened: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How long answers and downloads may take to reach the disk when the window is closed. What does not make it in time is
/// found in the journal at the next start.
const FAREWELL: Duration = Duration::from_secs(3);

/// Opens Lantern and its window; ends the process when the window is closed, and returns only if it cannot be opened.
fn run() -> tauri::Result<()> {
    let program = artifacts::serve(tauri::Builder::default())
        // First of all: a second start must hand over before it touches the database.
        .plugin(tauri_plugin_single_instance::init(|app, _arguments, _folder| window::focus(app)))
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                // Whether it is visible is for `window` to decide: it shows the window once there is something to see.
                .with_state_flags(StateFlags::all() - StateFlags::VISIBLE)
                .build(),
        )
        .manage(commands::events::Subscription::default())
        .invoke_handler(commands::handler())
        .setup(|tauri_app| {
            // The endpoint and the engine start tasks of their own: they need the runtime around them.
            let opened = tauri::async_runtime::block_on(async {
                let app = App::open(AppOptions::default()).await?;
                let endpoint = Endpoint::supervise(app.clone());
                // It may wait for the keyring to be unlocked, and the window does not.
                let queue = app.clone();
                tauri::async_runtime::spawn(async move { queue.continue_downloads().await });
                Ok::<_, lantern_app::AppError>((app, endpoint))
            });
            match opened {
                Ok((app, endpoint)) => {
                    tauri_app.manage(app);
                    // Dropping it would close the endpoint, so Tauri keeps it as long as the program runs.
                    tauri_app.manage(endpoint);
                    window::open(tauri_app.handle())?;
                }
                Err(error) => window::explain(tauri_app.handle(), &error.into()),
            }
            Ok(())
        })
        .build(tauri::generate_context!())?;
    program.run(|handle, event| {
        if let RunEvent::Exit = event
            && let Some(app) = handle.try_state::<App>()
        {
            // Who starts Lantern from now on wants a window, and this one has closed.
            tauri_plugin_single_instance::destroy(handle);
            let farewell = async { tokio::time::timeout(FAREWELL, app.shutdown()).await };
            if tauri::async_runtime::block_on(farewell).is_err() {
                tracing::warn!("closed before everything was on the disk; the next start finds the rest");
            }
        }
    });
    Ok(())
}

//! Lantern's desktop program: a window, and the commands its page may call.
//!
//! Everything of substance is `lantern-app`'s; this crate opens it, shows it and passes words between it and the page.
#![forbid(unsafe_code)]
// A release on Windows must not open a console beside its window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod again;
mod artifacts;
mod commands;
mod desktop;
mod display;
mod windows;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use lantern_app::{App, AppError, AppOptions};
use lantern_protocol::Settings;
use lantern_server::Endpoint;
use tauri::{AppHandle, Manager, RunEvent};
use tauri_plugin_deep_link::DeepLinkExt;
use tauri_plugin_window_state::StateFlags;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let started = Instant::now();
    let filter = EnvFilter::try_from_env("LANTERN_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();

    // GTK ends a program that has no display with a panic; say it in words before it comes to that.
    if let Err(problem) = display::check() {
        eprintln!("{problem}");
        return ExitCode::FAILURE;
    }
    match run(started) {
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

/// Opens Lantern and its window; ends the process when the last window is closed, and returns only if none can be opened.
fn run(started: Instant) -> tauri::Result<()> {
    let program = artifacts::serve(tauri::Builder::default())
        // First of all: a second start must hand over before it touches the database.
        .plugin(tauri_plugin_single_instance::init(|handle, arguments, _folder| {
            windows::main::focus(handle);
            desktop::links::take_arguments(handle, arguments.iter().skip(1).map(String::as_str));
        }))
        .plugin(tauri_plugin_deep_link::init())
        .plugin(tauri_plugin_dialog::init())
        .plugin(tauri_plugin_opener::init())
        .plugin(
            tauri_plugin_window_state::Builder::new()
                // Whether it is visible is for `windows` to decide: it shows a window once there is something to see.
                .with_state_flags(StateFlags::all() - StateFlags::VISIBLE)
                .with_denylist(&[windows::quick::LABEL])
                // All windows of conversations open as the last one was.
                .map_label(|label| if label.starts_with(windows::chat::PREFIX) { "chat" } else { label })
                .build(),
        )
        .manage(commands::events::Subscriptions::default())
        .manage(desktop::Desktop::new(started))
        .manage(desktop::follow::Downloads::default())
        .invoke_handler(commands::handler())
        .on_window_event(windows::take_event)
        .setup(|tauri_app| {
            let handle = tauri_app.handle();
            match open_app() {
                Ok((app, endpoint, settings)) => {
                    handle.state::<desktop::Desktop>().take(settings.desktop, settings.language);
                    desktop::follow::start(handle, app.clone());
                    #[cfg(target_os = "linux")]
                    desktop::scheme::follow(handle);
                    tauri_app.manage(app);
                    // Dropping it would close the endpoint, so Tauri keeps it as long as the program runs.
                    tauri_app.manage(endpoint);
                    windows::main::open(handle, !desktop::stays_in_tray())?;
                    take_links(handle);
                }
                Err(error) => windows::main::explain(handle, &error.into()),
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

/// Opens the data directory. The endpoint and the engine start tasks of their own: they need the runtime around them.
fn open_app() -> Result<(App, Endpoint, Settings), AppError> {
    tauri::async_runtime::block_on(async {
        let app = App::open(AppOptions::default()).await?;
        let endpoint = Endpoint::supervise(app.clone());
        let settings = app.settings().await?;
        // It may wait for the keyring to be unlocked, and the window does not.
        let queue = app.clone();
        tauri::async_runtime::spawn(async move { queue.continue_downloads().await });
        app.watch_knowledge();
        Ok((app, endpoint, settings))
    })
}

/// Takes links: those this start was given, and on a Mac those that come later. Elsewhere those come with a second start.
fn take_links(handle: &AppHandle) {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).filter_map(|one| one.into_string().ok()).collect();
    desktop::links::take_arguments(handle, arguments.iter().map(String::as_str));
    if cfg!(target_os = "macos") {
        let own = handle.clone();
        handle.deep_link().on_open_url(move |event| {
            for link in event.urls() {
                desktop::links::take(&own, link.as_str());
            }
        });
    }
}

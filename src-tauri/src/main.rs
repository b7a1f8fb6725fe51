//! Lantern's desktop program: a window, and the commands its page may call.
//!
//! Everything of substance is `lantern-app`'s; this crate opens it, shows it and passes words between it and the page.
#![forbid(unsafe_code)]
// A release on Windows must not open a console beside its window.
#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

mod commands;
mod display;
mod window;

use std::process::ExitCode;

use lantern_app::{App, AppOptions};
use lantern_server::Endpoint;
use tauri::Manager;
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
        Err(error) => {
            eprintln!("Lantern's window could not be opened: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Opens Lantern and its window, and returns when the window is closed.
fn run() -> tauri::Result<()> {
    tauri::Builder::default()
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
                Endpoint::supervise(app.clone());
                Ok::<App, lantern_app::AppError>(app)
            });
            match opened {
                Ok(app) => {
                    tauri_app.manage(app);
                    window::open(tauri_app.handle())?;
                }
                Err(error) => window::explain(tauri_app.handle(), &error.into()),
            }
            Ok(())
        })
        .run(tauri::generate_context!())
}

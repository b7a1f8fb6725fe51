//! The main window: how it opens, and how a failure to start is told.

use lantern_protocol::ErrorInfo;
use tauri::utils::config::WindowConfig;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager, WebviewWindowBuilder};
use tauri_plugin_dialog::{DialogExt, MessageDialogKind};

use super::{guarded, looks, raise};
use crate::desktop::Desktop;

/// The label that the configuration and the capabilities give the window.
pub const LABEL: &str = "main";

/// How the configuration describes the main window.
pub fn config(handle: &AppHandle) -> &WindowConfig {
    let windows = &handle.config().app.windows;
    windows.iter().find(|w| w.label == LABEL).expect("tauri.conf.json describes the main window")
}

/// Opens the main window. It stays hidden until its page has loaded, so that no empty frame is seen.
pub fn open(handle: &AppHandle, visible: bool) -> tauri::Result<()> {
    let window = guarded(WebviewWindowBuilder::from_config(handle, config(handle))?)
        .on_page_load(move |window, page| {
            if page.event() == PageLoadEvent::Finished && visible {
                let _ = window.show();
            }
        })
        .build()?;
    looks::apply(&window);
    Ok(())
}

/// Brings the window to the front: what a second start asks of the first.
pub fn focus(handle: &AppHandle) {
    match handle.get_webview_window(LABEL) {
        Some(window) => raise(&window),
        // It was closed while a conversation has a window of its own.
        None => {
            if let Err(error) = open(handle, true) {
                tracing::error!(%error, "the main window could not be opened again");
            }
        }
    }
}

/// Hides the window if it is seen, and shows it if not.
pub fn toggle(handle: &AppHandle) {
    match handle.get_webview_window(LABEL) {
        Some(window) if window.is_visible().unwrap_or(false) && !window.is_minimized().unwrap_or(false) => {
            let _ = window.hide();
        }
        _ => focus(handle),
    }
}

/// Tells why Lantern cannot start, on the screen and on the terminal, and ends it when that has been read.
pub fn explain(handle: &AppHandle, error: &ErrorInfo) {
    eprintln!("Lantern cannot start: {error}");
    let ended = handle.clone();
    handle
        .dialog()
        .message(format!("{}\n\n{}\n\n[{}]", error.message, error.next_step, error.code))
        .title(handle.state::<Desktop>().words().cannot_start)
        .kind(MessageDialogKind::Error)
        .show(move |_| ended.exit(1));
}

//! What the system tells the user while they look elsewhere. It says that something is there, never what: a notification is
//! read by whoever sees the screen, and some systems keep it.

use lantern_protocol::{DownloadProgress, DownloadState};
use tauri::{AppHandle, Manager, Wry};
use tauri_plugin_notification::Notification;

use super::Desktop;
use super::words::{Words, fill};
use crate::windows;

/// Tells it, unless the settings say otherwise or one of Lantern's windows has the focus.
pub fn tell(handle: &AppHandle, title: &str, body: &str) {
    let watched = handle.webview_windows().values().any(|window| window.is_focused().unwrap_or(false));
    if watched || !handle.state::<Desktop>().settings().notify {
        return;
    }
    if let Err(error) = show(handle, title, body) {
        tracing::warn!(%error, "the system was not told: {title}");
    }
}

fn show(handle: &AppHandle, title: &str, body: &str) -> Result<(), Box<dyn std::error::Error>> {
    // The connection to the system is made when there is something to say.
    if handle.try_state::<Notification<Wry>>().is_none() {
        handle.plugin(tauri_plugin_notification::init())?;
        let clicked = handle.clone();
        handle.state::<Notification<Wry>>().on_action(move |action| {
            if action.action_id() == "tap" {
                windows::main::focus(&clicked);
            }
        })?;
    }
    handle.state::<Notification<Wry>>().builder().title(title).body(body).show()?;
    Ok(())
}

/// What is said of a download that ended; nothing where the user ended it.
pub fn of_download(words: &'static Words, progress: &DownloadProgress) -> Option<(&'static str, String)> {
    let file = progress.request.file.rsplit('/').next().unwrap_or_default();
    match progress.state {
        DownloadState::Done => Some((words.download_done, fill(words.download_done_text, &[("file", file)]))),
        DownloadState::Failed => {
            let reason = progress.error.as_ref().map_or("", |error| error.message.as_str());
            let text = fill(words.download_failed_text, &[("file", file), ("reason", reason)]);
            Some((words.download_failed, text))
        }
        _ => None,
    }
}

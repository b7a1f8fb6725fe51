//! What changes in Lantern, passed on to windows, tray and notifications.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lantern_app::App;
use lantern_protocol::{AppEvent, DownloadProgress, DownloadState};
use tauri::{AppHandle, Manager};
use tokio::sync::broadcast::error::RecvError;

use super::{Desktop, lock, notify, tray_words};
use crate::windows::{self, looks};

/// Between two changes of the tray's words for a download: a person reads no faster, and each is a message to the desktop.
const PACE: Duration = Duration::from_secs(1);

/// The downloads as they were told last. Managed by Tauri.
#[derive(Default)]
pub struct Downloads(Mutex<BTreeMap<String, DownloadProgress>>);

/// Follows until Lantern ends.
pub fn start(handle: &AppHandle, app: App) {
    let handle = handle.clone();
    let mut events = app.subscribe();
    tauri::async_runtime::spawn(async move {
        let mut told = Instant::now();
        loop {
            match events.recv().await {
                Ok(event) => take(&handle, event, &mut told).await,
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    });
}

async fn take(handle: &AppHandle, event: AppEvent, told: &mut Instant) {
    match event {
        AppEvent::SettingsChanged { settings } => {
            looks::apply_to_all(handle, &settings);
            handle.state::<Desktop>().take(settings.desktop, settings.language);
            windows::quick::name(handle);
            show_in_tray(handle).await;
        }
        AppEvent::Download { progress } => {
            let running = progress.state == DownloadState::Running;
            let ended = note(handle, progress);
            if let Some((title, body)) = ended {
                notify::tell(handle, title, &body);
            }
            if !running || told.elapsed() >= PACE {
                *told = Instant::now();
                show_in_tray(handle).await;
            }
        }
        AppEvent::ModelChanged { .. } | AppEvent::EndpointChanged { .. } => show_in_tray(handle).await,
        _ => {}
    }
}

/// Notes how far a download is, and gives what is to be told if it has just ended.
fn note(handle: &AppHandle, progress: DownloadProgress) -> Option<(&'static str, String)> {
    let downloads = handle.state::<Downloads>();
    let mut downloads = lock(&downloads.0);
    let before = downloads.insert(progress.id.clone(), progress.clone());
    let was_open = before.is_some_and(|before| !before.state.is_over());
    if was_open { notify::of_download(handle.state::<Desktop>().words(), &progress) } else { None }
}

/// Brings the tray's words up to date.
pub async fn show_in_tray(handle: &AppHandle) {
    let desktop = handle.state::<Desktop>();
    if !desktop.tray.exists() {
        return;
    }
    let app = handle.state::<App>();
    let model = app.model_state().await;
    let shown = {
        let downloads = handle.state::<Downloads>();
        let downloads = lock(&downloads.0);
        tray_words::shown(desktop.words(), &app.endpoint_status(), &model, &downloads)
    };
    desktop.tray.show(shown);
}

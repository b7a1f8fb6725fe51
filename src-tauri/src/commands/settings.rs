//! Settings, and the state a window starts from.

use lantern_app::App;
use lantern_protocol::{AppStatus, Settings, SettingsPatch};
use tauri::{AppHandle, Manager, State};

use super::Reply;
use crate::desktop;

#[tauri::command]
pub async fn get_settings(app: State<'_, App>) -> Reply<Settings> {
    Ok(app.settings().await?)
}

/// What concerns the system is done first: what it refuses is not stored.
#[tauri::command]
pub async fn update_settings(
    handle: AppHandle,
    app: State<'_, App>,
    patch: SettingsPatch,
) -> Reply<Settings> {
    let wanted = patch.desktop.clone().unwrap_or_default();
    desktop::apply(&handle, &wanted)?;
    let stored = app.update_settings(patch).await;
    match &stored {
        Ok(settings) => handle.state::<desktop::Desktop>().take(settings.desktop.clone(), settings.language),
        Err(_) => desktop::take_back(&handle, &wanted),
    }
    Ok(stored?)
}

#[tauri::command]
pub async fn get_status(app: State<'_, App>) -> Reply<AppStatus> {
    Ok(app.status().await?)
}

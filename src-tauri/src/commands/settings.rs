//! Settings, and the state a window starts from.

use lantern_app::App;
use lantern_protocol::{AppStatus, Settings, SettingsPatch};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn get_settings(app: State<'_, App>) -> Reply<Settings> {
    Ok(app.settings().await?)
}

#[tauri::command]
pub async fn update_settings(app: State<'_, App>, patch: SettingsPatch) -> Reply<Settings> {
    Ok(app.update_settings(patch).await?)
}

#[tauri::command]
pub async fn get_status(app: State<'_, App>) -> Reply<AppStatus> {
    Ok(app.status().await?)
}

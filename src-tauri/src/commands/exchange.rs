//! Conversations out to files and in from them. Paths come from the system's dialogs.

use std::path::PathBuf;

use lantern_app::App;
use lantern_protocol::{ExportFormat, ImportReport};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn export_conversations(
    app: State<'_, App>,
    ids: Option<Vec<String>>,
    format: ExportFormat,
    path: PathBuf,
) -> Reply<usize> {
    Ok(app.export_conversations(ids, format, path).await?)
}

#[tauri::command]
pub async fn import_conversations(app: State<'_, App>, paths: Vec<PathBuf>) -> Reply<ImportReport> {
    Ok(app.import_conversations(paths).await?)
}

//! The library in detail: models' pages, notes, what was deleted, the disk, and folders.

use lantern_app::App;
use lantern_protocol::{
    DiskUse, FileCheck, LibraryFolder, ModelDetails, ModelNotes, ModelUpdate, ReclaimKind, RemovedModel,
    TemplateDiff,
};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn removed_models(app: State<'_, App>) -> Reply<Vec<RemovedModel>> {
    Ok(app.removed_models().await?)
}

#[tauri::command]
pub async fn restore_model(app: State<'_, App>, which: Option<String>) -> Reply<RemovedModel> {
    Ok(app.restore_model(which).await?)
}

#[tauri::command]
pub async fn model_details(app: State<'_, App>, id: String) -> Reply<ModelDetails> {
    Ok(app.model_details(&id).await?)
}

#[tauri::command]
pub async fn template_diff(app: State<'_, App>, id: String) -> Reply<TemplateDiff> {
    Ok(app.template_diff(&id).await?)
}

#[tauri::command]
pub async fn set_model_notes(app: State<'_, App>, id: String, notes: ModelNotes) -> Reply<ModelNotes> {
    Ok(app.set_model_notes(&id, notes).await?)
}

#[tauri::command]
pub async fn verify_model(app: State<'_, App>, id: String) -> Reply<Vec<FileCheck>> {
    Ok(app.verify_model(&id).await?)
}

#[tauri::command]
pub async fn check_updates(app: State<'_, App>, ids: Option<Vec<String>>) -> Reply<Vec<ModelUpdate>> {
    Ok(app.check_updates(ids).await?)
}

#[tauri::command]
pub async fn disk_use(app: State<'_, App>) -> Reply<DiskUse> {
    Ok(app.disk_use().await?)
}

/// Gives the bytes that became free.
#[tauri::command]
pub async fn reclaim(app: State<'_, App>, kind: ReclaimKind) -> Reply<u64> {
    Ok(app.reclaim(kind).await?)
}

#[tauri::command]
pub async fn library_folders(app: State<'_, App>) -> Reply<Vec<LibraryFolder>> {
    Ok(app.library_folders().await?)
}

#[tauri::command]
pub async fn add_library_folder(app: State<'_, App>, path: String) -> Reply<LibraryFolder> {
    Ok(app.add_library_folder(path).await?)
}

#[tauri::command]
pub async fn remove_library_folder(app: State<'_, App>, path: String) -> Reply<()> {
    Ok(app.remove_library_folder(path).await?)
}

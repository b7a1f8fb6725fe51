//! Models: what is here, what can be fetched, fetching it, loading it.

use lantern_app::App;
use lantern_protocol::{
    CatalogueEntry, DownloadProgress, DownloadRequest, LibraryModel, ModelState, RemovedModel,
};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn library(app: State<'_, App>) -> Reply<Vec<LibraryModel>> {
    Ok(app.library().await?)
}

#[tauri::command]
pub async fn catalogue(app: State<'_, App>) -> Reply<Vec<CatalogueEntry>> {
    Ok(app.catalogue().await?)
}

#[tauri::command]
pub async fn import_model(app: State<'_, App>, path: String, copy: bool) -> Reply<LibraryModel> {
    Ok(app.import_model(path, copy).await?)
}

#[tauri::command]
pub async fn delete_model(app: State<'_, App>, id: String) -> Reply<RemovedModel> {
    Ok(app.delete_model(&id).await?)
}

#[tauri::command]
pub async fn download_model(app: State<'_, App>, request: DownloadRequest) -> Reply<DownloadProgress> {
    Ok(app.download_model(request).await?)
}

#[tauri::command]
pub async fn cancel_download(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.cancel_download(&id).await?)
}

#[tauri::command]
pub async fn pause_download(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.pause_download(&id).await?)
}

#[tauri::command]
pub async fn resume_download(app: State<'_, App>, id: String) -> Reply<DownloadProgress> {
    Ok(app.resume_download(&id).await?)
}

#[tauri::command]
pub async fn move_download(app: State<'_, App>, id: String, place: usize) -> Reply<()> {
    Ok(app.move_download(&id, place).await?)
}

#[tauri::command]
pub async fn downloads(app: State<'_, App>) -> Reply<Vec<DownloadProgress>> {
    Ok(app.downloads().await?)
}

#[tauri::command]
pub async fn load_model(app: State<'_, App>, id: String) -> Reply<ModelState> {
    Ok(app.load_model(&id).await?)
}

#[tauri::command]
pub async fn unload_model(app: State<'_, App>) -> Reply<()> {
    Ok(app.unload_model().await?)
}

#[tauri::command]
pub async fn model_state(app: State<'_, App>) -> Reply<ModelState> {
    Ok(app.model_state().await)
}

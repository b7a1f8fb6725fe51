//! Finding models on the Hub, and comparing those that are here.

use lantern_app::App;
use lantern_protocol::{
    CompareEvent, CompareRequest, CuratedModel, Fit, Repository, RepositoryFit, SearchPage, SearchQuery,
};
use tauri::State;
use tauri::ipc::Channel;

use super::Reply;

#[tauri::command]
pub async fn search_models(app: State<'_, App>, query: SearchQuery) -> Reply<SearchPage> {
    Ok(app.search_models(query).await?)
}

#[tauri::command]
pub async fn repository(app: State<'_, App>, repo: String) -> Reply<Repository> {
    Ok(app.repository(&repo).await?)
}

#[tauri::command]
pub async fn repository_fit(app: State<'_, App>, repo: String, context: Option<u32>) -> Reply<RepositoryFit> {
    Ok(app.repository_fit(&repo, context).await?)
}

#[tauri::command]
pub async fn file_fit(app: State<'_, App>, repo: String, file: String, context: Option<u32>) -> Reply<Fit> {
    Ok(app.file_fit(&repo, &file, context).await?)
}

#[tauri::command]
pub async fn curated_models(app: State<'_, App>) -> Reply<Vec<CuratedModel>> {
    Ok(app.curated_models().await?)
}

#[tauri::command]
pub async fn compare_models(
    app: State<'_, App>,
    request: CompareRequest,
    channel: Channel<CompareEvent>,
) -> Reply<()> {
    let mut events = app.compare(request).await?;
    tauri::async_runtime::spawn(async move {
        while let Some(event) = events.next().await {
            // A page that has gone ends the comparison.
            if channel.send(event).is_err() {
                break;
            }
        }
    });
    Ok(())
}

#[tauri::command]
pub async fn stop_comparing(app: State<'_, App>) -> Reply<()> {
    app.stop_comparing();
    Ok(())
}

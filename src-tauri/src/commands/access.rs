//! The keys of programs that use the endpoint, and the log of their requests.

use lantern_app::App;
use lantern_protocol::{ApiKey, ApiRequest, IssuedKey, NewApiKey};
use tauri::State;

use super::Reply;

/// Requests that the page shows.
const SHOWN: u32 = 200;

#[tauri::command]
pub async fn api_keys(app: State<'_, App>) -> Reply<Vec<ApiKey>> {
    Ok(app.api_keys().await?)
}

#[tauri::command]
pub async fn make_api_key(app: State<'_, App>, key: NewApiKey) -> Reply<IssuedKey> {
    Ok(app.make_api_key(key).await?)
}

#[tauri::command]
pub async fn revoke_api_key(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.revoke_api_key(&id).await?)
}

#[tauri::command]
pub async fn api_requests(app: State<'_, App>) -> Reply<Vec<ApiRequest>> {
    Ok(app.api_requests(SHOWN).await?)
}

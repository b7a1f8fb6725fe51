//! Engines elsewhere, and what is kept secret for them and the Hub.

use lantern_app::App;
use lantern_protocol::{NewRemoteServer, RemoteServer, SecretsStatus};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn remote_servers(app: State<'_, App>, ask: bool) -> Reply<Vec<RemoteServer>> {
    Ok(app.remote_servers(ask).await?)
}

#[tauri::command]
pub async fn add_remote_server(app: State<'_, App>, server: NewRemoteServer) -> Reply<()> {
    app.add_remote(&server.name, &server.url, server.key.as_deref()).await?;
    Ok(())
}

#[tauri::command]
pub async fn remove_remote_server(app: State<'_, App>, name: String) -> Reply<()> {
    Ok(app.remove_remote(&name).await?)
}

#[tauri::command]
pub async fn secrets_status(app: State<'_, App>) -> Reply<SecretsStatus> {
    Ok(app.secrets_status().await?)
}

#[tauri::command]
pub async fn set_hub_token(app: State<'_, App>, token: String) -> Reply<SecretsStatus> {
    Ok(app.set_hub_token(&token).await?)
}

//! Tools: their servers, which of them a conversation may use, and the user's word on calls.

use lantern_app::App;
use lantern_protocol::{ChatEvent, ChosenTools, NewToolServer, ToolCall, ToolConsent, ToolServerInfo};
use tauri::ipc::Channel;
use tauri::{AppHandle, State};
use tauri_plugin_opener::OpenerExt;

use super::Reply;

#[tauri::command]
pub async fn tool_servers(app: State<'_, App>) -> Reply<Vec<ToolServerInfo>> {
    Ok(app.tool_servers().await?)
}

#[tauri::command]
pub async fn add_tool_server(app: State<'_, App>, server: NewToolServer) -> Reply<()> {
    Ok(app.add_tool_server(server).await?)
}

#[tauri::command]
pub async fn remove_tool_server(app: State<'_, App>, name: String) -> Reply<()> {
    Ok(app.remove_tool_server(&name).await?)
}

#[tauri::command]
pub async fn enable_tool_server(app: State<'_, App>, name: String, enabled: bool) -> Reply<()> {
    Ok(app.enable_tool_server(&name, enabled).await?)
}

#[tauri::command]
pub async fn restart_tool_server(app: State<'_, App>, name: String) -> Reply<()> {
    Ok(app.restart_tool_server(&name).await?)
}

/// The page to sign in on opens in the system's browser; it was checked to be a web page.
#[tauri::command]
pub async fn sign_in_tool_server(handle: AppHandle, app: State<'_, App>, name: String) -> Reply<()> {
    let show = move |page: String| {
        if let Err(error) = handle.opener().open_url(page, None::<&str>) {
            tracing::warn!(%error, "the browser could not be opened for signing in");
        }
    };
    Ok(app.sign_in_tool_server(&name, show).await?)
}

#[tauri::command]
pub async fn sign_out_tool_server(app: State<'_, App>, name: String) -> Reply<()> {
    Ok(app.sign_out_tool_server(&name).await?)
}

#[tauri::command]
pub async fn ask_before_tool(app: State<'_, App>, server: String, tool: Option<String>) -> Reply<()> {
    Ok(app.ask_before_tool(&server, tool).await?)
}

#[tauri::command]
pub async fn chosen_tools(app: State<'_, App>, conversation_id: Option<String>) -> Reply<ChosenTools> {
    Ok(app.chosen_tools(conversation_id).await?)
}

#[tauri::command]
pub async fn choose_tools(
    app: State<'_, App>,
    conversation_id: Option<String>,
    chosen: ChosenTools,
) -> Reply<()> {
    Ok(app.choose_tools(conversation_id, chosen).await?)
}

#[tauri::command]
pub async fn tool_calls(app: State<'_, App>, conversation_id: String) -> Reply<Vec<ToolCall>> {
    Ok(app.tool_calls(&conversation_id).await?)
}

#[tauri::command]
pub async fn answer_tool_call(app: State<'_, App>, id: String, consent: ToolConsent) -> Reply<()> {
    Ok(app.answer_tool_call(&id, consent).await?)
}

#[tauri::command]
pub async fn continue_calls(
    handle: AppHandle,
    app: State<'_, App>,
    message_id: String,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    super::chat::forward(handle, app.continue_calls(&message_id).await?, channel);
    Ok(())
}

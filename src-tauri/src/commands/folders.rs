//! Folders, the archive, and chats that leave no trace.

use lantern_app::App;
use lantern_protocol::{Conversation, Folder};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn folders(app: State<'_, App>) -> Reply<Vec<Folder>> {
    Ok(app.folders().await?)
}

#[tauri::command]
pub async fn create_folder(app: State<'_, App>, name: String) -> Reply<Folder> {
    Ok(app.create_folder(&name).await?)
}

#[tauri::command]
pub async fn rename_folder(app: State<'_, App>, id: String, name: String) -> Reply<Folder> {
    Ok(app.rename_folder(&id, &name).await?)
}

#[tauri::command]
pub async fn delete_folder(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.delete_folder(&id).await?)
}

#[tauri::command]
pub async fn move_conversation(
    app: State<'_, App>,
    id: String,
    folder: Option<String>,
) -> Reply<Conversation> {
    Ok(app.move_conversation(&id, folder).await?)
}

#[tauri::command]
pub async fn archive_conversation(app: State<'_, App>, id: String, archived: bool) -> Reply<Conversation> {
    Ok(app.archive_conversation(&id, archived).await?)
}

#[tauri::command]
pub async fn begin_temporary_chat(app: State<'_, App>) -> Reply<Conversation> {
    Ok(app.begin_temporary_chat().await?)
}

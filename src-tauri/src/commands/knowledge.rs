//! Files that go with messages, what answers saw of files, and the folders that are searched.

use lantern_app::App;
use lantern_protocol::{
    Attachment, ConversationFiles, DocumentPreview, FailedFile, KnowledgeStatus, OpenedCitation,
};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn attach_file(app: State<'_, App>, path: String) -> Reply<Attachment> {
    Ok(app.attach_file(path).await?)
}

/// `content` is the file in base64.
#[tauri::command]
pub async fn attach_bytes(app: State<'_, App>, name: String, content: String) -> Reply<Attachment> {
    Ok(app.attach_base64(&name, content).await?)
}

#[tauri::command]
pub async fn conversation_files(app: State<'_, App>, id: String) -> Reply<ConversationFiles> {
    Ok(app.conversation_files(&id).await?)
}

#[tauri::command]
pub async fn set_conversation_folders(app: State<'_, App>, id: String, folders: Vec<String>) -> Reply<()> {
    Ok(app.set_conversation_folders(&id, folders).await?)
}

#[tauri::command]
pub async fn document_preview(app: State<'_, App>, document: String) -> Reply<DocumentPreview> {
    Ok(app.document_preview(&document).await?)
}

#[tauri::command]
pub async fn citation(app: State<'_, App>, message_id: String, number: u32) -> Reply<OpenedCitation> {
    Ok(app.citation(&message_id, number).await?)
}

#[tauri::command]
pub async fn thumbnail(app: State<'_, App>, document: String) -> Reply<String> {
    Ok(app.thumbnail(&document).await?)
}

#[tauri::command]
pub async fn knowledge(app: State<'_, App>) -> Reply<KnowledgeStatus> {
    Ok(app.knowledge().await?)
}

#[tauri::command]
pub async fn add_knowledge_folder(app: State<'_, App>, path: String) -> Reply<String> {
    Ok(app.add_knowledge_folder(path).await?)
}

#[tauri::command]
pub async fn remove_knowledge_folder(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.remove_knowledge_folder(&id).await?)
}

#[tauri::command]
pub async fn failed_files(app: State<'_, App>, id: String) -> Reply<Vec<FailedFile>> {
    Ok(app.failed_files(&id).await?)
}

#[tauri::command]
pub async fn model_sees(app: State<'_, App>, id: String) -> Reply<bool> {
    Ok(app.model_sees(&id).await?)
}

//! Assistants and the library of prompts.

use std::path::PathBuf;

use lantern_app::App;
use lantern_protocol::{Assistant, AssistantSetup, ConversationAssistant, ImportedAssistant, SavedPrompt};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn assistants(app: State<'_, App>) -> Reply<Vec<Assistant>> {
    Ok(app.assistants().await?)
}

#[tauri::command]
pub async fn save_assistant(
    app: State<'_, App>,
    id: Option<String>,
    setup: AssistantSetup,
) -> Reply<Assistant> {
    Ok(app.save_assistant(id, setup).await?)
}

#[tauri::command]
pub async fn duplicate_assistant(app: State<'_, App>, id: String) -> Reply<Assistant> {
    Ok(app.duplicate_assistant(&id).await?)
}

#[tauri::command]
pub async fn delete_assistant(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.delete_assistant(&id).await?)
}

#[tauri::command]
pub async fn export_assistant(app: State<'_, App>, id: String, path: PathBuf) -> Reply<()> {
    Ok(app.export_assistant(&id, path).await?)
}

#[tauri::command]
pub async fn import_assistant(app: State<'_, App>, path: PathBuf) -> Reply<ImportedAssistant> {
    Ok(app.import_assistant(path).await?)
}

#[tauri::command]
pub async fn choose_assistant(
    app: State<'_, App>,
    conversation_id: String,
    assistant: Option<String>,
) -> Reply<Option<ConversationAssistant>> {
    Ok(app.choose_assistant(&conversation_id, assistant).await?)
}

#[tauri::command]
pub async fn conversation_assistant(
    app: State<'_, App>,
    conversation_id: String,
) -> Reply<Option<ConversationAssistant>> {
    Ok(app.conversation_assistant(&conversation_id).await?)
}

#[tauri::command]
pub async fn prompts(app: State<'_, App>) -> Reply<Vec<SavedPrompt>> {
    Ok(app.prompts().await?)
}

#[tauri::command]
pub async fn save_prompt(
    app: State<'_, App>,
    id: Option<String>,
    name: String,
    text: String,
) -> Reply<SavedPrompt> {
    Ok(app.save_prompt(id, &name, text).await?)
}

#[tauri::command]
pub async fn delete_prompt(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.delete_prompt(&id).await?)
}

//! Conversations that outgrow their context: their choice, what the model reads of them, and summaries.

use lantern_app::App;
use lantern_protocol::{ConversationContext, Overflow, Summary};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn conversation_context(
    app: State<'_, App>,
    id: String,
    model: Option<String>,
) -> Reply<ConversationContext> {
    Ok(app.conversation_context(&id, model).await?)
}

#[tauri::command]
pub async fn set_overflow(app: State<'_, App>, id: String, overflow: Option<Overflow>) -> Reply<()> {
    Ok(app.set_overflow(&id, overflow).await?)
}

#[tauri::command]
pub async fn edit_summary(app: State<'_, App>, message_id: String, text: String) -> Reply<Summary> {
    Ok(app.edit_summary(&message_id, &text).await?)
}

#[tauri::command]
pub async fn rewrite_summary(
    app: State<'_, App>,
    message_id: String,
    model: Option<String>,
) -> Reply<Summary> {
    Ok(app.rewrite_summary(&message_id, model).await?)
}

#[tauri::command]
pub async fn remove_summary(app: State<'_, App>, message_id: String) -> Reply<()> {
    Ok(app.remove_summary(&message_id).await?)
}

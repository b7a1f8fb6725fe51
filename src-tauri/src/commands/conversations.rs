//! Conversations: listing, searching, opening, renaming, pinning, deleting, choosing a branch.

use lantern_app::App;
use lantern_protocol::{
    Conversation, ConversationSummary, ConversationView, FindQuery, Found, Message, Opening,
};
use tauri::State;

use super::Reply;

#[tauri::command]
pub async fn list_conversations(
    app: State<'_, App>,
    query: Option<String>,
) -> Reply<Vec<ConversationSummary>> {
    Ok(app.list_conversations(query).await?)
}

#[tauri::command]
pub async fn get_conversation(app: State<'_, App>, id: String) -> Reply<ConversationView> {
    Ok(app.conversation(&id).await?)
}

#[tauri::command]
pub async fn open_conversation(app: State<'_, App>, id: String) -> Reply<Opening> {
    Ok(app.open_conversation(&id).await?)
}

#[tauri::command]
pub async fn messages_after(app: State<'_, App>, id: String, after: Option<String>) -> Reply<Vec<Message>> {
    Ok(app.messages_after(&id, after).await?)
}

#[tauri::command]
pub async fn rename_conversation(app: State<'_, App>, id: String, title: String) -> Reply<Conversation> {
    Ok(app.rename_conversation(&id, &title).await?)
}

#[tauri::command]
pub async fn pin_conversation(app: State<'_, App>, id: String, pinned: bool) -> Reply<Conversation> {
    Ok(app.pin_conversation(&id, pinned).await?)
}

#[tauri::command]
pub async fn set_context_length(
    app: State<'_, App>,
    id: String,
    context_length: Option<u32>,
) -> Reply<Conversation> {
    Ok(app.set_context_length(&id, context_length).await?)
}

#[tauri::command]
pub async fn delete_conversation(app: State<'_, App>, id: String) -> Reply<()> {
    Ok(app.delete_conversation(&id).await?)
}

#[tauri::command]
pub async fn select_branch(
    app: State<'_, App>,
    conversation_id: String,
    leaf_id: String,
) -> Reply<ConversationView> {
    Ok(app.select_branch(&conversation_id, &leaf_id).await?)
}

#[tauri::command]
pub async fn find_messages(app: State<'_, App>, query: FindQuery) -> Reply<Found> {
    Ok(app.find_messages(query).await?)
}

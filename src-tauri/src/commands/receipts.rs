//! What answers followed from, and having them again.

use std::path::PathBuf;

use lantern_app::App;
use lantern_protocol::{AnswerReceipts, ReplayEvent};
use tauri::State;
use tauri::ipc::Channel;

use super::Reply;

#[tauri::command]
pub async fn receipts(app: State<'_, App>, message_id: String) -> Reply<AnswerReceipts> {
    Ok(app.receipts(&message_id).await?)
}

#[tauri::command]
pub async fn save_receipts(app: State<'_, App>, message_id: String, path: PathBuf) -> Reply<()> {
    Ok(app.save_receipts(&message_id, path).await?)
}

#[tauri::command]
pub async fn replay_message(
    app: State<'_, App>,
    message_id: String,
    channel: Channel<ReplayEvent>,
) -> Reply<()> {
    let mut events = app.replay_message(&message_id).await?;
    tauri::async_runtime::spawn(async move {
        while let Some(event) = events.next().await {
            // A page that has gone ends the replay.
            if channel.send(event).is_err() {
                break;
            }
        }
    });
    Ok(())
}

#[tauri::command]
pub async fn stop_replay(app: State<'_, App>) -> Reply<()> {
    app.stop_replay();
    Ok(())
}

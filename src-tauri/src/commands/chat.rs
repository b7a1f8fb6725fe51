//! Answers: asking for one, asking again, changing the question, stopping. A command returns as soon as the question is
//! stored; what follows arrives on its channel.

use lantern_app::{App, ChatStream};
use lantern_protocol::{ChatEvent, SendMessage};
use tauri::State;
use tauri::ipc::Channel;

use super::Reply;

#[tauri::command]
pub async fn send_message(
    app: State<'_, App>,
    request: SendMessage,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(app.send_message(request).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn regenerate(
    app: State<'_, App>,
    message_id: String,
    model: Option<String>,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(app.regenerate(&message_id, model).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn edit_message(
    app: State<'_, App>,
    message_id: String,
    content: String,
    model: Option<String>,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(app.edit_message(&message_id, &content, model).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn stop_message(app: State<'_, App>, message_id: String) -> Reply<()> {
    Ok(app.stop(&message_id).await?)
}

/// Passes the events on until the answer ends. A page that is gone drops the stream, which stops the answer.
pub(super) fn forward(mut stream: ChatStream, channel: Channel<ChatEvent>) {
    tauri::async_runtime::spawn(async move {
        while let Some(event) = stream.next().await {
            if let Err(error) = channel.send(event) {
                tracing::warn!(%error, "the page no longer listens; the answer is stopped");
                break;
            }
        }
    });
}

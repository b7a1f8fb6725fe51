//! Answers: asking for one, asking again, changing the question, stopping. A command returns as soon as the question is
//! stored; what follows arrives on its channel.

use lantern_app::{App, ChatStream};
use lantern_protocol::{ChatEvent, SendMessage, SentWith};
use tauri::ipc::Channel;
use tauri::{AppHandle, State};

use super::Reply;
use crate::desktop::answers::Waited;

#[tauri::command]
pub async fn send_message(
    handle: AppHandle,
    app: State<'_, App>,
    request: SendMessage,
    with: Option<SentWith>,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(handle, app.send_message_with(request, with.unwrap_or_default()).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn regenerate(
    handle: AppHandle,
    app: State<'_, App>,
    message_id: String,
    model: Option<String>,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(handle, app.regenerate(&message_id, model).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn edit_message(
    handle: AppHandle,
    app: State<'_, App>,
    message_id: String,
    content: String,
    model: Option<String>,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(handle, app.edit_message(&message_id, &content, model).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn continue_answer(
    handle: AppHandle,
    app: State<'_, App>,
    message_id: String,
    channel: Channel<ChatEvent>,
) -> Reply<()> {
    forward(handle, app.continue_answer(&message_id).await?, channel);
    Ok(())
}

#[tauri::command]
pub async fn stop_message(app: State<'_, App>, message_id: String) -> Reply<()> {
    Ok(app.stop(&message_id).await?)
}

/// Passes the events on until the answer ends. A page that is gone drops the stream, which stops the answer.
pub(super) fn forward(handle: AppHandle, mut stream: ChatStream, channel: Channel<ChatEvent>) {
    tauri::async_runtime::spawn(async move {
        let mut waited = Waited::begin();
        while let Some(event) = stream.next().await {
            waited.saw(&event);
            if let Err(error) = channel.send(event) {
                tracing::warn!(%error, "the page no longer listens; the answer is stopped");
                return;
            }
        }
        waited.end(&handle);
    });
}

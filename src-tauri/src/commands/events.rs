//! What changes while nobody asks, passed to the pages.

use std::collections::HashMap;
use std::sync::Mutex;

use lantern_app::App;
use lantern_protocol::AppEvent;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tauri::{State, WebviewWindow};
use tokio::sync::broadcast::error::RecvError;

use super::Reply;
use crate::desktop::lock;

/// The tasks that feed the pages, by their windows' labels. When a page is loaded again, the task of the earlier one ends.
#[derive(Default)]
pub struct Subscriptions(Mutex<HashMap<String, JoinHandle<()>>>);

#[tauri::command]
pub async fn subscribe(
    app: State<'_, App>,
    subscriptions: State<'_, Subscriptions>,
    window: WebviewWindow,
    channel: Channel<AppEvent>,
) -> Reply<()> {
    let mut events = app.subscribe();
    let task = tauri::async_runtime::spawn(async move {
        loop {
            match events.recv().await {
                Ok(event) => {
                    if channel.send(event).is_err() {
                        break;
                    }
                }
                // A page that fell behind learns the state from the next event of each kind.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            }
        }
    });
    let mut current = lock(&subscriptions.0);
    // A window that is gone no longer takes anything; its task ends with the next event, its entry here.
    current.retain(|_, task| !task.inner().is_finished());
    if let Some(earlier) = current.insert(window.label().to_owned(), task) {
        earlier.abort();
    }
    Ok(())
}

//! What changes while nobody asks, passed to the page.

use std::sync::Mutex;

use lantern_app::App;
use lantern_protocol::AppEvent;
use tauri::State;
use tauri::async_runtime::JoinHandle;
use tauri::ipc::Channel;
use tokio::sync::broadcast::error::RecvError;

use super::Reply;

/// The task that feeds the page. There is one page: when it is loaded again, the task of the earlier one ends.
#[derive(Default)]
pub struct Subscription(Mutex<Option<JoinHandle<()>>>);

#[tauri::command]
pub async fn subscribe(
    app: State<'_, App>,
    subscription: State<'_, Subscription>,
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
    let mut current = subscription.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(earlier) = current.replace(task) {
        earlier.abort();
    }
    Ok(())
}

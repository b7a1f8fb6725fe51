//! The desktop around the page: what it offers, other windows, and what is asked from outside.

use lantern_protocol::{DesktopStatus, Machine, ShellEvent};
use tauri::ipc::Channel;
use tauri::{AppHandle, State, WebviewWindow};

use super::Reply;
use crate::desktop::{self, Desktop, inbox};
use crate::windows;

/// The page can be used from now on.
#[tauri::command]
pub async fn page_ready(handle: AppHandle) -> Reply<()> {
    desktop::page_is_ready(&handle);
    Ok(())
}

/// The page takes what is asked from outside; what came before it listened comes first.
#[tauri::command]
pub async fn shell_events(state: State<'_, Desktop>, channel: Channel<ShellEvent>) -> Reply<()> {
    state.inbox.open(channel);
    Ok(())
}

#[tauri::command]
pub async fn desktop_status(handle: AppHandle) -> Reply<DesktopStatus> {
    Ok(desktop::status(&handle).await)
}

#[tauri::command]
pub async fn machine() -> Reply<Machine> {
    let looked = tauri::async_runtime::spawn_blocking(lantern_app::machine);
    looked.await.map_err(|error| lantern_protocol::ErrorInfo {
        code: "internal_error".into(),
        message: format!("This computer could not be looked at: {error}."),
        next_step: "Try again.".into(),
    })
}

#[tauri::command]
pub async fn open_chat_window(handle: AppHandle, conversation_id: String) -> Reply<()> {
    windows::chat::open(&handle, &conversation_id)
}

/// Goes on with a conversation in the main window.
#[tauri::command]
pub async fn show_in_main(handle: AppHandle, window: WebviewWindow, conversation_id: String) -> Reply<()> {
    inbox::ask(&handle, ShellEvent::OpenConversation { id: conversation_id });
    if window.label() == windows::quick::LABEL {
        windows::quick::hide(&window);
    }
    Ok(())
}

#[tauri::command]
pub async fn quick_hide(window: WebviewWindow) -> Reply<()> {
    windows::quick::hide(&window);
    Ok(())
}

#[tauri::command]
pub async fn quick_expand(window: WebviewWindow, large: bool) -> Reply<()> {
    windows::quick::expand(&window, large);
    Ok(())
}

/// Shows the window for quick questions.
#[tauri::command]
pub async fn quick_show(handle: AppHandle) -> Reply<()> {
    windows::quick::show(&handle);
    Ok(())
}

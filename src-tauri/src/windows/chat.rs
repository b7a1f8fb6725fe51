//! A conversation in a window of its own.

use lantern_protocol::ErrorInfo;
use tauri::utils::config::WindowConfig;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, Manager, WebviewWindowBuilder};

use super::{guarded, looks, main, raise};

/// What their labels begin with; the conversation's id follows.
pub const PREFIX: &str = "chat-";

/// Opens the conversation's window, or brings it to the front.
pub fn open(handle: &AppHandle, conversation: &str) -> Result<(), ErrorInfo> {
    if !is_id(conversation) {
        return Err(ErrorInfo {
            code: "conversation_not_found".into(),
            message: "That is no conversation.".into(),
            next_step: "Choose one in the sidebar.".into(),
        });
    }
    let label = format!("{PREFIX}{conversation}");
    if let Some(window) = handle.get_webview_window(&label) {
        raise(&window);
        return Ok(());
    }
    let main = main::config(handle);
    let config = WindowConfig { label, width: 860.0, drag_drop_enabled: false, ..main.clone() };
    let made = WebviewWindowBuilder::from_config(handle, &config).and_then(|builder| {
        guarded(builder)
            .on_page_load(|window, page| {
                if page.event() == PageLoadEvent::Finished {
                    let _ = window.show();
                }
            })
            .build()
    });
    looks::apply(&made.map_err(not_opened)?);
    Ok(())
}

/// Why a window did not open.
pub fn not_opened(cause: tauri::Error) -> ErrorInfo {
    ErrorInfo {
        code: "window_not_opened".into(),
        message: format!("The system did not open another window: {cause}."),
        next_step: "Close a window, then try again.".into(),
    }
}

/// Ids become labels of windows, which may not hold everything.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

#[cfg(test)]
mod tests {
    use super::is_id;

    #[test]
    fn only_ids_become_labels() {
        assert!(is_id("0198c0de-0000-7000-8000-000000000001"));
        for other in ["", "a b", "../a", "a/b", "ä", &"a".repeat(65)] {
            assert!(!is_id(other), "{other}");
        }
    }
}

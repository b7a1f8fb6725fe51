//! The window for a quick question: small, above all others, made when it is first called and hidden between two questions.

use tauri::{AppHandle, LogicalSize, Manager, WebviewUrl, WebviewWindow, WebviewWindowBuilder};

use super::{guarded, looks, raise};

/// Its label, which the page and the capabilities know.
pub const LABEL: &str = "quick";

const WIDTH: f64 = 680.0;
/// With a question alone, and with its answer below.
const SMALL: f64 = 76.0;
const LARGE: f64 = 460.0;

/// Shows it, ready to be written in.
pub fn show(handle: &AppHandle) {
    let made = match handle.get_webview_window(LABEL) {
        Some(window) => Ok(window),
        None => build(handle),
    };
    match made {
        Ok(window) => raise(&window),
        Err(error) => tracing::error!(%error, "the window for quick questions could not be opened"),
    }
}

/// Shows it, or hides it where it is looked at.
pub fn toggle(handle: &AppHandle) {
    match handle.get_webview_window(LABEL) {
        Some(window) if window.is_visible().unwrap_or(false) => hide(&window),
        _ => show(handle),
    }
}

/// Hides it; what was asked stays in it until the next question.
pub fn hide(window: &WebviewWindow) {
    let _ = window.hide();
}

/// Makes room for an answer, or takes it back.
pub fn expand(window: &WebviewWindow, large: bool) {
    let _ = window.set_size(LogicalSize::new(WIDTH, if large { LARGE } else { SMALL }));
}

fn build(handle: &AppHandle) -> tauri::Result<WebviewWindow> {
    let window = guarded(WebviewWindowBuilder::new(handle, LABEL, WebviewUrl::default()))
        .title("Ask Lantern")
        .inner_size(WIDTH, SMALL)
        .resizable(false)
        .decorations(false)
        .always_on_top(true)
        .skip_taskbar(true)
        .center()
        .visible(false)
        .build()?;
    looks::apply(&window);
    Ok(window)
}

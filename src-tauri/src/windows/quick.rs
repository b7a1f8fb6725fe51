//! The window for a quick question: small, above all others, made when it is first called and hidden between two questions.

use tauri::utils::config::WindowConfig;
use tauri::webview::PageLoadEvent;
use tauri::{AppHandle, LogicalSize, Manager, WebviewWindow, WebviewWindowBuilder};

use super::{guarded, looks, main, raise};
use crate::desktop::Desktop;

/// Its label, which the page and the capabilities know.
pub const LABEL: &str = "quick";

const WIDTH: f64 = 680.0;
/// With a question alone, and with its answer below.
const SMALL: f64 = 76.0;
const LARGE: f64 = 460.0;

/// Shows it, ready to be written in; the first time once its page has loaded.
pub fn show(handle: &AppHandle) {
    match handle.get_webview_window(LABEL) {
        Some(window) => raise(&window),
        None => {
            if let Err(error) = build(handle) {
                tracing::error!(%error, "the window for quick questions could not be opened");
            }
        }
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

/// Names it in the language of the settings.
pub fn name(handle: &AppHandle) {
    let Some(window) = handle.get_webview_window(LABEL) else { return };
    if let Err(error) = window.set_title(handle.state::<Desktop>().words().ask) {
        tracing::warn!(%error, "the window for quick questions keeps its name");
    }
}

fn build(handle: &AppHandle) -> tauri::Result<()> {
    let config = WindowConfig {
        label: LABEL.into(),
        title: handle.state::<Desktop>().words().ask.into(),
        width: WIDTH,
        height: SMALL,
        min_width: Some(WIDTH),
        min_height: Some(SMALL),
        decorations: false,
        always_on_top: true,
        skip_taskbar: true,
        drag_drop_enabled: false,
        ..main::config(handle).clone()
    };
    let window = guarded(WebviewWindowBuilder::from_config(handle, &config)?)
        .on_page_load(|window, page| {
            if page.event() == PageLoadEvent::Finished {
                raise(&window);
            }
        })
        .build()?;
    looks::apply(&window);
    Ok(())
}

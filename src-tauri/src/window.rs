//! The main window: how it opens, what it may load, and how a failure to start is told.

use crate::artifacts;
use lantern_app::App;
use lantern_protocol::{AppEvent, ErrorInfo, Theme};
use tauri::webview::{NewWindowResponse, PageLoadEvent};
use tauri::{AppHandle, Manager, Url, WebviewWindow, WebviewWindowBuilder};
use tauri_plugin_dialog::{DialogExt, MessageDialogKind};

/// The label that the configuration and the capabilities give the window.
const MAIN: &str = "main";

/// A proxy that cannot be reached, for whatever would leave the window over the network: it needs nothing from there. The
/// policies of the page and of sandboxed frames say nothing of `<link rel=preconnect>`, which asks name servers and opens
/// connections.
const NOWHERE: &str = "http://127.0.0.1:0";

/// Opens the main window. It stays hidden until its page has loaded, so that no empty frame is seen.
pub fn open(handle: &AppHandle) -> tauri::Result<()> {
    let windows = &handle.config().app.windows;
    let config = windows.iter().find(|w| w.label == MAIN).expect("tauri.conf.json describes the main window");
    let mut builder = WebviewWindowBuilder::from_config(handle, config)?;
    if cfg!(feature = "custom-protocol") {
        builder = builder.proxy_url(NOWHERE.parse().expect("a constant address"));
    }
    let window = builder
        .on_page_load(|window, page| {
            if page.event() == PageLoadEvent::Finished {
                let _ = window.show();
            }
        })
        // Whatever a model writes, the window shows Lantern's own page and nothing else.
        // A frame for what a model made may show that frame's document, too.
        .on_navigation(|url| is_own_page(url) || artifacts::is_document(url))
        .on_new_window(|_, _| NewWindowResponse::Deny)
        .build()?;
    follow_theme(window);
    Ok(())
}

/// Brings the window to the front: what a second start asks of the first.
pub fn focus(handle: &AppHandle) {
    if let Some(window) = handle.get_webview_window(MAIN) {
        let _ = window.unminimize();
        let _ = window.show();
        let _ = window.set_focus();
    }
}

/// Tells why Lantern cannot start, on the screen and on the terminal, and ends it when that has been read.
pub fn explain(handle: &AppHandle, error: &ErrorInfo) {
    eprintln!("Lantern cannot start: {error}");
    let ended = handle.clone();
    handle
        .dialog()
        .message(format!("{}\n\n{}\n\n[{}]", error.message, error.next_step, error.code))
        .title("Lantern cannot start")
        .kind(MessageDialogKind::Error)
        .show(move |_| ended.exit(1));
}

/// Tauri's own scheme, and the development server where the program was built to use it.
fn is_own_page(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match url.scheme() {
        "tauri" => host == "localhost",
        // Windows serves the same page as http(s)://tauri.localhost.
        "http" | "https" if host == "tauri.localhost" => true,
        "http" => cfg!(not(feature = "custom-protocol")) && host == "localhost" && url.port() == Some(1420),
        _ => false,
    }
}

/// Keeps the frame and the page's `prefers-color-scheme` as the settings say.
fn follow_theme(window: WebviewWindow) {
    let app = window.state::<App>().inner().clone();
    tauri::async_runtime::spawn(async move {
        let mut events = app.subscribe();
        if let Ok(settings) = app.settings().await {
            apply_theme(&window, settings.theme);
        }
        loop {
            match events.recv().await {
                Ok(AppEvent::SettingsChanged { settings }) => apply_theme(&window, settings.theme),
                Ok(_) | Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                Err(tokio::sync::broadcast::error::RecvError::Closed) => break,
            }
        }
    });
}

fn apply_theme(window: &WebviewWindow, theme: Theme) {
    let theme = match theme {
        Theme::System => None,
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    };
    if let Err(error) = window.set_theme(theme) {
        tracing::warn!(%error, "the window's frame keeps its theme");
    }
}

#[cfg(test)]
mod tests {
    use super::is_own_page;

    #[test]
    fn only_the_own_page_may_be_loaded() {
        let allowed = |url: &str| is_own_page(&url.parse().unwrap());
        assert!(allowed("tauri://localhost/index.html"));
        assert!(allowed("http://tauri.localhost/"));
        for other in
            ["https://example.org/", "http://localhost:8080/", "file:///etc/passwd", "javascript:alert(1)"]
        {
            assert!(!allowed(other), "{other} was allowed");
        }
    }
}

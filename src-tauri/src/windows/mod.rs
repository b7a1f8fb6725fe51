//! The windows: the main one, one for each conversation that was given a window of its own, and the one for quick questions.

pub mod chat;
pub mod looks;
pub mod main;
pub mod quick;
#[cfg(target_os = "linux")]
mod spelling;
#[cfg(target_os = "linux")]
mod typing;

use tauri::webview::NewWindowResponse;
use tauri::{AppHandle, Manager, Url, WebviewWindow, WebviewWindowBuilder, Window, WindowEvent};

use crate::artifacts;
use crate::desktop::Desktop;

/// A window of Lantern's page. Its label says which; the page reads it.
pub type Builder<'a> = WebviewWindowBuilder<'a, tauri::Wry, AppHandle>;

/// A proxy that cannot be reached, for whatever would leave a window over the network: it needs nothing from there. The
/// policies of the page and of sandboxed frames say nothing of `<link rel=preconnect>`, which asks name servers and opens
/// connections.
const NOWHERE: &str = "http://127.0.0.1:0";

/// What holds for every window: whatever a model writes, it shows Lantern's own page and nothing else. A frame for what a
/// model made may show that frame's document, too.
pub fn guarded(mut builder: Builder<'_>) -> Builder<'_> {
    if cfg!(feature = "custom-protocol") {
        builder = builder.proxy_url(NOWHERE.parse().expect("a constant address"));
    }
    builder
        .on_navigation(|url| is_own_page(url) || artifacts::is_document(url))
        .on_new_window(|_, _| NewWindowResponse::Deny)
}

/// Brings a window to the front.
pub fn raise(window: &WebviewWindow) {
    let _ = window.unminimize();
    let _ = window.show();
    let _ = window.set_focus();
}

/// Closing: the main window may go to the tray; the last window ends the program.
pub fn take_event(window: &Window, event: &WindowEvent) {
    let handle = window.app_handle();
    match event {
        WindowEvent::CloseRequested { api, .. } if window.label() == main::LABEL => {
            let desktop = handle.state::<Desktop>();
            if desktop.tray.exists() && desktop.settings().close_to_tray {
                api.prevent_close();
                let _ = window.hide();
            }
        }
        WindowEvent::CloseRequested { api, .. } if window.label() == quick::LABEL => {
            api.prevent_close();
            let _ = window.hide();
        }
        WindowEvent::Destroyed => {
            if window.label() == main::LABEL {
                handle.state::<Desktop>().inbox.close();
            }
            // The window for quick questions is kept, hidden: it alone is no reason to go on.
            if handle.webview_windows().keys().all(|label| label == quick::LABEL || label == window.label()) {
                handle.exit(0);
            }
        }
        _ => {}
    }
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

//! What the settings say about how windows look and behave, as far as the page cannot do it itself.

use lantern_app::App;
use lantern_protocol::{Settings, Theme};
use tauri::{AppHandle, Manager, WebviewWindow};

/// Brings a new window in line with the settings.
pub fn apply(window: &WebviewWindow) {
    draw_plainly_without_device(window);
    #[cfg(target_os = "linux")]
    {
        let written = window.clone();
        super::typing::watch(window, move || {
            super::spelling::is_wanted();
            follow_settings(written);
        });
    }
    follow_settings(window.clone());
}

fn follow_settings(window: WebviewWindow) {
    tauri::async_runtime::spawn(async move {
        let Some(app) = window.try_state::<App>() else { return };
        if let Ok(settings) = app.settings().await {
            put(&window, &settings);
        }
    });
}

/// Brings all windows in line with the settings.
pub fn apply_to_all(handle: &AppHandle, settings: &Settings) {
    for window in handle.webview_windows().values() {
        put(window, settings);
    }
}

fn put(window: &WebviewWindow, settings: &Settings) {
    let theme = match settings.theme {
        Theme::System => of_the_desktop(),
        Theme::Light => Some(tauri::Theme::Light),
        Theme::Dark => Some(tauri::Theme::Dark),
    };
    // Keeps the frame and the page's `prefers-color-scheme`.
    if let Err(error) = window.set_theme(theme) {
        tracing::warn!(%error, "the window's frame keeps its theme");
    }
    if let Err(error) = window.set_zoom(f64::from(settings.desktop.zoom) / 100.0) {
        tracing::warn!(%error, "the window keeps its size of letters");
    }
    #[cfg(target_os = "linux")]
    super::spelling::check(window, settings.desktop.spell_check);
}

/// What GTK does not know by itself.
fn of_the_desktop() -> Option<tauri::Theme> {
    #[cfg(target_os = "linux")]
    return crate::desktop::scheme::prefers_dark().then_some(tauri::Theme::Dark);
    #[cfg(not(target_os = "linux"))]
    None
}

/// Where there is no graphics device, WebKitGTK would have one played by the processor, in two processes, for tens of megabytes
/// and more work than drawing takes. Drawn without one, a page is the same.
#[cfg(target_os = "linux")]
fn draw_plainly_without_device(window: &WebviewWindow) {
    use webkit2gtk::{HardwareAccelerationPolicy, SettingsExt, WebViewExt};

    // WebKit's driver waits in vain for pictures of some pages that are drawn plainly.
    let is_driven = std::env::var_os("TAURI_WEBVIEW_AUTOMATION").is_some();
    if has_graphics_device() || is_driven {
        return;
    }
    let told = window.with_webview(|view| {
        if let Some(settings) = WebViewExt::settings(&view.inner()) {
            settings.set_hardware_acceleration_policy(HardwareAccelerationPolicy::Never);
        }
    });
    if let Err(error) = told {
        tracing::debug!(%error, "the page is drawn through a graphics device that is none");
    }
}

#[cfg(not(target_os = "linux"))]
fn draw_plainly_without_device(_: &WebviewWindow) {}

#[cfg(target_os = "linux")]
fn has_graphics_device() -> bool {
    let devices = std::fs::read_dir("/dev/dri").into_iter().flatten().flatten();
    devices.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("renderD"))
}

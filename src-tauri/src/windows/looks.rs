//! What the settings say about how windows look and behave, as far as the page cannot do it itself.

use lantern_app::App;
use lantern_protocol::{Settings, Theme};
use tauri::{AppHandle, Manager, WebviewWindow};

/// Brings a new window in line with the settings.
pub fn apply(window: &WebviewWindow) {
    draw_plainly_without_device(window);
    let window = window.clone();
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
        Theme::System => None,
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
    check_spelling(window, settings.desktop.spell_check);
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

/// WebKitGTK checks nothing until it is told to, and in which languages. Other systems do it by themselves.
#[cfg(target_os = "linux")]
fn check_spelling(window: &WebviewWindow, on: bool) {
    use webkit2gtk::{WebContextExt, WebViewExt};

    let told = window.with_webview(move |view| {
        let Some(context) = view.inner().context() else { return };
        if on && !context.is_spell_checking_enabled() {
            let languages = languages(&|name| std::env::var(name).ok());
            let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
            context.set_spell_checking_languages(&languages);
        }
        context.set_spell_checking_enabled(on);
    });
    if let Err(error) = told {
        tracing::warn!(%error, "spelling is not checked");
    }
}

#[cfg(not(target_os = "linux"))]
fn check_spelling(_: &WebviewWindow, _: bool) {}

/// The languages of the session, as `de_DE`; English beside them, because models are often asked in it.
#[cfg(target_os = "linux")]
fn languages(variable: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_MESSAGES")).or_else(|| set("LANG")).unwrap_or_default();
    let several = set("LANGUAGE").unwrap_or_default();
    let mut found: Vec<String> = Vec::new();
    for name in std::iter::once(locale.as_str()).chain(several.split(':')).chain(["en_US"]) {
        let name = name.split(['.', '@']).next().unwrap_or_default();
        let known = name.starts_with(|c: char| c.is_ascii_lowercase())
            && name.len() <= 8
            && name.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
        if known && !found.iter().any(|other| other == name) {
            found.push(name.to_owned());
        }
    }
    found
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::languages;

    fn of(set: &[(&str, &str)]) -> Vec<String> {
        languages(&|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn spelling_is_checked_in_the_sessions_languages() {
        assert_eq!(of(&[("LANG", "de_DE.UTF-8")]), ["de_DE", "en_US"]);
        assert_eq!(of(&[("LANG", "en_US.UTF-8"), ("LC_ALL", "pt_BR@x")]), ["pt_BR", "en_US"]);
        assert_eq!(of(&[("LANG", "C"), ("LANGUAGE", "fr:es:../x")]), ["fr", "es", "en_US"]);
        assert_eq!(of(&[]), ["en_US"]);
    }
}

//! The tray: the way back to a hidden window, and what Lantern does meanwhile.

use std::panic::AssertUnwindSafe;
use std::sync::Mutex;

use lantern_app::App;
use lantern_protocol::{EndpointSettings, ErrorInfo, SettingsPatch, ShellEvent};
use tauri::menu::{CheckMenuItem, Menu, MenuEvent, MenuItem, PredefinedMenuItem};
use tauri::tray::TrayIconBuilder;
use tauri::{AppHandle, Manager, Wry};

use super::tray_words::Shown;
use super::words::Words;
use super::{Desktop, inbox, lock};
use crate::windows;

/// The tray, if there is one.
#[derive(Default)]
pub struct Tray {
    state: Mutex<State>,
    /// Held by whoever makes it: there must be one.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
enum State {
    #[default]
    Untried,
    Shown(Box<Items>),
    Missing(ErrorInfo),
}

/// The entries, whose words change with what they tell and with the language.
struct Items {
    window: MenuItem<Wry>,
    new_chat: MenuItem<Wry>,
    quick: MenuItem<Wry>,
    endpoint: CheckMenuItem<Wry>,
    downloads: MenuItem<Wry>,
    model: MenuItem<Wry>,
    unload: MenuItem<Wry>,
    quit: MenuItem<Wry>,
    shown: Option<Shown>,
}

impl Tray {
    /// Whether there is one.
    pub fn exists(&self) -> bool {
        matches!(*lock(&self.state), State::Shown(_))
    }

    /// Why there is none.
    pub fn problem(&self) -> Option<ErrorInfo> {
        match &*lock(&self.state) {
            State::Missing(problem) => Some(problem.clone()),
            State::Untried | State::Shown(_) => None,
        }
    }

    fn note(&self, made: Result<Items, ErrorInfo>) {
        *lock(&self.state) = match made {
            Ok(items) => State::Shown(Box::new(items)),
            Err(problem) => {
                tracing::info!("{}", problem.message);
                State::Missing(problem)
            }
        };
    }

    /// Shows this, where it is something else than before.
    pub fn show(&self, now: Shown) {
        let mut state = lock(&self.state);
        let State::Shown(items) = &mut *state else { return };
        if items.shown.as_ref() == Some(&now) {
            return;
        }
        let changed = [
            items.window.set_text(now.words.show_or_hide),
            items.new_chat.set_text(now.words.new_chat),
            items.quick.set_text(now.words.quick_entry),
            items.endpoint.set_text(&now.endpoint),
            items.endpoint.set_checked(now.endpoint_on),
            items.downloads.set_text(&now.downloads),
            items.model.set_text(&now.model),
            items.unload.set_text(now.words.free_memory),
            items.unload.set_enabled(now.model_in_memory),
            items.quit.set_text(now.words.quit),
        ];
        if let Some(error) = changed.into_iter().find_map(Result::err) {
            tracing::warn!(%error, "the tray's menu says what was so before");
        }
        items.shown = Some(now);
    }
}

/// Makes the tray unless it is there. Where nothing would show it, that is noted and nothing is made.
pub async fn ensure(handle: &AppHandle) {
    let desktop = handle.state::<Desktop>();
    let _turn = desktop.tray.turn.lock().await;
    if desktop.tray.exists() {
        return;
    }
    let made = match host().await {
        Ok(()) => make_on_main_thread(handle).await,
        Err(problem) => Err(problem),
    };
    desktop.tray.note(made);
    super::follow::show_in_tray(handle).await;
}

async fn make_on_main_thread(handle: &AppHandle) -> Result<Items, ErrorInfo> {
    let (tell, told) = tokio::sync::oneshot::channel();
    let own = handle.clone();
    let asked = handle.run_on_main_thread(move || {
        // The system's library for trays is looked for when the first is made, and its absence is told by a panic.
        let words = own.state::<Desktop>().words();
        let made = std::panic::catch_unwind(AssertUnwindSafe(|| make(&own, words)));
        let _ = tell.send(match made {
            Ok(made) => made.map_err(|error| missing(error.to_string())),
            Err(_) => {
                Err(missing("the system's library for trays (libayatana-appindicator3) is not installed"))
            }
        });
    });
    asked.map_err(|error| missing(error.to_string()))?;
    told.await.unwrap_or_else(|_| Err(missing("Lantern is ending")))
}

fn make(handle: &AppHandle, words: &Words) -> tauri::Result<Items> {
    let item =
        |id: &str, text: &str, enabled: bool| MenuItem::with_id(handle, id, text, enabled, None::<&str>);
    let line = || PredefinedMenuItem::separator(handle);
    let endpoint = CheckMenuItem::with_id(handle, "endpoint", words.endpoint_off, true, false, None::<&str>)?;
    let downloads = item("downloads", words.no_downloads, true)?;
    let model = item("model", words.no_model, false)?;
    let unload = item("unload", words.free_memory, false)?;
    let window = item("window", words.show_or_hide, true)?;
    let new_chat = item("new-chat", words.new_chat, true)?;
    let quick = item("quick", words.quick_entry, true)?;
    let quit = item("quit", words.quit, true)?;
    let menu = Menu::with_items(
        handle,
        &[&window, &new_chat, &quick, &line()?, &endpoint, &downloads, &model, &unload, &line()?, &quit],
    )?;
    let mut tray = TrayIconBuilder::with_id("lantern").menu(&menu).tooltip("Lantern").on_menu_event(chosen);
    if let Some(icon) = handle.default_window_icon() {
        tray = tray.icon(icon.clone());
    }
    tray.build(handle)?;
    Ok(Items { window, new_chat, quick, endpoint, downloads, model, unload, quit, shown: None })
}

fn chosen(handle: &AppHandle, event: MenuEvent) {
    match event.id().as_ref() {
        "window" => windows::main::toggle(handle),
        "new-chat" => inbox::ask(handle, ShellEvent::NewChat),
        "quick" => windows::quick::show(handle),
        "downloads" => inbox::ask(handle, ShellEvent::ShowDownloads),
        "endpoint" => switch_endpoint(handle.clone()),
        "unload" => free(handle.clone()),
        "quit" => handle.exit(0),
        _ => {}
    }
}

fn switch_endpoint(handle: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let app = handle.state::<App>().inner().clone();
        let switched = async {
            let endpoint = app.settings().await?.endpoint;
            let endpoint = EndpointSettings { enabled: !endpoint.enabled, ..endpoint };
            app.update_settings(SettingsPatch { endpoint: Some(endpoint), ..SettingsPatch::default() }).await
        };
        if let Err(error) = switched.await {
            app.notify(error.into());
        }
    });
}

fn free(handle: AppHandle) {
    tauri::async_runtime::spawn(async move {
        let app = handle.state::<App>().inner().clone();
        if let Err(error) = app.unload_model().await {
            app.notify(error.into());
        }
    });
}

/// Whether something shows trays: on Linux a part of the desktop that not every desktop has.
#[cfg(target_os = "linux")]
async fn host() -> Result<(), ErrorInfo> {
    const WATCHER: &str = "org.kde.StatusNotifierWatcher";
    let asked = async {
        let bus = zbus::Connection::session().await?;
        let names = zbus::fdo::DBusProxy::new(&bus).await?;
        Ok::<_, zbus::Error>(names.name_has_owner(WATCHER.try_into()?).await?)
    };
    match asked.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(missing("this desktop shows no tray icons")),
        Err(error) => Err(missing(format!("the session's bus does not answer: {error}"))),
    }
}

#[cfg(not(target_os = "linux"))]
async fn host() -> Result<(), ErrorInfo> {
    Ok(())
}

fn missing(why: impl Into<String>) -> ErrorInfo {
    ErrorInfo {
        code: "no_tray".into(),
        message: format!("Lantern has no icon in the tray: {}.", why.into()),
        next_step: "Everything else works. On GNOME, the extension AppIndicator shows such icons.".into(),
    }
}

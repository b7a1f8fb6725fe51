//! What the desktop around the windows has for Lantern: a tray, a shortcut that works everywhere, notifications, the start at
//! log-in, links of its own. None of it is needed: where the desktop does not offer something, the rest goes on and says so.

pub mod answers;
pub mod autostart;
pub mod follow;
pub mod inbox;
#[cfg(target_os = "linux")]
mod keys_of_x11;
pub mod links;
pub mod notify;
#[cfg(target_os = "linux")]
pub mod scheme;
pub mod shortcut;
pub mod tray;
pub mod tray_words;
pub mod words;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use lantern_app::App;
use lantern_protocol::{DesktopPatch, DesktopSettings, DesktopStatus, ErrorInfo, Language};
use tauri::{AppHandle, Manager};

use crate::windows;

/// Started by the system at log-in: stay in the tray, if the settings say so and there is one.
pub const IN_TRAY: &str = "--in-tray";

/// What the shell remembers. Managed by Tauri.
pub struct Desktop {
    started: Instant,
    /// Whether the first page has told that it can be used.
    ready: Mutex<bool>,
    /// What the settings say, for those who cannot wait for the database.
    settings: Mutex<DesktopSettings>,
    /// What Lantern says outside of its windows.
    words: Mutex<&'static words::Words>,
    pub(crate) inbox: inbox::Inbox,
    pub(crate) tray: tray::Tray,
}

impl Desktop {
    /// Nothing is shown, registered or asked yet.
    pub fn new(started: Instant) -> Self {
        Self {
            started,
            ready: Mutex::new(false),
            settings: Mutex::default(),
            words: Mutex::new(words::of(Language::System)),
            inbox: inbox::Inbox::default(),
            tray: tray::Tray::default(),
        }
    }

    /// What the settings say.
    pub fn settings(&self) -> DesktopSettings {
        lock(&self.settings).clone()
    }

    /// Takes what the settings say now.
    pub fn take(&self, settings: DesktopSettings, language: Language) {
        *lock(&self.settings) = settings;
        *lock(&self.words) = words::of(language);
    }

    /// What Lantern says outside of its windows, in the language of the settings.
    pub fn words(&self) -> &'static words::Words {
        *lock(&self.words)
    }
}

/// A page can be used: what nobody waits for is done now. The first page is the measure of the start.
pub fn page_is_ready(handle: &AppHandle) {
    let desktop = handle.state::<Desktop>();
    if std::mem::replace(&mut *lock(&desktop.ready), true) {
        return;
    }
    tracing::debug!("interactive after {} ms", desktop.started.elapsed().as_millis());
    let handle = handle.clone();
    tauri::async_runtime::spawn(async move {
        tray::ensure(&handle).await;
        settle(&handle).await;
        let desktop = handle.state::<Desktop>();
        if stays_in_tray() && !(desktop.tray.exists() && desktop.settings().close_to_tray) {
            windows::main::focus(&handle);
        }
        let bytes = lantern_app::let_go_of_code();
        lantern_app::let_go_of_freed();
        tracing::debug!("let go of {bytes} bytes of code and constants");
    });
}

/// Whether this start was told to open no window.
pub fn stays_in_tray() -> bool {
    std::env::args_os().any(|argument| argument == IN_TRAY)
}

/// Does what the settings say at a start; what cannot be done is told in the window.
async fn settle(handle: &AppHandle) {
    let wanted = handle.state::<Desktop>().settings();
    let done = shortcut::change(handle, "", &wanted.quick_shortcut);
    if let Err(notice) = done {
        handle.state::<App>().notify(notice);
    }
}

/// Does what a patch asks of the system, before it is stored: what the system refuses is not stored.
pub fn apply(handle: &AppHandle, patch: &DesktopPatch) -> Result<(), ErrorInfo> {
    let before = handle.state::<Desktop>().settings();
    if let Some(keys) = &patch.quick_shortcut {
        shortcut::change(handle, &before.quick_shortcut, keys)?;
    }
    if let Some(on) = patch.autostart {
        autostart::set(handle, on)?;
    }
    Ok(())
}

/// Takes back what [`apply`] did, because it could not be stored.
pub fn take_back(handle: &AppHandle, patch: &DesktopPatch) {
    let before = handle.state::<Desktop>().settings();
    if let Some(keys) = &patch.quick_shortcut
        && let Err(error) = shortcut::change(handle, keys, &before.quick_shortcut)
    {
        tracing::warn!(%error, "the earlier shortcut could not be given back");
    }
    if patch.autostart.is_some()
        && let Err(error) = autostart::set(handle, before.autostart)
    {
        tracing::warn!(%error, "the start at log-in could not be set back");
    }
}

/// What this desktop does not offer. A tray that came meanwhile is used from now on.
pub async fn status(handle: &AppHandle) -> DesktopStatus {
    tray::ensure(handle).await;
    DesktopStatus { no_tray: handle.state::<Desktop>().tray.problem(), no_shortcut: shortcut::problem() }
}

/// Locks a mutex that is never held across anything that panics.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

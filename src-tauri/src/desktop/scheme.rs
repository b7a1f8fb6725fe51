//! Whether the desktop prefers dark windows, as its portal says (`color-scheme` of `org.freedesktop.appearance`, XDG desktop
//! portal, "Settings"). A theme of GTK's that is dark by itself is followed by GTK.

use std::sync::atomic::{AtomicBool, Ordering};

use lantern_app::App;
use tauri::{AppHandle, Manager};
use zbus::export::ordered_stream::OrderedStreamExt;
use zbus::zvariant::{OwnedValue, Value};

use crate::windows::looks;

const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";
/// 0 is no preference, 2 is light.
const DARK: u32 = 1;

static PREFERS_DARK: AtomicBool = AtomicBool::new(false);

/// What the desktop said last; `false` until it has said something.
pub fn prefers_dark() -> bool {
    PREFERS_DARK.load(Ordering::Relaxed)
}

/// Follows what the desktop says until Lantern ends. Where it has no portal, nothing is said.
pub fn follow(handle: &AppHandle) {
    let handle = handle.clone();
    tauri::async_runtime::spawn(async move {
        if let Err(error) = listen(&handle).await {
            tracing::debug!(%error, "the desktop does not say whether it prefers dark windows");
        }
    });
}

async fn listen(handle: &AppHandle) -> zbus::Result<()> {
    let bus = zbus::Connection::session().await?;
    let (name, path) = ("org.freedesktop.portal.Desktop", "/org/freedesktop/portal/desktop");
    let portal = zbus::Proxy::new(&bus, name, path, "org.freedesktop.portal.Settings").await?;
    let mut changes = portal.receive_signal_with_args("SettingChanged", &[(0, NAMESPACE), (1, KEY)]).await?;
    // Older than `ReadOne`, and in every version; it wraps what it gives once more.
    let now: OwnedValue = portal.call("Read", &(NAMESPACE, KEY)).await?;
    take(handle, &now).await;
    while let Some(change) = changes.next().await {
        let (_, _, value): (String, String, OwnedValue) = change.body().deserialize()?;
        take(handle, &value).await;
    }
    Ok(())
}

async fn take(handle: &AppHandle, value: &Value<'_>) {
    let dark = number(value) == Some(DARK);
    if PREFERS_DARK.swap(dark, Ordering::Relaxed) == dark {
        return;
    }
    let Some(app) = handle.try_state::<App>() else { return };
    if let Ok(settings) = app.settings().await {
        looks::apply_to_all(handle, &settings);
    }
}

fn number(value: &Value<'_>) -> Option<u32> {
    match value {
        Value::Value(inner) => number(inner),
        Value::U32(number) => Some(*number),
        _ => None,
    }
}

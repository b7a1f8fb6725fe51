//! The start at log-in, as the system keeps it.

use lantern_protocol::ErrorInfo;
use tauri::AppHandle;
use tauri_plugin_autostart::{AutoLaunchManager, ManagerExt};

use super::IN_TRAY;

/// Has the system start Lantern at log-in, or not any more.
pub fn set(handle: &AppHandle, on: bool) -> Result<(), ErrorInfo> {
    // Only whoever chooses it pays for it.
    if tauri::Manager::try_state::<AutoLaunchManager>(handle).is_none() {
        let plugin = tauri_plugin_autostart::Builder::new().app_name("Lantern").arg(IN_TRAY).build();
        handle.plugin(plugin).map_err(refused)?;
    }
    let system = handle.autolaunch();
    if on { system.enable() } else { system.disable() }.map_err(refused)
}

fn refused(cause: impl std::fmt::Display) -> ErrorInfo {
    ErrorInfo {
        code: "autostart_failed".into(),
        message: format!("The system did not take the change of what starts at log-in: {cause}."),
        next_step: "Look at your system's settings for programs that start at log-in.".into(),
    }
}

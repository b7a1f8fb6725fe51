//! The keys that call the quick-entry window from anywhere. None is taken until the user chooses some.

use lantern_protocol::ErrorInfo;
use tauri::AppHandle;
use tauri_plugin_global_shortcut::{Modifiers, Shortcut};

#[cfg(target_os = "linux")]
use super::keys_of_x11 as system;

/// Why keys were not taken.
pub enum Refusal {
    /// These ones cannot be had.
    Keys(String),
    /// What gives keys does not do so now, whichever they are.
    System(String),
}

/// Gives up some keys and takes others; empty is none. If the new ones cannot be taken, the old ones stay.
pub fn change(handle: &AppHandle, before: &str, after: &str) -> Result<(), ErrorInfo> {
    let after = parse(after)?;
    let before = parse(before).ok().flatten();
    if before == after {
        return Ok(());
    }
    if let Some(keys) = after {
        if let Some(problem) = problem() {
            return Err(problem);
        }
        system::take(handle, keys).map_err(|cause| refused(keys, &cause))?;
    }
    if let Some(keys) = before
        && let Err(error) = system::give_up(handle, keys)
    {
        tracing::warn!(%error, "the earlier shortcut could not be given up");
    }
    Ok(())
}

/// Why no keys can work everywhere; `None` where they can.
pub fn problem() -> Option<ErrorInfo> {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let wayland = cfg!(target_os = "linux") && set("WAYLAND_DISPLAY");
    wayland.then(|| ErrorInfo {
        code: "shortcut_not_on_wayland".into(),
        message: "Wayland lets no program listen for keys while another has the focus.".into(),
        next_step: "Use the tray's menu, or give `lantern-desktop lantern://quick` a shortcut in your system's settings."
            .into(),
    })
}

#[cfg(not(target_os = "linux"))]
mod system {
    use tauri::{AppHandle, Manager, Wry};
    use tauri_plugin_global_shortcut::{GlobalShortcut, Shortcut, ShortcutEvent, ShortcutState};

    use super::Refusal;
    use crate::windows;

    pub fn take(handle: &AppHandle, keys: Shortcut) -> Result<(), Refusal> {
        // Only whoever chooses a shortcut pays for what listens for it.
        if handle.try_state::<GlobalShortcut<Wry>>().is_none() {
            let plugin = tauri_plugin_global_shortcut::Builder::new().build();
            handle.plugin(plugin).map_err(|error| Refusal::System(error.to_string()))?;
        }
        let pressed = |handle: &AppHandle, _: &Shortcut, event: ShortcutEvent| {
            if event.state == ShortcutState::Pressed {
                windows::quick::toggle(handle);
            }
        };
        let system = handle.state::<GlobalShortcut<Wry>>();
        system.on_shortcut(keys, pressed).map_err(|error| Refusal::Keys(error.to_string()))
    }

    pub fn give_up(handle: &AppHandle, keys: Shortcut) -> Result<(), String> {
        let Some(system) = handle.try_state::<GlobalShortcut<Wry>>() else { return Ok(()) };
        system.unregister(keys).map_err(|error| error.to_string())
    }
}

fn refused(keys: Shortcut, refusal: &Refusal) -> ErrorInfo {
    let keys = keys.into_string();
    let cause = match refusal {
        Refusal::Keys(cause) => cause,
        Refusal::System(cause) => {
            return ErrorInfo {
                code: "shortcut_no_answer".into(),
                message: format!("The system did not answer when Lantern asked for {keys}: {cause}."),
                next_step: "Try again in a moment; if it stays so, log out and in again.".into(),
            };
        }
    };
    let taken = cause.contains("already registered");
    ErrorInfo {
        code: if taken { "shortcut_taken" } else { "shortcut_failed" }.into(),
        message: match taken {
            true => format!("Another program has {keys} already."),
            false => format!("The system did not give Lantern {keys}: {cause}."),
        },
        next_step: "Choose other keys.".into(),
    }
}

/// Keys as `Ctrl+Shift+Space`; `None` for none. They need Ctrl, Alt or the system's key: others are what people write with.
fn parse(text: &str) -> Result<Option<Shortcut>, ErrorInfo> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let strong = Modifiers::CONTROL | Modifiers::ALT | Modifiers::SUPER | Modifiers::META;
    let keys = text.parse::<Shortcut>().ok().filter(|keys| keys.mods.intersects(strong));
    let shown: String = text.chars().take(60).collect();
    keys.map(Some).ok_or_else(|| ErrorInfo {
        code: "shortcut_not_understood".into(),
        message: format!("{shown:?} is no shortcut."),
        next_step: "Write Ctrl, Alt, Shift or Super with one key, as in Ctrl+Shift+Space.".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Refusal, parse, refused};

    #[test]
    fn a_system_that_does_not_answer_is_no_fault_of_the_keys() {
        let keys = parse("Ctrl+Shift+Space").unwrap().unwrap();
        for (refusal, code, other_keys) in [
            (Refusal::System("it is silent".into()), "shortcut_no_answer", false),
            (Refusal::Keys("HotKey already registered".into()), "shortcut_taken", true),
            (Refusal::Keys("no such key".into()), "shortcut_failed", true),
        ] {
            let told = refused(keys, &refusal);
            assert_eq!(told.code, code);
            assert_eq!(told.next_step.contains("other keys"), other_keys, "{code}");
        }
    }

    #[test]
    fn keys_are_understood_or_refused_by_name() {
        for keys in ["Ctrl+Shift+Space", "Alt+F1", "Super+K", "CmdOrCtrl+Shift+L"] {
            assert!(parse(keys).unwrap().is_some(), "{keys}");
        }
        assert!(parse("").unwrap().is_none());
        for other in ["A", "Shift+A", "Ctrl", "Ctrl+", "+", "Ctrl+A+B", "Ctrl+Nonsense", "ééé"] {
            assert_eq!(parse(other).unwrap_err().code, "shortcut_not_understood", "{other}");
        }
    }
}

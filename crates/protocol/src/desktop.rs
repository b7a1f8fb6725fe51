//! What the desktop program and its pages tell each other beyond conversations and models: what the user chose of the
//! desktop, what this desktop offers, and what is asked of a page from outside.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::ErrorInfo;

/// How much room there is between things.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Density {
    /// Room to rest the eye.
    #[default]
    Comfortable,
    /// More on a small screen.
    Compact,
}

/// What the user chose of the desktop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct DesktopSettings {
    /// Whether closing the main window leaves Lantern in the tray. Where there is no tray, closing ends it.
    pub close_to_tray: bool,
    /// The keys that call the quick-entry window from anywhere, as `Ctrl+Shift+Space`; empty is none.
    pub quick_shortcut: String,
    /// Whether a long answer or a download that ends is told by the system while no window has the focus.
    pub notify: bool,
    /// Whether Lantern starts when the user logs in.
    pub autostart: bool,
    /// Size of everything in the windows, in percent.
    pub zoom: u16,
    /// How much room there is between things.
    pub density: Density,
    /// Moves nothing, even if the system would have it.
    pub reduce_motion: bool,
    /// Whether words are checked as they are written.
    pub spell_check: bool,
    /// Whether the first steps were gone or skipped; they are not shown again.
    pub first_run_done: bool,
}

impl Default for DesktopSettings {
    fn default() -> Self {
        Self {
            close_to_tray: false,
            quick_shortcut: String::new(),
            notify: true,
            autostart: false,
            zoom: 100,
            density: Density::default(),
            reduce_motion: false,
            spell_check: true,
            first_run_done: false,
        }
    }
}

/// Some of [`DesktopSettings`] to change; a field that is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export, optional_fields)]
pub struct DesktopPatch {
    /// See [`DesktopSettings::close_to_tray`].
    pub close_to_tray: Option<bool>,
    /// See [`DesktopSettings::quick_shortcut`].
    pub quick_shortcut: Option<String>,
    /// See [`DesktopSettings::notify`].
    pub notify: Option<bool>,
    /// See [`DesktopSettings::autostart`].
    pub autostart: Option<bool>,
    /// See [`DesktopSettings::zoom`].
    pub zoom: Option<u16>,
    /// See [`DesktopSettings::density`].
    pub density: Option<Density>,
    /// See [`DesktopSettings::reduce_motion`].
    pub reduce_motion: Option<bool>,
    /// See [`DesktopSettings::spell_check`].
    pub spell_check: Option<bool>,
    /// See [`DesktopSettings::first_run_done`].
    pub first_run_done: Option<bool>,
}

impl DesktopSettings {
    /// These settings with the patch's fields in place.
    pub fn patched(self, patch: DesktopPatch) -> Self {
        Self {
            close_to_tray: patch.close_to_tray.unwrap_or(self.close_to_tray),
            quick_shortcut: patch.quick_shortcut.unwrap_or(self.quick_shortcut),
            notify: patch.notify.unwrap_or(self.notify),
            autostart: patch.autostart.unwrap_or(self.autostart),
            zoom: patch.zoom.unwrap_or(self.zoom),
            density: patch.density.unwrap_or(self.density),
            reduce_motion: patch.reduce_motion.unwrap_or(self.reduce_motion),
            spell_check: patch.spell_check.unwrap_or(self.spell_check),
            first_run_done: patch.first_run_done.unwrap_or(self.first_run_done),
        }
    }
}

/// What this desktop does not offer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct DesktopStatus {
    /// Why there is no tray; `None` where there is one.
    pub no_tray: Option<ErrorInfo>,
    /// Why no shortcut can work everywhere; `None` where one can.
    pub no_shortcut: Option<ErrorInfo>,
}

/// What is asked of a page by the tray, another start of Lantern, or a link. A link only ever proposes: the page shows what
/// was proposed, and the user decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case", rename_all_fields = "camelCase")]
#[ts(export)]
pub enum ShellEvent {
    /// Show an empty conversation.
    NewChat,
    /// Show this conversation.
    OpenConversation {
        /// Its id.
        id: String,
    },
    /// Show the downloads.
    ShowDownloads,
    /// Show this repository of the Hub. Nothing is fetched.
    ProposeModel {
        /// `owner/name`.
        repo: String,
        /// A file of it to point out.
        file: Option<String>,
    },
    /// Put these words into the draft of an empty conversation. Nothing is sent.
    ProposeChat {
        /// The words.
        text: String,
    },
    /// Tell the user something.
    Notice {
        /// What.
        notice: ErrorInfo,
    },
}

/// What this computer has for running models.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct Machine {
    /// The processor's name.
    pub processor: String,
    /// Its cores.
    pub cores: u32,
    /// The instructions that kernels use of it: `avx2`, `neon`, …
    pub instructions: String,
    /// Bytes of memory.
    #[ts(type = "number")]
    pub memory_bytes: u64,
    /// Bytes of memory that a model could have now.
    #[ts(type = "number")]
    pub available_bytes: u64,
    /// Bytes free where models are kept; `None` where the system does not say.
    #[ts(type = "number | null")]
    pub free_disk_bytes: Option<u64>,
    /// Graphics devices that models can use.
    pub devices: Vec<MachineDevice>,
    /// Why there is none.
    pub no_device: Option<String>,
}

/// A graphics device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase")]
#[ts(export)]
pub struct MachineDevice {
    /// `CUDA`, `Metal`.
    pub kind: String,
    /// The maker's name for it.
    pub name: String,
    /// Bytes of memory it has.
    #[ts(type = "number")]
    pub total_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let patch = serde_json::from_str(r#"{"zoom":125,"autostart":true}"#).unwrap();
        let after = DesktopSettings { reduce_motion: true, ..DesktopSettings::default() }.patched(patch);
        let expected =
            DesktopSettings { zoom: 125, autostart: true, reduce_motion: true, ..DesktopSettings::default() };
        assert_eq!(after, expected);
        assert!(serde_json::from_str::<DesktopPatch>(r#"{"zom":125}"#).is_err());
    }

    #[test]
    fn what_starts_by_itself_is_off_until_chosen() {
        let settings: DesktopSettings = serde_json::from_str("{}").unwrap();
        assert!(!settings.autostart && !settings.close_to_tray && settings.quick_shortcut.is_empty());
    }
}

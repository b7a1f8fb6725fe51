//! What the user can choose. Stored as JSON; a field that is missing takes its default, so adding one needs no migration.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{DesktopPatch, DesktopSettings, ToolSettings};

/// Light, dark, or as the system says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Theme {
    /// Follows the system.
    #[default]
    System,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// The language of the windows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "lowercase")]
#[ts(export)]
pub enum Language {
    /// Follows the system; English where Lantern does not speak the system's language.
    #[default]
    System,
    /// English.
    En,
    /// German.
    De,
    /// Spanish.
    Es,
    /// French.
    Fr,
    /// Portuguese.
    Pt,
    /// Japanese.
    Ja,
    /// Chinese in simplified characters.
    Zh,
    /// Arabic, written from right to left.
    Ar,
}

/// What happens to a conversation that no longer fits the context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
#[ts(export)]
pub enum Overflow {
    /// The answer fails, with both numbers.
    Error,
    /// The oldest turns are left out of what the model sees, and the answer says how many messages that were.
    #[default]
    DropOldest,
    /// A summary that the model writes takes the place of the oldest turns; the answer says how many messages that were.
    Summarise,
}

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct Settings {
    /// Light, dark, or as the system says.
    pub theme: Theme,
    /// The language of the windows, or as the system says.
    pub language: Language,
    /// Library id of the model that answers; `None` takes the first that is there.
    pub default_model: Option<String>,
    /// Stands before every conversation that brings none of its own, in the window, on the command line and at the
    /// endpoint; empty leaves it to the model's template.
    pub system_prompt: String,
    /// How tokens are chosen.
    pub sampling: SamplingSettings,
    /// Tokens a conversation may hold; `None` takes the model's own limit, at most 8192.
    pub context_length: Option<u32>,
    /// What happens to a conversation in the window or on the command line that no longer fits the context. Programs at the
    /// endpoint say it in each request, and get an error if they do not.
    pub overflow: Overflow,
    /// Lets the model write a conversation's title after its first answer, when nobody else wants it.
    pub write_titles: bool,
    /// Threads that compute; `None` takes the fast cores.
    pub threads: Option<u32>,
    /// Keeps each model's weights on disk as they lie in memory, so that it is loaded faster the next time. Takes as much
    /// disk again as the model.
    pub keep_packed: bool,
    /// Gigabytes of disk that may keep what was computed of conversations and requests, so that a long one goes on at once
    /// after a restart. 0 keeps nothing, and deletes what was kept.
    pub prefix_disk_gb: u32,
    /// Minutes after which a model that nobody uses leaves the memory; `None` keeps it until its room is needed.
    pub unload_after_minutes: Option<u32>,
    /// Bytes a second that all downloads together may take; `None` takes what there is.
    pub download_bytes_per_second: Option<u32>,
    /// Asks the Hub once a day whether models have a newer revision, and tells it.
    pub check_model_updates: bool,
    /// Library id of the model that makes vectors of passages; `None` takes the first that can, `none` makes no vectors.
    pub embedding_model: Option<String>,
    /// Tools that models may call.
    pub tools: ToolSettings,
    /// The local endpoint.
    pub endpoint: EndpointSettings,
    /// The desktop.
    pub desktop: DesktopSettings,
}

/// The system prompt until the user writes another. Small models answer plain questions better with it than with what
/// their templates put in its place.
pub const DEFAULT_SYSTEM_PROMPT: &str = "You are a helpful assistant.";

/// Gigabytes for prefixes on disk until the user says otherwise: some dozens of long conversations with a small model.
pub const DEFAULT_PREFIX_DISK_GB: u32 = 8;

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            language: Language::System,
            default_model: None,
            system_prompt: DEFAULT_SYSTEM_PROMPT.into(),
            sampling: SamplingSettings::default(),
            context_length: None,
            overflow: Overflow::default(),
            write_titles: true,
            threads: None,
            keep_packed: false,
            prefix_disk_gb: DEFAULT_PREFIX_DISK_GB,
            unload_after_minutes: None,
            download_bytes_per_second: None,
            check_model_updates: false,
            embedding_model: None,
            tools: ToolSettings::default(),
            endpoint: EndpointSettings::default(),
            desktop: DesktopSettings::default(),
        }
    }
}

/// How tokens are chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct SamplingSettings {
    /// 0 always takes the likeliest token. From 0 to 2.
    pub temperature: f32,
    /// Keeps the k likeliest tokens; 0 keeps all.
    pub top_k: u32,
    /// Keeps the likeliest tokens up to this probability in sum. Over 0, up to 1.
    pub top_p: f32,
    /// Drops tokens less likely than this share of the likeliest. From 0 to 1.
    pub min_p: f32,
    /// Divides the logits of recent tokens; 1 is off.
    pub repeat_penalty: f32,
    /// Subtracted once for a token already used; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted for each use of a token; 0 is off.
    pub frequency_penalty: f32,
    /// The same seed gives the same answer; `None` draws one.
    pub seed: Option<u32>,
    /// Tokens an answer may have; `None` is up to the context.
    pub max_tokens: Option<u32>,
}

impl Default for SamplingSettings {
    fn default() -> Self {
        Self {
            temperature: 0.7,
            top_k: 40,
            top_p: 0.95,
            min_p: 0.05,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
            max_tokens: None,
        }
    }
}

/// The local endpoint for other programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct EndpointSettings {
    /// Whether it listens.
    pub enabled: bool,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// What clients send as bearer token; made at the first start, never empty after it.
    pub key: String,
    /// Whether pictures that a request names by their address on the web are fetched.
    pub fetch_pictures: bool,
    /// Web pages that may use it with a key, by their origin, as `https://example.org`. Others are refused.
    pub allowed_origins: Vec<String>,
    /// Whether other devices of the same network may use it with a key.
    pub lan: bool,
}

/// The port the endpoint takes unless told otherwise.
pub const DEFAULT_PORT: u16 = 11535;

impl Default for EndpointSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            port: DEFAULT_PORT,
            key: String::new(),
            fetch_pictures: false,
            allowed_origins: Vec::new(),
            lan: false,
        }
    }
}

/// Some settings to change; a field that is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export, optional_fields)]
pub struct SettingsPatch {
    /// See [`Settings::theme`].
    pub theme: Option<Theme>,
    /// See [`Settings::language`].
    pub language: Option<Language>,
    /// See [`Settings::default_model`]; empty clears it.
    pub default_model: Option<String>,
    /// See [`Settings::system_prompt`].
    pub system_prompt: Option<String>,
    /// See [`Settings::sampling`]; replaced as a whole.
    pub sampling: Option<SamplingSettings>,
    /// See [`Settings::context_length`]; 0 clears it.
    pub context_length: Option<u32>,
    /// See [`Settings::overflow`].
    pub overflow: Option<Overflow>,
    /// See [`Settings::write_titles`].
    pub write_titles: Option<bool>,
    /// See [`Settings::threads`]; 0 clears it.
    pub threads: Option<u32>,
    /// See [`Settings::keep_packed`]; turning it off deletes what was kept.
    pub keep_packed: Option<bool>,
    /// See [`Settings::prefix_disk_gb`].
    pub prefix_disk_gb: Option<u32>,
    /// See [`Settings::unload_after_minutes`]; 0 clears it.
    pub unload_after_minutes: Option<u32>,
    /// See [`Settings::download_bytes_per_second`]; 0 clears it.
    pub download_bytes_per_second: Option<u32>,
    /// See [`Settings::check_model_updates`].
    pub check_model_updates: Option<bool>,
    /// See [`Settings::embedding_model`]; empty clears it.
    pub embedding_model: Option<String>,
    /// See [`Settings::tools`]; replaced as a whole.
    pub tools: Option<ToolSettings>,
    /// See [`Settings::endpoint`]; replaced as a whole. An empty key makes a new one.
    pub endpoint: Option<EndpointSettings>,
    /// See [`Settings::desktop`]; what it does not name stays as it is.
    pub desktop: Option<DesktopPatch>,
}

impl Settings {
    /// These settings with the patch's fields in place.
    pub fn patched(mut self, patch: SettingsPatch) -> Self {
        if let Some(theme) = patch.theme {
            self.theme = theme;
        }
        if let Some(language) = patch.language {
            self.language = language;
        }
        if let Some(model) = patch.default_model {
            self.default_model = Some(model).filter(|m| !m.is_empty());
        }
        if let Some(prompt) = patch.system_prompt {
            self.system_prompt = prompt;
        }
        if let Some(sampling) = patch.sampling {
            self.sampling = sampling;
        }
        if let Some(length) = patch.context_length {
            self.context_length = Some(length).filter(|&n| n > 0);
        }
        if let Some(overflow) = patch.overflow {
            self.overflow = overflow;
        }
        if let Some(write) = patch.write_titles {
            self.write_titles = write;
        }
        if let Some(threads) = patch.threads {
            self.threads = Some(threads).filter(|&n| n > 0);
        }
        if let Some(keep) = patch.keep_packed {
            self.keep_packed = keep;
        }
        if let Some(gigabytes) = patch.prefix_disk_gb {
            self.prefix_disk_gb = gigabytes;
        }
        if let Some(minutes) = patch.unload_after_minutes {
            self.unload_after_minutes = Some(minutes).filter(|&n| n > 0);
        }
        if let Some(rate) = patch.download_bytes_per_second {
            self.download_bytes_per_second = Some(rate).filter(|&n| n > 0);
        }
        if let Some(check) = patch.check_model_updates {
            self.check_model_updates = check;
        }
        if let Some(model) = patch.embedding_model {
            self.embedding_model = Some(model).filter(|model| !model.is_empty());
        }
        if let Some(tools) = patch.tools {
            self.tools = tools;
        }
        if let Some(endpoint) = patch.endpoint {
            self.endpoint = endpoint;
        }
        if let Some(desktop) = patch.desktop {
            self.desktop = self.desktop.patched(desktop);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_an_older_version_take_defaults() {
        let settings: Settings =
            serde_json::from_str(r#"{"theme":"dark","sampling":{"temperature":0.1}}"#).unwrap();
        assert_eq!(settings.theme, Theme::Dark);
        assert_eq!(settings.language, Language::System);
        assert_eq!(settings.sampling.temperature, 0.1);
        assert_eq!(settings.sampling.top_k, 40);
        assert_eq!(settings.endpoint.port, DEFAULT_PORT);
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let before = Settings {
            system_prompt: "Be brief.".into(),
            default_model: Some("a".into()),
            ..Settings::default()
        };
        let patch = serde_json::from_str(r#"{"theme":"light","language":"ar","defaultModel":""}"#).unwrap();
        let after = before.patched(patch);
        assert_eq!(
            (after.theme, after.language, after.default_model, after.system_prompt.as_str()),
            (Theme::Light, Language::Ar, None, "Be brief.")
        );
    }

    #[test]
    fn a_patch_with_an_unknown_field_is_refused() {
        assert!(serde_json::from_str::<SettingsPatch>(r#"{"thme":"light"}"#).is_err());
    }
}

//! What the user keeps about a model: a note, whether it is a favourite, and how it is to be used.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

use crate::{SamplingSettings, Settings};

/// What is kept about one content, wherever it lies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default)]
#[ts(export)]
pub struct ModelNotes {
    /// See [`LibraryModel::content_id`](crate::LibraryModel::content_id).
    pub content_id: String,
    /// In the user's words; empty for none.
    pub note: String,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// How it is to be used.
    pub defaults: ModelDefaults,
}

/// What holds for one model in place of the settings. What is absent is as the settings say. A request and a conversation
/// have the last word.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export, optional_fields)]
pub struct ModelDefaults {
    /// How tokens are chosen.
    pub sampling: SamplingDefaults,
    /// See [`Settings::context_length`].
    pub context_length: Option<u32>,
    /// See [`Settings::system_prompt`]; empty leaves it to the model's template.
    pub system_prompt: Option<String>,
    /// Chat template in place of the file's, in Jinja.
    pub template: Option<String>,
    /// How keys and values are kept: `f32`, `f16`, `q8_0`, `q4_0`.
    pub kv_type: Option<String>,
    /// Layers, the last ones, that compute on the GPU.
    pub gpu_layers: Option<u32>,
    /// Layers, the first ones, whose experts stay on the CPU.
    pub cpu_expert_layers: Option<u32>,
    /// Bytes of memory for experts on the CPU.
    #[ts(optional, type = "number")]
    pub expert_memory: Option<u64>,
}

/// Some of [`SamplingSettings`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, TS)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[ts(export, optional_fields)]
#[allow(missing_docs)] // Those of `SamplingSettings`.
pub struct SamplingDefaults {
    pub temperature: Option<f32>,
    pub top_k: Option<u32>,
    pub top_p: Option<f32>,
    pub min_p: Option<f32>,
    pub repeat_penalty: Option<f32>,
    pub presence_penalty: Option<f32>,
    pub frequency_penalty: Option<f32>,
    pub seed: Option<u32>,
    pub max_tokens: Option<u32>,
}

impl SamplingDefaults {
    /// The settings with these in place.
    pub fn over(&self, settings: &SamplingSettings) -> SamplingSettings {
        SamplingSettings {
            temperature: self.temperature.unwrap_or(settings.temperature),
            top_k: self.top_k.unwrap_or(settings.top_k),
            top_p: self.top_p.unwrap_or(settings.top_p),
            min_p: self.min_p.unwrap_or(settings.min_p),
            repeat_penalty: self.repeat_penalty.unwrap_or(settings.repeat_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(settings.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(settings.frequency_penalty),
            seed: self.seed.or(settings.seed),
            max_tokens: self.max_tokens.or(settings.max_tokens),
        }
    }
}

impl ModelDefaults {
    /// The settings as they hold for this model.
    pub fn over(&self, settings: Settings) -> Settings {
        Settings {
            sampling: self.sampling.over(&settings.sampling),
            context_length: self.context_length.or(settings.context_length),
            system_prompt: self.system_prompt.clone().unwrap_or_else(|| settings.system_prompt.clone()),
            ..settings
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_does_not_say_stays_as_the_settings_say() {
        let defaults: ModelDefaults =
            serde_json::from_str(r#"{"sampling":{"temperature":0.1},"systemPrompt":""}"#).unwrap();
        let settings = Settings { context_length: Some(4096), ..Settings::default() };
        let merged = defaults.over(settings.clone());
        assert_eq!(merged.sampling.temperature, 0.1);
        assert_eq!(merged.sampling.top_k, settings.sampling.top_k);
        assert_eq!((merged.system_prompt.as_str(), merged.context_length), ("", Some(4096)));
        assert_eq!(ModelDefaults::default().over(settings.clone()), settings);
    }
}

//! `config.json`, with the settings of the language model on top, and how it becomes hyper-parameters.

use std::path::Path;

use lantern_gguf::{Array, Metadata, Value as Key};
use serde_json::{Map, Value};

use super::json::json;
use crate::ConvertError;

/// The settings of a model.
pub struct Config {
    settings: Map<String, Value>,
    /// The class that computes the model.
    pub class: String,
    /// Blocks in the files behind the last, which predict further tokens.
    pub next_blocks: u32,
}

impl Config {
    /// Reads a folder's `config.json`. Of a model with several parts, the language model's settings.
    pub fn read(folder: &Path) -> Result<Self, ConvertError> {
        let path = folder.join("config.json");
        let bad = |reason: &str| ConvertError::BadFile { path: path.clone(), reason: reason.to_owned() };
        let Value::Object(mut settings) = json(&path)? else { return Err(bad("it is not an object")) };
        let class = settings.get("architectures").and_then(|list| list.get(0)).and_then(Value::as_str);
        let class = class.ok_or_else(|| bad("it names no architecture"))?.to_owned();
        if let Some(Value::Object(text)) = settings.get("text_config").cloned() {
            settings.extend(text);
        }
        Ok(Config { settings, class, next_blocks: 0 })
    }

    /// A setting that is there and not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.settings.get(key).filter(|value| !value.is_null())
    }

    /// All of it.
    pub fn as_value(&self) -> Value {
        Value::Object(self.settings.clone())
    }

    /// A whole number.
    pub fn opt_u32(&self, key: &str) -> Option<u32> {
        self.get(key)?.as_u64()?.try_into().ok()
    }

    /// A whole number that must be there.
    pub fn u32(&self, key: &str) -> Result<u32, ConvertError> {
        self.opt_u32(key).ok_or_else(|| self.unsupported(key))
    }

    /// A float.
    pub fn opt_f32(&self, key: &str) -> Option<f32> {
        Some(self.get(key)?.as_f64()? as f32)
    }

    /// A float that must be there.
    pub fn f32(&self, key: &str) -> Result<f32, ConvertError> {
        self.opt_f32(key).ok_or_else(|| self.unsupported(key))
    }

    /// A whole number, as a size.
    pub fn opt_usize(&self, key: &str) -> Option<usize> {
        self.opt_u32(key).map(|n| n as usize)
    }

    /// A whole number that must be there under one of some names.
    pub fn any_u32(&self, keys: &[&str]) -> Result<u32, ConvertError> {
        let found = keys.iter().find_map(|key| self.opt_u32(key));
        found.ok_or_else(|| self.unsupported(keys.first().copied().unwrap_or_default()))
    }

    /// Heads of keys and values: as many as of queries where nothing is said.
    pub fn kv_heads(&self) -> Option<usize> {
        self.opt_usize("num_key_value_heads").or_else(|| self.opt_usize("num_attention_heads"))
    }

    /// The width of a head.
    pub fn head_dim(&self) -> Result<u32, ConvertError> {
        let (hidden, heads) = (self.u32("hidden_size")?, self.u32("num_attention_heads")?);
        Ok(self.opt_u32("head_dim").unwrap_or(hidden / heads.max(1)))
    }

    /// A word for each layer.
    pub fn layer_types(&self) -> Result<Vec<&str>, ConvertError> {
        self.opt_layer_types("layer_types")?.ok_or_else(|| self.unsupported("layer_types"))
    }

    /// As [`Self::layer_types`], under this key, when it is there.
    pub fn opt_layer_types(&self, key: &str) -> Result<Option<Vec<&str>>, ConvertError> {
        let Some(list) = self.get(key).and_then(Value::as_array) else { return Ok(None) };
        let words: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
        let words = words.filter(|words| Some(words.len()) == self.opt_usize("num_hidden_layers"));
        words.map(Some).ok_or_else(|| self.unsupported(key))
    }

    /// A word.
    pub fn opt_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    /// A truth value; what is missing is false.
    pub fn is(&self, key: &str) -> bool {
        self.get(key).and_then(Value::as_bool).unwrap_or(false)
    }

    /// Refuses a model whose setting is there and fails `allowed`.
    pub fn require(&self, key: &str, allowed: impl Fn(&Value) -> bool) -> Result<(), ConvertError> {
        match self.get(key) {
            Some(value) if !allowed(value) => Err(self.unsupported(key)),
            _ => Ok(()),
        }
    }

    /// The refusal of a setting's value.
    pub fn unsupported(&self, key: &str) -> ConvertError {
        let value = self.get(key).map_or_else(|| "nothing".to_owned(), Value::to_string);
        ConvertError::UnsupportedSetting { key: key.to_owned(), value }
    }
}

/// Hyper-parameters on their way into a file.
pub struct Keys<'a> {
    /// GGUF's name for the architecture, before every key.
    pub architecture: &'static str,
    /// Where they go.
    pub metadata: &'a mut Metadata,
}

impl Keys<'_> {
    /// Sets `<architecture>.<key>`.
    pub fn set(&mut self, key: &str, value: Key) {
        self.metadata.set(format!("{}.{key}", self.architecture), value);
    }

    /// Sets a whole number.
    pub fn u32(&mut self, key: &str, value: u32) {
        self.set(key, Key::U32(value));
    }

    /// Sets a float.
    pub fn f32(&mut self, key: &str, value: f32) {
        self.set(key, Key::F32(value));
    }

    /// Sets a truth value.
    pub fn bool(&mut self, key: &str, value: bool) {
        self.set(key, Key::Bool(value));
    }

    /// Sets a number for each layer.
    pub fn u32s(&mut self, key: &str, values: impl IntoIterator<Item = u32>) {
        // As llama.cpp's converter writes lists of whole numbers.
        let values = values.into_iter().filter_map(|value| value.try_into().ok()).collect();
        self.set(key, Key::Array(Array::I32(values)));
    }

    /// Sets a list of floats.
    pub fn f32s(&mut self, key: &str, values: impl IntoIterator<Item = f32>) {
        self.set(key, Key::Array(Array::F32(values.into_iter().collect())));
    }

    /// Sets a truth value for each layer.
    pub fn bools(&mut self, key: &str, values: impl IntoIterator<Item = bool>) {
        self.set(key, Key::Array(Array::Bool(values.into_iter().collect())));
    }
}

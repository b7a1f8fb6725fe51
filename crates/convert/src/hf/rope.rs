//! Rotary embeddings in `config.json`: the base, and how frequencies are stretched for longer contexts.
//!
//! Older files have `rope_theta` and `rope_scaling`, newer ones `rope_parameters`, which may differ by kind of layer.

use serde_json::Value;

use super::config::{Config, Keys};
use crate::ConvertError;

/// The rotary embedding of one kind of layer.
pub struct Rope<'a> {
    config: &'a Config,
    base: Option<f32>,
    /// The parameters of stretching.
    scaling: Option<&'a Value>,
    /// Those of [`ELSEWHERE`] that the family takes care of.
    known: &'static [&'static str],
}

/// Parameters of YaRN that change the result in ways that differ by family.
const ELSEWHERE: [&str; 3] = ["mscale", "mscale_all_dim", "truncate"];

impl<'a> Rope<'a> {
    /// Of layers that look at everything.
    pub fn global(config: &'a Config) -> Self {
        Self::of(config, "full_attention", "rope_theta")
    }

    /// Of layers with a window, where they have one of their own.
    pub fn local(config: &'a Config) -> Self {
        let nested = config.get("rope_parameters").is_some_and(|all| all.get("sliding_attention").is_some());
        let rope = Self::of(config, "sliding_attention", "rope_local_base_freq");
        if nested { rope } else { Rope { scaling: None, ..rope } }
    }

    fn of(config: &'a Config, kind: &str, base: &str) -> Self {
        let parameters = config.get("rope_parameters").map(|all| all.get(kind).unwrap_or(all));
        let in_parameters = || parameters?.get("rope_theta")?.as_f64().map(|base| base as f32);
        let base = config.opt_f32(base).or_else(in_parameters);
        Rope { config, base, scaling: parameters.or_else(|| config.get("rope_scaling")), known: &[] }
    }

    /// The base of the frequencies, if the file has one.
    pub fn base(&self) -> Option<f32> {
        self.base
    }

    /// Of a family that takes care of these parameters of YaRN itself.
    pub fn knowing(self, known: &'static [&'static str]) -> Self {
        Rope { known, ..self }
    }

    /// A parameter, if it is there and not null.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.scaling?.get(key).filter(|value| !value.is_null())
    }

    /// A parameter that is a number.
    pub fn number(&self, key: &str) -> Option<f32> {
        Some(self.double(key)? as f32)
    }

    /// As [`Self::number`], for what is yet to be computed with.
    pub fn double(&self, key: &str) -> Option<f64> {
        self.get(key)?.as_f64()
    }

    /// The share of a head that is turned.
    pub fn turned(&self) -> Option<f32> {
        self.number("partial_rotary_factor").or_else(|| self.config.opt_f32("partial_rotary_factor"))
    }

    /// How frequencies are stretched.
    pub fn kind(&self) -> &str {
        let kind = self.get("rope_type").or_else(|| self.get("type"));
        kind.map_or("default", |kind| kind.as_str().unwrap_or_default())
    }

    /// Writes base and stretching; gives the divisors of the frequencies where those are a tensor (Llama 3).
    pub fn write(&self, keys: &mut Keys, head_dim: u32) -> Result<Option<Vec<f32>>, ConvertError> {
        if let Some(base) = self.base {
            keys.f32("rope.freq_base", base);
        }
        let needed = |key: &str| self.number(key).ok_or_else(|| self.config.unsupported("rope_scaling"));
        match self.kind() {
            "default" => {}
            "linear" => {
                keys.set("rope.scaling.type", lantern_gguf::Value::String("linear".into()));
                keys.f32("rope.scaling.factor", needed("factor")?);
            }
            "yarn" => {
                keys.set("rope.scaling.type", lantern_gguf::Value::String("yarn".into()));
                keys.f32("rope.scaling.factor", needed("factor")?);
                keys.u32("rope.scaling.original_context_length", self.original_context()?);
                let names = [
                    ("beta_fast", "yarn_beta_fast"),
                    ("beta_slow", "yarn_beta_slow"),
                    ("attention_factor", "yarn_attn_factor"),
                ];
                for (key, name) in names {
                    if let Some(value) = self.number(key) {
                        keys.f32(&format!("rope.scaling.{name}"), value);
                    }
                }
                if ELSEWHERE.iter().any(|key| !self.known.contains(key) && self.get(key).is_some()) {
                    return Err(self.config.unsupported("rope_scaling"));
                }
            }
            "llama3" => {
                let (factor, low, high) =
                    (needed("factor")?, needed("low_freq_factor")?, needed("high_freq_factor")?);
                let original = self.original_context()? as f32;
                return Ok(Some(self.llama3(head_dim, factor, low, high, original)));
            }
            _ => return Err(self.config.unsupported("rope_scaling")),
        }
        Ok(None)
    }

    /// Tokens of the context that was trained first.
    pub fn original_context(&self) -> Result<u32, ConvertError> {
        let key = "original_max_position_embeddings";
        let own = self.number(key).map(|n| n as u32).or_else(|| self.config.opt_u32(key));
        own.map_or_else(|| self.config.u32("max_position_embeddings"), Ok)
    }

    /// What each frequency is divided by: long waves by the whole factor, short ones by nothing (Llama 3.1).
    fn llama3(&self, head_dim: u32, factor: f32, low: f32, high: f32, original: f32) -> Vec<f32> {
        let base = f64::from(self.base.unwrap_or(10_000.0));
        let (factor, low, high, original) = (factor.into(), low.into(), high.into(), f64::from(original));
        let divisor = |i: u32| {
            let turns = original * base.powf(-f64::from(2 * i) / f64::from(head_dim)) / std::f64::consts::TAU;
            if turns > high {
                1.0
            } else if turns < low {
                factor
            } else {
                let smooth = (turns - low) / (high - low);
                1.0 / ((1.0 - smooth) / factor + smooth)
            }
        };
        (0..head_dim / 2).map(|i| divisor(i) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Llama 3.2 1B's own numbers: its first frequencies stay, its last are divided by 32.
    #[test]
    fn llama3_divides_long_waves() {
        let settings = serde_json::json!({
            "architectures": ["LlamaForCausalLM"], "rope_theta": 500000.0, "max_position_embeddings": 131072,
            "rope_scaling": {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
                "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
        });
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), settings.to_string()).unwrap();
        let config = Config::read(folder.path()).unwrap();
        let mut metadata = lantern_gguf::Metadata::default();
        let mut keys = Keys { architecture: "llama", metadata: &mut metadata };
        let divisors = Rope::global(&config).write(&mut keys, 64).unwrap().expect("a tensor");
        assert_eq!((divisors.len(), divisors[0], divisors[31]), (32, 1.0, 32.0));
        assert!(divisors.is_sorted() && divisors.iter().any(|&d| d > 1.0 && d < 32.0), "{divisors:?}");
        assert_eq!(metadata.f32("llama.rope.freq_base"), Ok(500_000.0));
    }
}

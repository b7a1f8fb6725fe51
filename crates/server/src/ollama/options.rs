//! Options that change how tokens are chosen, and for how long a model stays.

use std::time::Duration;

use jiff::SignedDuration;
use lantern_app::Stay;
use lantern_engine::Constraint;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::ApiError;
use crate::generate::Ask;
use crate::generate::fields::{self, Stop, put, short};
use crate::openai::schema_shape;

/// Options of a request. Those that only say how a model is computed (`num_gpu`, `num_thread`, …) are ignored.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// Tokens the answer may have; below 0 no limit.
    #[serde(default)]
    num_predict: Option<i64>,
    /// Tokens that prompt and answer may have together.
    #[serde(default)]
    num_ctx: Option<u32>,
    /// From 0 to 100.
    #[serde(default)]
    temperature: Option<f32>,
    /// Keeps the k likeliest tokens; 0 keeps all.
    #[serde(default)]
    top_k: Option<u32>,
    /// Over 0, at most 1.
    #[serde(default)]
    top_p: Option<f32>,
    /// From 0 to 1.
    #[serde(default)]
    min_p: Option<f32>,
    /// Over 0; 1 is off.
    #[serde(default)]
    repeat_penalty: Option<f32>,
    /// How many of the last tokens count as recent; 0 none, -1 all.
    #[serde(default)]
    repeat_last_n: Option<i64>,
    /// From -2 to 2.
    #[serde(default)]
    presence_penalty: Option<f32>,
    /// From -2 to 2.
    #[serde(default)]
    frequency_penalty: Option<f32>,
    /// The same seed gives the same answer.
    #[serde(default)]
    seed: Option<i64>,
    /// Texts that end the answer.
    #[serde(default)]
    stop: Option<Stop>,
    /// Only 0.
    #[serde(default)]
    mirostat: Option<f32>,
    /// Only 1.
    #[serde(default)]
    typical_p: Option<f32>,
    /// Only 1.
    #[serde(default)]
    tfs_z: Option<f32>,
}

impl Options {
    /// Puts them in the place of the settings'.
    pub(super) fn choose(self, ask: &mut Ask) -> Result<(), ApiError> {
        let off = [
            ("mirostat", self.mirostat, 0.0),
            ("typical_p", self.typical_p, 1.0),
            ("tfs_z", self.tfs_z, 1.0),
        ];
        if let Some((name, ..)) = off.iter().find(|(_, value, off)| value.is_some_and(|value| value != *off))
        {
            return Err(ApiError::unsupported(name, format!("`{name}` is not supported.")));
        }
        let sampling = &mut ask.sampling;
        put("temperature", &mut sampling.temperature, self.temperature, 0.0..=100.0)?;
        put("top_k", &mut sampling.top_k, self.top_k, 0..=u32::MAX)?;
        put("top_p", &mut sampling.top_p, self.top_p, f32::MIN_POSITIVE..=1.0)?;
        put("min_p", &mut sampling.min_p, self.min_p, 0.0..=1.0)?;
        put("repeat_penalty", &mut sampling.repeat_penalty, self.repeat_penalty, 0.1..=10.0)?;
        put("presence_penalty", &mut sampling.presence_penalty, self.presence_penalty, -2.0..=2.0)?;
        put("frequency_penalty", &mut sampling.frequency_penalty, self.frequency_penalty, -2.0..=2.0)?;
        fields::seed(self.seed, sampling);
        if let Some(last) = fields::within("repeat_last_n", self.repeat_last_n, -1..=1 << 24)? {
            sampling.repeat_last_n = usize::try_from(last).unwrap_or(usize::MAX);
        }
        ask.stop = fields::stops("stop", self.stop)?;
        ask.context_length = fields::context_length("num_ctx", self.num_ctx)?;
        if let Some(tokens) = self.num_predict {
            if tokens == 0 {
                return Err(ApiError::invalid(
                    "num_predict",
                    "`num_predict` is 0.",
                    "Ask for a token, or -1.",
                ));
            }
            ask.max_tokens = usize::try_from(tokens).ok();
        }
        Ok(())
    }
}

/// What the answer must look like: `"json"`, or a schema.
pub(super) fn format(format: Option<Value>) -> Result<Option<Constraint>, ApiError> {
    match format {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if word.is_empty() => Ok(None),
        Some(Value::String(word)) if word == "json" => Ok(Some(Constraint::JsonObject)),
        Some(Value::String(word)) => {
            let message = format!("`format` is `{}`.", short(&word));
            Err(ApiError::invalid("format", message, "Use `json` or a JSON schema."))
        }
        schema => schema_shape("format", schema),
    }
}

/// Whether, and how much, to think: a yes or no, or a word.
pub(super) fn think(think: Option<Value>, ask: &mut Ask) -> Result<(), ApiError> {
    match think {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Bool(think)) => {
            fields::thinking(think, &mut ask.template_vars);
            Ok(())
        }
        Some(Value::String(effort)) => fields::effort("think", Some(&effort), &mut ask.template_vars),
        Some(_) => {
            Err(ApiError::invalid("think", "`think` is no word.", "Use true, false, low, medium or high."))
        }
    }
}

/// How long the model stays in memory after the answer: seconds, or a duration as Go writes it; less than none is for ever.
/// Nothing leaves that to the settings.
pub(super) fn stay(keep_alive: Option<&Value>) -> Result<Option<Stay>, ApiError> {
    let seconds = match keep_alive {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Number(seconds)) => seconds.as_f64(),
        Some(Value::String(time)) => time
            .parse::<f64>()
            .ok()
            .or_else(|| time.parse::<SignedDuration>().ok().map(|time| time.as_secs_f64())),
        Some(_) => None,
    };
    match seconds {
        Some(seconds) if seconds < 0.0 => Ok(Some(Stay::Always)),
        // What is longer than anybody waits is for ever.
        Some(seconds) if seconds >= 0.0 => {
            Ok(Some(Duration::try_from_secs_f64(seconds).map_or(Stay::Always, Stay::For)))
        }
        _ => {
            let next = "Use seconds or a duration such as 5m.";
            Err(ApiError::invalid("keep_alive", "`keep_alive` is no time.", next))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_model_stays_as_long_as_is_said() {
        let seconds = |seconds: f64| Some(Stay::For(Duration::from_secs_f64(seconds)));
        for (said, means) in [
            (json!(null), None),
            (json!(0), seconds(0.0)),
            (json!("0"), seconds(0.0)),
            (json!("0s"), seconds(0.0)),
            (json!(90), seconds(90.0)),
            (json!("90"), seconds(90.0)),
            (json!("5m"), seconds(300.0)),
            (json!("1h30m"), seconds(5400.0)),
            (json!("1.5h"), seconds(5400.0)),
            (json!("250ms"), seconds(0.25)),
            (json!(-1), Some(Stay::Always)),
            (json!("-1m"), Some(Stay::Always)),
            (json!(1e300), Some(Stay::Always)),
        ] {
            assert_eq!(stay(Some(&said)).ok(), Some(means), "{said}");
        }
        for wrong in [json!("soon"), json!(""), json!("NaN"), json!([5]), json!(true)] {
            assert!(stay(Some(&wrong)).is_err(), "{wrong}");
        }
    }
}

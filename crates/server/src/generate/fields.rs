//! Fields that several protocols have, and how they are checked.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;

use lantern_engine::SamplingParams;
use lantern_protocol::{Overflow, SamplingSettings};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::ApiError;

/// Longest list of stop texts, and longest stop text in bytes.
const MAX_STOPS: usize = 16;
const MAX_STOP_BYTES: usize = 1024;
/// Most tokens that one request may make likelier or less likely.
const MAX_BIASES: usize = 4096;
/// Fewer tokens hold no conversation.
const LEAST_CONTEXT: u32 = 64;
/// Answers that one request may have.
const MOST_ANSWERS: u32 = 8;

/// One stop text or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub(crate) enum Stop {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// What is sent with a tool's definition.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Function {
    /// What the model calls it by: letters, digits, `_`, `-` and `.`, at most 128.
    pub name: String,
    /// What it is good for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A JSON schema of its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Arguments always match the schema, whatever this says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
}

/// The settings' way of choosing tokens.
pub(crate) fn of_settings(settings: &SamplingSettings) -> SamplingParams {
    SamplingParams {
        temperature: settings.temperature,
        top_k: settings.top_k,
        top_p: settings.top_p,
        min_p: settings.min_p,
        repeat_penalty: settings.repeat_penalty,
        presence_penalty: settings.presence_penalty,
        frequency_penalty: settings.frequency_penalty,
        seed: settings.seed.map(u64::from),
        ..SamplingParams::default()
    }
}

/// Puts a client's value in the place of the settings', if it is one.
pub(crate) fn put<T: PartialOrd + Display>(
    param: &'static str,
    place: &mut T,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<(), ApiError> {
    if let Some(value) = within(param, value, range)? {
        *place = value;
    }
    Ok(())
}

/// The value, if it is in its range. NaN is in none.
pub(crate) fn within<T: PartialOrd + Display>(
    param: &'static str,
    value: Option<T>,
    range: RangeInclusive<T>,
) -> Result<Option<T>, ApiError> {
    match value {
        Some(value) if !range.contains(&value) => {
            let (low, high) = range.into_inner();
            Err(ApiError::invalid(
                param,
                format!("Invalid '{param}': {value} is not from {low} to {high}."),
                "Change the field, or leave it out to take the value of Lantern's settings.",
            ))
        }
        value => Ok(value),
    }
}

/// How many answers.
pub(crate) fn answers(n: Option<u32>) -> Result<usize, ApiError> {
    Ok(within("n", n, 1..=MOST_ANSWERS)?.unwrap_or(1) as usize)
}

/// A limit of tokens.
pub(crate) fn limit(param: &'static str, tokens: Option<u32>) -> Result<Option<usize>, ApiError> {
    Ok(within(param, tokens, 1..=u32::MAX)?.map(|tokens| tokens as usize))
}

/// Tokens that prompt and answer may have together.
pub(crate) fn context_length(param: &'static str, tokens: Option<u32>) -> Result<Option<u32>, ApiError> {
    within(param, tokens, LEAST_CONTEXT..=16_777_216)
}

/// A seed as clients write it; those below 0 are seeds like others.
pub(crate) fn seed(seed: Option<i64>, place: &mut SamplingParams) {
    if let Some(seed) = seed {
        place.seed = Some(seed.cast_unsigned());
    }
}

/// Stop texts.
pub(crate) fn stops(param: &'static str, stop: Option<Stop>) -> Result<Vec<String>, ApiError> {
    let stops = match stop {
        None => Vec::new(),
        Some(Stop::One(one)) => vec![one],
        Some(Stop::Many(many)) => many,
    };
    if stops.len() > MAX_STOPS || stops.iter().any(|s| s.is_empty() || s.len() > MAX_STOP_BYTES) {
        let count = stops.len();
        return Err(ApiError::invalid(
            param,
            format!(
                "`{param}` has {count} texts; it may have {MAX_STOPS}, each of 1 to {MAX_STOP_BYTES} bytes."
            ),
            "Send fewer or shorter stop texts.",
        ));
    }
    Ok(stops)
}

/// What is added to the logits, by token id.
pub(crate) fn logit_bias(map: Option<&BTreeMap<String, f32>>) -> Result<Vec<(u32, f32)>, ApiError> {
    const NEXT: &str = "Use token ids as keys and numbers from -100 to 100.";
    let invalid = |message: String| ApiError::invalid("logit_bias", message, NEXT);
    let Some(map) = map else { return Ok(Vec::new()) };
    if map.len() > MAX_BIASES {
        return Err(invalid(format!("`logit_bias` has {} tokens; it may have {MAX_BIASES}.", map.len())));
    }
    let parse = |(id, bias): (&String, &f32)| match id.parse() {
        Ok(_) if !(-100.0..=100.0).contains(bias) => {
            Err(invalid(format!("`logit_bias` has {bias}, which is not from -100 to 100.")))
        }
        // What OpenAI describes as a ban is one.
        Ok(id) if *bias <= -100.0 => Ok((id, f32::NEG_INFINITY)),
        Ok(id) => Ok((id, *bias)),
        Err(_) => Err(invalid("`logit_bias` has a key that is not a token id.".into())),
    };
    map.iter().map(parse).collect()
}

/// What happens to a conversation that does not fit: `overflow`, or OpenAI's `truncation`.
pub(crate) fn overflow(
    overflow: Option<&str>,
    truncation: Option<&str>,
) -> Result<Option<Overflow>, ApiError> {
    let truncated = match truncation {
        None => None,
        Some("auto") => Some(Overflow::DropOldest),
        Some("disabled") => Some(Overflow::Error),
        Some(other) => {
            let message = format!("`truncation` is `{}`, which is not known.", short(other));
            return Err(ApiError::invalid("truncation", message, "Use `auto` or `disabled`."));
        }
    };
    match overflow {
        None => Ok(truncated.filter(|overflow| *overflow != Overflow::Error)),
        Some("error") => Ok(Some(Overflow::Error)),
        Some("drop_oldest") => Ok(Some(Overflow::DropOldest)),
        Some("summarise") => Ok(Some(Overflow::Summarise)),
        Some(other) => Err(ApiError::invalid(
            "overflow",
            format!("`overflow` is `{}`, which is not known.", short(other)),
            "Use `error`, `drop_oldest` or `summarise`, or leave the field out to get an error.",
        )),
    }
}

/// What templates know of how much is to be thought.
pub(crate) fn effort(
    param: &'static str,
    effort: Option<&str>,
    vars: &mut Map<String, Value>,
) -> Result<(), ApiError> {
    match effort {
        None => {}
        Some("none" | "minimal") => thinking(false, vars),
        Some(effort @ ("low" | "medium" | "high" | "xhigh")) => {
            thinking(true, vars);
            let effort = if effort == "xhigh" { "high" } else { effort };
            vars.insert("reasoning_effort".into(), effort.into());
        }
        Some(other) => {
            let message = format!("`{param}` is `{}`, which is not known.", short(other));
            return Err(ApiError::invalid(param, message, "Use none, minimal, low, medium, high or xhigh."));
        }
    }
    Ok(())
}

/// Whether the model is to think first, in the words that templates have for it.
pub(crate) fn thinking(think: bool, vars: &mut Map<String, Value>) {
    vars.insert("enable_thinking".into(), think.into());
    vars.insert("thinking".into(), think.into());
}

/// Tools in the form that templates read, if there are any.
pub(crate) fn tools(param: &'static str, functions: Vec<Function>) -> Result<Option<Value>, ApiError> {
    const MOST: usize = 128;
    let next =
        "Name each tool once, with at most 128 letters, digits, `_`, `-` or `.`, and at most 128 tools.";
    let invalid = |message: String| ApiError::invalid(param, message, next);
    if functions.len() > MOST {
        return Err(invalid(format!("There are {} tools; there may be {MOST}.", functions.len())));
    }
    let mut names = std::collections::BTreeSet::new();
    for function in &functions {
        let name = function.name.as_str();
        let fits = (1..=128).contains(&name.len())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if !fits || !names.insert(name) {
            return Err(invalid(format!("`{}` cannot be a tool's name, or is one twice.", short(name))));
        }
        if function.parameters.as_ref().is_some_and(|schema| !schema.is_object()) {
            return Err(invalid(format!("The parameters of `{}` are no JSON schema.", short(name))));
        }
    }
    let tool = |function: Function| json!({"type": "function", "function": function});
    Ok((!functions.is_empty()).then(|| functions.into_iter().map(tool).collect()))
}

/// At most 40 characters of a client's text, for quoting it back.
pub(crate) fn short(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

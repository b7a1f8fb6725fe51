//! Tools as OpenAI's clients define and choose them.

use lantern_engine::ToolChoice;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ApiError;
use crate::generate::fields::{Function, short, tools};

/// A tool.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Tool {
    /// Only `function`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The function.
    #[serde(default)]
    pub function: Option<Function>,
}

/// Which tools the model may call.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected `auto`, `none`, `required` or an object that names a function")]
pub(crate) enum Choice {
    /// `auto`, `none` or `required`.
    Mode(String),
    /// A function by name.
    Named {
        /// Only `function`.
        #[serde(rename = "type")]
        kind: String,
        /// As chat completions have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        function: Option<Name>,
        /// As responses have it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
}

/// A function's name.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Name {
    name: String,
}

/// Tools in the form that templates read.
pub(crate) fn defined(list: Option<Vec<Tool>>) -> Result<Option<Value>, ApiError> {
    let functions =
        list.unwrap_or_default().into_iter().map(|tool| match (tool.kind.as_str(), tool.function) {
            ("function", Some(function)) => Ok(function),
            (kind, _) => Err(no_function(kind)),
        });
    tools("tools", functions.collect::<Result<_, _>>()?)
}

/// A tool of a kind that only OpenAI's own machines have.
pub(crate) fn no_function(kind: &str) -> ApiError {
    let message = format!("A tool of the type `{}` is not supported, or has no function.", short(kind));
    ApiError::invalid("tools", message, "Send tools of the type `function`.")
}

/// The choice, which must be one among these tools.
pub(crate) fn chosen(choice: Option<Choice>, tools: Option<&Value>) -> Result<ToolChoice, ApiError> {
    const NEXT: &str = "Use `auto`, `none`, `required` or a function that is among the tools.";
    let invalid = |message: String| ApiError::invalid("tool_choice", message, NEXT);
    let choice = match choice {
        None => return Ok(ToolChoice::Auto),
        Some(Choice::Mode(mode)) => match mode.as_str() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            "required" => ToolChoice::Required,
            other => return Err(invalid(format!("`tool_choice` is `{}`.", short(other)))),
        },
        Some(Choice::Named { kind, function, name }) => {
            match function.map(|function| function.name).or(name).filter(|_| kind == "function") {
                Some(name) => ToolChoice::Named(name),
                None => return Err(invalid("`tool_choice` names no function.".into())),
            }
        }
    };
    check(&choice, tools).map_err(invalid)?;
    Ok(choice)
}

/// Whether a choice can be made; what is wrong otherwise.
pub(crate) fn check(choice: &ToolChoice, tools: Option<&Value>) -> Result<(), String> {
    let tools = tools.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match choice {
        ToolChoice::Required if tools.is_empty() => Err("A tool is required, but there is none.".into()),
        ToolChoice::Named(name) if tools.iter().all(|tool| tool["function"]["name"] != name.as_str()) => {
            Err(format!("There is no tool `{}`.", short(name)))
        }
        _ => Ok(()),
    }
}

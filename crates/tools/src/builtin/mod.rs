//! Tools that Lantern brings along. None of them touches the network, and none needs more than it is given.

pub mod calculator;
pub mod clock;
pub mod files;

use std::path::PathBuf;

use serde_json::{Map, Value as Json, json};

use crate::{Definition, Hints, ToolError, ToolOutput};

/// The arguments of a call.
pub type Arguments = Map<String, Json>;

/// What the tools may use.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// The only folder that may be looked into; without one there are no tools for files.
    pub folder: Option<PathBuf>,
}

/// The tools, as they are told to the model.
pub fn definitions(allowed: &Allowed) -> Vec<Definition> {
    let mut all = vec![calculator::definition(), clock::definition()];
    if allowed.folder.is_some() {
        all.extend(files::definitions());
    }
    all
}

/// Runs a tool. Blocks: files are read.
pub fn run(name: &str, arguments: &Arguments, allowed: &Allowed) -> Result<ToolOutput, ToolError> {
    match (name, &allowed.folder) {
        (calculator::NAME, _) => calculator::run(arguments),
        (clock::NAME, _) => clock::run(arguments, &jiff::Zoned::now()),
        (_, Some(folder)) if files::has(name) => files::run(name, arguments, folder),
        _ => Err(ToolError::Unknown(crate::definition::short(name))),
    }
}

/// A tool that only reads.
fn reading(name: &str, title: &str, description: &str, parameters: Json) -> Definition {
    Definition {
        name: name.into(),
        title: Some(title.into()),
        description: description.into(),
        parameters,
        hints: Hints { read_only: true, destructive: false },
    }
}

/// The schema of an object of these fields, of which the first few must be there.
fn object(fields: &[(&str, Json)], required: usize) -> Json {
    let properties: Map<String, Json> =
        fields.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    let names: Vec<&str> = fields.iter().take(required).map(|(name, _)| *name).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

/// A text among the arguments. One that is empty is not there: small models fill in everything.
fn optional<'a>(arguments: &'a Arguments, name: &str) -> Result<Option<&'a str>, ToolError> {
    match arguments.get(name) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.trim().is_empty())),
        Some(_) => Err(ToolError::Arguments(format!("`{name}` must be a text"))),
    }
}

/// A text that must be there.
fn required<'a>(arguments: &'a Arguments, name: &str) -> Result<&'a str, ToolError> {
    optional(arguments, name)?.ok_or_else(|| ToolError::Arguments(format!("`{name}` is missing")))
}

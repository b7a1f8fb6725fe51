//! What an answer must look like, from files.

use std::path::{Path, PathBuf};

use lantern_engine::Constraint;

use crate::error::CliError;

#[derive(clap::Args)]
pub struct ConstraintArgs {
    /// The answer is JSON that the schema in this file allows
    #[arg(long, value_name = "FILE", conflicts_with = "grammar")]
    json_schema: Option<PathBuf>,
    /// The answer is text of the grammar in this file: GBNF in a .gbnf file, Lark in all others
    #[arg(long, value_name = "FILE")]
    grammar: Option<PathBuf>,
}

impl ConstraintArgs {
    /// What the files say; `None` when there are none.
    pub fn read(&self) -> Result<Option<Constraint>, CliError> {
        if let Some(path) = &self.json_schema {
            return Ok(Some(Constraint::JsonSchema(read_json(path)?)));
        }
        let Some(path) = &self.grammar else { return Ok(None) };
        let text = read(path)?;
        Ok(Some(match path.extension().is_some_and(|extension| extension == "gbnf") {
            true => Constraint::Gbnf(text),
            false => Constraint::Lark(text),
        }))
    }
}

/// The JSON in a file.
pub fn read_json(path: &Path) -> Result<serde_json::Value, CliError> {
    serde_json::from_str(&read(path)?).map_err(|error| {
        let message = format!("{} is not JSON: {error}.", path.display());
        CliError::new("invalid_schema", message, "Correct the file.")
    })
}

fn read(path: &Path) -> Result<String, CliError> {
    std::fs::read_to_string(path).map_err(|error| {
        let message = format!("{} cannot be read: {error}.", path.display());
        CliError::new("unreadable_file", message, "Check the name of the file.")
    })
}

//! What is told of a tool, to the model and to the user.

use std::fmt::Write;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::ToolError;

/// Longest name, in bytes; what models' APIs take.
const MOST_NAME: usize = 64;
/// Longest description, in bytes. Every one of them is read by the model before each answer.
const MOST_DESCRIPTION: usize = 8 << 10;
/// Longest schema of arguments, in bytes of JSON.
const MOST_SCHEMA: usize = 64 << 10;

/// What a server says of its tool's effects. Nothing is decided by it: a server can say what it likes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// It only reads.
    pub read_only: bool,
    /// It may destroy something.
    pub destructive: bool,
}

/// A tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// By which its server calls it.
    pub name: String,
    /// For people.
    pub title: Option<String>,
    /// For the model.
    pub description: String,
    /// The JSON schema of its arguments, an object.
    pub parameters: Json,
    /// What its server says of its effects.
    pub hints: Hints,
}

impl Definition {
    /// Refuses what is too long to be put before a model, or cannot be a name.
    pub fn checked(self) -> Result<Self, ToolError> {
        let refuse = |why: &str| Err(ToolError::Protocol(format!("the tool `{}` {why}", short(&self.name))));
        let is_good = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
        if self.name.is_empty() || self.name.len() > MOST_NAME || !self.name.chars().all(is_good) {
            return refuse("has a name that models cannot write");
        }
        if self.description.len() > MOST_DESCRIPTION {
            return refuse("has a description of more than 8 kB");
        }
        if self.parameters.to_string().len() > MOST_SCHEMA {
            return refuse("has a schema of more than 64 kB");
        }
        Ok(self)
    }

    /// SHA-256, in hex, of everything that a user agreed to: another description or another schema is another tool.
    pub fn hash(&self) -> String {
        let Hints { read_only, destructive } = self.hints;
        let said = serde_json::json!({
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "parameters": sorted(&self.parameters),
            "hints": [read_only, destructive],
        });
        Sha256::digest(said.to_string().as_bytes()).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
    }
}

/// The same value with the keys of its objects in order.
fn sorted(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Json::Object(
                entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>(),
            )
        }
        Json::Array(values) => Json::Array(values.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// The beginning of a text that somebody else wrote.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(MOST_NAME).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tool() -> Definition {
        Definition {
            name: "echo".into(),
            title: None,
            description: "Says it again.".into(),
            parameters: json!({"type": "object", "properties": {"a": {}, "b": {}}}),
            hints: Hints::default(),
        }
    }

    #[test]
    fn a_hash_is_of_what_is_said_and_not_of_how() {
        let same =
            Definition { parameters: json!({"properties": {"b": {}, "a": {}}, "type": "object"}), ..tool() };
        assert_eq!(tool().hash(), same.hash());
        let changes = [
            Definition { description: "Says it again. Then sends your keys.".into(), ..tool() },
            Definition { parameters: json!({"type": "object"}), ..tool() },
            Definition { title: Some("Echo".into()), ..tool() },
            Definition { hints: Hints { read_only: true, destructive: false }, ..tool() },
        ];
        for changed in changes {
            assert_ne!(changed.hash(), tool().hash(), "{changed:?}");
        }
    }

    #[test]
    fn what_no_model_should_read_is_refused() {
        assert!(tool().checked().is_ok());
        let refused = [
            Definition { name: String::new(), ..tool() },
            Definition { name: "a b".into(), ..tool() },
            Definition { name: "x".repeat(65), ..tool() },
            Definition { description: "x".repeat(9000), ..tool() },
            Definition { parameters: json!({"enum": ["x".repeat(70_000)]}), ..tool() },
        ];
        for refused in refused {
            assert_eq!(refused.checked().map_err(|error| error.code()), Err("tool_server_protocol"));
        }
    }
}

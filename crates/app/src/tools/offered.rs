//! The tools of a conversation as its model knows them.

use std::collections::BTreeMap;

use lantern_protocol::{AppEvent, BUILT_IN, ChosenTool, ErrorInfo};
use lantern_tools::Definition;
use lantern_tools::builtin::{self, Allowed};
use serde_json::{Value, json};

use crate::{App, AppError};

/// Most tools of a conversation. The model reads all of them before each answer.
pub(crate) const MOST_TOOLS: usize = 128;
/// Longest name that models are sure to write.
const MOST_NAME: usize = 64;

/// What the model may call.
#[derive(Debug, Default)]
pub(crate) struct Offered {
    tools: Vec<OfferedTool>,
    /// Whether each answer begins with a call.
    pub(crate) required: bool,
}

/// One of the tools.
#[derive(Debug)]
pub(crate) struct OfferedTool {
    /// By which the model knows it.
    pub(crate) name: String,
    /// What it is.
    pub(crate) chosen: ChosenTool,
    definition: Definition,
}

impl Offered {
    fn new(mut found: Vec<(ChosenTool, Definition)>, required: bool) -> Self {
        found.truncate(MOST_TOOLS);
        let plain: Vec<String> = found.iter().map(|(chosen, _)| written(&chosen.tool)).collect();
        let mut tools: Vec<OfferedTool> = Vec::with_capacity(found.len());
        for (at, (chosen, definition)) in found.into_iter().enumerate() {
            let is_alone = plain.iter().filter(|name| **name == plain[at]).count() == 1;
            let mut name = match is_alone || chosen.server == BUILT_IN {
                true => plain[at].clone(),
                false => written(&format!("{}_{}", chosen.server, chosen.tool)),
            };
            // Names that are cut may be the same again.
            let mut n = 2;
            while tools.iter().any(|tool| tool.name == name) {
                name = written(&format!("{n}_{}_{}", chosen.server, chosen.tool));
                n += 1;
            }
            tools.push(OfferedTool { name, chosen, definition });
        }
        Self { required: required && !tools.is_empty(), tools }
    }

    /// In the form that templates read; `None` if there are none.
    pub(crate) fn json(&self) -> Option<Value> {
        let function = |tool: &OfferedTool| {
            json!({"type": "function", "function": {
                "name": tool.name,
                "description": tool.definition.description,
                "parameters": tool.definition.parameters,
            }})
        };
        (!self.tools.is_empty()).then(|| self.tools.iter().map(function).collect())
    }

    /// The tool that the model calls by this name.
    pub(crate) fn find(&self, name: &str) -> Option<&OfferedTool> {
        self.tools.iter().find(|tool| tool.name == name)
    }
}

/// A name that models can write.
fn written(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    name.chars().map(plain).take(MOST_NAME).collect()
}

impl App {
    /// What Lantern brings along, as the settings allow it.
    pub(super) async fn own_tools(&self) -> Result<Vec<Definition>, AppError> {
        let mut own = builtin::definitions(&self.allowed().await?);
        own.push(super::conversations::definition());
        Ok(own)
    }

    /// What Lantern's own tools may use.
    pub(super) async fn allowed(&self) -> Result<Allowed, AppError> {
        let folder = self.settings().await?.tools.folder;
        Ok(Allowed { folder: Some(folder.trim()).filter(|folder| !folder.is_empty()).map(Into::into) })
    }

    /// The tools of a conversation. What cannot be offered, because its server does not work or it is not what the user
    /// chose any more, is left out, and the user is told.
    pub(crate) async fn offered(&self, conversation_id: &str) -> Result<Offered, AppError> {
        let chosen = self.chosen_tools(Some(conversation_id.to_owned())).await?;
        let mut servers: BTreeMap<String, Vec<ChosenTool>> = BTreeMap::new();
        for tool in chosen.tools {
            servers.entry(tool.server.clone()).or_default().push(tool);
        }
        let asked = servers.into_iter().map(|(server, tools)| async move {
            let known = self.known_tools(&server).await;
            (server, tools, known)
        });
        let mut found = Vec::new();
        for (server, tools, known) in futures::future::join_all(asked).await {
            match known {
                Ok(known) => {
                    for tool in tools {
                        match known.iter().find(|known| known.name == tool.tool) {
                            Some(known) if known.hash() == tool.hash => found.push((tool, known.clone())),
                            there => self.tell_left_out(&tool, there.is_some()),
                        }
                    }
                }
                Err(error) => self.emit(AppEvent::Notice {
                    notice: ErrorInfo {
                        code: error.code,
                        message: format!(
                            "The model answers without the tools of `{server}`. {}",
                            error.message
                        ),
                        next_step: error.next_step,
                    },
                }),
            }
        }
        Ok(Offered::new(found, chosen.required))
    }

    async fn known_tools(&self, server: &str) -> Result<Vec<Definition>, AppError> {
        if server == BUILT_IN {
            return self.own_tools().await;
        }
        Ok(self.tool_server(server).await?.tools().await?)
    }

    fn tell_left_out(&self, tool: &ChosenTool, is_there: bool) {
        let ChosenTool { server, tool, .. } = tool;
        let why = match is_there {
            true => "describes itself differently since you switched it on",
            false => "is not there any more",
        };
        let notice = ErrorInfo {
            code: if is_there { "tool_changed" } else { "tool_gone" }.into(),
            message: format!("The model answers without the tool `{tool}` of `{server}`: it {why}."),
            next_step: "Look at it in the conversation's tools, and switch it on again if you trust it."
                .into(),
        };
        self.emit(AppEvent::Notice { notice });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_no_two_are_the_same() {
        let tool = |server: &str, tool: &str| {
            let definition = Definition {
                name: tool.into(),
                title: None,
                description: "Does it.".into(),
                parameters: json!({"type": "object"}),
                hints: lantern_tools::Hints::default(),
            };
            let chosen = ChosenTool { server: server.into(), tool: tool.into(), hash: String::new() };
            (chosen, definition)
        };
        let long = "x".repeat(64);
        let found = vec![
            tool(BUILT_IN, "calculator"),
            tool("a", "calculator"),
            tool("a", "echo"),
            tool("a", "files.read"),
            tool("b", &long),
            tool("c", &long),
            tool("cc", &format!("{}y", "x".repeat(63))),
        ];
        let offered = Offered::new(found, true);
        let names: Vec<&str> = offered.tools.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(names[..4], ["calculator", "a_calculator", "echo", "files_read"]);
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "{names:?}");
        assert!(names.iter().all(|name| name.len() <= MOST_NAME));
        assert_eq!(offered.find("a_calculator").map(|tool| tool.chosen.server.as_str()), Some("a"));
        assert_eq!(offered.json().unwrap()[0]["function"]["name"], "calculator");
        let none = Offered::new(Vec::new(), true);
        assert!(none.json().is_none() && !none.required, "nothing can be required of nothing");
    }
}

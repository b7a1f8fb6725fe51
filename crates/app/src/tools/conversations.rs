//! The tool that looks into the user's other conversations.

use lantern_protocol::ConversationSummary;
use lantern_tools::builtin::Arguments;
use lantern_tools::{Definition, Hints, ToolError, ToolOutput};
use serde_json::{Value, json};

use crate::{App, AppError};

pub(super) const NAME: &str = "search_conversations";
/// Most conversations that are told.
const MOST_FOUND: usize = 20;

pub(super) fn definition() -> Definition {
    let query = json!({"type": "string", "description": "Words that the conversation must hold"});
    Definition {
        name: NAME.into(),
        title: Some("Search my conversations".into()),
        description:
            "Finds the user's earlier conversations that hold some words, with the passage where they are."
                .into(),
        parameters: json!({"type": "object", "properties": {"query": query}, "required": ["query"],
            "additionalProperties": false}),
        hints: Hints { read_only: true, destructive: false },
    }
}

impl App {
    /// Runs it for a conversation, which is not among what it finds.
    pub(super) async fn search_for_model(
        &self,
        arguments: &Arguments,
        conversation_id: &str,
    ) -> Result<ToolOutput, AppError> {
        let query = arguments.get("query").and_then(Value::as_str).filter(|query| !query.trim().is_empty());
        let query = query.ok_or_else(|| ToolError::Arguments("`query` is missing".into()))?;
        let found = self.list_conversations(Some(query.to_owned())).await?;
        let others = found.iter().filter(|found| found.conversation.id != conversation_id).take(MOST_FOUND);
        let lines: Vec<String> = others.map(line).collect();
        Ok(ToolOutput::text(if lines.is_empty() { "Nothing was found.".into() } else { lines.join("\n") }))
    }
}

fn line(found: &ConversationSummary) -> String {
    let ConversationSummary { conversation, snippet } = found;
    let day = jiff::Timestamp::from_millisecond(conversation.updated_at);
    let day = day.map(|day| day.strftime("%Y-%m-%d").to_string()).unwrap_or_default();
    let passage = snippet.as_deref().unwrap_or_default().replace(['\u{2068}', '\u{2069}'], "");
    format!("{day} “{}”: {passage}", conversation.title)
}

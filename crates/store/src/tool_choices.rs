//! Tables `tool_choices` and `tool_consents`: which tools a conversation may use, and which of them may run without asking.
//!
//! Both remember a tool by its hash: one that describes itself differently is another tool, of which nobody said anything.

use lantern_protocol::{ChosenTool, ChosenTools};
use rusqlite::{Connection, OptionalExtension, params};

use crate::{NamedAssistant, Store, StoreError, assistants, conversations, now_ms};

/// Format 5.
pub(crate) const V5: &str = "
CREATE TABLE tool_choices (
    -- NULL for what new conversations begin with.
    conversation_id TEXT UNIQUE REFERENCES conversations (id) ON DELETE CASCADE,
    choice TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX tool_choices_of_new ON tool_choices (conversation_id IS NULL) WHERE conversation_id IS NULL;

CREATE TABLE tool_consents (
    -- NULL for always.
    conversation_id TEXT REFERENCES conversations (id) ON DELETE CASCADE,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX tool_consents_by_tool ON tool_consents (server, tool, hash);
";

/// Gives a new conversation the tools that new ones begin with.
pub(crate) fn begin_with(t: &Connection, conversation_id: &str) -> Result<(), StoreError> {
    t.prepare_cached(
        "INSERT INTO tool_choices (conversation_id, choice)
         SELECT ?1, choice FROM tool_choices WHERE conversation_id IS NULL",
    )?
    .execute([conversation_id])?;
    Ok(())
}

/// See [`Store::choose_tools`].
pub(crate) fn choose(
    t: &Connection,
    conversation_id: Option<&str>,
    chosen: &ChosenTools,
) -> Result<(), StoreError> {
    if let Some(id) = conversation_id {
        conversations::get(t, id)?;
    }
    t.execute("DELETE FROM tool_choices WHERE conversation_id IS ?1", [conversation_id])?;
    t.execute(
        "INSERT INTO tool_choices (conversation_id, choice) VALUES (?1, ?2)",
        params![conversation_id, serde_json::to_string(chosen)?],
    )?;
    Ok(())
}

impl Store {
    /// The tools of a conversation: its own, or else its assistant's. Without one, those with which new ones begin.
    pub fn chosen_tools(&self, conversation_id: Option<&str>) -> Result<ChosenTools, StoreError> {
        let sql = "SELECT choice FROM tool_choices WHERE conversation_id IS ?1";
        let found: Option<String> =
            self.conn.prepare_cached(sql)?.query_row([conversation_id], |row| row.get(0)).optional()?;
        if let (None, Some(id)) = (&found, conversation_id) {
            let assistant = self.assistant_of(id)?;
            return Ok(assistant.and_then(|named| named.assistant.setup.tools).unwrap_or_default());
        }
        // Those of a later version are not understood, and then no tools are better than some.
        Ok(found.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
    }

    /// Chooses the tools of a conversation, or those with which new ones begin.
    pub fn choose_tools(
        &mut self,
        conversation_id: Option<&str>,
        chosen: &ChosenTools,
    ) -> Result<(), StoreError> {
        self.write(|t| choose(t, conversation_id, chosen))
    }

    /// Whether a tool, as it is, may run in a conversation without asking: the user said so of the conversation, of all, or of
    /// the assistant. Of an assistant that is not here nobody said anything: it came with the conversation, or is gone.
    pub fn may_run(&self, conversation_id: &str, tool: &ChosenTool) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM tool_consents WHERE server = ?1 AND tool = ?2 AND hash = ?3
                       AND (conversation_id IS NULL OR conversation_id = ?4))";
        let values = params![tool.server, tool.tool, tool.hash, conversation_id];
        let said: bool = self.conn.prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        let lets = |named: NamedAssistant| named.is_here && named.assistant.setup.unasked.contains(tool);
        Ok(said || self.assistant_of(conversation_id)?.is_some_and(lets))
    }

    /// The tools that may always run without asking.
    pub fn always_run(&self) -> Result<Vec<ChosenTool>, StoreError> {
        let sql = "SELECT server, tool, hash FROM tool_consents WHERE conversation_id IS NULL";
        let mut statement = self.conn.prepare_cached(sql)?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(ChosenTool { server: row.get(0)?, tool: row.get(1)?, hash: row.get(2)? })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Lets a tool, as it is, run without asking: in a conversation, or always.
    pub fn let_run(&mut self, conversation_id: Option<&str>, tool: &ChosenTool) -> Result<(), StoreError> {
        self.write(|t| {
            t.execute(
                "INSERT INTO tool_consents (conversation_id, server, tool, hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![conversation_id, tool.server, tool.tool, tool.hash, now_ms()],
            )?;
            Ok(())
        })
    }

    /// Takes back that a server's tool may run without asking, everywhere; without a tool, all of the server's.
    pub fn ask_again(&mut self, server: &str, tool: Option<&str>) -> Result<(), StoreError> {
        self.write(|t| {
            t.execute(
                "DELETE FROM tool_consents WHERE server = ?1 AND (?2 IS NULL OR tool = ?2)",
                params![server, tool],
            )?;
            assistants::ask_again(t, server, tool)
        })
    }
}

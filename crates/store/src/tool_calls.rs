//! Table `tool_calls`: what a model called in an answer, and what came of it.
//!
//! A call is here before it runs and is `running` before it does: one without a result may have had its effects. When the
//! process that ran it is dead, it is `interrupted`, and nobody runs it again; one that was still asked about is `not_run`.

use lantern_protocol::{Message, MessageStatus, Role, ToolCall, ToolCallState, ToolResult};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::messages::{self, NewMessage};
use crate::{Finish, Store, StoreError, conversations, new_id, now_ms};

/// Format 5.
pub(crate) const V5: &str = "
CREATE TABLE tool_calls (
    id TEXT PRIMARY KEY NOT NULL,
    message_id TEXT NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    call_id TEXT NOT NULL,
    server TEXT NOT NULL,
    tool TEXT NOT NULL,
    name TEXT NOT NULL,
    arguments TEXT NOT NULL,
    state TEXT NOT NULL,
    result TEXT,
    -- The message that tells the model of it.
    result_id TEXT REFERENCES messages (id) ON DELETE SET NULL,
    writer TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    ended_at INTEGER,
    UNIQUE (message_id, position)
) STRICT;
CREATE INDEX tool_calls_by_result ON tool_calls (result_id) WHERE result_id IS NOT NULL;
CREATE INDEX tool_calls_open ON tool_calls (state) WHERE state IN ('asking', 'running');
";

const COLUMNS: &str =
    "c.id, c.message_id, c.call_id, c.server, c.tool, c.name, c.arguments, c.state, c.result,
    c.created_at, c.started_at, c.ended_at";

/// A call as the model made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewToolCall {
    /// As the model called it.
    pub call_id: String,
    /// Whose tool it is; empty if there is none of that name.
    pub server: String,
    /// By which its server knows it.
    pub tool: String,
    /// By which the model knows it.
    pub name: String,
    /// JSON, as the model wrote it.
    pub arguments: String,
    /// How far it has come.
    pub state: ToolCallState,
}

/// What [`Store::next_round`] stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Round {
    /// The results, one for each call.
    pub results: Vec<Message>,
    /// Empty and `streaming`.
    pub assistant_message: Message,
}

fn read(row: &Row<'_>) -> rusqlite::Result<ToolCall> {
    let state: String = row.get(7)?;
    let unknown =
        |error: serde_json::Error| rusqlite::Error::FromSqlConversionFailure(7, Type::Text, Box::new(error));
    Ok(ToolCall {
        id: row.get(0)?,
        message_id: row.get(1)?,
        call_id: row.get(2)?,
        server: row.get(3)?,
        tool: row.get(4)?,
        name: row.get(5)?,
        arguments: row.get(6)?,
        state: serde_json::from_value(state.into()).map_err(unknown)?,
        result: row.get::<_, Option<String>>(8)?.and_then(|text| serde_json::from_str(&text).ok()),
        created_at: row.get(9)?,
        started_at: row.get(10)?,
        ended_at: row.get(11)?,
    })
}

fn state_name(state: ToolCallState) -> &'static str {
    match state {
        ToolCallState::Asking => "asking",
        ToolCallState::Running => "running",
        ToolCallState::Done => "done",
        ToolCallState::Failed => "failed",
        ToolCallState::Denied => "denied",
        ToolCallState::Stopped => "stopped",
        ToolCallState::Interrupted => "interrupted",
        ToolCallState::NotRun => "not_run",
    }
}

fn get(conn: &Connection, id: &str) -> Result<ToolCall, StoreError> {
    conn.prepare_cached(&format!("SELECT {COLUMNS} FROM tool_calls c WHERE id = ?1"))?
        .query_row([id], read)
        .optional()?
        .ok_or_else(|| StoreError::NoMessage(id.into()))
}

fn of_message(conn: &Connection, message_id: &str) -> Result<Vec<ToolCall>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM tool_calls c WHERE message_id = ?1 ORDER BY position");
    let mut statement = conn.prepare_cached(&sql)?;
    Ok(statement.query_map([message_id], read)?.collect::<Result<_, _>>()?)
}

/// Ends every call whose process is dead and that had no result: as `interrupted` if it may have run, else as `not_run`.
pub(crate) fn interrupt(conn: &Connection, is_dead: impl Fn(&str) -> bool) -> Result<(), StoreError> {
    let open = conn
        .prepare("SELECT id, coalesce(writer, '') FROM tool_calls WHERE state IN ('asking', 'running')")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(String, String)>, _>>()?;
    for (id, _) in open.iter().filter(|(_, writer)| is_dead(writer)) {
        conn.execute(
            "UPDATE tool_calls SET state = iif(state = 'running', 'interrupted', 'not_run'), writer = NULL, ended_at = ?2
             WHERE id = ?1",
            params![id, now_ms()],
        )?;
    }
    Ok(())
}

impl Store {
    /// The calls of all branches of a conversation, in order.
    pub fn tool_calls(&self, conversation_id: &str) -> Result<Vec<ToolCall>, StoreError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM tool_calls c JOIN messages m ON m.id = c.message_id
             WHERE m.conversation_id = ?1 ORDER BY c.message_id, c.position"
        );
        let mut statement = self.conn.prepare_cached(&sql)?;
        Ok(statement.query_map([conversation_id], read)?.collect::<Result<_, _>>()?)
    }

    /// The calls of one answer, in order.
    pub fn tool_calls_of(&self, message_id: &str) -> Result<Vec<ToolCall>, StoreError> {
        of_message(&self.conn, message_id)
    }

    /// One call.
    pub fn tool_call(&self, id: &str) -> Result<ToolCall, StoreError> {
        get(&self.conn, id)
    }

    /// The call whose result a message is.
    pub fn call_of_result(&self, result_id: &str) -> Result<Option<ToolCall>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM tool_calls c WHERE result_id = ?1");
        Ok(self.conn.prepare_cached(&sql)?.query_row([result_id], read).optional()?)
    }

    /// Ends an answer that called tools, with its calls: either all of it is stored, or nothing.
    pub fn finish_with_calls(
        &mut self,
        message_id: &str,
        finish: &Finish,
        calls: &[NewToolCall],
    ) -> Result<(Message, Vec<ToolCall>), StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| {
            let Finish { status, error, stats } = finish;
            let message = messages::finish(t, message_id, *status, error.as_ref(), stats.as_ref())?;
            for (position, call) in (0u32..).zip(calls) {
                t.prepare_cached(
                    "INSERT INTO tool_calls
                         (id, message_id, position, call_id, server, tool, name, arguments, state, writer, created_at)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                )?
                .execute(params![
                    new_id(),
                    message_id,
                    position,
                    call.call_id,
                    call.server,
                    call.tool,
                    call.name,
                    call.arguments,
                    state_name(call.state),
                    writer,
                    now_ms()
                ])?;
            }
            Ok((message, of_message(t, message_id)?))
        })
    }

    /// A call runs from now on. Once this has returned, nobody will run it again.
    pub fn begin_tool_call(&mut self, id: &str) -> Result<ToolCall, StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| {
            let begun = t.execute(
                "UPDATE tool_calls SET state = 'running', writer = ?2, started_at = ?3, ended_at = NULL
                 WHERE id = ?1 AND state IN ('asking', 'not_run')",
                params![id, writer, now_ms()],
            )?;
            if begun == 0 { Err(StoreError::NotStreaming(id.into())) } else { get(t, id) }
        })
    }

    /// The user is asked about a call that was not run after all.
    pub fn reopen_tool_call(&mut self, id: &str) -> Result<ToolCall, StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| {
            t.execute(
                "UPDATE tool_calls SET state = 'asking', writer = ?2, ended_at = NULL
                 WHERE id = ?1 AND state = 'not_run'",
                params![id, writer],
            )?;
            get(t, id)
        })
    }

    /// A call has ended.
    pub fn end_tool_call(
        &mut self,
        id: &str,
        state: ToolCallState,
        result: Option<&ToolResult>,
    ) -> Result<ToolCall, StoreError> {
        let result = result.map(serde_json::to_string).transpose()?;
        self.write(|t| {
            t.execute(
                "UPDATE tool_calls SET state = ?2, result = ?3, writer = NULL, ended_at = ?4
                 WHERE id = ?1 AND state IN ('asking', 'running', 'not_run')",
                params![id, state_name(state), result, now_ms()],
            )?;
            get(t, id)
        })
    }

    /// Stores the results of an answer's calls below it, each with what the model reads of it, and an empty answer below them.
    pub fn next_round(
        &mut self,
        message_id: &str,
        results: &[(String, String)],
        model: Option<&str>,
    ) -> Result<Round, StoreError> {
        let writer = self.writer_id().to_owned();
        self.write(|t| {
            let answered = messages::get(t, message_id)?;
            if answered.status == MessageStatus::Streaming {
                return Err(StoreError::StillStreaming(message_id.into()));
            }
            let conversation_id = answered.conversation_id.as_str();
            let mut parent = answered.id.clone();
            let mut stored = Vec::with_capacity(results.len());
            for (call, content) in results {
                let new = NewMessage {
                    conversation_id,
                    parent_id: Some(&parent),
                    role: Role::Tool,
                    content,
                    model: None,
                    writer: None,
                };
                let message = messages::insert(t, new)?;
                t.execute("UPDATE tool_calls SET result_id = ?2 WHERE id = ?1", params![call, message.id])?;
                parent.clone_from(&message.id);
                stored.push(message);
            }
            let new = NewMessage {
                conversation_id,
                parent_id: Some(&parent),
                role: Role::Assistant,
                content: "",
                model,
                writer: Some(&writer),
            };
            let assistant_message = messages::insert(t, new)?;
            conversations::set_leaf(t, conversation_id, Some(&assistant_message.id))?;
            Ok(Round { results: stored, assistant_message })
        })
    }
}

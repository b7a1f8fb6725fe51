//! Table `assistants`: ways of answering that have a name. Which conversation has which says `conversation_assistants`.

use lantern_protocol::{Assistant, AssistantSetup};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, new_id, now_ms};

pub(crate) const FIRST: &str = "
CREATE TABLE assistants (
    id TEXT PRIMARY KEY NOT NULL,
    -- Also in `setup`; here so that no two are the same.
    name TEXT NOT NULL UNIQUE COLLATE NOCASE,
    version INTEGER NOT NULL,
    setup TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
";

const COLUMNS: &str = "id, version, setup, created_at, updated_at";

fn read(row: &Row<'_>) -> rusqlite::Result<(Assistant, String)> {
    let assistant = Assistant {
        id: row.get(0)?,
        version: row.get(1)?,
        setup: AssistantSetup::default(),
        created_at: row.get(3)?,
        updated_at: row.get(4)?,
    };
    Ok((assistant, row.get(2)?))
}

fn whole((assistant, setup): (Assistant, String)) -> Result<Assistant, StoreError> {
    Ok(Assistant { setup: serde_json::from_str(&setup)?, ..assistant })
}

pub(crate) fn find(conn: &Connection, id: &str) -> Result<Option<Assistant>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM assistants WHERE id = ?1");
    conn.prepare_cached(&sql)?.query_row([id], read).optional()?.map(whole).transpose()
}

pub(crate) fn all(conn: &Connection) -> Result<Vec<Assistant>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM assistants ORDER BY name"))?;
    let rows = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    rows.into_iter().map(whole).collect()
}

fn get(conn: &Connection, id: &str) -> Result<Assistant, StoreError> {
    find(conn, id)?.ok_or_else(|| StoreError::NoAssistant(id.into()))
}

/// Whether another assistant has this name.
fn is_taken(conn: &Connection, name: &str, id: Option<&str>) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM assistants WHERE name = ?1 AND id IS NOT ?2";
    Ok(conn.prepare_cached(sql)?.exists(params![name, id])?)
}

fn update(conn: &Connection, assistant: &Assistant) -> Result<(), StoreError> {
    conn.prepare_cached(
        "UPDATE assistants SET name = ?2, version = ?3, setup = ?4, updated_at = ?5 WHERE id = ?1",
    )?
    .execute(params![
        assistant.id,
        assistant.setup.name,
        assistant.version,
        serde_json::to_string(&assistant.setup)?,
        assistant.updated_at
    ])?;
    Ok(())
}

/// No assistant lets a tool run unasked any more; without a name, none of the server's. That changes no answer, so it is no new
/// version.
pub(crate) fn ask_again(conn: &Connection, server: &str, tool: Option<&str>) -> Result<(), StoreError> {
    for mut assistant in all(conn)? {
        let before = assistant.setup.unasked.len();
        assistant
            .setup
            .unasked
            .retain(|one| one.server != server || tool.is_some_and(|tool| tool != one.tool));
        if assistant.setup.unasked.len() < before {
            update(conn, &assistant)?;
        }
    }
    Ok(())
}

impl Store {
    /// All assistants by name.
    pub fn assistants(&self) -> Result<Vec<Assistant>, StoreError> {
        all(&self.conn)
    }

    /// One of them.
    pub fn assistant(&self, id: &str) -> Result<Assistant, StoreError> {
        get(&self.conn, id)
    }

    /// Makes an assistant, whose name no other may have.
    pub fn add_assistant(&mut self, setup: &AssistantSetup) -> Result<Assistant, StoreError> {
        self.write(|t| {
            if is_taken(t, &setup.name, None)? {
                return Err(StoreError::AssistantExists(setup.name.clone()));
            }
            let now = now_ms();
            let assistant = Assistant {
                id: new_id(),
                version: 1,
                setup: setup.clone(),
                created_at: now,
                updated_at: now,
            };
            t.prepare_cached(
                "INSERT INTO assistants (id, name, version, setup, created_at, updated_at)
                 VALUES (?1, ?2, 1, ?3, ?4, ?4)",
            )?
            .execute(params![assistant.id, setup.name, serde_json::to_string(setup)?, now])?;
            Ok(assistant)
        })
    }

    /// Changes an assistant, which makes a new version of it; without a change it stays what it is.
    pub fn change_assistant(&mut self, id: &str, setup: &AssistantSetup) -> Result<Assistant, StoreError> {
        self.write(|t| {
            let before = get(t, id)?;
            if before.setup == *setup {
                return Ok(before);
            }
            if is_taken(t, &setup.name, Some(id))? {
                return Err(StoreError::AssistantExists(setup.name.clone()));
            }
            let version = before.version.saturating_add(1);
            let assistant = Assistant { version, setup: setup.clone(), updated_at: now_ms(), ..before };
            update(t, &assistant)?;
            Ok(assistant)
        })
    }

    /// Deletes an assistant. Its conversations go on with it as it was at their last answers.
    pub fn delete_assistant(&mut self, id: &str) -> Result<(), StoreError> {
        self.write(|t| {
            let assistant = get(t, id)?;
            crate::conversation_assistants::keep_last(t, &assistant)?;
            t.prepare_cached("DELETE FROM assistants WHERE id = ?1")?.execute([id])?;
            Ok(())
        })
    }
}

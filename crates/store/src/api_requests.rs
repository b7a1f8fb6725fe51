//! Table `api_requests`: the last requests to the endpoint. Never what was in them.

use lantern_protocol::ApiRequest;
use rusqlite::{Row, params};

use crate::{Store, StoreError, api_keys};

/// Requests that are kept; older ones are forgotten.
const KEPT: u32 = 1000;

/// Format 3.
pub(crate) const V3: &str = "
CREATE TABLE api_requests (
    id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    program TEXT,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    model TEXT,
    status INTEGER NOT NULL,
    error TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    duration_ms INTEGER NOT NULL
) STRICT;
";

fn read(row: &Row<'_>) -> rusqlite::Result<ApiRequest> {
    Ok(ApiRequest {
        at: row.get(0)?,
        program: row.get(1)?,
        method: row.get(2)?,
        path: row.get(3)?,
        model: row.get(4)?,
        status: row.get(5)?,
        error: row.get(6)?,
        prompt_tokens: row.get(7)?,
        completion_tokens: row.get(8)?,
        duration_ms: row.get(9)?,
    })
}

impl Store {
    /// The last requests, the latest first, `most` of them.
    pub fn api_requests(&self, most: u32) -> Result<Vec<ApiRequest>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT at, program, method, path, model, status, error, prompt_tokens, completion_tokens, duration_ms
             FROM api_requests ORDER BY id DESC LIMIT ?1",
        )?;
        Ok(statement.query_map([most], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps requests, each with the identifier of the key it came with, if it was a program's own.
    pub fn log_api_requests(&mut self, requests: &[(Option<String>, ApiRequest)]) -> Result<(), StoreError> {
        self.write(|t| {
            let mut insert = t.prepare_cached(
                "INSERT INTO api_requests
                 (at, program, method, path, model, status, error, prompt_tokens, completion_tokens, duration_ms)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            )?;
            for (key, r) in requests {
                insert.execute(params![
                    r.at,
                    r.program,
                    r.method,
                    r.path,
                    r.model,
                    r.status,
                    r.error,
                    r.prompt_tokens,
                    r.completion_tokens,
                    r.duration_ms
                ])?;
                if let Some(key) = key {
                    api_keys::note_use(t, key, r.at)?;
                }
            }
            let sql = "DELETE FROM api_requests WHERE id <= (SELECT max(id) FROM api_requests) - ?1";
            t.prepare_cached(sql)?.execute([KEPT])?;
            Ok(())
        })
    }
}

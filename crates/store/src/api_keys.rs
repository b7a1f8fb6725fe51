//! Table `api_keys`: the keys of programs that use the endpoint. Of a secret only its SHA-256 is kept, which is enough to
//! recognise it: secrets are random, so nothing can be guessed from it.

use lantern_protocol::{ApiKey, NewApiKey};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, new_id, now_ms};

/// Format 3.
pub(crate) const V3: &str = "
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    key_sha256 TEXT NOT NULL UNIQUE,
    ends_with TEXT NOT NULL,
    models TEXT,
    requests_per_minute INTEGER,
    created_at INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;
";

const COLUMNS: &str = "id, name, ends_with, models, requests_per_minute, created_at, last_used_at";

fn read(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    let models: Option<String> = row.get(3)?;
    Ok(ApiKey {
        id: row.get(0)?,
        name: row.get(1)?,
        ends_with: row.get(2)?,
        // What cannot be read allows nothing.
        models: models.map(|json| serde_json::from_str(&json).unwrap_or_default()),
        requests_per_minute: row.get(4)?,
        created_at: row.get(5)?,
        last_used_at: row.get(6)?,
    })
}

/// Notes when a key was used.
pub(crate) fn note_use(conn: &Connection, id: &str, at: i64) -> Result<(), StoreError> {
    let sql = "UPDATE api_keys SET last_used_at = max(?2, coalesce(last_used_at, 0)) WHERE id = ?1";
    conn.prepare_cached(sql)?.execute(params![id, at])?;
    Ok(())
}

impl Store {
    /// All keys, the oldest first.
    pub fn api_keys(&self) -> Result<Vec<ApiKey>, StoreError> {
        let mut statement =
            self.conn.prepare_cached(&format!("SELECT {COLUMNS} FROM api_keys ORDER BY id"))?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// The key whose secret has this SHA-256, in hex.
    pub fn api_key_by_secret(&self, sha256: &str) -> Result<Option<ApiKey>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM api_keys WHERE key_sha256 = ?1");
        Ok(self.conn.prepare_cached(&sql)?.query_row([sha256], read).optional()?)
    }

    /// Keeps a key: what is asked of it, its secret's SHA-256 and last characters.
    pub fn add_api_key(
        &mut self,
        new: NewApiKey,
        sha256: &str,
        ends_with: &str,
    ) -> Result<ApiKey, StoreError> {
        let key = ApiKey {
            id: new_id(),
            name: new.name,
            ends_with: ends_with.to_owned(),
            models: new.models,
            requests_per_minute: new.requests_per_minute,
            created_at: now_ms(),
            last_used_at: None,
        };
        let models = key.models.as_ref().map(serde_json::to_string).transpose()?;
        self.write(|t| {
            t.execute(
                "INSERT INTO api_keys (id, name, key_sha256, ends_with, models, requests_per_minute, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![key.id, key.name, sha256, ends_with, models, key.requests_per_minute, key.created_at],
            )?;
            Ok(())
        })?;
        Ok(key)
    }

    /// Forgets a key; whether there was one. Its program is a stranger from now on.
    pub fn revoke_api_key(&mut self, id: &str) -> Result<bool, StoreError> {
        self.write(|t| Ok(t.execute("DELETE FROM api_keys WHERE id = ?1", [id])? > 0))
    }
}

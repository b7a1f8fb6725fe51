//! Table `receipts`: what each message of a model followed from. Tokens are told by those of the receipt before it on its
//! branch, see [`crate::token_ids`]; now and then one stands for itself, so that no chain is long.
//!
//! Table `unhashed`: files named in receipts whose hash is not known yet, with their places on this machine. It has no part in
//! what is exported.

use lantern_protocol::{Omitted, RECEIPT_VERSION, Receipt, ReceiptBy, ReceiptFacts, Role};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::token_ids::{decode, encode};
use crate::{Store, StoreError, messages};

/// What brings the tables.
pub(crate) const FIRST: &str = "
CREATE TABLE receipts (
    message_id TEXT PRIMARY KEY NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    -- The message whose receipt tells a part of this one's tokens; one further up, which is deleted no earlier than this.
    base_id TEXT,
    -- How many receipts this one needs.
    depth INTEGER NOT NULL,
    facts TEXT NOT NULL,
    dropped INTEGER NOT NULL,
    dropped_to TEXT,
    summarised INTEGER NOT NULL,
    summarised_to TEXT,
    -- NULL means those of the base, and without one none.
    tools TEXT,
    prompt BLOB NOT NULL,
    answer BLOB NOT NULL
) STRICT;
CREATE TABLE unhashed (
    message_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    path TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (message_id, position)
) STRICT, WITHOUT ROWID;
";

/// The most receipts that one needs.
const MOST_DEPTH: i64 = 32;

/// A file of a receipt whose hash is not known yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unhashed {
    /// Where it lies.
    pub path: String,
    /// Its length then.
    pub bytes: u64,
    /// When it was changed last, in nanoseconds since the Unix epoch, then.
    pub modified: i64,
}

struct Row {
    base_id: Option<String>,
    facts: String,
    dropped: Option<Omitted>,
    summarised: Option<Omitted>,
    tools: Option<String>,
    prompt: Vec<u8>,
    answer: Vec<u8>,
}

impl Store {
    /// Keeps a message's receipt. `unhashed` are those of its files whose hash is not known, by their places in the list.
    pub fn keep_receipt(
        &mut self,
        receipt: &Receipt,
        unhashed: &[(usize, Unhashed)],
    ) -> Result<(), StoreError> {
        let facts = serde_json::to_string(&receipt.facts)?;
        self.write(|t| {
            // One that cannot be read is no help.
            let base = base_of(t, &receipt.message_id)?
                .and_then(|(id, depth)| Some((get(t, &id).ok().flatten()?, depth + 1)));
            let (before, depth) = base.map_or((None, 0), |(before, depth)| (Some(before), depth));
            let base_id = before.as_ref().map(|before| before.message_id.clone());
            let sequence = before.as_ref().map(sequence).unwrap_or_default();
            let base_tools = before.and_then(|before| before.tools);
            // Without tools is a choice, too, where the base has some.
            let tools = (receipt.tools != base_tools)
                .then(|| receipt.tools.as_ref().map_or_else(|| "null".to_owned(), Value::to_string));
            let omitted = |omitted: &Option<Omitted>| {
                omitted.as_ref().map_or((0, None), |one| (one.count, Some(one.last_message_id.clone())))
            };
            let (dropped, summarised) = (omitted(&receipt.dropped), omitted(&receipt.summarised));
            let (prompt, answer) = (encode(&receipt.prompt, &sequence), encode(&receipt.answer, &[]));
            t.prepare_cached(
                "INSERT OR REPLACE INTO receipts (message_id, base_id, depth, facts, dropped, dropped_to,
                 summarised, summarised_to, tools, prompt, answer)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                receipt.message_id,
                base_id,
                depth,
                facts,
                dropped.0,
                dropped.1,
                summarised.0,
                summarised.1,
                tools,
                prompt,
                answer
            ])?;
            unhashed.iter().try_for_each(|(at, file)| wait_for_hash(t, &receipt.message_id, *at, file))
        })
    }

    /// A message's receipt, if there is one.
    pub fn receipt(&self, message_id: &str) -> Result<Option<Receipt>, StoreError> {
        get(&self.conn, message_id)
    }

    /// The messages of the answer that a message belongs to, up to that one: several where tools were called.
    pub fn messages_of_answer(&self, message_id: &str) -> Result<Vec<String>, StoreError> {
        messages::get(&self.conn, message_id)?;
        let branch = self.branch(message_id)?;
        let answer = branch.into_iter().rev().take_while(|message| message.role != Role::User);
        let mut ids: Vec<String> =
            answer.filter(|message| message.role == Role::Assistant).map(|message| message.id).collect();
        ids.reverse();
        Ok(ids)
    }

    /// Files that receipts name and whose hash is not known yet.
    pub fn unhashed(&self) -> Result<Vec<Unhashed>, StoreError> {
        let mut statement =
            self.conn.prepare_cached("SELECT DISTINCT path, bytes, modified FROM unhashed ORDER BY path")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Unhashed { path: row.get(0)?, bytes: row.get(1)?, modified: row.get(2)? })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Writes a file's hash into all receipts that wait for it; without one they wait no longer.
    pub fn set_hash(&mut self, file: &Unhashed, sha256: Option<&str>) -> Result<(), StoreError> {
        self.write(|t| {
            let key = params![file.path, file.bytes, file.modified];
            let mut waiting = t.prepare_cached(
                "SELECT message_id, position FROM unhashed WHERE path = ?1 AND bytes = ?2 AND modified = ?3",
            )?;
            let waiting: Vec<(String, usize)> =
                waiting.query_map(key, |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
            for (message_id, position) in waiting {
                if let Some(sha256) = sha256 {
                    complete(t, &message_id, position, sha256)?;
                }
            }
            t.execute("DELETE FROM unhashed WHERE path = ?1 AND bytes = ?2 AND modified = ?3", key)?;
            Ok(())
        })
    }
}

fn wait_for_hash(conn: &Connection, id: &str, position: usize, file: &Unhashed) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT OR REPLACE INTO unhashed (message_id, position, path, bytes, modified)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![id, position, file.path, file.bytes, file.modified])?;
    Ok(())
}

/// The nearest receipt further up the branch that another one may need, and how many it needs itself.
fn base_of(conn: &Connection, message_id: &str) -> Result<Option<(String, i64)>, StoreError> {
    let mut statement = conn.prepare_cached(
        "WITH RECURSIVE up (id, parent) AS (
             SELECT id, parent_id FROM messages WHERE id = (SELECT parent_id FROM messages WHERE id = ?1)
             UNION ALL
             SELECT m.id, m.parent_id FROM messages m JOIN up ON m.id = up.parent
         )
         SELECT receipts.message_id, depth FROM up CROSS JOIN receipts ON receipts.message_id = up.id LIMIT 1",
    )?;
    let found = statement.query_row([message_id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    Ok(found.filter(|(_, depth): &(String, i64)| *depth < MOST_DEPTH))
}

/// All tokens that there were at the end of an answer.
fn sequence(receipt: &Receipt) -> Vec<u32> {
    [&receipt.prompt[..], &receipt.answer].concat()
}

fn row(conn: &Connection, message_id: &str) -> Result<Option<Row>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT base_id, facts, dropped, dropped_to, summarised, summarised_to, tools, prompt, answer
         FROM receipts WHERE message_id = ?1",
    )?;
    let omitted =
        |count: u32, last: Option<String>| last.map(|last_message_id| Omitted { count, last_message_id });
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Row {
            base_id: row.get(0)?,
            facts: row.get(1)?,
            dropped: omitted(row.get(2)?, row.get(3)?),
            summarised: omitted(row.get(4)?, row.get(5)?),
            tools: row.get(6)?,
            prompt: row.get(7)?,
            answer: row.get(8)?,
        })
    };
    Ok(statement.query_row([message_id], read).optional()?)
}

fn get(conn: &Connection, message_id: &str) -> Result<Option<Receipt>, StoreError> {
    let damaged = || StoreError::Receipt(message_id.into());
    let Some(last) = row(conn, message_id)? else { return Ok(None) };
    let mut rows = vec![last];
    while let Some(base) = rows.last().and_then(|row| row.base_id.clone()) {
        // An imported one may say anything, even that it needs itself.
        if rows.len() > usize::try_from(MOST_DEPTH).unwrap_or(0) {
            return Err(damaged());
        }
        rows.push(row(conn, &base)?.ok_or_else(damaged)?);
    }
    let (mut tokens, mut tools) = (Vec::new(), None);
    while let Some(row) = rows.pop() {
        let prompt = decode(&row.prompt, &tokens).ok_or_else(damaged)?;
        let answer = decode(&row.answer, &[]).ok_or_else(damaged)?;
        if let Some(text) = &row.tools {
            tools = serde_json::from_str::<Option<Value>>(text).map_err(|_| damaged())?;
        }
        if rows.is_empty() {
            let facts = serde_json::from_str::<ReceiptFacts>(&row.facts).map_err(|_| damaged())?;
            let Row { dropped, summarised, .. } = row;
            let (version, message_id) = (RECEIPT_VERSION, message_id.to_owned());
            return Ok(Some(Receipt {
                version,
                message_id,
                facts,
                dropped,
                summarised,
                tools,
                prompt,
                answer,
            }));
        }
        tokens = [prompt, answer].concat();
    }
    Ok(None)
}

/// Writes a hash into one receipt. One that is gone or unreadable is nobody's loss.
fn complete(conn: &Connection, message_id: &str, position: usize, sha256: &str) -> Result<(), StoreError> {
    let Some(row) = row(conn, message_id)? else { return Ok(()) };
    let Ok(mut facts) = serde_json::from_str::<ReceiptFacts>(&row.facts) else { return Ok(()) };
    if let ReceiptBy::Local { files, .. } = &mut facts.by
        && let Some(file) = files.get_mut(position)
    {
        file.sha256 = Some(sha256.to_owned());
        let facts = serde_json::to_string(&facts)?;
        conn.execute("UPDATE receipts SET facts = ?2 WHERE message_id = ?1", params![message_id, facts])?;
    }
    Ok(())
}

//! Whatever other tables keep of a conversation or its messages, found by their foreign keys: a table that is added for a new
//! feature is exported and imported without a word about it here.
//!
//! Rows travel as JSON objects, bytes as `{"base64": …}`. A table that is read here can be reached from `messages` or
//! `conversations` over at most [`MOST_STEPS`] foreign keys.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rusqlite::types::{Value as Sql, ValueRef};
use rusqlite::{Connection, params_from_iter};
use serde_json::{Map, Value, json};

use crate::StoreError;

/// Tables that a record has a place of its own for, or that are made anew from it.
const OWN: &[&str] = &[
    "conversations",
    "messages",
    "summaries",
    "edited_summaries",
    "shelf",
    "journal",
    "imports",
    "kept_parts",
    "search_documents",
    "search_rows",
    // What may run unasked is the user's word on this computer; no file can give it.
    "tool_consents",
];
/// Foreign keys from a table to a message or a conversation.
const MOST_STEPS: usize = 3;

/// A table and how its rows belong to a conversation.
#[derive(Debug, Clone)]
struct Side {
    name: String,
    /// Its column that names the parent.
    column: String,
    parent: String,
    /// The parent's column that is named.
    parent_column: String,
    /// The column that SQLite numbers itself, if it has one.
    number: Option<String>,
}

/// The tables that belong to conversations, parents first.
fn sides(conn: &Connection) -> Result<Vec<Side>, StoreError> {
    let mut names = conn.prepare_cached(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
    )?;
    let names = names.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    let mut found: Vec<Side> = Vec::new();
    for _ in 0..MOST_STEPS {
        let mut parents = vec!["conversations".to_owned(), "messages".to_owned()];
        parents.extend(found.iter().map(|side| side.name.clone()));
        for name in &names {
            let known = OWN.contains(&name.as_str()) || found.iter().any(|side| side.name == *name);
            if !known && let Some(side) = side(conn, name, &parents)? {
                found.push(side);
            }
        }
    }
    Ok(found)
}

/// How a table belongs to one of these parents, the first of them that it names.
fn side(conn: &Connection, name: &str, parents: &[String]) -> Result<Option<Side>, StoreError> {
    let mut keys =
        conn.prepare_cached("SELECT \"table\", \"from\", \"to\" FROM pragma_foreign_key_list(?1)")?;
    let keys: Vec<(String, String, Option<String>)> = keys
        .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for parent in parents {
        let mut to_parent = keys.iter().filter(|(table, ..)| table == parent);
        // Of a key of several columns only the one that names the row itself counts.
        let Some((_, column, to)) = to_parent.find(|(.., to)| to.as_deref() != Some("conversation_id"))
        else {
            continue;
        };
        let own = columns(conn, name)?;
        let number = own.iter().find(|column| column.numbers_itself()).map(|column| column.name.clone());
        let parent_column = match to {
            Some(to) => to.clone(),
            None => columns(conn, parent)?
                .into_iter()
                .find(|column| column.key > 0)
                .map_or_else(|| "id".to_owned(), |column| column.name),
        };
        return Ok(Some(Side {
            name: name.to_owned(),
            column: column.clone(),
            parent: parent.clone(),
            parent_column,
            number,
        }));
    }
    Ok(None)
}

struct Column {
    name: String,
    kind: String,
    /// Place in the primary key, from 1; 0 for none.
    key: i64,
    keys: i64,
}

impl Column {
    fn numbers_itself(&self) -> bool {
        self.key == 1 && self.keys == 1 && self.kind.eq_ignore_ascii_case("INTEGER")
    }
}

fn columns(conn: &Connection, table: &str) -> Result<Vec<Column>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT name, type, pk, (SELECT max(pk) FROM pragma_table_info(?1)) FROM pragma_table_info(?1)",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Column { name: row.get(0)?, kind: row.get(1)?, key: row.get(2)?, keys: row.get(3)? })
    };
    Ok(statement.query_map([table], read)?.collect::<Result<_, _>>()?)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The rows that belong to a conversation, by table.
pub(crate) fn read(conn: &Connection, conversation_id: &str) -> Result<Map<String, Value>, StoreError> {
    let sides = sides(conn)?;
    let mut tables = Map::new();
    for side in &sides {
        let sql =
            format!("SELECT * FROM {} WHERE {} ORDER BY rowid", quoted(&side.name), condition(side, &sides));
        // A table without rowid has another order, which then is its own.
        let statement = conn.prepare(&sql).or_else(|_| conn.prepare(sql.trim_end_matches(" ORDER BY rowid")));
        let mut statement = statement?;
        let names: Vec<String> = statement.column_names().map(Into::into).collect();
        let mut rows = statement.query([conversation_id])?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            let mut object = Map::new();
            for (at, name) in names.iter().enumerate() {
                object.insert(name.clone(), to_json(row.get_ref(at)?));
            }
            list.push(Value::Object(object));
        }
        if !list.is_empty() {
            tables.insert(side.name.clone(), list.into());
        }
    }
    Ok(tables)
}

/// What holds of the rows that belong to conversation `?1`.
fn condition(side: &Side, sides: &[Side]) -> String {
    let (column, to) = (quoted(&side.column), quoted(&side.parent_column));
    match side.parent.as_str() {
        "conversations" => format!("{column} = ?1"),
        "messages" => format!("{column} IN (SELECT id FROM messages WHERE conversation_id = ?1)"),
        parent => {
            let above = sides.iter().find(|side| side.name == parent);
            let above = above.map_or_else(|| "0".to_owned(), |above| condition(above, sides));
            format!("{column} IN (SELECT {to} FROM {} WHERE {above})", quoted(parent))
        }
    }
}

fn to_json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => json!({ "base64": BASE64.encode(bytes) }),
    }
}

fn to_sql(value: &Value) -> Option<Sql> {
    Some(match value {
        Value::Null => Sql::Null,
        Value::Bool(is) => Sql::Integer(i64::from(*is)),
        Value::Number(number) => {
            number.as_i64().map(Sql::Integer).or_else(|| number.as_f64().map(Sql::Real))?
        }
        Value::String(text) => Sql::Text(text.clone()),
        Value::Object(object) => Sql::Blob(BASE64.decode(object.get("base64")?.as_str()?).ok()?),
        Value::Array(_) => return None,
    })
}

/// New names of what rows refer to: of messages and of the conversation by old id, and of rows that SQLite numbered.
pub(crate) struct Renamed {
    /// Of messages and the conversation.
    pub(crate) ids: HashMap<String, String>,
    numbers: HashMap<(String, i64), i64>,
}

impl Renamed {
    pub(crate) fn new(ids: HashMap<String, String>) -> Self {
        Self { ids, numbers: HashMap::new() }
    }
}

/// Writes rows as [`read`] gave them. Gives those that found no place: of tables or columns that this Lantern does not have,
/// or that are there already.
pub(crate) fn write(
    conn: &Connection,
    tables: &Map<String, Value>,
    mut renamed: Renamed,
) -> Result<Map<String, Value>, StoreError> {
    let mut left = tables.clone();
    for side in sides(conn)? {
        let Some(Value::Array(rows)) = left.remove(&side.name) else { continue };
        let columns = columns(conn, &side.name)?;
        let refused: Vec<Value> =
            rows.into_iter().filter(|row| !insert(conn, &side, &columns, row, &mut renamed)).collect();
        if !refused.is_empty() {
            left.insert(side.name.clone(), refused.into());
        }
    }
    Ok(left)
}

/// Whether a row was written. One that does not fit the table is no reason to lose the conversation.
fn insert(conn: &Connection, side: &Side, columns: &[Column], row: &Value, renamed: &mut Renamed) -> bool {
    let Value::Object(row) = row else { return false };
    let known = |name: &String| columns.iter().any(|column| column.name == *name);
    if !row.keys().all(known) {
        return false;
    }
    // One that belongs to nothing would hold for everything: tools without a conversation are those of new ones.
    if !row.get(&side.column).is_some_and(|value| belongs(side, value, renamed)) {
        return false;
    }
    let (mut names, mut values) = (Vec::new(), Vec::new());
    let mut number = None;
    for (name, value) in row {
        if side.number.as_ref() == Some(name) {
            number = value.as_i64();
            continue;
        }
        let Some(value) = to_sql(value).map(|value| rename(side, name, value, renamed)) else { return false };
        names.push(quoted(name));
        values.push(value);
    }
    let places: Vec<String> = (1..=values.len()).map(|n| format!("?{n}")).collect();
    let sql =
        format!("INSERT INTO {} ({}) VALUES ({})", quoted(&side.name), names.join(", "), places.join(", "));
    let written =
        conn.prepare_cached(&sql).and_then(|mut statement| statement.insert(params_from_iter(values)));
    if let (Ok(new), Some(old)) = (&written, number) {
        renamed.numbers.insert((side.name.clone(), old), *new);
    }
    written.is_ok()
}

/// Whether a row's parent came with the same record.
fn belongs(side: &Side, value: &Value, renamed: &Renamed) -> bool {
    match value {
        // Names of rows further down stay what they are; that there is such a row the foreign key sees to.
        Value::String(_) if side.parent != "conversations" && side.parent != "messages" => true,
        Value::String(id) => renamed.ids.contains_key(id),
        Value::Number(number) => number.as_i64().is_some_and(|number| {
            let key = (side.parent.clone(), number);
            renamed.numbers.contains_key(&key)
        }),
        _ => false,
    }
}

/// What a value that names a message, a conversation or a numbered row has become.
fn rename(side: &Side, column: &str, value: Sql, renamed: &Renamed) -> Sql {
    match &value {
        Sql::Text(text) => renamed.ids.get(text).map_or(value.clone(), |new| Sql::Text(new.clone())),
        Sql::Integer(number) if column == side.column => {
            let new = renamed.numbers.get(&(side.parent.clone(), *number));
            new.map_or(value.clone(), |new| Sql::Integer(*new))
        }
        _ => value,
    }
}

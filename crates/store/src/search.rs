//! Tables `search_documents`, `search_index` and `search_rows`: full-text search over titles and messages.
//!
//! The documents are prepared copies of the texts; the FTS5 index lies over them and triggers keep it in step, also when
//! a cascade deletes them. Words are folded by case and diacritics. FTS5 takes a run of characters without spaces as
//! one word, so scripts that are written without spaces get an invisible one after every character, in documents and
//! in queries alike: 天气 is then found inside 今天天气很好.
//!
//! `search_rows` has what a search filters and sorts by, a hundred bytes a message: the documents themselves may be long,
//! and of a common word's fifty thousand only those that are shown are read. `find` does the searching.

use lantern_protocol::Message;
use rusqlite::{Connection, params};

use crate::{StoreError, passage};

pub(crate) const V1: &str = r#"
CREATE TABLE search_documents (
    id INTEGER PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    -- NULL for the title.
    message_id TEXT UNIQUE REFERENCES messages (id) ON DELETE CASCADE,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX search_documents_by_conversation ON search_documents (conversation_id);
CREATE UNIQUE INDEX search_documents_title ON search_documents (conversation_id) WHERE message_id IS NULL;

CREATE VIRTUAL TABLE search_index USING fts5(
    body, content='search_documents', content_rowid='id', tokenize='unicode61 remove_diacritics 2'
);
INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);

CREATE TRIGGER search_documents_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_index (rowid, body) VALUES (new.id, new.body);
END;
CREATE TRIGGER search_documents_deleted AFTER DELETE ON search_documents BEGIN
    INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body);
END;
CREATE TRIGGER search_documents_updated AFTER UPDATE ON search_documents BEGIN
    INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', old.id, old.body);
    INSERT INTO search_index (rowid, body) VALUES (new.id, new.body);
END;
"#;

/// Format 5: short beginnings of words have an index of their own, without which `th` alone costs a third of a second in a
/// large database; rows to filter by.
pub(crate) const V5: &str = r#"
DROP TABLE search_index;
CREATE VIRTUAL TABLE search_index USING fts5(
    body, content='search_documents', content_rowid='id', tokenize='unicode61 remove_diacritics 2', prefix='2 3'
);
INSERT INTO search_index (search_index, rank) VALUES ('secure-delete', 1);
INSERT INTO search_index (search_index) VALUES ('rebuild');

CREATE TABLE search_rows (
    id INTEGER PRIMARY KEY REFERENCES search_documents (id) ON DELETE CASCADE,
    conversation_id TEXT NOT NULL,
    -- NULL, and so what follows, for the title.
    message_id TEXT,
    role TEXT,
    model TEXT,
    created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX search_rows_by_time ON search_rows (created_at);
INSERT INTO search_rows
    SELECT d.id, d.conversation_id, d.message_id, m.role, m.model, coalesce(m.created_at, c.created_at)
    FROM search_documents d JOIN conversations c ON c.id = d.conversation_id
        LEFT JOIN messages m ON m.id = d.message_id;
CREATE TRIGGER search_rows_inserted AFTER INSERT ON search_documents BEGIN
    INSERT INTO search_rows
        SELECT new.id, new.conversation_id, new.message_id, m.role, m.model, coalesce(m.created_at, c.created_at)
        FROM conversations c LEFT JOIN messages m ON m.id = new.message_id WHERE c.id = new.conversation_id;
END;
"#;

/// Splits words for FTS5 and is not seen by people.
pub(crate) const SPLIT: char = '\u{200B}';
/// More words of a question than this say nothing new.
const MOST_WORDS: usize = 64;

/// Makes the title findable, in place of an earlier one.
pub(crate) fn index_title(conn: &Connection, conversation_id: &str, title: &str) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO search_documents (conversation_id, body) VALUES (?1, ?2)
         ON CONFLICT (conversation_id) WHERE message_id IS NULL DO UPDATE SET body = excluded.body",
    )?
    .execute(params![conversation_id, document(title)])?;
    Ok(())
}

/// Makes a message findable, in place of its earlier text.
pub(crate) fn index_message(conn: &Connection, message: &Message) -> Result<(), StoreError> {
    conn.prepare_cached(
        "INSERT INTO search_documents (conversation_id, message_id, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (message_id) DO UPDATE SET body = excluded.body",
    )?
    .execute(params![message.conversation_id, message.id, document(&message.content)])?;
    Ok(())
}

/// Makes the index anew from the documents.
pub(crate) fn rebuild(conn: &Connection) -> Result<(), StoreError> {
    conn.execute("INSERT INTO search_index (search_index) VALUES ('rebuild')", [])?;
    // A database of an older format has none of passages yet.
    let has_passages = conn.prepare("SELECT rowid FROM passage_index LIMIT 1").is_ok();
    if has_passages {
        conn.execute("INSERT INTO passage_index (passage_index) VALUES ('rebuild')", [])?;
    }
    Ok(())
}

/// The FTS5 expression for what a person typed: every word as a quoted prefix, so that no character is an operator. A
/// single letter stands for itself: a third of all words begin with any of the common ones. `None` when there is nothing
/// to look for.
pub(crate) fn expression(query: &str) -> Option<String> {
    let words: Vec<String> = query
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| {
            let prefix = if ends_in_one_letter(word) { "" } else { "*" };
            format!("\"{}\"{prefix}", document(word).replace('"', "\"\""))
        })
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
}

fn ends_in_one_letter(word: &str) -> bool {
    let mut from_end = word.chars().rev().skip_while(|c| !c.is_alphanumeric());
    let last = from_end.next();
    last.is_some_and(writes_without_spaces) || from_end.next().is_none_or(|c| !c.is_alphanumeric())
}

/// The words of a question, each once, as they are indexed: what is written without spaces gives a word a character.
pub(crate) fn words_of(question: &str) -> Vec<String> {
    let text = document(&question.to_lowercase());
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let mut seen = std::collections::HashSet::new();
    words.filter(|word| seen.insert(*word)).take(MOST_WORDS).map(Into::into).collect()
}

/// The text as it is indexed.
pub(crate) fn document(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !matches!(*c, passage::MATCH_START | passage::MATCH_END | SPLIT)) {
        if writes_without_spaces(c) {
            out.push(SPLIT);
            out.push(c);
            out.push(SPLIT);
        } else {
            out.push(c);
        }
    }
    out
}

/// Han, kana, Hangul (whose words carry their particles), Thai, Lao, Khmer, Burmese.
pub(crate) fn writes_without_spaces(c: char) -> bool {
    matches!(c,
        '\u{0E01}'..='\u{0EFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' | '\u{3040}'..='\u{30FF}'
        | '\u{31F0}'..='\u{31FF}' | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}'
        | '\u{F900}'..='\u{FAFF}' | '\u{FF66}'..='\u{FF9F}' | '\u{20000}'..='\u{3FFFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_never_an_operator() {
        assert_eq!(expression(r#"a" OR bc* -d"#).unwrap(), r#""a""" "OR"* "bc*"* "-d""#);
        assert_eq!(expression("  ++ \t"), None);
        assert_eq!(expression("c++ 天").unwrap(), "\"c++\" \"\u{200B}天\u{200B}\"");
    }
}

//! Tables `search_documents` and `search_index`: full-text search over titles and messages.
//!
//! The documents are prepared copies of the texts; the FTS5 index lies over them and triggers keep it in step, also when
//! a cascade deletes them. Words are folded by case and diacritics. FTS5 takes a run of characters without spaces as
//! one word, so scripts that are written without spaces get an invisible one after every character, in documents and
//! in queries alike: 天气 is then found inside 今天天气很好.

use lantern_protocol::{ConversationSummary, Message};
use rusqlite::{Connection, params};

use crate::{Store, StoreError, conversations};

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

/// Stands around the match in a snippet. Taken out of documents, so that it means nothing else there.
const MATCH_START: char = '\u{2068}';
const MATCH_END: char = '\u{2069}';
/// Splits words for FTS5 and is not seen by people.
const SPLIT: char = '\u{200B}';
/// More conversations than this no one looks through.
const LIMIT: usize = 200;
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

impl Store {
    /// Conversations whose title or messages hold all words of `query` (each may be the beginning of one), best first.
    pub fn search(&self, query: &str) -> Result<Vec<ConversationSummary>, StoreError> {
        let Some(expression) = expression(query) else { return Ok(Vec::new()) };
        let mut snippet = self.conn.prepare_cached(
            "SELECT snippet(search_index, 0, ?3, ?4, '…', 24) FROM search_index
             WHERE search_index MATCH ?1 AND rowid = ?2",
        )?;
        let mut found = Vec::new();
        for (document, conversation_id) in self.best_documents(&expression)? {
            let text: String = snippet.query_row(
                params![expression, document, MATCH_START.to_string(), MATCH_END.to_string()],
                |row| row.get(0),
            )?;
            let conversation = conversations::get(&self.conn, &conversation_id)?;
            found.push(ConversationSummary { conversation, snippet: Some(plain(&text)) });
        }
        Ok(found)
    }

    /// The best document of each conversation, best conversations first.
    fn best_documents(&self, expression: &str) -> Result<Vec<(i64, String)>, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT search_documents.id, conversation_id
             FROM search_index JOIN search_documents ON search_documents.id = search_index.rowid
             WHERE search_index MATCH ?1 ORDER BY search_index.rank, search_documents.id DESC",
        )?;
        let mut rows = statement.query([expression])?;
        let mut best: Vec<(i64, String)> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        while let Some(row) = rows.next()? {
            let conversation: String = row.get(1)?;
            if seen.insert(conversation.clone()) {
                best.push((row.get(0)?, conversation));
                if best.len() == LIMIT {
                    break;
                }
            }
        }
        Ok(best)
    }
}

/// The FTS5 expression for what a person typed: every word as a quoted prefix, so that no character is an operator.
/// `None` when there is nothing to look for.
fn expression(query: &str) -> Option<String> {
    let words: Vec<String> = query
        .split_whitespace()
        .filter(|word| word.chars().any(char::is_alphanumeric))
        .map(|word| format!("\"{}\"*", document(word).replace('"', "\"\"")))
        .collect();
    if words.is_empty() { None } else { Some(words.join(" ")) }
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
    for c in text.chars().filter(|c| !matches!(*c, MATCH_START | MATCH_END | SPLIT)) {
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

/// A snippet as people read it: on one line and without the splits.
fn plain(snippet: &str) -> String {
    let joined: String = snippet.chars().filter(|c| *c != SPLIT).collect();
    joined.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Han, kana, Hangul (whose words carry their particles), Thai, Lao, Khmer, Burmese.
fn writes_without_spaces(c: char) -> bool {
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
        assert_eq!(expression(r#"a" OR b* -c"#).unwrap(), r#""a"""* "OR"* "b*"* "-c"*"#);
        assert_eq!(expression("  ++ \t"), None);
    }

    #[test]
    fn splits_are_invisible_again_in_snippets() {
        assert_eq!(plain(&document("今天 weather\n天气")), "今天 weather 天气");
    }
}

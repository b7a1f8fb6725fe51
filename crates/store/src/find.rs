//! The search in titles and messages: what matches, in which order, with a passage of each.
//!
//! Common words are what makes searches slow: ranking fifty thousand matches takes longer than anyone waits. So of what
//! matches and passes the filters, the latest [`MOST_RANKED`] are ranked, and only what is shown is read.

use lantern_protocol::{Conversation, ConversationSummary, FindQuery, Found, FoundMessage, Role};
use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use crate::passage::{self, Words};
use crate::search::{SPLIT, expression};
use crate::{Store, StoreError, conversations};

/// Messages that are put in order.
const MOST_RANKED: usize = 2000;
/// Messages, and titles, that are given.
const MOST_HITS: usize = 60;
/// Conversations that are given where each counts once.
const MOST_CONVERSATIONS: usize = 200;

/// A message or a title that matches, before its text is read.
struct Match {
    document: i64,
    conversation_id: String,
    message_id: Option<String>,
    role: Option<String>,
    model: Option<String>,
    created_at: i64,
    /// Smaller is better.
    rank: f64,
}

fn read(row: &Row<'_>) -> rusqlite::Result<Match> {
    Ok(Match {
        document: row.get(0)?,
        conversation_id: row.get(1)?,
        message_id: row.get(2)?,
        role: row.get(3)?,
        model: row.get(4)?,
        created_at: row.get(5)?,
        rank: row.get(6)?,
    })
}

/// Conditions of SQL and what stands in them.
#[derive(Default)]
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn add(&mut self, condition: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.values.push(value);
            self.sql.push_str(&format!(" AND {condition} ?{}", self.values.len()));
        }
    }

    fn of(query: &FindQuery, expression: Option<&str>) -> Self {
        let mut all = Self::default();
        let text = |text: &String| Value::Text(text.clone());
        all.add("search_index MATCH", expression.map(|words| Value::Text(words.to_owned())));
        all.add("model =", query.model.as_ref().map(text));
        all.add("role =", query.role.map(|role| Value::Text(role.as_str().to_owned())));
        all.add("created_at >=", query.from.map(Value::Integer));
        all.add("created_at <", query.to.map(Value::Integer));
        all.add(
            "conversation_id IN (SELECT conversation_id FROM shelf WHERE folder_id =",
            query.folder.as_ref().map(text),
        );
        if query.folder.is_some() {
            all.sql.push(')');
        }
        if !query.archived {
            let archived = "SELECT conversation_id FROM shelf WHERE archived";
            all.sql.push_str(&format!(" AND conversation_id NOT IN ({archived})"));
        }
        all
    }
}

impl Store {
    /// Messages and titles that match a query, each with a passage.
    pub fn find(&self, query: &FindQuery) -> Result<Found, StoreError> {
        let words = Words::of(&query.text);
        let mut found = Found { hits: self.titles(query, &words)?, ..Found::default() };
        let mut matches = self.matches(query)?;
        found.more = matches.len() > MOST_RANKED;
        matches.truncate(MOST_RANKED);
        matches.retain(|one| one.message_id.is_some());
        found.messages = u32::try_from(matches.len()).unwrap_or(u32::MAX);
        for one in matches.into_iter().take(MOST_HITS) {
            found.hits.push(self.hit(one, query, &words)?);
        }
        Ok(found)
    }

    /// Conversations whose title or one of whose messages holds all words of `query` (each may be the beginning of one),
    /// best first, archived ones left out.
    pub fn search(&self, query: &str) -> Result<Vec<ConversationSummary>, StoreError> {
        let words = Words::of(query);
        let query = FindQuery { text: query.to_owned(), ..FindQuery::default() };
        let mut found: Vec<ConversationSummary> = Vec::new();
        if expression(&query.text).is_none() {
            return Ok(found);
        }
        let mut seen = std::collections::HashSet::new();
        for one in self.matches(&query)? {
            if found.len() < MOST_CONVERSATIONS && seen.insert(one.conversation_id.clone()) {
                let hit = self.hit(one, &query, &words)?;
                found
                    .push(ConversationSummary { conversation: hit.conversation, snippet: Some(hit.snippet) });
            }
        }
        Ok(found)
    }

    /// What matches, in order: at most one more than are ranked.
    fn matches(&self, query: &FindQuery) -> Result<Vec<Match>, StoreError> {
        let expression = expression(&query.text);
        // Nothing to look for, but something was typed.
        if expression.is_none() && !query.text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let Conditions { sql, values } = Conditions::of(query, expression.as_deref());
        let columns = "search_rows.id, conversation_id, message_id, role, model, created_at";
        let limit = MOST_RANKED + 1;
        let sql = match expression {
            Some(_) => format!(
                "SELECT {columns}, bm25(search_index) FROM search_index
                 CROSS JOIN search_rows ON search_rows.id = search_index.rowid
                 WHERE 1 {sql} ORDER BY search_index.rowid DESC LIMIT {limit}"
            ),
            None => format!(
                "SELECT {columns}, 0.0 FROM search_rows
                 WHERE message_id IS NOT NULL {sql} ORDER BY created_at DESC LIMIT {limit}"
            ),
        };
        let mut statement = self.conn.prepare_cached(&sql)?;
        let mut matches: Vec<Match> =
            statement.query_map(params_from_iter(values), read)?.collect::<Result<_, _>>()?;
        if query.latest_first || expression.is_none() {
            matches.sort_by_key(|one| std::cmp::Reverse((one.created_at, one.document)));
        } else {
            matches.sort_by(|a, b| a.rank.total_cmp(&b.rank).then(b.document.cmp(&a.document)));
        }
        Ok(matches)
    }

    /// Conversations whose title matches, the latest changed first. Filters that are about messages leave none.
    fn titles(&self, query: &FindQuery, words: &Words) -> Result<Vec<FoundMessage>, StoreError> {
        let about_messages = query.role.is_some() || query.model.is_some();
        if about_messages || query.text.trim().is_empty() {
            return Ok(Vec::new());
        }
        let passes = |one: &Conversation| {
            (query.archived || !one.archived)
                && query.folder.as_ref().is_none_or(|folder| one.folder_id.as_ref() == Some(folder))
                && query.from.is_none_or(|from| one.updated_at >= from)
                && query.to.is_none_or(|to| one.created_at < to)
        };
        let mut all =
            self.conn.prepare_cached("SELECT id, title FROM conversations ORDER BY updated_at DESC")?;
        let mut rows = all.query([])?;
        let mut hits = Vec::new();
        while let Some(row) = rows.next()? {
            let title: String = row.get(1)?;
            if hits.len() == MOST_HITS || !words.all_in(&title) {
                continue;
            }
            let conversation = conversations::get(&self.conn, &row.get::<_, String>(0)?)?;
            if passes(&conversation) {
                hits.push(FoundMessage {
                    message_id: None,
                    role: None,
                    model: None,
                    created_at: conversation.created_at,
                    snippet: words.passage(&title).unwrap_or(title),
                    conversation,
                });
            }
        }
        Ok(hits)
    }

    fn hit(&self, one: Match, query: &FindQuery, words: &Words) -> Result<FoundMessage, StoreError> {
        let mut body = self.conn.prepare_cached("SELECT body FROM search_documents WHERE id = ?1")?;
        let body: String = body.query_row([one.document], |row| row.get(0))?;
        let text = body.replace(SPLIT, "");
        let snippet = match words.passage(&text) {
            Some(passage) => passage,
            None if query.text.trim().is_empty() => passage::beginning(&text),
            None => self.passage_of_index(&query.text, one.document)?,
        };
        Ok(FoundMessage {
            conversation: conversations::get(&self.conn, &one.conversation_id)?,
            message_id: one.message_id,
            role: one.role.and_then(|role| serde_json::from_value::<Role>(role.into()).ok()),
            model: one.model,
            created_at: one.created_at,
            snippet,
        })
    }

    /// The passage that FTS5 finds: slow for long documents, and right by definition.
    fn passage_of_index(&self, query: &str, document: i64) -> Result<String, StoreError> {
        let mut statement = self.conn.prepare_cached(
            "SELECT snippet(search_index, 0, ?3, ?4, '…', 24) FROM search_index
             WHERE search_index MATCH ?1 AND rowid = ?2",
        )?;
        let (start, end) = (passage::MATCH_START.to_string(), passage::MATCH_END.to_string());
        let expression = expression(query).unwrap_or_default();
        let text: String = statement.query_row((expression, document, start, end), |row| row.get(0))?;
        let text = text.replace(SPLIT, "");
        Ok(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

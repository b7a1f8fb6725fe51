//! A conversation as one record: everything that is stored of it, to be written elsewhere.

use lantern_protocol::{ConversationRecord, Message};
use std::collections::{HashMap, HashSet};

use crate::{Store, StoreError, conversations, imports, messages, shelf, side_tables, summaries};

impl Store {
    /// Everything that is stored of a conversation.
    pub fn record(&mut self, id: &str) -> Result<ConversationRecord, StoreError> {
        // One read transaction: a message may be finished between two queries by another process.
        let t = self.conn.transaction()?;
        let record = ConversationRecord {
            conversation: conversations::get(&t, id)?,
            titled_by: shelf::titled_by(&t, id)?,
            messages: parents_first(messages::of_conversation(&t, id)?),
            summaries: summaries::of_conversation(&t, id)?,
            origin: imports::origin(&t, id)?,
            kept: imports::kept(&t, id)?,
            tables: side_tables::read(&t, id)?,
        };
        t.commit()?;
        Ok(record)
    }
}

/// Each message behind the one it answers, otherwise in their order.
fn parents_first(messages: Vec<Message>) -> Vec<Message> {
    let mut seen: HashSet<String> = HashSet::new();
    let in_order = messages.iter().all(|message| {
        let there = message.parent_id.as_ref().is_none_or(|parent| seen.contains(parent));
        seen.insert(message.id.clone());
        there
    });
    if in_order {
        return messages;
    }
    let mut children: HashMap<Option<String>, Vec<Message>> = HashMap::new();
    for message in messages.into_iter().rev() {
        children.entry(message.parent_id.clone()).or_default().push(message);
    }
    let mut waiting = children.remove(&None).unwrap_or_default();
    let mut ordered = Vec::new();
    while let Some(message) = waiting.pop() {
        waiting.extend(children.remove(&Some(message.id.clone())).unwrap_or_default());
        ordered.push(message);
    }
    ordered
}

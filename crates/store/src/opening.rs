//! The end of a conversation, which can be shown before all of it has been read, and the rest in pieces.

use lantern_protocol::{ConversationView, Message, Opening};

use crate::{Store, StoreError, conversations, messages, summaries};

/// Conversations up to this many messages are read whole.
const SHORT: i64 = 400;
/// So many messages of the end of a longer one.
const TAIL: i64 = 60;
/// So many at once of the rest: a window takes some milliseconds to read them and draws in between.
const PIECE: i64 = 500;

impl Store {
    /// What is shown first of a conversation: all of it, or the last messages of the shown branch of a long one.
    pub fn open_conversation(&mut self, id: &str) -> Result<Opening, StoreError> {
        let count: i64 = self
            .conn
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM messages WHERE conversation_id = ?1 LIMIT ?2)",
            )?
            .query_row((id, SHORT + 1), |row| row.get(0))?;
        let leaf = conversations::get(&self.conn, id)?.leaf_id;
        let (Some(leaf), true) = (leaf, count > SHORT) else {
            return Ok(Opening { view: self.conversation_view(id)?, whole: true });
        };
        let transaction = self.conn.transaction()?;
        let view = ConversationView {
            conversation: conversations::get(&transaction, id)?,
            messages: messages::tail(&transaction, &leaf, TAIL)?,
            summaries: summaries::of_conversation(&transaction, id)?,
        };
        transaction.commit()?;
        Ok(Opening { view, whole: false })
    }

    /// The messages of all branches behind this one, oldest first, or from the first; a piece of them. Empty where none are left.
    pub fn messages_after(&self, id: &str, after: Option<&str>) -> Result<Vec<Message>, StoreError> {
        messages::after(&self.conn, id, after.unwrap_or_default(), PIECE)
    }
}

#[cfg(test)]
mod tests {
    use lantern_protocol::{Message, MessageStatus, Opening};

    use crate::{Exchange, Finish, Place, Question, Store};

    fn conversation(store: &mut Store, exchanges: usize) -> String {
        let mut place = Place::New { title: "Long".into() };
        let mut id = String::new();
        for number in 0..exchanges {
            let question = Question::New { place, content: format!("question {number}") };
            let asked = store.ask(&Exchange { question, model: None, keep_model: false }).unwrap();
            store.append(&asked.assistant_message.id, &format!("answer {number}")).unwrap();
            let finish = Finish { status: MessageStatus::Complete, error: None, stats: None };
            store.finish(&asked.assistant_message.id, &finish).unwrap();
            id = asked.conversation.id;
            place = Place::End { conversation_id: id.clone() };
        }
        id
    }

    #[test]
    fn of_a_long_conversation_the_end_comes_first() {
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(home.path()).unwrap().store;
        let long = conversation(&mut store, 201);
        let Opening { view, whole } = store.open_conversation(&long).unwrap();
        assert!(!whole);
        let all = store.conversation_view(&long).unwrap();
        assert_eq!(view.messages, all.messages[all.messages.len() - 60..]);
        assert_eq!(view.conversation, all.conversation);
    }

    #[test]
    fn the_rest_comes_in_pieces() {
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(home.path()).unwrap().store;
        let long = conversation(&mut store, 301);
        conversation(&mut store, 3);
        let mut all = Vec::new();
        let mut pieces = Vec::new();
        loop {
            let last = all.last().map(|message: &Message| message.id.clone());
            let piece = store.messages_after(&long, last.as_deref()).unwrap();
            pieces.push(piece.len());
            all.extend(piece);
            if pieces.last() == Some(&0) {
                break;
            }
        }
        assert_eq!(pieces, [500, 102, 0]);
        assert_eq!(all, store.conversation_view(&long).unwrap().messages);
        assert!(store.messages_after("no-such", None).unwrap().is_empty());
    }

    #[test]
    fn a_short_one_comes_whole() {
        let home = tempfile::tempdir().unwrap();
        let mut store = Store::open(home.path()).unwrap().store;
        let short = conversation(&mut store, 3);
        let opening = store.open_conversation(&short).unwrap();
        assert_eq!(opening, Opening { view: store.conversation_view(&short).unwrap(), whole: true });
        assert!(store.open_conversation("no-such").is_err());
    }
}

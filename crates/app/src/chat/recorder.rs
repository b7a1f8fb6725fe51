//! Brings the text of one answer to the database as it arrives.

use std::time::Duration;

use lantern_protocol::{ErrorInfo, GenerationStats, Message, MessageStatus, ToolCall};
use lantern_store::{Finish, NewToolCall};
use tokio::time::Instant;

use crate::AppError;
use crate::database::Database;

/// The longest that text waits in memory. Short enough that a crash costs a word or two, long enough that a fast model
/// does not make hundreds of transactions a second.
const LONGEST_WAIT: Duration = Duration::from_millis(120);
/// Or so many tokens, whichever is reached first.
const MOST_TOKENS: usize = 32;

/// One answer on its way to the database.
pub(crate) struct Recorder {
    db: Database,
    /// As it will be stored.
    message: Message,
    /// What it held at first.
    begun: String,
    pending: String,
    pending_tokens: usize,
    since: Option<Instant>,
}

impl Recorder {
    pub(crate) fn new(db: Database, message: Message) -> Self {
        let begun = message.content.clone();
        Self { db, message, begun, pending: String::new(), pending_tokens: 0, since: None }
    }

    /// The words that the answer began with, if it goes on with another one.
    pub(crate) fn begun(&self) -> &str {
        &self.begun
    }

    /// The answer as it will be stored.
    pub(crate) fn message(&self) -> &Message {
        &self.message
    }

    /// Takes text; it is in the database when [`Self::due`] has been obeyed.
    pub(crate) fn push(&mut self, text: &str, tokens: usize) {
        self.message.content.push_str(text);
        self.pending.push_str(text);
        self.pending_tokens += tokens;
        if !self.pending.is_empty() {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// When to call [`Self::flush`]; `None` while nothing waits.
    pub(crate) fn due(&self) -> Option<Instant> {
        let since = self.since?;
        Some(if self.pending_tokens >= MOST_TOKENS { since } else { since + LONGEST_WAIT })
    }

    /// Appends what waits to the journal.
    pub(crate) async fn flush(&mut self) -> Result<(), AppError> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (id, text) = (self.message.id.clone(), self.pending.clone());
        self.db.run(move |store| store.append(&id, &text)).await?;
        self.pending.clear();
        self.pending_tokens = 0;
        self.since = None;
        Ok(())
    }

    /// Ends an answer that calls tools: it and its calls are stored together.
    pub(crate) async fn finish_with_calls(
        &mut self,
        status: MessageStatus,
        stats: Option<GenerationStats>,
        calls: Vec<NewToolCall>,
    ) -> Result<(Message, Vec<ToolCall>), AppError> {
        self.flush().await?;
        let id = self.message.id.clone();
        let finish = Finish { status, error: None, stats };
        self.db.run(move |store| store.finish_with_calls(&id, &finish, &calls)).await
    }

    /// Ends the answer. Gives the message as it is stored or, if storing failed, as it should have been, with the error.
    pub(crate) async fn finish(
        mut self,
        status: MessageStatus,
        error: Option<ErrorInfo>,
        stats: Option<GenerationStats>,
    ) -> (Message, Option<AppError>) {
        let flushed = self.flush().await;
        let id = self.message.id.clone();
        let finish = Finish { status, error: error.clone(), stats };
        let finished = self.db.run(move |store| store.finish(&id, &finish)).await;
        match flushed.and(finished) {
            Ok(message) => (message, None),
            Err(failure) => (Message { status, error, stats, ..self.message }, Some(failure)),
        }
    }
}

#[cfg(test)]
mod tests {
    use lantern_store::{Exchange, Place, Question};

    use super::*;

    async fn recorder(dir: &std::path::Path) -> (Database, Recorder) {
        let (db, _) = Database::open(dir.to_owned()).await.unwrap();
        let question = Question::New { place: Place::New { title: "T".into() }, content: "Q".into() };
        let exchange = Exchange { question, model: None, keep_model: false };
        let asked = db.run(move |store| store.ask(&exchange)).await.unwrap();
        (db.clone(), Recorder::new(db, asked.assistant_message))
    }

    #[tokio::test]
    async fn text_waits_a_moment_or_for_enough_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let (db, mut recorder) = recorder(dir.path()).await;
        assert_eq!(recorder.due(), None);
        recorder.push("", 5);
        assert_eq!(recorder.due(), None, "tokens that print nothing need no writing");
        let before = Instant::now();
        recorder.push("one", 1);
        let due = recorder.due().unwrap();
        assert!(due >= before + LONGEST_WAIT && due <= Instant::now() + LONGEST_WAIT);
        recorder.push(" two", 1);
        assert_eq!(recorder.due(), Some(due), "later text must not put the writing off");
        recorder.push(" many", MOST_TOKENS);
        assert!(recorder.due().unwrap() <= Instant::now());

        recorder.flush().await.unwrap();
        assert_eq!(recorder.due(), None);
        let id = recorder.message.id.clone();
        assert_eq!(db.run(move |store| store.message(&id)).await.unwrap().content, "one two many");
    }

    #[tokio::test]
    async fn the_end_brings_what_still_waits() {
        let dir = tempfile::tempdir().unwrap();
        let (_db, mut recorder) = recorder(dir.path()).await;
        recorder.push("one", 1);
        recorder.flush().await.unwrap();
        recorder.push(" two", 1);
        let (message, failure) = recorder.finish(MessageStatus::Complete, None, None).await;
        assert_eq!(
            (message.content.as_str(), message.status, failure),
            ("one two", MessageStatus::Complete, None)
        );
    }
}

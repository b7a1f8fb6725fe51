//! Summaries of conversations: which of those in the database stand for what a request loses, and what a person may do with
//! them.
//!
//! What a person wrote into a summary stays, word for word. It ends at the message that the summary ended at; when more turns
//! have to go, the model summarises those alone, and that stands behind it. A summary that the model wrote of the same
//! messages before the person edited an earlier one does not begin with their words, and is not used any more.

use std::sync::Arc;

use lantern_engine::{Engine, GenerateRequest};
use lantern_protocol::{AppEvent, Summary};

use super::prompt;
use super::summary::{self, Known, Shortened, Summarised};
use super::tool_prompt;
use crate::{App, AppError};

/// The longest summary that a person may write, in bytes. What fits a context, its tokens decide.
const MOST_BYTES: usize = 64 << 10;

/// The stored summaries along a branch, the one that reaches furthest first.
pub(super) struct Stored(Vec<Summary>);

impl Stored {
    /// Of the stored messages that a request is made of.
    pub(super) async fn of(app: &App, sources: &[Vec<String>]) -> Result<Self, AppError> {
        // A question that is only planned for is not stored.
        let last = sources.iter().rev().find_map(|ids| ids.last().filter(|id| !id.is_empty()));
        let Some(last) = last.cloned() else {
            return Ok(Self(Vec::new()));
        };
        let db = app.0.db.of(&last);
        Ok(Self(db.run(move |store| store.summaries_to(&last)).await?))
    }

    /// What a person wrote last; empty if they wrote nothing.
    pub(super) fn edited(&self) -> &str {
        self.0.iter().find(|summary| summary.edited).map_or("", |summary| summary.text.trim())
    }

    /// What a request is to lose, where that ends, and what is known of it.
    pub(super) async fn lost(
        &self,
        engine: &Arc<Engine>,
        request: &GenerateRequest,
        context: usize,
        sources: &[Vec<String>],
    ) -> Result<Option<(Summarised, Vec<String>, Known)>, AppError> {
        let edited = tokens(engine, self.edited()).await?;
        if edited > context / 2 {
            return Err(too_long(edited, context));
        }
        let mut more = edited.saturating_sub(summary::summary_tokens(context));
        loop {
            let Some(lost) = summary::to_lose(engine, request, context, more).await? else { return Ok(None) };
            let ends = ends(&lost.messages, sources);
            let known = self.known(&ends);
            // Alone, what the person wrote has the place of what a model would write; else both need room.
            let is_alone = known.edited.is_empty() || known.text.is_empty() && known.messages == ends.len();
            if is_alone || more == edited {
                return Ok(Some((lost, ends, known)));
            }
            more = edited;
        }
    }

    /// What is known of messages that end at these.
    pub(super) fn known(&self, ends: &[String]) -> Known {
        let reach = |summary: &Summary| {
            let last = ends.iter().rposition(|end| *end == summary.message_id)?;
            // Results of calls that were cut off are told and not stored.
            Some(last + 1 + ends[last + 1..].iter().take_while(|end| end.is_empty()).count())
        };
        let placed: Vec<(usize, &Summary)> =
            self.0.iter().filter_map(|summary| Some((reach(summary)?, summary))).collect();
        let edited = placed.iter().find(|(_, summary)| summary.edited);
        let edited = edited.map_or("", |(_, summary)| summary.text.trim());
        let known = placed.iter().find_map(|(messages, summary)| {
            let text = summary.text.trim().strip_prefix(edited)?.trim().to_owned();
            Some(Known { messages: *messages, text, edited: edited.to_owned() })
        });
        known.unwrap_or_default()
    }
}

async fn tokens(engine: &Arc<Engine>, text: &str) -> Result<usize, AppError> {
    let (engine, text) = (Arc::clone(engine), text.to_owned());
    let count = move || engine.tokenizer().encode(&text, false, false).map(|ids| ids.len());
    let counted = tokio::task::spawn_blocking(count).await.map_err(AppError::internal)?;
    Ok(counted.map_err(lantern_engine::EngineError::from)?)
}

fn too_long(tokens: usize, context: usize) -> AppError {
    AppError::new(
        "summary_too_long",
        format!(
            "Your summary takes {tokens} of the {context} tokens that the conversation may have, which leaves too little for the rest."
        ),
        "Shorten the summary, or choose a longer context.",
    )
}

/// Where the messages of a request end that are at these places.
pub(super) fn ends(messages: &[usize], sources: &[Vec<String>]) -> Vec<String> {
    let end = |&at: &usize| sources.get(at).and_then(|ids| ids.last()).cloned().unwrap_or_default();
    messages.iter().map(end).collect()
}

impl App {
    /// As [`Self::shortened`], of a conversation of this application, whose summaries are in the database. `sources` are
    /// the ids of the stored messages that each of the request's is made of.
    pub(super) async fn try_shorten_stored(
        &self,
        engine: &Arc<Engine>,
        request: &GenerateRequest,
        sources: &[Vec<String>],
        begin: impl FnOnce(),
    ) -> Result<Shortened, AppError> {
        let stored = Stored::of(self, sources).await?;
        let context = summary::context(engine, request);
        let Some((lost, ends, known)) = stored.lost(engine, request, context, sources).await? else {
            return Ok(Shortened::untouched(request.clone()));
        };
        let is_new = known.messages < ends.len();
        if is_new {
            begin();
        }
        let shortened = summary::summarise(engine, request.clone(), lost, known).await?;
        let end = ends.into_iter().rev().find(|end| !end.is_empty());
        if let (true, Some(summarised), Some(end)) = (is_new, &shortened.summarised, end) {
            let text = summarised.text.clone();
            let db = self.0.db.of(&end);
            db.run(move |store| store.keep_summary(&end, &text)).await?;
        }
        Ok(shortened)
    }

    /// Has a summary read as the person wants it. The next answer reads it; later summaries keep it word for word.
    pub async fn edit_summary(&self, message_id: &str, text: &str) -> Result<Summary, AppError> {
        let text = text.trim().to_owned();
        if text.is_empty() {
            return Err(AppError::new(
                "empty_summary",
                "The summary has no words.",
                "Type some, or remove the summary: then the model reads the messages again.",
            ));
        }
        if text.len() > MOST_BYTES {
            return Err(AppError::new(
                "summary_too_long",
                format!("The summary has {} bytes; at most {MOST_BYTES} are kept.", text.len()),
                "Shorten it.",
            ));
        }
        let id = message_id.to_owned();
        let db = self.0.db.of(message_id);
        let summary = db.run(move |store| store.change_summary(&id, &text, true)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(summary)
    }

    /// Removes a summary with those that it was made from: the model reads the messages again, as far as they fit.
    pub async fn remove_summary(&self, message_id: &str) -> Result<(), AppError> {
        let id = message_id.to_owned();
        self.0.db.of(message_id).run(move |store| store.remove_summaries(&id)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(())
    }

    /// Has the model write a summary anew, from the messages themselves: behind what the person wrote into an earlier one, if
    /// they did. [`Self::stop`] with the message's id ends that, and then the summary stays as it was.
    pub async fn rewrite_summary(
        &self,
        message_id: &str,
        model: Option<String>,
    ) -> Result<Summary, AppError> {
        let id = message_id.to_owned();
        let read = move |store: &mut lantern_store::Store| {
            let conversation = store.conversation(&store.message(&id)?.conversation_id)?;
            Ok((store.branch(&id)?, store.summaries_to(&id)?, conversation))
        };
        let (branch, summaries, conversation) = self.0.db.of(message_id).run(read).await?;
        let Some(summary) = summaries.first().filter(|summary| summary.message_id == message_id).cloned()
        else {
            return Err(lantern_store::StoreError::NoSummary(message_id.into()).into());
        };
        let stop = self.0.closing.child_token();
        self.0.answers.begin(message_id, &conversation.id, stop.clone());
        let write = self.write_anew(&branch, Stored(summaries[1..].to_vec()), &conversation, model);
        let written = stop.run_until_cancelled(write).await;
        self.0.answers.end(message_id);
        let Some(text) = written.transpose()? else { return Ok(summary) };
        let id = message_id.to_owned();
        let db = self.0.db.of(message_id);
        let summary = db.run(move |store| store.change_summary(&id, &text, false)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(summary)
    }

    async fn write_anew(
        &self,
        branch: &[lantern_protocol::Message],
        earlier: Stored,
        conversation: &lantern_protocol::Conversation,
        model: Option<String>,
    ) -> Result<String, AppError> {
        let model = model.or_else(|| conversation.model.clone());
        let answering = self.answering(model.as_deref(), conversation.context_length).await?;
        let Some(loaded) = answering.local() else { return Err(only_here()) };
        let calls = tool_prompt::calls_of(&self.tool_calls(&conversation.id).await?);
        let prompt = prompt::messages("", branch, &calls);
        let ends: Vec<String> =
            prompt.sources.iter().map(|ids| ids.last().cloned().unwrap_or_default()).collect();
        let known = Known { text: String::new(), ..earlier.edited_of(&ends) };
        let rest = prompt.messages.iter().skip(known.messages).filter(|message| message.role != "system");
        let context = answering.context_length().unwrap_or_else(|| loaded.engine.context_length());
        summary::go_on(&loaded.engine, context, known, rest).await
    }
}

impl Stored {
    /// What a person wrote of messages that end at these.
    fn edited_of(&self, ends: &[String]) -> Known {
        let edited = self.0.iter().filter(|summary| summary.edited).cloned().collect();
        Self(edited).known(ends)
    }
}

fn only_here() -> AppError {
    AppError::new(
        "summary_elsewhere",
        "Summaries are written by models on this computer; the chosen one is on a server.",
        "Choose a model that is here, or edit the summary yourself.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(all: &[(&str, &str, bool)]) -> Stored {
        let summary = |&(id, text, edited): &(&str, &str, bool)| Summary {
            message_id: id.into(),
            text: text.into(),
            edited,
        };
        Stored(all.iter().rev().map(summary).collect())
    }

    fn known(all: &[(&str, &str, bool)], ends: &[&str]) -> (usize, String, String) {
        let ends: Vec<String> = ends.iter().map(|&end| end.to_owned()).collect();
        let Known { messages, text, edited } = stored(all).known(&ends);
        (messages, edited, text)
    }

    #[test]
    fn what_a_person_wrote_stands_before_what_follows() {
        let ends = ["a", "b", "c"];
        assert_eq!(known(&[], &ends), (0, "".into(), "".into()));
        assert_eq!(known(&[("b", "model's", false)], &ends), (2, "".into(), "model's".into()));
        assert_eq!(known(&[("b", "mine", true)], &ends), (2, "mine".into(), "".into()));
        let both = [("a", "mine", true), ("b", "mine\n\nmore", false)];
        assert_eq!(known(&both, &ends), (2, "mine".into(), "more".into()));
        assert_eq!(known(&both, &["a"]), (1, "mine".into(), "".into()));
    }

    #[test]
    fn what_was_written_before_an_edit_is_not_used() {
        let stale = [("a", "mine, changed", true), ("b", "mine\n\nmore", false)];
        assert_eq!(known(&stale, &["a", "b", "c"]), (1, "mine, changed".into(), "".into()));
    }

    #[test]
    fn an_edit_that_reaches_further_than_what_is_lost_does_not_count() {
        let all = [("a", "model's", false), ("c", "mine", true)];
        assert_eq!(known(&all, &["a", "b"]), (1, "".into(), "model's".into()));
        assert_eq!(stored(&all).edited(), "mine", "but it is made room for");
    }
}

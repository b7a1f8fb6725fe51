//! Sending a message, asking again, editing, stopping: from the person's words to a stream of events.
//!
//! The question and its empty answer are stored first. Then a task of the application's own writes the answer
//! ([`answer`]): it journals what arrives ([`recorder`]) and forwards it. Whoever asked holds a [`ChatStream`];
//! dropping it stops the answer, and a slow reader never slows the writing.

mod answer;
mod branch_request;
mod chosen;
mod continued;
mod meter;
mod pictures;
mod prompt;
mod recorder;
mod shorten;
mod sight;
mod summaries;
mod summary;
mod summary_writer;
mod temporary;
mod thoughts;
mod title;
mod tool_prompt;
mod tool_rounds;

use std::collections::HashMap;
use std::sync::Mutex;

use lantern_protocol::{AppEvent, ChatEvent, SendMessage, SentWith, ToolCall};
use lantern_store::{Asked, Begun, Exchange, Place, Question, QuestionFiles};
use tokio::sync::mpsc;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{App, AppError, lock};
pub(crate) use prompt::title as title_of;
pub(crate) use shorten::Summaries;
pub use summary::{Shortened, Summarised};
pub use thoughts::Thoughts;

/// The events of one answer. Dropping it stops the answer; its text so far is kept.
#[derive(Debug)]
pub struct ChatStream {
    events: mpsc::UnboundedReceiver<ChatEvent>,
    message_id: String,
    _stop_on_drop: DropGuard,
}

impl ChatStream {
    /// The next event; `None` after `finished` or `failed`. Cancel safe.
    pub async fn next(&mut self) -> Option<ChatEvent> {
        self.events.recv().await
    }

    /// The answer's message.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }
}

/// The answers being written by this process, by message.
#[derive(Default)]
pub(crate) struct Answers(Mutex<HashMap<String, Running>>);

struct Running {
    conversation_id: String,
    stop: CancellationToken,
}

impl Answers {
    /// Stops every answer of a conversation.
    pub(crate) fn stop_conversation(&self, conversation_id: &str) {
        for running in lock(&self.0).values().filter(|r| r.conversation_id == conversation_id) {
            running.stop.cancel();
        }
    }

    /// Whether any answer is being written.
    pub(crate) fn are_running(&self) -> bool {
        !lock(&self.0).is_empty()
    }

    fn begin(&self, message_id: &str, conversation_id: &str, stop: CancellationToken) {
        let running = Running { conversation_id: conversation_id.into(), stop };
        lock(&self.0).insert(message_id.into(), running);
    }

    fn end(&self, message_id: &str) {
        lock(&self.0).remove(message_id);
    }
}

impl App {
    /// Stores a message of the person and answers it.
    ///
    /// Errors here (`no_model`, `empty_message`, …) mean that nothing was stored. Whatever fails afterwards is an event
    /// of the stream and is stored with the answer.
    pub async fn send_message(&self, request: SendMessage) -> Result<ChatStream, AppError> {
        self.send_message_with(request, SentWith::default()).await
    }

    /// The same for a message with files, which must have been read ([`Self::attach_file`]).
    pub async fn send_message_with(
        &self,
        request: SendMessage,
        with: SentWith,
    ) -> Result<ChatStream, AppError> {
        let content = request.content;
        require_words(&content)?;
        self.check_attachments(&with.attachments).await?;
        let begun = self.begun(&with).await?;
        let (place, kept_model) = match request.conversation_id {
            None => (Place::New { title: prompt::title(&content) }, None),
            Some(conversation_id) => {
                let model = self.model_of(&conversation_id, &begun).await?;
                let place = match request.parent_id {
                    Some(parent_id) => Place::Below { conversation_id, parent_id },
                    None => Place::End { conversation_id },
                };
                (place, model)
            }
        };
        let question = Question::New { place, content };
        self.ask_with(question, request.model, kept_model, QuestionFiles::Sent(with), begun).await
    }

    /// Answers a question once more: a sibling of the answer `message_id`, or an answer to the question `message_id`.
    /// Without a model, the conversation's answers.
    pub async fn regenerate(&self, message_id: &str, model: Option<String>) -> Result<ChatStream, AppError> {
        let kept_model = self.model_at(message_id).await?;
        let question = Question::Again { message_id: message_id.into() };
        self.ask(question, model, kept_model, QuestionFiles::None).await
    }

    /// Puts another version of a question beside it, which opens a branch, and answers that. Without a model, the
    /// conversation's answers.
    pub async fn edit_message(
        &self,
        message_id: &str,
        content: &str,
        model: Option<String>,
    ) -> Result<ChatStream, AppError> {
        require_words(content)?;
        let kept_model = self.model_at(message_id).await?;
        let place = Place::InsteadOf { message_id: message_id.into() };
        let files = QuestionFiles::Of(message_id.into());
        self.ask(Question::New { place, content: content.into() }, model, kept_model, files).await
    }

    /// Stops an answer that this process is writing; its stream ends with `finished`. One that has ended stays as it is.
    pub async fn stop(&self, message_id: &str) -> Result<(), AppError> {
        if let Some(running) = lock(&self.0.answers.0).get(message_id) {
            running.stop.cancel();
        }
        Ok(())
    }

    async fn ask(
        &self,
        question: Question,
        asked_model: Option<String>,
        kept_model: Option<String>,
        files: QuestionFiles,
    ) -> Result<ChatStream, AppError> {
        self.ask_with(question, asked_model, kept_model, files, Begun::default()).await
    }

    async fn ask_with(
        &self,
        question: Question,
        asked_model: Option<String>,
        kept_model: Option<String>,
        files: QuestionFiles,
        mut begun: Begun,
    ) -> Result<ChatStream, AppError> {
        let keep_model = asked_model.is_some();
        let chosen = asked_model.or(kept_model);
        let assistants = begun.assistant.as_ref().and_then(|assistant| assistant.setup.model.clone());
        begun.models_own = chosen.is_none() && assistants.is_some();
        let model = match chosen.or(assistants) {
            Some(model) => model,
            None => self.default_model().await?,
        };
        let exchange = Exchange { question, model: Some(model.clone()), keep_model };
        let db = self.database_of(&exchange);
        if db.is_temporary() && are_sent(&files) {
            return Err(AppError::files_leave_traces());
        }
        let asked = db.run(move |store| store.ask_with(&exchange, &files, &begun)).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(self.begin_answer(asked, model))
    }

    fn begin_answer(&self, asked: Asked, model: String) -> ChatStream {
        self.begin_writing(asked, model, None)
    }

    /// Writes an answer, or goes on with one that has ended with these calls.
    fn begin_writing(&self, asked: Asked, model: String, calls: Option<Vec<ToolCall>>) -> ChatStream {
        let Asked { conversation, user_message, assistant_message } = asked;
        let stop = self.0.closing.child_token();
        let message_id = assistant_message.id.clone();
        self.0.answers.begin(&message_id, &conversation.id, stop.clone());
        let (sender, events) = mpsc::unbounded_channel();
        let _ = sender.send(ChatEvent::Started {
            conversation: conversation.clone(),
            user_message,
            assistant_message: assistant_message.clone(),
        });
        let task =
            answer::Answer::new(self.clone(), conversation, assistant_message, model, stop.clone(), sender);
        self.0.tasks.spawn_on(task.write(calls), &self.0.runtime);
        ChatStream { events, message_id, _stop_on_drop: stop.drop_guard() }
    }

    /// With what a message begins its conversation, or goes on with it.
    async fn begun(&self, with: &SentWith) -> Result<Begun, AppError> {
        let assistant = match with.assistant.clone() {
            Some(id) => Some(self.0.db.run(move |store| store.assistant(&id)).await?),
            None => None,
        };
        Ok(Begun { assistant, tools: with.tools.clone(), models_own: false })
    }

    /// The model a conversation has kept, or its assistant's, unless it gets another one now.
    async fn model_of(&self, conversation_id: &str, begun: &Begun) -> Result<Option<String>, AppError> {
        let id = conversation_id.to_owned();
        let db = self.0.db.of(conversation_id);
        match db.run(move |store| Ok(store.conversation(&id)?.model)).await? {
            None if begun.assistant.is_none() => self.assistants_model(conversation_id).await,
            model => Ok(model),
        }
    }

    /// The model kept by the conversation of a message, or its assistant's.
    async fn model_at(&self, message_id: &str) -> Result<Option<String>, AppError> {
        let id = message_id.to_owned();
        let db = self.0.db.of(message_id);
        let conversation = db.run(move |store| Ok(store.message(&id)?.conversation_id)).await?;
        self.model_of(&conversation, &Begun::default()).await
    }
}

/// Whether files or folders come with a question.
fn are_sent(files: &QuestionFiles) -> bool {
    matches!(files, QuestionFiles::Sent(with)
        if !with.attachments.is_empty() || with.folders.as_ref().is_some_and(|folders| !folders.is_empty()))
}

fn require_words(content: &str) -> Result<(), AppError> {
    if content.trim().is_empty() {
        return Err(AppError::new("empty_message", "The message has no words.", "Type something."));
    }
    Ok(())
}

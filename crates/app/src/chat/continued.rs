//! Going on with an answer that was stopped, cut or interrupted: another answer beside it begins with its words, and the
//! model reads these as the beginning of its own turn.

use lantern_engine::{Dropped, GenerateRequest, Overflow, Prompt};
use lantern_protocol::{AppEvent, MessageStatus, Role};
use lantern_store::{Exchange, Question};

use super::ChatStream;
use crate::models::Answering;
use crate::{App, AppError};

/// What ends a thought in a stored answer.
const THOUGHT: &str = "</think>";

impl App {
    /// Goes on with an answer: what it holds is kept as it is, and stands at the beginning of another one beside it. The
    /// model that wrote it goes on.
    pub async fn continue_answer(&self, message_id: &str) -> Result<ChatStream, AppError> {
        let id = message_id.to_owned();
        let (message, kept) = self
            .0
            .db
            .of(message_id)
            .run(move |store| {
                let message = store.message(&id)?;
                let model = store.conversation(&message.conversation_id)?.model;
                Ok((message, model))
            })
            .await?;
        let is_whole = matches!(message.status, MessageStatus::Complete | MessageStatus::Streaming);
        if message.role != Role::Assistant || is_whole || message.content.trim().is_empty() {
            return Err(nothing_to_continue());
        }
        let model = match message.model.or(kept) {
            Some(model) => model,
            None => self.default_model().await?,
        };
        if self.remote_named(&model).await?.is_some() {
            return Err(not_here());
        }
        let question = Question::Again { message_id: message_id.into() };
        let exchange = Exchange { question, model: Some(model.clone()), keep_model: false };
        let content = message.content;
        let asked = self
            .0
            .db
            .of(message_id)
            .run(move |store| {
                let mut asked = store.ask(&exchange)?;
                store.append(&asked.assistant_message.id, &content)?;
                asked.assistant_message.content = content;
                Ok(asked)
            })
            .await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(self.begin_answer(asked, model))
    }
}

/// The request for an answer that begins with these words, and what it loses of a conversation that has no room beside them;
/// as it is for one that begins with none.
pub(super) fn request(
    begun: &str,
    answering: &Answering,
    request: GenerateRequest,
) -> Result<(GenerateRequest, Option<Dropped>), AppError> {
    if begun.is_empty() {
        return Ok((request, None));
    }
    let Some(loaded) = answering.local() else { return Err(not_here()) };
    // Templates leave old thoughts out; of an answer only what was said is read again.
    let said = begun.rsplit_once(THOUGHT).map_or(begun, |(_, said)| said.trim_start());
    let engine = &loaded.engine;
    // Words of an answer, which must not become control tokens.
    let words = engine.tokenizer().encode(said, false, false).map_err(lantern_engine::EngineError::from)?;
    // Tokens know no turns: what has to go goes before there are any.
    let dropped = match request.overflow {
        Overflow::DropOldest => engine.overflowing(&request, words.len())?,
        Overflow::Error => None,
    };
    let mut prompt = request.prompt.clone();
    if let (Prompt::Messages { messages, .. }, Some(dropped)) = (&mut prompt, &dropped) {
        let mut at = 0..messages.len();
        messages.retain(|_| at.next().is_some_and(|at| dropped.messages.binary_search(&at).is_err()));
    }
    let mut ids = engine.prompt_ids(prompt)?;
    ids.extend(words);
    Ok((GenerateRequest { prompt: Prompt::Tokens(ids), ..request }, dropped))
}

fn nothing_to_continue() -> AppError {
    AppError::new(
        "nothing_to_continue",
        "This answer is whole, or has no words yet.",
        "Ask on, or have it answered again.",
    )
}

fn not_here() -> AppError {
    AppError::new(
        "continue_elsewhere",
        "A model on another server cannot go on with a sentence that it began.",
        "Have the question answered again, or ask it to go on.",
    )
}

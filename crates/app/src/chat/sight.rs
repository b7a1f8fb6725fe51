//! What the model reads of a conversation that outgrew its context: kept with each answer, and planned for the next question.

use std::sync::Arc;

use lantern_engine::{DEFAULT_CONTEXT, Engine, GenerateRequest, GenerationStream};
use lantern_protocol::{
    AnswerSight, AppEvent, Conversation, ConversationContext, LibraryModel, Message, MessageStatus,
    NextSight, Overflow, Role, Settings,
};
use lantern_store::Store;

use super::answer::{Answer, stored};
use super::meter::count;
use super::summaries::Stored;
use super::summary::Shortened;
use crate::models::{Answering, LoadedModel};
use crate::{App, AppError};

/// Stands for the next question, of which nothing is known yet.
const QUESTION: &str = "?";

impl Answer {
    /// Keeps what the model does not read, if there is anything.
    pub(super) async fn keep_sight(
        &self,
        stream: &GenerationStream,
        shortened: &Shortened,
        sources: &[Vec<String>],
    ) -> Result<(), AppError> {
        let summarised = shortened.summarised.as_ref();
        let end = |messages: &[usize]| stored(messages, sources).pop();
        let sight = AnswerSight {
            message_id: self.message_id.clone(),
            summarised_to: summarised.and_then(|summarised| end(&summarised.messages)),
            summary: summarised.map(|summarised| summarised.text.clone()),
            dropped_to: end(&shortened.dropped(stream)),
        };
        if sight.summarised_to.is_none() && sight.dropped_to.is_none() {
            return Ok(());
        }
        self.app.0.db.of(&self.message_id).run(move |store| store.keep_sight(&sight)).await
    }
}

impl App {
    /// Sets what a conversation does when it no longer fits; `None` has it do what the settings say. From the next answer on.
    pub async fn set_overflow(&self, id: &str, overflow: Option<Overflow>) -> Result<(), AppError> {
        let conversation = id.to_owned();
        let choose = move |store: &mut Store| store.choose_overflow(&conversation, overflow);
        self.0.db.of(id).run(choose).await?;
        self.emit(AppEvent::ConversationsChanged);
        Ok(())
    }

    /// What the model reads of a conversation: what answers did not read, and what the next question's would not, by `model`
    /// or by the one that answers here. No model is loaded for it.
    pub async fn conversation_context(
        &self,
        id: &str,
        model: Option<String>,
    ) -> Result<ConversationContext, AppError> {
        let conversation = id.to_owned();
        let read = move |store: &mut Store| {
            let (overflow, sights) = (store.overflow_choice(&conversation)?, store.sights(&conversation)?);
            let conversation = store.conversation(&conversation)?;
            let branch = conversation.leaf_id.as_ref().map(|leaf| store.branch(leaf)).transpose()?;
            Ok((overflow, sights, branch.unwrap_or_default(), conversation))
        };
        let (overflow, sights, branch, conversation) = self.0.db.of(id).run(read).await?;
        let next = self.next_sight(&conversation, branch, model).await.unwrap_or_else(|error| {
            // The next answer fails for the same reason, and says it.
            tracing::debug!(code = error.code, "what the next question reads is not known: {error}");
            None
        });
        Ok(ConversationContext { overflow, sights, next })
    }

    async fn next_sight(
        &self,
        conversation: &Conversation,
        mut branch: Vec<Message>,
        model: Option<String>,
    ) -> Result<Option<NextSight>, AppError> {
        let Some(name) = model.or_else(|| conversation.model.clone()).or_else(|| self.loaded_model()) else {
            return Ok(None);
        };
        // What fits on a server, only that knows.
        if self.remote_named(&name).await?.is_some() || branch.is_empty() {
            return Ok(None);
        }
        let LibraryModel { id, content_id, .. } = self.find_model(&name).await?;
        let engines = self.engines_in_memory();
        let Some((_, engine)) = engines.into_iter().find(|(loaded, _)| *loaded == id) else {
            return Ok(None);
        };
        let settings = self.settings_in(&conversation.id, &name).await?;
        let wanted = conversation.context_length.or(settings.context_length);
        let context = wanted.map_or(DEFAULT_CONTEXT, |tokens| tokens as usize);
        let context = context.min(engine.info().model_context_length);
        branch.push(next_question(conversation));
        let offered = self.offered(&conversation.id).await?;
        let (request, sources) =
            self.branch_request(conversation, &branch, &settings, Some(context), &offered).await?;
        let engine_here = Arc::clone(&engine);
        let loaded = LoadedModel { id, content_id, context_length: context, engine: engine_here };
        let answering = Answering::Local(loaded);
        let request = self.with_known_files(&answering, &conversation.id, request, &sources).await?;
        Ok(Some(self.planned(&engine, request, &sources, &settings, context).await?))
    }

    async fn planned(
        &self,
        engine: &Arc<Engine>,
        request: GenerateRequest,
        sources: &[Vec<String>],
        settings: &Settings,
        context: usize,
    ) -> Result<NextSight, AppError> {
        let mut next = NextSight {
            summarised_to: None,
            dropped_to: None,
            summary_due: false,
            refused: false,
            context: count(context),
        };
        let summaries = Stored::of(self, sources).await?;
        if settings.overflow == Overflow::Summarise
            && let Ok(lost) = summaries.lost(engine, &request, context, sources).await
        {
            let Some((lost, ends, known)) = lost else { return Ok(next) };
            next.summary_due = known.messages < ends.len();
            next.summarised_to = stored(&lost.messages, sources).pop();
            return Ok(next);
        }
        let engine = Arc::clone(engine);
        let refuses = settings.overflow == Overflow::Error;
        let plan = tokio::task::spawn_blocking(move || match refuses {
            true => engine.prompt_ids(request.prompt).map(|ids| (ids.len(), None)),
            false => engine
                .overflowing_within(&request, context, 0)
                .map(|dropped| (dropped.as_ref().map_or(0, |dropped| dropped.tokens_after), dropped)),
        });
        let (tokens, dropped) = plan.await.map_err(AppError::internal)??;
        next.refused = tokens >= context;
        next.dropped_to = dropped.and_then(|dropped| stored(&dropped.messages, sources).pop());
        Ok(next)
    }
}

fn next_question(conversation: &Conversation) -> Message {
    Message {
        id: String::new(),
        conversation_id: conversation.id.clone(),
        parent_id: conversation.leaf_id.clone(),
        role: Role::User,
        content: QUESTION.to_owned(),
        status: MessageStatus::Complete,
        model: None,
        error: None,
        stats: None,
        created_at: 0,
    }
}

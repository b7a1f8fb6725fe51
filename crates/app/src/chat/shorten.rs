//! Summaries of requests of other programs, which are kept in memory; those of conversations are in the database
//! ([`summaries`](super::summaries)).

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};

use lantern_engine::{ChatMessage, Engine, GenerateRequest, Prompt};
use lantern_protocol::{AppEvent, ErrorInfo};

use super::summary::{self, Known, Shortened, Summarised};
use crate::{App, AppError, lock};

/// Summaries of other programs' conversations that are kept.
const MOST_KEPT: usize = 64;

/// The latest summaries of other programs' conversations, by what they are of.
#[derive(Default)]
pub(crate) struct Summaries {
    hasher: RandomState,
    kept: Mutex<VecDeque<(u64, String)>>,
}

impl Summaries {
    /// Names the messages of a conversation that a model summarised.
    fn name<'a>(&self, engine: &Engine, messages: impl Iterator<Item = &'a ChatMessage>) -> u64 {
        let words: Vec<(&str, &str, Vec<_>)> = messages
            .map(|message| {
                let pictures = message.pictures.iter().map(|picture| picture.hash()).collect();
                (message.role.as_str(), message.content.as_str(), pictures)
            })
            .collect();
        self.hasher.hash_one((&engine.info().fingerprint, words))
    }

    /// The summary of the most of the messages that `lost` names.
    fn find(&self, engine: &Engine, messages: &[ChatMessage], lost: &Summarised) -> Option<Known> {
        let kept = lock(&self.kept);
        (1..=lost.messages.len()).rev().find_map(|count| {
            let first = lost.messages[..count].iter().filter_map(|&at| messages.get(at));
            let name = self.name(engine, first);
            let (_, text) = kept.iter().find(|(other, _)| *other == name)?;
            Some(Known { messages: count, text: text.clone(), ..Known::default() })
        })
    }

    fn keep(&self, name: u64, text: String) {
        let mut kept = lock(&self.kept);
        kept.retain(|(other, _)| *other != name);
        kept.push_back((name, text));
        if kept.len() > MOST_KEPT {
            kept.pop_front();
        }
    }
}

impl App {
    /// Puts a summary in place of the oldest turns of a request's conversation, if it does not fit. Where none can be
    /// made, they are left out, and a notice says why.
    pub async fn shortened(&self, engine: &Arc<Engine>, request: GenerateRequest) -> Shortened {
        match self.try_shorten(engine, &request).await {
            Ok(shortened) => shortened,
            Err(error) => self.left_out_instead(request, error),
        }
    }

    async fn try_shorten(
        &self,
        engine: &Arc<Engine>,
        request: &GenerateRequest,
    ) -> Result<Shortened, AppError> {
        let context = summary::context(engine, request);
        let Some(lost) = summary::to_lose(engine, request, context, 0).await? else {
            return Ok(Shortened::untouched(request.clone()));
        };
        let Prompt::Messages { messages, .. } = &request.prompt else {
            return Ok(Shortened::untouched(request.clone()));
        };
        let summaries = &self.0.summaries;
        let known = summaries.find(engine, messages, &lost).unwrap_or_default();
        let name = summaries.name(engine, lost.messages.iter().filter_map(|&at| messages.get(at)));
        let shortened = summary::summarise(engine, request.clone(), lost, known).await?;
        if let Some(summarised) = &shortened.summarised {
            summaries.keep(name, summarised.text.clone());
        }
        Ok(shortened)
    }

    /// Goes on without the oldest turns, and says why.
    pub(super) fn left_out_instead(&self, request: GenerateRequest, error: AppError) -> Shortened {
        tracing::warn!(code = error.code, "no summary was made: {error}");
        self.emit(AppEvent::Notice {
            notice: ErrorInfo {
                code: "not_summarised".into(),
                message: format!("The oldest messages were left out instead of summarised. {error}"),
                next_step: error.next_step,
            },
        });
        Shortened::untouched(request)
    }
}

//! Answers under way.

use std::sync::Arc;

use axum::http::StatusCode;
use futures::StreamExt;
use futures::stream::{BoxStream, SelectAll};
use lantern_app::{Answering, Shortened};
use lantern_engine::{GenerateRequest, GenerationEvent, GenerationStream, Prompt};
use lantern_protocol::Overflow;
use tokio_util::sync::CancellationToken;

use super::event::{Event, Tokens, translated};
use super::{Ask, ShortenedMessages};
use crate::ApiError;
use crate::server::Server;

/// All choices of a request, being written. Dropping it ends them. It holds their engine, so that another model can be
/// loaded without cutting them short.
pub(crate) struct Run {
    /// Library id of the model that answers.
    pub model: String,
    /// Tokens of the first prompt.
    pub prompt_tokens: usize,
    /// What was left out of the conversation, where the client allowed it.
    pub report: Option<ShortenedMessages>,
    /// What is told before each choice; empty where nobody asked.
    pub echoes: Vec<String>,
    _answering: Answering,
    /// How many choices there are.
    pub choices: usize,
    events: SelectAll<BoxStream<'static, (usize, GenerationEvent)>>,
    /// Tokens of thoughts, choice by choice.
    reasoning: Vec<usize>,
    tokens: Vec<Tokens>,
    n: usize,
    cancel: CancellationToken,
    server: Server,
}

/// The request with the library id of its model: what other programs name must be in the library.
pub(crate) async fn resolved(server: &Server, ask: Ask) -> Result<Ask, ApiError> {
    let model = match &ask.model {
        Some(name) => Some(server.listed(name).await?),
        None => None,
    };
    Ok(Ask { model, ..ask })
}

/// Loads the model if need be and hands it the prompts.
pub(crate) async fn start(server: Server, ask: Ask) -> Result<Run, ApiError> {
    let model = server.app.answering(ask.model.as_deref(), ask.context_length).await?;
    server.use_model(model.id())?;
    let engine = model.local().map(|loaded| Arc::clone(&loaded.engine));
    let mut requests = ask.requests(engine.as_deref(), model.context_length())?;
    let mut shortened = None;
    if ask.overflow == Some(Overflow::Summarise)
        && let Some(first) = requests.first()
        && let Some(engine) = &engine
    {
        let summarised = server.app.shortened(engine, first.clone()).await;
        for request in &mut requests {
            request.prompt = summarised.request.prompt.clone();
        }
        shortened = Some(summarised);
    } else if ask.may_shorten() {
        shortened = requests.first().cloned().map(Shortened::as_it_is);
    }
    let streams = generate(&model, requests).await?;
    let report = match (&shortened, streams.first()) {
        (Some(shortened), Some(stream)) => Some(ShortenedMessages::new(stream, shortened, ask.put_before)),
        _ => None,
    };
    let prompt_tokens = streams.first().map_or(0, GenerationStream::prompt_tokens);
    let (choices, echoes) = (streams.len(), ask.echoes(engine.as_deref()));
    Ok(Run {
        model: model.id().to_owned(),
        prompt_tokens,
        report,
        echoes,
        _answering: model,
        choices,
        events: streams.into_iter().enumerate().map(|(choice, stream)| events(choice, stream)).collect(),
        reasoning: vec![0; choices],
        tokens: vec![Tokens::default(); choices],
        n: ask.n.max(1),
        cancel: ask.cancel,
        server,
    })
}

async fn generate(
    model: &Answering,
    requests: Vec<GenerateRequest>,
) -> Result<Vec<GenerationStream>, ApiError> {
    futures::future::try_join_all(requests.into_iter().map(|request| model.generate(request)))
        .await
        .map_err(ApiError::from)
}

fn events(choice: usize, stream: GenerationStream) -> BoxStream<'static, (usize, GenerationEvent)> {
    let next = |mut stream: GenerationStream| async move { Some((stream.next().await?, stream)) };
    futures::stream::unfold(stream, next).map(move |event| (choice, event)).boxed()
}

impl Run {
    /// The next thing that happens to any choice; `None` when all have ended. Cancel safe.
    pub(crate) async fn next(&mut self) -> Option<(usize, Event)> {
        loop {
            let next = self.cancel.run_until_cancelled(self.events.next()).await;
            let Some(next) = next else {
                self.events.clear();
                return Some((0, Event::Failed(ApiError::cancelled())));
            };
            let (choice, event) = next?;
            let Some(reasoning) = self.reasoning.get_mut(choice) else { continue };
            let Some(event) = translated(event, reasoning) else { continue };
            if let Event::Failed(error) = &event {
                self.server.failed(error);
            }
            if let Event::Finished { tokens, .. } = &event {
                self.server.generated(*tokens);
                if let Some(place) = self.tokens.get_mut(choice) {
                    *place = *tokens;
                }
            }
            return Some((choice, event));
        }
    }

    /// Tokens of all choices that have ended; a prompt counts once, however many answers it has.
    pub(crate) fn tokens(&self) -> Tokens {
        let mut sum = Tokens::default();
        for (choice, tokens) in self.tokens.iter().enumerate() {
            if choice % self.n == 0 {
                sum.prompt += tokens.prompt;
                sum.cached += tokens.cached;
            }
            sum.completion += tokens.completion;
            sum.reasoning += tokens.reasoning;
        }
        sum
    }
}

/// The token ids that a prompt of this request becomes, for counting them.
pub(crate) async fn count(server: &Server, ask: Ask) -> Result<usize, ApiError> {
    let ask = resolved(server, ask).await?;
    let model = server.app.answering(ask.model.as_deref(), ask.context_length).await?;
    let Some(model) = model.local().cloned() else {
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "remote_unsupported",
            "The tokens of a remote engine's model cannot be counted here.",
            "Ask for an answer of one token and read its usage, or choose a model on this computer.",
        )
        .with_param("model"));
    };
    let prompts: Vec<Prompt> = ask.prompts;
    let counted = tokio::task::spawn_blocking(move || {
        let count = |prompt| model.engine.prompt_ids(prompt).map(|ids| ids.len());
        prompts.into_iter().map(count).sum::<Result<usize, _>>()
    });
    Ok(counted.await.map_err(|_| ApiError::ended_early())??)
}

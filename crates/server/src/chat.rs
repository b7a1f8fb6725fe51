//! `POST /v1/chat/completions`: a request becomes a generation, a generation becomes one answer or a stream.
//!
//! A client that goes away drops the response's stream, which drops the generation, which frees its sequence.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::Stream;
use lantern_app::{App, Shortened};
use lantern_engine::{Engine, GenerateRequest, GenerationEvent, GenerationStream, Priority, Prompt};
use lantern_protocol::Overflow;

use crate::ApiError;
use crate::images;
use crate::request::{ChatCompletionRequest, parse_json};
use crate::response::{ChatCompletionChunk, Identity, ShortenedMessages};

/// How often a silent stream says that it is alive, so that clients do not time out while a model loads or reads.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The handler.
pub(crate) async fn complete(
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, ApiError> {
    let request: ChatCompletionRequest = parse_json(&headers, &body, "`model` and `messages`")?;
    let settings = app.settings().await?;
    let request = images::fetch(request, &app).await?;
    // Decoding pictures takes a while.
    let request = tokio::task::spawn_blocking(move || request.validate(&settings))
        .await
        .map_err(|_| ended_early())??;
    let listed = match &request.model {
        Some(name) => Some(app.listed_model(name).await?),
        None => None,
    };
    let model = app.engine_for(listed.as_deref(), request.context_length).await?;
    let generate = GenerateRequest {
        sampling: request.sampling,
        max_tokens: request.max_tokens,
        stop: request.stop,
        priority: Priority::Api,
        context_length: Some(model.context_length),
        overflow: match request.overflow {
            None | Some(Overflow::Error) => lantern_engine::Overflow::Error,
            Some(Overflow::DropOldest | Overflow::Summarise) => lantern_engine::Overflow::DropOldest,
        },
        ..GenerateRequest::new(Prompt::Messages { messages: request.messages, tools: None })
    };
    let engine = Arc::clone(&model.engine);
    let shortened = match request.overflow {
        Some(Overflow::Summarise) => app.shortened(&engine, generate).await,
        _ => Shortened::as_it_is(generate),
    };
    let generate = shortened.request.clone();
    // Rendering and tokenising a long conversation takes a while: not on a thread that serves others.
    let generation =
        tokio::task::spawn_blocking(move || engine.generate(generate)).await.map_err(|_| ended_early())??;
    let asked = matches!(request.overflow, Some(Overflow::DropOldest | Overflow::Summarise));
    let shortened = asked.then(|| ShortenedMessages::new(&generation, &shortened, request.put_before));
    let identity = Identity::new(model.id, shortened);
    let answer = Answer { generation, identity, _engine: model.engine };
    if request.stream {
        let events = stream(answer, request.include_usage);
        let alive = KeepAlive::new().interval(KEEP_ALIVE).text("working");
        Ok(Sse::new(events).keep_alive(alive).into_response())
    } else {
        collect(answer).await
    }
}

/// An answer under way. It holds its engine, so that another model can be loaded without cutting it short.
struct Answer {
    generation: GenerationStream,
    identity: Identity,
    _engine: Arc<Engine>,
}

async fn collect(mut answer: Answer) -> Result<Response, ApiError> {
    let mut content = String::new();
    while let Some(event) = answer.generation.next().await {
        match event {
            GenerationEvent::Text { text, .. } => content.push_str(&text),
            GenerationEvent::Finished { reason, usage, .. } => {
                return Ok(Json(answer.identity.completion(content, reason, &usage)).into_response());
            }
            GenerationEvent::Failed(error) => return Err(error.into()),
            GenerationEvent::Queued { .. }
            | GenerationEvent::Prefill { .. }
            | GenerationEvent::Reasoning { .. }
            | GenerationEvent::ToolCall { .. }
            | GenerationEvent::ToolArguments { .. } => {}
        }
    }
    Err(ended_early())
}

/// Where a streamed answer stands.
enum Phase {
    Opening,
    Running,
    Ended,
}

fn stream(answer: Answer, include_usage: bool) -> impl Stream<Item = Result<Event, Infallible>> {
    let chunks = futures::stream::unfold((answer, Phase::Opening), move |(mut answer, phase)| async move {
        match phase {
            Phase::Ended => None,
            Phase::Opening => Some((vec![data(&answer.identity.opening())], (answer, Phase::Running))),
            Phase::Running => {
                let (events, phase) = next_events(&mut answer, include_usage).await;
                Some((events, (answer, phase)))
            }
        }
    });
    futures::StreamExt::flat_map(chunks, |events| futures::stream::iter(events.into_iter().map(Ok)))
}

/// The server-sent events for the next generation event that says anything to a client.
async fn next_events(answer: &mut Answer, include_usage: bool) -> (Vec<Event>, Phase) {
    let Answer { generation, identity, .. } = answer;
    loop {
        match generation.next().await {
            Some(GenerationEvent::Text { text, .. }) => {
                return (vec![data(&identity.text(text))], Phase::Running);
            }
            Some(GenerationEvent::Finished { reason, usage, .. }) => {
                let mut events = vec![data(&identity.closing(reason))];
                if include_usage {
                    events.push(data(&identity.usage(&usage)));
                }
                events.push(Event::default().data("[DONE]"));
                return (events, Phase::Ended);
            }
            Some(GenerationEvent::Failed(error)) => return (vec![failure(error.into())], Phase::Ended),
            Some(
                GenerationEvent::Queued { .. }
                | GenerationEvent::Prefill { .. }
                | GenerationEvent::Reasoning { .. }
                | GenerationEvent::ToolCall { .. }
                | GenerationEvent::ToolArguments { .. },
            ) => {}
            None => return (vec![failure(ended_early())], Phase::Ended),
        }
    }
}

fn data(chunk: &ChatCompletionChunk) -> Event {
    // Strings and numbers always serialise; a NaN cannot occur in a chunk.
    Event::default().json_data(chunk).unwrap_or_else(|_| Event::default().comment("lost chunk"))
}

fn failure(error: ApiError) -> Event {
    Event::default().data(error.body().to_string())
}

fn ended_early() -> ApiError {
    ApiError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "engine_stopped",
        "The model was unloaded before the answer was whole.",
        "Send the request again.",
    )
}

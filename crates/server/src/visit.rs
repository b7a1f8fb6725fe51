//! One request from its arrival to the last byte of its answer: who sent it, and what is told of it in the log.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt;
use lantern_app::{App, Caller};
use lantern_protocol::ApiRequest;

use crate::ApiError;
use crate::generate::Tokens;

/// Paths that programs ask so often that a log would hold nothing else.
const UNTOLD: [&str; 4] = ["/health", "/metrics", "/openapi.json", "/docs"];

/// A request under way. The last one to hold it ends it, and then it is logged.
pub(crate) struct Visit {
    app: App,
    caller: OnceLock<Caller>,
    told: Mutex<ApiRequest>,
    started: Instant,
}

impl Visit {
    fn new(app: App, request: &Request) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let told = ApiRequest {
            at: since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)),
            method: request.method().as_str().chars().take(20).collect(),
            path: request.uri().path().chars().take(200).collect(),
            ..ApiRequest::default()
        };
        Self { app, caller: OnceLock::new(), told: Mutex::new(told), started: Instant::now() }
    }

    /// The guard found out who it is.
    pub(crate) fn is_by(&self, caller: Caller) {
        // Nobody finds it out twice.
        let _ = self.caller.set(caller);
    }

    /// The identifier of its sender's key; `None` for the owner.
    pub(crate) fn key(&self) -> Option<&str> {
        self.caller.get().and_then(Caller::key)
    }

    /// Whether its sender may use a model.
    pub(crate) fn may_use(&self, model: &str) -> bool {
        self.caller.get().is_some_and(|caller| caller.may_use(model))
    }

    /// Whether it came with the endpoint's own key.
    pub(crate) fn is_by_owner(&self) -> bool {
        self.caller.get().is_some_and(|caller| *caller == Caller::OWNER)
    }

    /// Refuses a model that its sender may not use; else it is the one that answers.
    pub(crate) fn use_model(&self, model: &str) -> Result<(), ApiError> {
        if !self.may_use(model) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "model_not_allowed",
                format!("This key may not use the model `{model}`."),
                "Name a model that GET /v1/models lists, or have the key made anew in Lantern's settings.",
            )
            .with_param("model"));
        }
        self.tell(|told| told.model = Some(model.to_owned()));
        Ok(())
    }

    /// Adds tokens that were read and written.
    pub(crate) fn add_tokens(&self, tokens: Tokens) {
        let more = |before: Option<u32>, tokens: usize| {
            let tokens = u32::try_from(tokens).unwrap_or(u32::MAX);
            Some(before.unwrap_or(0).saturating_add(tokens))
        };
        self.tell(|told| {
            told.prompt_tokens = more(told.prompt_tokens, tokens.prompt);
            told.completion_tokens = more(told.completion_tokens, tokens.completion);
        });
    }

    /// Notes what went wrong after the answer had begun.
    pub(crate) fn failed(&self, error: &ApiError) {
        self.tell(|told| told.error = Some(error.code().to_owned()));
    }

    fn answered(&self, response: &Response) {
        let error = response.extensions().get::<ApiError>().map(|error| error.code().to_owned());
        self.tell(|told| {
            told.status = response.status().as_u16();
            told.error = told.error.take().or(error);
        });
    }

    fn tell(&self, change: impl FnOnce(&mut ApiRequest)) {
        change(&mut self.told.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let mut told = std::mem::take(self.told.get_mut().unwrap_or_else(PoisonError::into_inner));
        told.duration_ms = u32::try_from(self.started.elapsed().as_millis()).unwrap_or(u32::MAX);
        // Without a status nobody heard an answer: the client went away.
        if !UNTOLD.contains(&told.path.as_str()) && told.status > 0 {
            self.app.log_api_request(self.caller.get(), told);
        }
    }
}

/// Follows a request until its answer was read to the end.
pub(crate) async fn follow(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let visit = Arc::new(Visit::new(app, &request));
    request.extensions_mut().insert(visit.clone());
    let response = next.run(request).await;
    visit.answered(&response);
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |frame| {
            let _held = &visit;
            frame
        }))
    })
}

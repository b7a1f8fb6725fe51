//! The routes, and what every request passes on its way to them.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{any, get, post};
use axum::{Json, Router};

use crate::guard::{self, Guard};
use crate::server::Server;
use crate::{
    ApiError, anthropic, dialect, downloads, limit, manage, metrics, ollama, openai, openapi, rerank, visit,
};

pub(crate) fn router(server: Server, guard: Guard) -> Router {
    let (state, app) = (server.clone(), server.app.clone());
    openai_routes()
        .merge(other_routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        .layer(from_fn_with_state(server.clone(), count))
        .layer(from_fn_with_state(server, limit::admit))
        .layer(from_fn_with_state(Arc::new(guard), guard::check))
        .layer(from_fn(dialect::tell_errors))
        .layer(from_fn_with_state(app, visit::follow))
        .with_state(state)
}

fn openai_routes() -> Router<Server> {
    Router::new()
        .route("/v1/models", get(openai::models::list))
        .route("/v1/models/{*id}", get(openai::models::show))
        .route("/v1/chat/completions", post(openai::chat::complete))
        .route("/v1/completions", post(openai::completions::complete))
        .route("/v1/responses", post(openai::responses::create))
        .route("/v1/responses/{id}", get(openai::responses::retrieve).delete(openai::responses::delete))
        .route("/v1/responses/{id}/cancel", post(openai::responses::cancel))
        .route("/v1/responses/{id}/input_items", get(openai::responses::input_items))
        .route("/v1/embeddings", post(openai::embeddings::create))
        .route("/v1/rerank", post(rerank::rerank))
        .route("/v1/downloads", get(downloads::list).post(downloads::start))
        .route("/v1/downloads/events", get(downloads::events))
        .route("/v1/downloads/pause", post(downloads::pause))
        .route("/v1/downloads/resume", post(downloads::resume))
        .route("/v1/downloads/cancel", post(downloads::cancel))
        .route("/v1/downloads/move", post(downloads::reorder))
        .route("/v1/{area}", any(openai::unsupported))
        .route("/v1/{area}/{*rest}", any(openai::unsupported))
}

fn other_routes() -> Router<Server> {
    Router::new()
        .route("/v1/messages", post(anthropic::create))
        .route("/v1/messages/count_tokens", post(anthropic::count_tokens))
        .route("/api/chat", post(ollama::chat))
        .route("/api/generate", post(ollama::generate))
        .route("/api/tags", get(ollama::tags))
        .route("/api/ps", get(ollama::ps))
        .route("/api/show", post(ollama::show))
        .route("/api/pull", post(ollama::pull))
        .route("/api/embed", post(ollama::embed))
        .route("/api/embeddings", post(ollama::embed_one))
        .route("/api/version", get(ollama::version))
        .route("/api/v1/models", get(manage::list))
        .route("/api/v1/models/load", post(manage::load))
        .route("/api/v1/models/unload", post(manage::unload))
        .route("/health", get(health))
        .route("/metrics", get(metrics::show))
        .route("/openapi.json", get(openapi::document))
        .route("/docs", get(openapi::page))
}

async fn health() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "status": "ok" }))
}

/// Notes what became of a request, under the route's name and not the client's.
async fn count(State(server): State<Server>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("other", MatchedPath::as_str).to_owned();
    let response = next.run(request).await;
    server.metrics.answered(&route, response.status().as_u16());
    response
}

pub(crate) async fn unknown_path() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_path",
        "There is nothing at this path.",
        "GET /openapi.json or /docs list the paths.",
    )
}

async fn unknown_method() -> ApiError {
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "unknown_method",
        "This path does not take this method.",
        "GET /openapi.json or /docs say which it takes.",
    )
}

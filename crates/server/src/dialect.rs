//! Which protocol a path belongs to, and errors in its shape.

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::{ApiError, anthropic, ollama};

/// Tells errors as clients of the path's protocol expect them, those of the framework included.
pub(crate) async fn tell_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    match response.extensions().get::<ApiError>().cloned() {
        Some(error) => told(&path, error, response),
        None => told(&path, plain(status), plain(status).into_response()),
    }
}

fn told(path: &str, error: ApiError, response: Response) -> Response {
    let body = if path.starts_with("/v1/messages") {
        anthropic::error_body(&error)
    } else if path.starts_with("/api/") && !path.starts_with("/api/v1/") {
        ollama::error_body(&error)
    } else {
        return response;
    };
    let retry = response.headers().get(axum::http::header::RETRY_AFTER).cloned();
    let mut response = (error.status(), Json(body)).into_response();
    response.extensions_mut().insert(error);
    if let Some(retry) = retry {
        response.headers_mut().insert(axum::http::header::RETRY_AFTER, retry);
    }
    response
}

/// What the framework refused, such as a path that is not UTF-8.
fn plain(status: StatusCode) -> ApiError {
    let reason = status.canonical_reason().unwrap_or("the request was refused");
    ApiError::new(status, "invalid_request", format!("{reason}."), "Check the path and the request.")
}

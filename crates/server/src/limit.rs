//! How many requests may be under way.

use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;

use crate::ApiError;
use crate::server::Server;

/// Lets a request in while there are places; it keeps its place until its answer has been read.
pub(crate) async fn admit(State(server): State<Server>, request: Request, next: Next) -> Response {
    if matches!(request.uri().path(), "/health" | "/metrics") {
        return next.run(request).await;
    }
    let Ok(place) = server.places.clone().try_acquire_owned() else {
        return too_many(server.limits.requests).into_response();
    };
    let mut response = next.run(request).await;
    // A body that was wrapped no longer says how long it is.
    if let Some(length) = response.body().size_hint().exact() {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response.map(|body| {
        let frames = body.into_data_stream().map(move |frame| {
            let _held = &place;
            frame
        });
        Body::from_stream(frames)
    })
}

fn too_many(limit: usize) -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "rate_limit_exceeded",
        format!("{limit} requests are under way already."),
        "Send it again a little later.",
    )
}

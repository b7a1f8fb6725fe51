//! Vectors of texts, in the newer form and in the older one.

use axum::Json;
use lantern_app::Texts;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::known;
use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields::within;
use crate::openai::embeddings::{checked, shortened};
use crate::server::Server;

/// Texts to embed. What is too long is refused, never cut.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct EmbedRequest {
    /// Library name of a model that was made for it.
    model: String,
    /// One text or several.
    input: Input,
    /// Numbers of each vector to keep, from the first.
    #[serde(default)]
    dimensions: Option<usize>,
}

/// One text or several.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
enum Input {
    One(String),
    Many(Vec<String>),
}

/// A vector for each.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Embedded {
    model: String,
    embeddings: Vec<Vec<f32>>,
    prompt_eval_count: usize,
}

/// A text to embed.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct EmbedOneRequest {
    /// Library name of a model that was made for it.
    model: String,
    /// The text.
    prompt: String,
}

/// Its vector.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EmbeddedOne {
    embedding: Vec<f32>,
}

/// `POST /api/embed`.
pub(crate) async fn embed(
    server: Server,
    JsonBody(request): JsonBody<EmbedRequest>,
) -> Result<Json<Embedded>, ApiError> {
    let texts = match request.input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    Ok(Json(embedded(&server, &request.model, texts, request.dimensions).await?))
}

/// `POST /api/embeddings`.
pub(crate) async fn embed_one(
    server: Server,
    JsonBody(request): JsonBody<EmbedOneRequest>,
) -> Result<Json<EmbeddedOne>, ApiError> {
    let answer = embedded(&server, &request.model, vec![request.prompt], None).await?;
    Ok(Json(EmbeddedOne { embedding: answer.embeddings.into_iter().next().unwrap_or_default() }))
}

async fn embedded(
    server: &Server,
    model: &str,
    texts: Vec<String>,
    dimensions: Option<usize>,
) -> Result<Embedded, ApiError> {
    within("dimensions", dimensions, 1..=1 << 20)?;
    let texts = checked("input", Texts::Written(texts))?;
    let name = known(server, model).await?;
    let (model, embeddings) = server.app.embed(&name, texts).await?;
    let embeddings = shortened(embeddings, dimensions)?;
    server.metrics.embedded(embeddings.tokens);
    let vectors = embeddings.iter().map(<[f32]>::to_vec).collect();
    Ok(Embedded { model, embeddings: vectors, prompt_eval_count: embeddings.tokens })
}

//! `POST /v1/embeddings`: texts become vectors.

use axum::Json;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_app::Texts;
use lantern_engine::Embeddings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields::within;
use crate::server::Server;

/// Texts that one request may have, as OpenAI limits them.
const MAX_TEXTS: usize = 2048;

/// The request's body. Fields that only describe the client (`user`) are ignored.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct EmbeddingsRequest {
    /// Library name of a model that was made for it.
    pub model: String,
    /// What is to become vectors.
    pub input: Input,
    /// How numbers are written.
    #[serde(default)]
    pub encoding_format: Option<EncodingFormat>,
    /// Numbers of each vector to keep, from the first.
    #[serde(default)]
    pub dimensions: Option<usize>,
}

/// One text or several, written or as token ids.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a text, a list of texts, a list of token ids, or a list of such lists"
)]
pub(crate) enum Input {
    /// One.
    Text(String),
    /// Several.
    Texts(Vec<String>),
    /// One, as tokens.
    Tokens(Vec<u32>),
    /// Several, as tokens.
    ManyTokens(Vec<Vec<u32>>),
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum EncodingFormat {
    /// As a list.
    Float,
    /// As the bytes of little-endian 32-bit floats.
    Base64,
}

/// A vector for each text.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EmbeddingList {
    object: &'static str,
    data: Vec<Item>,
    model: String,
    usage: EmbeddingUsage,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Item {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
enum Vector {
    Float(Vec<f32>),
    Base64(String),
}

#[derive(Debug, Serialize, JsonSchema)]
struct EmbeddingUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

impl Input {
    fn texts(self) -> Texts {
        match self {
            Input::Text(text) => Texts::Written(vec![text]),
            Input::Texts(texts) => Texts::Written(texts),
            Input::Tokens(tokens) => Texts::Tokens(vec![tokens]),
            Input::ManyTokens(texts) => Texts::Tokens(texts),
        }
    }
}

/// The handler.
pub(crate) async fn create(
    server: Server,
    JsonBody(request): JsonBody<EmbeddingsRequest>,
) -> Result<Json<EmbeddingList>, ApiError> {
    let texts = checked("input", request.input.texts())?;
    within("dimensions", request.dimensions, 1..=1 << 20)?;
    let name = server.listed(&request.model).await?;
    let (model, embeddings) = server.app.embed(&name, texts).await?;
    let embeddings = shortened(embeddings, request.dimensions)?;
    let format = request.encoding_format.unwrap_or(EncodingFormat::Float);
    let item = |(index, vector): (usize, &[f32])| Item {
        object: "embedding",
        index,
        embedding: match format {
            EncodingFormat::Float => Vector::Float(vector.to_vec()),
            EncodingFormat::Base64 => Vector::Base64(bytes(vector)),
        },
    };
    let usage = EmbeddingUsage { prompt_tokens: embeddings.tokens, total_tokens: embeddings.tokens };
    server.metrics.embedded(embeddings.tokens);
    Ok(Json(EmbeddingList {
        object: "list",
        data: embeddings.iter().enumerate().map(item).collect(),
        model,
        usage,
    }))
}

/// Vectors of so many numbers.
pub(crate) fn shortened(embeddings: Embeddings, dimensions: Option<usize>) -> Result<Embeddings, ApiError> {
    match dimensions {
        Some(wanted) if wanted > embeddings.dimensions => {
            let most = embeddings.dimensions;
            let message = format!("`dimensions` is {wanted}, but this model's vectors have {most} numbers.");
            Err(ApiError::invalid("dimensions", message, "Ask for fewer, or leave it out."))
        }
        Some(wanted) => Ok(embeddings.shortened(wanted)),
        None => Ok(embeddings),
    }
}

/// Texts that are not too many for one request.
pub(crate) fn checked(param: &'static str, texts: Texts) -> Result<Texts, ApiError> {
    let count = match &texts {
        Texts::Written(texts) => texts.len(),
        Texts::Tokens(texts) => texts.len(),
    };
    if (1..=MAX_TEXTS).contains(&count) {
        return Ok(texts);
    }
    let message = format!("`{param}` has {count} texts; 1 to {MAX_TEXTS} can be embedded at once.");
    Err(ApiError::invalid(param, message, "Send them in several requests."))
}

fn bytes(vector: &[f32]) -> String {
    STANDARD.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
}

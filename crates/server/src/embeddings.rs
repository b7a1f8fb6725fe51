//! `POST /v1/embeddings`: texts become vectors, as OpenAI's reference describes it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lantern_app::{App, Texts};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::ApiError;
use crate::request::parse_json;

/// Texts that one request may have, as OpenAI limits them.
const MAX_TEXTS: usize = 2048;

/// The request's body. Fields that only describe the client (`user`) are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct EmbeddingsRequest {
    /// Library name, path or Hub id of a model that was made for it.
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
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Input {
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// As a list.
    Float,
    /// As the bytes of little-endian 32-bit floats.
    Base64,
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
    State(app): State<App>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let request: EmbeddingsRequest = parse_json(&headers, &body, "`model` and `input`")?;
    let texts = checked(request.input.texts())?;
    if request.dimensions == Some(0) {
        let error = ApiError::invalid("`dimensions` is 0.", "Ask for at least one number, or leave it out.");
        return Err(error.with_param("dimensions"));
    }
    let name = app.listed_model(&request.model).await?;
    let (model, embeddings) = app.embed(&name, texts).await?;
    let embeddings = match request.dimensions {
        Some(wanted) if wanted > embeddings.dimensions => {
            let most = embeddings.dimensions;
            let message = format!("`dimensions` is {wanted}, but this model's vectors have {most} numbers.");
            return Err(
                ApiError::invalid(message, "Ask for fewer, or leave it out.").with_param("dimensions")
            );
        }
        Some(wanted) => embeddings.shortened(wanted),
        None => embeddings,
    };
    let format = request.encoding_format.unwrap_or(EncodingFormat::Float);
    let data: Vec<Value> = embeddings.iter().enumerate().map(|(i, vector)| item(i, vector, format)).collect();
    let usage = json!({ "prompt_tokens": embeddings.tokens, "total_tokens": embeddings.tokens });
    Ok(Json(json!({ "object": "list", "data": data, "model": model, "usage": usage })))
}

fn checked(texts: Texts) -> Result<Texts, ApiError> {
    let count = match &texts {
        Texts::Written(texts) => texts.len(),
        Texts::Tokens(texts) => texts.len(),
    };
    if (1..=MAX_TEXTS).contains(&count) {
        return Ok(texts);
    }
    let message = format!("`input` has {count} texts; 1 to {MAX_TEXTS} can be embedded at once.");
    Err(ApiError::invalid(message, "Send them in several requests.").with_param("input"))
}

fn item(index: usize, vector: &[f32], format: EncodingFormat) -> Value {
    let embedding = match format {
        EncodingFormat::Float => json!(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            json!(STANDARD.encode(bytes))
        }
    };
    json!({ "object": "embedding", "index": index, "embedding": embedding })
}

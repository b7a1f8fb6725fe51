//! `POST /v1/rerank`: which documents have most to do with a question, as Jina's and Cohere's references describe it.
//!
//! The engine has no models that compare two texts directly. A model that embeds texts takes their place: the score is the
//! cosine of the vectors of question and document, from -1 to 1.

use std::cmp::Ordering;

use axum::Json;
use lantern_app::Texts;
use lantern_engine::Embeddings;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields::within;
use crate::generate::new_id;
use crate::openai::embeddings::checked;
use crate::server::Server;

/// The request's body.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct RerankRequest {
    /// Library name of a model that embeds texts.
    pub model: String,
    /// What is looked for.
    pub query: String,
    /// Where; 1 to 2047.
    pub documents: Vec<Document>,
    /// How many of the best to tell; all by default.
    #[serde(default)]
    pub top_n: Option<usize>,
    /// Whether the answer has the documents' texts too.
    #[serde(default)]
    pub return_documents: Option<bool>,
}

/// A text, alone or in an object.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or an object with `text`")]
pub(crate) enum Document {
    /// Alone.
    Text(String),
    /// In an object.
    Object {
        /// The text.
        text: String,
    },
}

/// The documents, the best first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Reranked {
    id: String,
    object: &'static str,
    model: String,
    results: Vec<Ranked>,
    usage: RerankUsage,
}

/// A document's place.
#[derive(Debug, Serialize, JsonSchema)]
struct Ranked {
    /// Which of the request's documents, counted from 0.
    index: usize,
    /// The cosine of its vector and the question's.
    relevance_score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<RankedText>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RankedText {
    text: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RerankUsage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// The handler.
pub(crate) async fn rerank(
    server: Server,
    JsonBody(request): JsonBody<RerankRequest>,
) -> Result<Json<Reranked>, ApiError> {
    let top = within("top_n", request.top_n, 1..=usize::MAX)?.unwrap_or(usize::MAX);
    let documents: Vec<String> = request.documents.into_iter().map(Document::text).collect();
    if documents.is_empty() {
        return Err(ApiError::invalid("documents", "`documents` is empty.", "Send at least one."));
    }
    let texts = std::iter::once(request.query).chain(documents.iter().cloned()).collect();
    let texts = checked("documents", Texts::Written(texts))?;
    let name = server.listed(&request.model).await?;
    let (model, embeddings) = server.app.embed(&name, texts).await?;
    server.metrics.embedded(embeddings.tokens);
    let mut results: Vec<Ranked> = scores(&embeddings);
    results.truncate(top);
    if request.return_documents.unwrap_or(false) {
        for result in &mut results {
            result.document = documents.get(result.index).cloned().map(|text| RankedText { text });
        }
    }
    let usage = RerankUsage { prompt_tokens: embeddings.tokens, total_tokens: embeddings.tokens };
    Ok(Json(Reranked { id: new_id("rerank-"), object: "list", model, results, usage }))
}

/// Every vector after the first, compared with the first; all have length one.
fn scores(embeddings: &Embeddings) -> Vec<Ranked> {
    let mut vectors = embeddings.iter();
    let query = vectors.next().unwrap_or(&[]);
    let cosine = |vector: &[f32]| query.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>();
    let ranked =
        |(index, vector): (usize, &[f32])| Ranked { index, relevance_score: cosine(vector), document: None };
    let mut all: Vec<Ranked> = vectors.enumerate().map(ranked).collect();
    let best =
        |a: &Ranked, b: &Ranked| b.relevance_score.partial_cmp(&a.relevance_score).unwrap_or(Ordering::Equal);
    all.sort_by(best);
    all
}

impl Document {
    fn text(self) -> String {
        match self {
            Document::Text(text) | Document::Object { text } => text,
        }
    }
}

//! `/api/v1/models`: which models are in memory, and bringing them there and away. Requests load what they name by
//! themselves; this is for programs that want it done before, or undone.

use axum::Json;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ApiError;
use crate::body::JsonBody;
use crate::generate::fields;
use crate::server::Server;

/// Which model.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct LoadRequest {
    /// Library name.
    pub model: String,
    /// Tokens that conversations are to have room for, at least 64.
    #[serde(default)]
    pub context_length: Option<u32>,
}

/// Which model.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct UnloadRequest {
    /// Library name.
    pub model: String,
}

/// The models in memory that answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LoadedModels {
    models: Vec<Loaded>,
}

/// A model in memory.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Loaded {
    id: String,
    /// Tokens that there is room for.
    context_length: usize,
    memory_bytes: u64,
    /// Answers being written.
    running: usize,
    /// Answers that wait.
    waiting: usize,
}

/// What became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Unloaded {
    id: String,
    /// Whether it was in memory. Answers that are being written keep it there until they end.
    unloaded: bool,
}

/// What is in memory, the model used last at the end.
pub(crate) async fn list(server: Server) -> Json<LoadedModels> {
    let models = server.app.models_in_memory().iter().map(described).collect();
    Json(LoadedModels { models })
}

/// Answers when the model is in memory.
pub(crate) async fn load(
    server: Server,
    JsonBody(request): JsonBody<LoadRequest>,
) -> Result<Json<Loaded>, ApiError> {
    let context = fields::context_length("context_length", request.context_length)?;
    let name = server.listed(&request.model).await?;
    Ok(Json(described(&server.app.engine_for(Some(&name), context).await?)))
}

/// Answers when the model has left, as far as nobody uses it.
pub(crate) async fn unload(
    server: Server,
    JsonBody(request): JsonBody<UnloadRequest>,
) -> Result<Json<Unloaded>, ApiError> {
    let id = server.listed(&request.model).await?;
    let unloaded = server.app.unload(&id).await?;
    Ok(Json(Unloaded { id, unloaded }))
}

fn described(model: &lantern_app::LoadedModel) -> Loaded {
    let stats = model.engine.stats();
    Loaded {
        id: model.id.clone(),
        context_length: model.engine.context_length(),
        memory_bytes: model.engine.memory_bytes(),
        running: stats.running,
        waiting: stats.waiting,
    }
}

//! The models on this machine, and those in memory.

use axum::Json;
use lantern_engine::Capabilities;
use lantern_protocol::LibraryModel;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::known;
use crate::ApiError;
use crate::body::JsonBody;
use crate::openai::models::found;
use crate::server::Server;

/// Which model.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub(crate) struct NameRequest {
    /// Library name.
    #[serde(alias = "name")]
    model: String,
}

/// `GET /api/version`.
pub(crate) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION") }))
}

/// `GET /api/tags`.
pub(crate) async fn tags(server: Server) -> Result<Json<Value>, ApiError> {
    let mut models = Vec::new();
    for model in server.library().await? {
        let modified = modified(&model).await;
        models.push(json!({
            "name": model.id,
            "model": model.id,
            "modified_at": modified,
            "size": model.size_bytes,
            "digest": "",
            "details": details(&model),
        }));
    }
    Ok(Json(json!({ "models": models })))
}

/// `GET /api/ps`.
pub(crate) async fn ps(server: Server) -> Result<Json<Value>, ApiError> {
    let library = server.app.library().await?;
    let describe = |loaded: &lantern_app::LoadedModel| {
        let model = library.iter().find(|model| model.id == loaded.id);
        json!({
            "name": loaded.id,
            "model": loaded.id,
            "size": loaded.engine.memory_bytes(),
            "size_vram": 0,
            "digest": "",
            "details": model.map(details),
            "context_length": loaded.engine.context_length(),
        })
    };
    let models: Vec<Value> = server.app.models_in_memory().iter().map(describe).collect();
    Ok(Json(json!({ "models": models })))
}

/// `POST /api/show`.
pub(crate) async fn show(
    server: Server,
    JsonBody(request): JsonBody<NameRequest>,
) -> Result<Json<Value>, ApiError> {
    let id = known(&server, &request.model).await?;
    let model = found(&server, &id).await?;
    let can = server.app.capabilities(&model).await?;
    let architecture = model.architecture.clone().unwrap_or_default();
    Ok(Json(json!({
        "modified_at": modified(&model).await,
        "details": details(&model),
        "model_info": {
            "general.architecture": architecture,
            "general.parameter_count": model.parameters,
            (format!("{architecture}.context_length")): model.context_length,
        },
        "capabilities": words(can),
    })))
}

fn words(can: Capabilities) -> Vec<&'static str> {
    let all = [
        ("completion", can.chat),
        ("embedding", can.embeddings),
        ("vision", can.vision),
        ("tools", can.tools),
        ("thinking", can.thinking),
    ];
    all.into_iter().filter(|(_, can)| *can).map(|(word, _)| word).collect()
}

async fn modified(model: &LibraryModel) -> Option<String> {
    let time = tokio::fs::metadata(&model.path).await.ok()?.modified().ok()?;
    Some(jiff::Timestamp::try_from(time).ok()?.to_string())
}

fn details(model: &LibraryModel) -> Value {
    let family = model.architecture.as_deref().unwrap_or("");
    let size = model.parameters.map(|count| match count {
        1_000_000_000.. => format!("{}.{}B", count / 1_000_000_000, count / 100_000_000 % 10),
        _ => format!("{}M", count / 1_000_000),
    });
    json!({
        "parent_model": "",
        "format": "gguf",
        "family": family,
        "families": [family],
        "parameter_size": size.unwrap_or_default(),
        "quantization_level": model.quantisation.as_deref().unwrap_or(""),
    })
}

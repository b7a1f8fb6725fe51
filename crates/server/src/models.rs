//! `GET /v1/models` and `GET /v1/models/{id}`: the library as OpenAI lists it, with a few facts more.

use axum::Json;
use axum::extract::{Path, State};
use lantern_app::App;
use lantern_protocol::LibraryModel;
use serde_json::{Value, json};

use crate::ApiError;

/// Every model that can be loaded.
pub(crate) async fn list(State(app): State<App>) -> Result<Json<Value>, ApiError> {
    let models = app.library().await?;
    let data: Vec<Value> = models.iter().filter(|m| m.error.is_none()).map(describe).collect();
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// One model, by its exact id. Ids may hold slashes.
pub(crate) async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    let models = app.library().await?;
    match models.iter().find(|m| m.id == id && m.error.is_none()) {
        Some(model) => Ok(Json(describe(model))),
        None => Err(ApiError::new(
            axum::http::StatusCode::NOT_FOUND,
            "model_not_found",
            format!("No model `{}` is in the library.", id.chars().take(200).collect::<String>()),
            "List the models with GET /v1/models, or fetch one in Lantern.",
        )
        .with_param("model")),
    }
}

fn describe(model: &LibraryModel) -> Value {
    json!({
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.repo.as_deref().and_then(|r| r.split('/').next()).unwrap_or("local"),
        "context_length": model.context_length,
        "quantisation": model.quantisation,
        "architecture": model.architecture,
        "size_bytes": model.size_bytes,
    })
}

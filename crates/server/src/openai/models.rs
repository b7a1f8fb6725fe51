//! `GET /v1/models` and `GET /v1/models/{id}`: the library as OpenAI lists it, with a few facts more.

use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use lantern_app::RemoteModel;
use lantern_engine::Capabilities;
use lantern_protocol::LibraryModel;
use schemars::JsonSchema;
use serde::Serialize;

use crate::ApiError;
use crate::server::Server;

/// The models of the library that can be used.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ModelList {
    object: &'static str,
    data: Vec<Model>,
}

/// A model.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Model {
    id: String,
    object: &'static str,
    created: u64,
    owned_by: String,
    /// Tokens that it was trained to attend to.
    context_length: Option<u32>,
    /// The type of most of its weights.
    quantisation: Option<String>,
    architecture: Option<String>,
    size_bytes: u64,
    parameters: Option<u64>,
    /// Whether it is in memory; others are loaded when a request names them.
    loaded: bool,
    capabilities: Abilities,
}

/// What a model can do.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct Abilities {
    /// Answers in a conversation.
    pub chat: bool,
    /// Makes vectors of texts.
    pub embeddings: bool,
    /// Sees pictures.
    pub vision: bool,
    /// Calls tools.
    pub tools: bool,
    /// Can think before it answers.
    pub thinking: bool,
}

impl From<Capabilities> for Abilities {
    fn from(can: Capabilities) -> Self {
        let Capabilities { chat, embeddings, vision, tools, thinking } = can;
        Self { chat, embeddings, vision, tools, thinking }
    }
}

/// What a remote engine tells of its models is little: they are taken for chat models.
impl From<RemoteModel> for Model {
    fn from(model: RemoteModel) -> Self {
        Self {
            object: "model",
            created: 0,
            owned_by: model.id.split('/').next().unwrap_or("remote").to_owned(),
            context_length: model.context_length.and_then(|tokens| u32::try_from(tokens).ok()),
            quantisation: None,
            architecture: None,
            size_bytes: 0,
            parameters: None,
            loaded: false,
            capabilities: Abilities {
                chat: true,
                embeddings: false,
                vision: model.sees(),
                tools: true,
                thinking: false,
            },
            id: model.id,
        }
    }
}

/// Every model that can be loaded, and those of remote engines.
pub(crate) async fn list(server: Server) -> Result<Json<ModelList>, ApiError> {
    let mut data = Vec::new();
    for model in server.library().await? {
        data.push(described(&server, model).await?);
    }
    // A server that does not answer has nothing to list.
    let remotes = server.app.remote_models().await?.into_iter().filter_map(|remote| remote.models.ok());
    data.extend(remotes.flatten().filter(|model| server.may_use(&model.id)).map(Model::from));
    Ok(Json(ModelList { object: "list", data }))
}

/// One model, by its exact id. Ids may hold slashes.
pub(crate) async fn show(server: Server, Path(id): Path<String>) -> Result<Json<Model>, ApiError> {
    for remote in server.app.remote_models().await? {
        let models = remote.models.unwrap_or_default();
        if let Some(model) = models.into_iter().find(|model| model.id == id && server.may_use(&id)) {
            return Ok(Json(model.into()));
        }
    }
    Ok(Json(described(&server, found(&server, &id).await?).await?))
}

/// The model with exactly this id.
pub(crate) async fn found(server: &Server, id: &str) -> Result<LibraryModel, ApiError> {
    let models = server.library().await?;
    models.into_iter().find(|model| model.id == id).ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            "model_not_found",
            format!("No model `{}` is in the library.", id.chars().take(200).collect::<String>()),
            "List the models with GET /v1/models, or fetch one in Lantern.",
        )
        .with_param("model")
    })
}

async fn described(server: &Server, model: LibraryModel) -> Result<Model, ApiError> {
    let can = server.app.capabilities(&model).await?;
    Ok(Model {
        object: "model",
        created: 0,
        owned_by: model.repo.as_deref().and_then(|r| r.split('/').next()).unwrap_or("local").to_owned(),
        context_length: model.context_length,
        quantisation: model.quantisation,
        architecture: model.architecture,
        size_bytes: model.size_bytes,
        parameters: model.parameters,
        loaded: server.app.is_in_memory(&model.id),
        capabilities: can.into(),
        id: model.id,
    })
}

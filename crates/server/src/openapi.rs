//! `GET /openapi.json`, made from the types that requests are read into and answers are written from, and `GET /docs`, a page
//! that shows it without a script.

use std::sync::LazyLock;

use axum::Json;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::error::ErrorBody;
use crate::openai::{chat, completions, embeddings, models, responses};
use crate::{anthropic, downloads, manage, ollama, rerank};

/// What may be done at a path.
struct Operation {
    path: &'static str,
    method: &'static str,
    summary: &'static str,
    request: Option<Value>,
    answer: Option<Value>,
    /// Whether the answer is a stream where the request asks for one.
    streams: bool,
}

static DOCUMENT: LazyLock<Value> = LazyLock::new(written);
static PAGE: LazyLock<String> = LazyLock::new(|| page_of(&DOCUMENT));

/// `GET /openapi.json`.
pub(crate) async fn document() -> Json<&'static Value> {
    Json(&DOCUMENT)
}

/// `GET /docs`.
pub(crate) async fn page() -> Response {
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [(header::CONTENT_SECURITY_POLICY, policy), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, Html(PAGE.as_str())).into_response()
}

fn operations(types: &mut SchemaGenerator) -> Vec<Operation> {
    let mut list = openai_operations(types);
    list.extend(other_operations(types));
    list
}

impl Operation {
    fn get(path: &'static str, summary: &'static str, answer: Option<Value>) -> Self {
        Self { path, method: "get", summary, request: None, answer, streams: false }
    }

    fn post(path: &'static str, summary: &'static str, request: Value, answer: Option<Value>) -> Self {
        Self { path, method: "post", summary, request: Some(request), answer, streams: false }
    }

    fn streaming(self) -> Self {
        Self { streams: true, ..self }
    }
}

fn of<T: JsonSchema>(types: &mut SchemaGenerator) -> Value {
    types.subschema_for::<T>().to_value()
}

fn some<T: JsonSchema>(types: &mut SchemaGenerator) -> Option<Value> {
    Some(of::<T>(types))
}

fn openai_operations(t: &mut SchemaGenerator) -> Vec<Operation> {
    let chat = of::<chat::ChatCompletionRequest>(t);
    let completion = of::<completions::CompletionRequest>(t);
    let response = of::<responses::ResponseRequest>(t);
    let object = some::<responses::ResponseObject>(t);
    // Events of a stream have no place of their own in the document, but a type.
    let _ = of::<chat::ChatCompletionChunk>(t);
    let one = "/v1/responses/{id}";
    vec![
        Operation::get("/v1/models", "The models of the library.", some::<models::ModelList>(t)),
        Operation::get("/v1/models/{id}", "One of them.", some::<models::Model>(t)),
        Operation::post(
            "/v1/chat/completions",
            "Goes on with a conversation.",
            chat,
            some::<chat::ChatCompletion>(t),
        )
        .streaming(),
        Operation::post(
            "/v1/completions",
            "Goes on with a text.",
            completion,
            some::<completions::Completion>(t),
        )
        .streaming(),
        Operation::post("/v1/responses", "Writes a response.", response, object.clone()).streaming(),
        Operation::get(one, "A response that is kept.", object.clone()),
        Operation {
            method: "delete",
            ..Operation::get(one, "Forgets a response.", some::<responses::Deleted>(t))
        },
        Operation {
            method: "post",
            ..Operation::get("/v1/responses/{id}/cancel", "Ends a response.", object)
        },
        Operation::get("/v1/responses/{id}/input_items", "What it answers.", some::<responses::ItemList>(t)),
        Operation::post(
            "/v1/embeddings",
            "Makes vectors of texts.",
            of::<embeddings::EmbeddingsRequest>(t),
            some::<embeddings::EmbeddingList>(t),
        ),
        Operation::post(
            "/v1/rerank",
            "Orders documents by how much they have to do with a question.",
            of::<rerank::RerankRequest>(t),
            some::<rerank::Reranked>(t),
        ),
    ]
}

fn other_operations(t: &mut SchemaGenerator) -> Vec<Operation> {
    let messages = of::<anthropic::MessagesRequest>(t);
    let count = of::<anthropic::CountRequest>(t);
    let embed = of::<ollama::EmbedRequest>(t);
    let one = of::<ollama::EmbedOneRequest>(t);
    vec![
        Operation::post("/v1/messages", "Anthropic's messages.", messages, some::<anthropic::Message>(t))
            .streaming(),
        Operation::post(
            "/v1/messages/count_tokens",
            "How long they are.",
            count,
            some::<anthropic::Counted>(t),
        ),
        Operation::post("/api/chat", "Ollama's conversations.", of::<ollama::ChatRequest>(t), None)
            .streaming(),
        Operation::post("/api/generate", "Ollama's texts.", of::<ollama::GenerateRequest>(t), None)
            .streaming(),
        Operation::get("/api/tags", "The models of the library.", None),
        Operation::get("/api/ps", "The models in memory.", None),
        Operation::post("/api/show", "One model.", of::<ollama::NameRequest>(t), None),
        Operation::post("/api/pull", "Fetches a model.", of::<ollama::PullRequest>(t), None).streaming(),
        Operation::post("/api/embed", "Makes vectors of texts.", embed, some::<ollama::Embedded>(t)),
        Operation::post("/api/embeddings", "Makes a vector of a text.", one, some::<ollama::EmbeddedOne>(t)),
        Operation::get("/api/version", "Lantern's version.", None),
        Operation::get("/api/v1/models", "The models in memory.", some::<manage::LoadedModels>(t)),
        Operation::post(
            "/api/v1/models/load",
            "Loads a model.",
            of::<manage::LoadRequest>(t),
            some::<manage::Loaded>(t),
        ),
        Operation::post(
            "/api/v1/models/unload",
            "Takes a model out of memory.",
            of::<manage::UnloadRequest>(t),
            some::<manage::Unloaded>(t),
        ),
        Operation::get("/v1/downloads", "What is being fetched.", some::<downloads::DownloadList>(t)),
        Operation::post("/v1/downloads", "Fetches a model.", of::<downloads::DownloadModel>(t), None),
        Operation::get("/v1/downloads/events", "How far downloads have come, as events.", None),
        download("/v1/downloads/pause", "Holds a download.", of::<downloads::DownloadId>(t), t),
        download("/v1/downloads/resume", "Takes a download up.", of::<downloads::DownloadId>(t), t),
        download("/v1/downloads/cancel", "Stops a download.", of::<downloads::DownloadId>(t), t),
        download("/v1/downloads/move", "Gives it another turn.", of::<downloads::MoveDownload>(t), t),
        Operation::get("/health", "Whether it is there; needs no key.", None),
        Operation::get("/metrics", "Figures for Prometheus, as text.", None),
    ]
}

/// What is done to a download answers with the list.
fn download(path: &'static str, summary: &'static str, request: Value, t: &mut SchemaGenerator) -> Operation {
    Operation::post(path, summary, request, some::<downloads::DownloadList>(t))
}

fn written() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
    });
    let mut types = settings.into_generator();
    let error = of::<ErrorBody>(&mut types);
    let mut paths = Map::new();
    for operation in operations(&mut types) {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method] = described(&operation, &error);
    }
    let schemas = types.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lantern",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Models on this computer, in the protocols of OpenAI, Anthropic and Ollama.",
        },
        "security": [{ "bearer": [] }, { "header": [] }],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "bearer": { "type": "http", "scheme": "bearer" },
                "header": { "type": "apiKey", "in": "header", "name": "x-api-key" },
            },
        },
    })
}

fn described(operation: &Operation, error: &Value) -> Value {
    let json_of = |schema: &Value| json!({ "application/json": { "schema": schema } });
    let object = json!({ "type": "object" });
    let content = match operation.path {
        "/metrics" => json!({ "text/plain": { "schema": { "type": "string" } } }),
        _ => json_of(operation.answer.as_ref().unwrap_or(&object)),
    };
    let mut content = content;
    if operation.streams {
        let kind =
            if operation.path.starts_with("/api/") { "application/x-ndjson" } else { "text/event-stream" };
        content[kind] = json!({ "schema": { "type": "string" } });
    }
    let told = json!({ "description": "What went wrong.", "content": json_of(error) });
    let told = if operation.path.starts_with("/v1/messages") || operation.path.starts_with("/api/") {
        json!({ "description": "What went wrong, in the protocol's own shape.", "content": json_of(&object) })
    } else {
        told
    };
    let mut described = json!({
        "summary": operation.summary,
        "responses": { "200": { "description": operation.summary, "content": content }, "4XX": told },
    });
    if operation.path.contains("{id}") {
        let id = json!({ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } });
        described["parameters"] = json!([id]);
    }
    if let Some(request) = &operation.request {
        described["requestBody"] = json!({ "required": true, "content": json_of(request) });
    }
    described
}

/// The document for people.
fn page_of(document: &Value) -> String {
    let mut body = String::new();
    for (path, methods) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let summary = operation["summary"].as_str().unwrap_or("");
            let method = method.to_uppercase();
            body += &format!("<h2><code>{method} {}</code></h2><p>{}</p>", escaped(path), escaped(summary));
            let request = &operation["requestBody"]["content"]["application/json"]["schema"];
            let answer = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            for (title, schema) in [("Request", request), ("Answer", answer)] {
                if let Some(name) = name_of(schema) {
                    body += &format!("<p>{title}: <a href=\"#{name}\">{name}</a></p>");
                }
            }
        }
    }
    body += "<h1>Types</h1>";
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        body += &format!("<h2 id=\"{name}\">{name}</h2>");
        body += &fields_of(schema);
    }
    let style = "body{font:16px/1.5 system-ui;max-width:60rem;margin:2rem auto;padding:0 1rem}\
        h2{margin-top:2rem}pre{white-space:pre-wrap}td{vertical-align:top;padding:.2rem .8rem .2rem 0}";
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Lantern's endpoint</title>\
         <style>{style}</style><h1>Lantern's endpoint</h1><p>The same for programs: \
         <a href=\"/openapi.json\">/openapi.json</a>. Send <code>Authorization: Bearer KEY</code>.</p>{body}</html>"
    )
}

fn fields_of(schema: &Value) -> String {
    let about = schema["description"].as_str().unwrap_or("");
    let mut text = format!("<p>{}</p>", escaped(about));
    match schema["properties"].as_object() {
        None => {
            text +=
                &format!("<pre>{}</pre>", escaped(&serde_json::to_string_pretty(schema).unwrap_or_default()))
        }
        Some(fields) => {
            text += "<table>";
            for (field, schema) in fields {
                let about = schema["description"].as_str().unwrap_or("");
                let kind = kind_of(schema);
                text += &format!("<tr><td><code>{}</code><td>{kind}<td>{}", escaped(field), escaped(about));
            }
            text += "</table>";
        }
    }
    text
}

/// A type in a few words, with links.
fn kind_of(schema: &Value) -> String {
    if let Some(name) = name_of(schema) {
        return format!("<a href=\"#{name}\">{name}</a>");
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        return choices.iter().map(kind_of).collect::<Vec<_>>().join(" or ");
    }
    match &schema["type"] {
        Value::String(kind) if kind == "array" => format!("list of {}", kind_of(&schema["items"])),
        Value::String(kind) => escaped(kind),
        Value::Array(kinds) => {
            kinds.iter().filter_map(Value::as_str).map(escaped).collect::<Vec<_>>().join(" or ")
        }
        _ => "anything".into(),
    }
}

fn name_of(schema: &Value) -> Option<String> {
    Some(escaped(schema["$ref"].as_str()?.rsplit('/').next()?))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

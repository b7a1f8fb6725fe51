//! A server of tools over streamable HTTP on a real socket that wants its user signed in (OAuth 2.1 with a proof key), the server
//! that gives the tokens, and the page on which a user would sign in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The server; it ends with the runtime.
#[derive(Debug, Clone)]
pub struct ToolServer {
    url: String,
    known: Arc<Mutex<Known>>,
}

/// What it knows of those who come.
#[derive(Debug, Default)]
struct Known {
    /// Registered clients and their addresses to come back to.
    clients: HashMap<String, String>,
    /// Codes, and the challenges that their verifiers must meet.
    codes: HashMap<String, String>,
    /// Tokens that were given, and how many of the first of them no longer count.
    tokens: Vec<String>,
    spent: usize,
    refreshed: usize,
    denies: bool,
    /// The value of `X-Lamp` in every request that got through.
    lamps: Vec<String>,
}

impl ToolServer {
    /// Listens; its only tool is `lamp`, which says whose lamp it is.
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let server = Self { url, known: Arc::default() };
        let router = Router::new()
            .route("/mcp", post(tools).get(|| async { StatusCode::METHOD_NOT_ALLOWED }))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/register", post(register))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    /// Where its tools are.
    pub fn url(&self) -> String {
        format!("{}/mcp", self.url)
    }

    /// Whether whoever comes to sign in is refused.
    pub fn deny(&self, denies: bool) {
        self.known().denies = denies;
    }

    /// Takes no token any more that was given until now; they can be renewed.
    pub fn spend(&self) {
        let mut known = self.known();
        known.spent = known.tokens.len();
    }

    /// How often a token was renewed.
    pub fn refreshed(&self) -> usize {
        self.known().refreshed
    }

    /// The value of the header `X-Lamp` in each request of somebody who had signed in.
    pub fn lamps(&self) -> Vec<String> {
        self.known().lamps.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no test panics while it holds this")
    }
}

async fn tools(State(server): State<ToolServer>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let mut known = server.known();
    let text = |name| headers.get(name).and_then(|value: &header::HeaderValue| value.to_str().ok());
    let given = text("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if !given.is_some_and(|given| known.tokens[known.spent..].iter().any(|token| token == given)) {
        let place = format!("{}/.well-known/oauth-protected-resource/mcp", server.url);
        let challenge = format!("Bearer resource_metadata=\"{place}\"");
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    known.lamps.push(text("x-lamp").unwrap_or_default().to_owned());
    let Some(id) = request.get("id") else { return StatusCode::ACCEPTED.into_response() };
    let schema = json!({"type": "object", "properties": {"owner": {"type": "string"}}});
    let result = match request["method"].as_str().unwrap_or_default() {
        "initialize" => {
            json!({"protocolVersion": request["params"]["protocolVersion"], "capabilities": {"tools": {}},
            "serverInfo": {"name": "lamps", "version": "1"}})
        }
        "tools/list" => {
            json!({"tools": [{"name": "lamp", "description": "Says whose lamp it is.", "inputSchema": schema}]})
        }
        "tools/call" => {
            let owner = request["params"]["arguments"]["owner"].as_str().unwrap_or("nobody");
            json!({"content": [{"type": "text", "text": format!("The lamp of {owner}.")}]})
        }
        _ => json!({}),
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}

async fn resource(State(server): State<ToolServer>) -> Json<Value> {
    Json(json!({"resource": server.url(), "authorization_servers": [server.url]}))
}

async fn metadata(State(server): State<ToolServer>) -> Json<Value> {
    let url = server.url;
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "registration_endpoint": format!("{url}/register"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
    }))
}

async fn register(State(server): State<ToolServer>, Json(asked): Json<Value>) -> Response {
    let Some(back) = asked["redirect_uris"][0].as_str() else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut known = server.known();
    let client = format!("client-{}", known.clients.len());
    known.clients.insert(client.clone(), back.to_owned());
    let reply = json!({"client_id": client, "redirect_uris": [back], "token_endpoint_auth_method": "none"});
    (StatusCode::CREATED, Json(reply)).into_response()
}

async fn authorize(
    State(server): State<ToolServer>,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let mut known = server.known();
    let field = |name: &str| asked.get(name).cloned().unwrap_or_default();
    let (back, state) = (field("redirect_uri"), field("state"));
    let is_known = known.clients.get(&field("client_id")) == Some(&back);
    if !is_known || field("code_challenge_method") != "S256" || field("resource") != server.url() {
        return StatusCode::BAD_REQUEST.into_response();
    }
    if known.denies {
        return Redirect::to(&format!("{back}?error=access_denied&state={state}")).into_response();
    }
    let code = format!("code-{}", known.codes.len());
    known.codes.insert(code.clone(), field("code_challenge"));
    Redirect::to(&format!("{back}?code={code}&state={state}")).into_response()
}

async fn token(State(server): State<ToolServer>, Form(asked): Form<HashMap<String, String>>) -> Response {
    let mut known = server.known();
    let field = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let is_good = match field("grant_type") {
        "refresh_token" => {
            known.refreshed += 1;
            known.tokens.iter().any(|token| format!("renews-{token}") == field("refresh_token"))
        }
        _ => {
            let met = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier")));
            known.codes.remove(field("code")).is_some_and(|challenge| challenge == met)
        }
    };
    if !is_good {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let token = format!("token-{}", known.tokens.len());
    let renews = format!("renews-{token}");
    known.tokens.push(token.clone());
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": renews}))
        .into_response()
}

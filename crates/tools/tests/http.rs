//! Servers over HTTP, and signing in to one: an authorization server, a server of tools, and a browser, all on real sockets.

mod support;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use lantern_tools::{HttpConfig, ServerConfig, ServerState, ToolServer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{Forgetful, answer, until};
use tokio_util::sync::CancellationToken;

/// What both servers know.
#[derive(Default)]
struct Known {
    url: String,
    /// Whether tools need a token.
    is_guarded: bool,
    /// Registered clients and their addresses to come back to.
    clients: HashMap<String, String>,
    /// Codes and the challenges that their verifiers must meet.
    codes: HashMap<String, (String, String)>,
    /// Tokens that are good.
    tokens: Vec<String>,
    refreshed: u32,
    denies: bool,
    keys: Vec<String>,
}

type Shared = Arc<Mutex<Known>>;

async fn start(is_guarded: bool) -> (Shared, ToolServer, Arc<Forgetful>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let known = Arc::new(Mutex::new(Known { url: url.clone(), is_guarded, ..Known::default() }));
    let router = Router::new()
        .route("/mcp", post(mcp).get(|| async { StatusCode::METHOD_NOT_ALLOWED }))
        .route("/.well-known/oauth-protected-resource", get(resource))
        .route("/.well-known/oauth-protected-resource/mcp", get(resource))
        .route("/.well-known/oauth-authorization-server", get(metadata))
        .route("/register", post(register))
        .route("/authorize", get(authorize))
        .route("/token", post(token))
        .with_state(Arc::clone(&known));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let headers = BTreeMap::from([("X-Key".to_owned(), "k-1".to_owned())]);
    let config = ServerConfig::Http(HttpConfig { url: format!("{url}/mcp"), headers });
    config.check().unwrap();
    let tokens = Forgetful::new();
    (known, ToolServer::new(config, tokens.clone()), tokens)
}

async fn mcp(State(known): State<Shared>, headers: HeaderMap, Json(request): Json<Value>) -> Response {
    let mut known = known.lock().unwrap();
    known.keys.extend(headers.get("x-key").map(|key| key.to_str().unwrap().to_owned()));
    let token = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let is_good = |token: &str| known.tokens.iter().any(|good| token == format!("Bearer {good}"));
    if known.is_guarded && !token.is_some_and(is_good) {
        let place = format!("{}/.well-known/oauth-protected-resource/mcp", known.url);
        let challenge = format!("Bearer resource_metadata=\"{place}\", scope=\"tools\"");
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
    }
    match answer(&request, 1) {
        Some(reply) => Json(reply).into_response(),
        None => StatusCode::ACCEPTED.into_response(),
    }
}

async fn resource(State(known): State<Shared>) -> Json<Value> {
    let url = known.lock().unwrap().url.clone();
    Json(
        json!({"resource": format!("{url}/mcp"), "authorization_servers": [url], "scopes_supported": ["tools"]}),
    )
}

async fn metadata(State(known): State<Shared>) -> Json<Value> {
    let url = known.lock().unwrap().url.clone();
    Json(json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "registration_endpoint": format!("{url}/register"),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": ["tools"],
    }))
}

async fn register(State(known): State<Shared>, Json(asked): Json<Value>) -> Response {
    assert_eq!(asked["client_name"], "Lantern");
    let back = asked["redirect_uris"][0].as_str().unwrap().to_owned();
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    let mut known = known.lock().unwrap();
    let id = format!("client-{}", known.clients.len() + 1);
    known.clients.insert(id.clone(), back.clone());
    let reply = json!({"client_id": id, "client_name": "Lantern", "redirect_uris": [back],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"]});
    (StatusCode::CREATED, Json(reply)).into_response()
}

async fn authorize(State(known): State<Shared>, Query(asked): Query<HashMap<String, String>>) -> Redirect {
    let mut known = known.lock().unwrap();
    let back = asked["redirect_uri"].clone();
    assert_eq!(known.clients.get(&asked["client_id"]), Some(&back), "nobody registered this");
    assert_eq!((asked["response_type"].as_str(), asked["code_challenge_method"].as_str()), ("code", "S256"));
    assert_eq!(asked["resource"], format!("{}/mcp", known.url));
    let state = asked["state"].clone();
    if known.denies {
        return Redirect::to(&format!("{back}?error=access_denied&state={state}"));
    }
    let code = format!("code-{}", known.codes.len());
    known.codes.insert(code.clone(), (asked["code_challenge"].clone(), back.clone()));
    Redirect::to(&format!("{back}?code={code}&state={state}"))
}

async fn token(State(known): State<Shared>, Form(asked): Form<HashMap<String, String>>) -> Response {
    let mut known = known.lock().unwrap();
    let is_good = match asked["grant_type"].as_str() {
        "authorization_code" => known.codes.remove(&asked["code"]).is_some_and(|(challenge, back)| {
            let digest = Sha256::digest(asked["code_verifier"].as_bytes());
            let met = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(digest);
            met == challenge && asked["redirect_uri"] == back
        }),
        _ => {
            known.refreshed += 1;
            asked["refresh_token"] == "refresh"
        }
    };
    if !is_good {
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    let token = format!("token-{}", known.tokens.len() + 1);
    known.tokens.push(token.clone());
    Json(
        json!({"access_token": token, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh",
        "scope": "tools"}),
    )
    .into_response()
}

/// The user's browser goes to the page and follows where it leads.
async fn browse(page: String) -> String {
    reqwest::get(page).await.unwrap().text().await.unwrap()
}

async fn echo(server: &ToolServer) -> Result<String, &'static str> {
    let arguments = json!({"text": "hello"}).as_object().unwrap().clone();
    let called = server.call("echo", arguments, Duration::from_secs(30), &CancellationToken::new()).await;
    called.map(|output| output.text).map_err(|error| error.code())
}

#[tokio::test]
async fn a_server_is_called_with_its_headers() {
    let (known, server, _tokens) = start(false).await;
    assert_eq!(echo(&server).await, Ok("hello".into()));
    let known = known.lock().unwrap();
    assert!(known.keys.len() >= 3 && known.keys.iter().all(|key| key == "k-1"), "{:?}", known.keys);
}

#[tokio::test]
async fn one_that_is_away_says_so() {
    let config = HttpConfig { url: "http://127.0.0.1:9/mcp".into(), headers: BTreeMap::new() };
    let server = ToolServer::new(ServerConfig::Http(config), Forgetful::new());
    assert_eq!(echo(&server).await, Err("tool_server_protocol"));
}

#[tokio::test]
async fn signing_in_goes_through_the_browser_and_is_kept() {
    let (known, server, tokens) = start(true).await;
    assert_eq!(echo(&server).await, Err("tool_server_sign_in"));
    assert_eq!(server.state(), ServerState::SignIn);

    let (shown, page) = tokio::sync::oneshot::channel();
    let browser = tokio::spawn(async move { browse(page.await.unwrap()).await });
    server.sign_in(Box::new(move |page| shown.send(page).unwrap())).await.unwrap();
    assert!(browser.await.unwrap().contains("You are signed in"));
    assert_eq!(echo(&server).await, Ok("hello".into()));

    // What was kept is enough for a later start.
    assert!(tokens.0.lock().unwrap().as_ref().is_some_and(|text| text.contains("token-1")));
    let url = known.lock().unwrap().url.clone();
    let config = HttpConfig { url: format!("{url}/mcp"), headers: BTreeMap::new() };
    let later = ToolServer::new(ServerConfig::Http(config), tokens.clone());
    assert_eq!(echo(&later).await, Ok("hello".into()));

    // A token that the server no longer takes is refreshed.
    known.lock().unwrap().tokens.clear();
    let after = until("a fresh token", async || echo(&later).await.ok()).await;
    assert_eq!((after.as_str(), known.lock().unwrap().refreshed), ("hello", 1));

    later.sign_out().await.unwrap();
    assert_eq!(echo(&later).await, Err("tool_server_sign_in"));
}

#[tokio::test]
async fn whoever_refuses_is_not_signed_in() {
    let (known, server, tokens) = start(true).await;
    assert_eq!(echo(&server).await, Err("tool_server_sign_in"));
    known.lock().unwrap().denies = true;
    let (shown, page) = tokio::sync::oneshot::channel();
    let browser = tokio::spawn(async move { browse(page.await.unwrap()).await });
    let refused = server.sign_in(Box::new(move |page| shown.send(page).unwrap())).await.unwrap_err();
    assert_eq!(refused.code(), "tool_server_sign_in_failed");
    assert!(refused.to_string().contains("access_denied"), "{refused}");
    assert!(browser.await.unwrap().contains("not signed in"));
    assert_eq!(*tokens.0.lock().unwrap(), None);
}

#[tokio::test]
async fn a_stranger_cannot_answer_for_the_browser() {
    let (_known, server, _tokens) = start(true).await;
    assert_eq!(echo(&server).await, Err("tool_server_sign_in"));
    let (shown, page) = tokio::sync::oneshot::channel::<String>();
    let browser = tokio::spawn(async move {
        let page = page.await.unwrap();
        let url = reqwest::Url::parse(&page).unwrap();
        let back = url.query_pairs().find(|(name, _)| name == "redirect_uri").unwrap().1.into_owned();
        // Whoever guesses the port does not know the state; neither is anything else there.
        for path in ["?code=stolen&state=guessed", "?error=access_denied", "", "/../x"] {
            let reply = reqwest::get(format!("{back}{path}")).await.unwrap();
            assert_eq!(reply.status(), 404, "{path}");
        }
        browse(page).await
    });
    server.sign_in(Box::new(move |page| shown.send(page).unwrap())).await.unwrap();
    assert!(browser.await.unwrap().contains("You are signed in"));
}

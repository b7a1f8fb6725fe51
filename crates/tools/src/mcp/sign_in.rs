//! Signing in to a server: OAuth 2.1 as the protocol wants it. The server says who gives tokens, Lantern registers itself
//! there, the user signs in with the browser, and the browser comes back to an address of this computer that listens for just
//! that long (RFC 8252). A proof key (PKCE) and a `state` tie the answer to the question.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rmcp::transport::auth::{
    AuthError, AuthorizationManager, AuthorizationRequest, CredentialStore, OAuthState, StoredCredentials,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::ToolError;

/// How long the user may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Longest request of the browser, in bytes.
const MOST_REQUEST: usize = 16 << 10;

/// Keeps what a server's tokens are, as a text that nobody else should read.
#[async_trait]
pub trait TokenStore: Send + Sync {
    /// The text, if there is one.
    async fn load(&self) -> Result<Option<String>, String>;
    /// Keeps a text in place of the earlier one.
    async fn save(&self, tokens: String) -> Result<(), String>;
    /// Forgets it.
    async fn clear(&self) -> Result<(), String>;
}

/// Shows the user the page on which to sign in.
pub type Authorize = Box<dyn FnOnce(String) + Send>;

/// The tokens of one server.
#[derive(Clone)]
pub(super) struct Tokens(pub(super) Arc<dyn TokenStore>);

#[async_trait]
impl CredentialStore for Tokens {
    async fn load(&self) -> Result<Option<StoredCredentials>, AuthError> {
        let text = self.0.load().await.map_err(AuthError::CredentialStoreError)?;
        // What cannot be read is as good as nothing: the user signs in again.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    async fn save(&self, credentials: StoredCredentials) -> Result<(), AuthError> {
        let text = serde_json::to_string(&credentials);
        let text = text.map_err(|error| AuthError::CredentialStoreError(error.to_string()))?;
        self.0.save(text).await.map_err(AuthError::CredentialStoreError)
    }

    async fn clear(&self) -> Result<(), AuthError> {
        self.0.clear().await.map_err(AuthError::CredentialStoreError)
    }
}

impl Tokens {
    /// Whoever asks with the user's tokens; `None` if the user has not signed in.
    pub(super) async fn authorized(&self, url: &str) -> Result<Option<AuthorizationManager>, ToolError> {
        if CredentialStore::load(self)
            .await
            .map_err(failed)?
            .is_none_or(|known| known.token_response.is_none())
        {
            return Ok(None);
        }
        let mut manager = self.manager(url).await?;
        let is_ready = manager.initialize_from_store().await.map_err(failed)?;
        Ok(is_ready.then_some(manager))
    }

    async fn manager(&self, url: &str) -> Result<AuthorizationManager, ToolError> {
        let mut manager = AuthorizationManager::new(url.trim()).await.map_err(failed)?;
        manager.set_credential_store(self.clone());
        Ok(manager)
    }

    /// Signs the user in; `show` gets the address of the page. The tokens are kept when this returns.
    pub(super) async fn sign_in(&self, url: &str, challenge: &str, show: Authorize) -> Result<(), ToolError> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let port = listener.local_addr().map_err(failed)?.port();
        let back = format!("http://127.0.0.1:{port}/callback");
        let mut request = AuthorizationRequest::new(back.clone())
            .with_client_name("Lantern")
            .with_initial_scope_selection();
        if !challenge.is_empty() {
            request = request.with_challenge(challenge);
        }
        // The browser comes back to another port each time, so an earlier registration is of no use.
        let mut state = OAuthState::Unauthorized(self.manager(url).await?);
        state.start_authorization(request).await.map_err(failed)?;
        let page = state.get_authorization_url().await.map_err(failed)?;
        let expected = checked(&page)?;
        show(page);
        let came_back = tokio::time::timeout(PATIENCE, answer(&listener, &expected)).await;
        let query = came_back.map_err(|_| failed("nobody signed in within five minutes"))??;
        state.handle_callback_url(&format!("{back}?{query}")).await.map_err(failed)
    }
}

/// The `state` in the address of a page that a browser may be sent to.
fn checked(page: &str) -> Result<String, ToolError> {
    let url = reqwest::Url::parse(page).map_err(failed)?;
    let is_near = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    if url.scheme() != "https" && !(url.scheme() == "http" && is_near) {
        return Err(failed("the page to sign in on is not secure"));
    }
    let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, value)| value.into_owned());
    state.filter(|state| !state.is_empty()).ok_or_else(|| failed("the page's address has no state"))
}

/// Waits for the browser; whatever else knocks is sent away.
async fn answer(listener: &TcpListener, expected: &str) -> Result<String, ToolError> {
    loop {
        let (mut browser, _) = listener.accept().await.map_err(failed)?;
        let asked = tokio::time::timeout(Duration::from_secs(5), path(&mut browser)).await;
        let query = asked.ok().flatten().and_then(|path| path.strip_prefix("/callback?").map(str::to_owned));
        let url = query.as_ref().and_then(|query| reqwest::Url::parse(&format!("http://l/?{query}")).ok());
        let value = |name: &str| {
            let mut pairs = url.as_ref()?.query_pairs();
            pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        };
        if value("state").as_deref() != Some(expected) {
            say(&mut browser, "404 Not Found", "This is not the page you are looking for.").await;
            continue;
        }
        if let Some(error) = value("error") {
            say(
                &mut browser,
                "200 OK",
                "You are not signed in. You can close this page and go back to Lantern.",
            )
            .await;
            let error: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
            return Err(failed(format!("the answer was `{error}`")));
        }
        say(&mut browser, "200 OK", "You are signed in. You can close this page and go back to Lantern.")
            .await;
        return query.ok_or_else(|| failed("the answer was empty"));
    }
}

/// The path of a request, if it is one.
async fn path(browser: &mut TcpStream) -> Option<String> {
    let mut request = Vec::new();
    let mut piece = [0u8; 2048];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match browser.read(&mut piece).await {
            Ok(read @ 1..) if request.len() + read <= MOST_REQUEST => {
                request.extend_from_slice(&piece[..read])
            }
            _ => return None,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let path = text.strip_prefix("GET ")?.split(' ').next()?;
    Some(path.to_owned())
}

async fn say(browser: &mut TcpStream, status: &str, words: &str) {
    let page = format!("<!doctype html><meta charset=\"utf-8\"><title>Lantern</title><p>{words}</p>");
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
         Content-Security-Policy: default-src 'none'\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    // A browser that does not listen any more misses nothing.
    let _ = browser.write_all(reply.as_bytes()).await;
    let _ = browser.shutdown().await;
}

fn failed(why: impl std::fmt::Display) -> ToolError {
    ToolError::SignInFailed(why.to_string().trim_end_matches('.').chars().take(500).collect())
}

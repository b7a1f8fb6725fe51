//! Servers over HTTP.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use reqwest::header::{HeaderName, HeaderValue};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{AuthClient, AuthorizationManager};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;

use super::HttpConfig;
use super::connection::MOST_MESSAGE;
use crate::ToolError;

/// How long reaching a server may take.
const REACHING: Duration = Duration::from_secs(20);

/// The configured headers, or what is wrong with them.
pub(super) fn headers(
    given: &BTreeMap<String, String>,
) -> Result<HashMap<HeaderName, HeaderValue>, ToolError> {
    let header = |(name, value): (&String, &String)| {
        let wrong = || ToolError::Config(format!("`{}` is no header", crate::definition::short(name)));
        let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
        let mut value = HeaderValue::try_from(value.as_str()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        Ok((name, value))
    };
    given.iter().map(header).collect()
}

/// A client that goes where it is sent to and nowhere else: headers may be keys.
pub(super) fn client() -> Result<reqwest::Client, ToolError> {
    let builder =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(REACHING);
    builder.build().map_err(|error| ToolError::Protocol(error.to_string()))
}

fn config(config: &HttpConfig) -> Result<StreamableHttpClientTransportConfig, ToolError> {
    let mut transport = StreamableHttpClientTransportConfig::with_uri(config.url.trim())
        .custom_headers(headers(&config.headers)?)
        .max_sse_event_size(MOST_MESSAGE);
    transport.reinit_on_expired_session = true;
    Ok(transport)
}

/// Asks without tokens.
pub(super) fn plain(
    server: &HttpConfig,
) -> Result<StreamableHttpClientTransport<reqwest::Client>, ToolError> {
    Ok(StreamableHttpClientTransport::with_client(client()?, config(server)?))
}

/// Asks with the user's tokens.
pub(super) fn with_tokens(
    server: &HttpConfig,
    manager: AuthorizationManager,
) -> Result<StreamableHttpClientTransport<AuthClient<reqwest::Client>>, ToolError> {
    let client = AuthClient::new(client()?, manager);
    Ok(StreamableHttpClientTransport::with_client(client, config(server)?))
}

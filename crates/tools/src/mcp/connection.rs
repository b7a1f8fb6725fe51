//! A conversation with a running server: its tools, and calls of them.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientCapabilities, ClientConfig, ClientRequest,
    ContentBlock, Implementation, PaginatedRequestParams, ResourceContents, ServerResult, Tool,
};
use rmcp::service::{
    NotificationContext, Peer, PeerRequestOptions, RoleClient, RunningService, ServiceError, ServiceExt,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::{ClientHandler, service::ClientInitializeError};
use serde_json::{Map, Value as Json};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::process::{self, Process, Written};
use super::{CommandConfig, HttpConfig, http};
use crate::mcp::sign_in::Tokens;
use crate::{Definition, Hints, Image, ToolError, ToolOutput};

/// Most tools of a server; what it has beyond is left out.
pub const MOST_TOOLS: usize = 128;
/// Most pages of its list.
const MOST_PAGES: usize = 64;
/// Longest message, in bytes.
pub(super) const MOST_MESSAGE: usize = 16 << 20;
/// How long a server may take to say who it is; programs like `npx` may have to fetch it first.
const HELLO: Duration = Duration::from_secs(120);
/// How long it may take to list its tools.
const LISTING: Duration = Duration::from_secs(30);

/// What Lantern says of itself, and what it hears between calls. Servers can ask nothing of the user or the model: sampling,
/// elicitation and roots are not offered.
#[derive(Clone, Default)]
struct Client {
    changed: Arc<Notify>,
}

impl ClientHandler for Client {
    fn get_info(&self) -> ClientConfig {
        let named = Implementation::new("lantern", env!("CARGO_PKG_VERSION"));
        ClientConfig::new(ClientCapabilities::default(), named)
    }

    async fn on_tool_list_changed(&self, _context: NotificationContext<RoleClient>) {
        self.changed.notify_one();
    }
}

/// A server that answers. Dropping it ends the connection and the program.
pub(super) struct Connection {
    service: RunningService<RoleClient, Client>,
    changed: Arc<Notify>,
    _process: Option<Process>,
}

/// Why there is no connection.
pub(super) enum Refused {
    /// The server wants to know who asks; with its challenge.
    SignIn(String),
    /// Anything else.
    Failed(ToolError),
}

impl From<ToolError> for Refused {
    fn from(error: ToolError) -> Self {
        Self::Failed(error)
    }
}

impl Connection {
    /// Starts a program and greets it.
    pub(super) async fn over_stdio(config: &CommandConfig, written: &Written) -> Result<Self, Refused> {
        let (process, stdout, stdin) = process::start(config, written)?;
        let transport =
            AsyncRwTransport::<RoleClient, _, _>::new(stdout, stdin).with_max_line_length(MOST_MESSAGE);
        let client = Client::default();
        let changed = Arc::clone(&client.changed);
        let service = greeted(client.serve(transport)).await?;
        Ok(Self { service, changed, _process: Some(process) })
    }

    /// Greets a server, with the user's tokens if there are any.
    pub(super) async fn over_http(config: &HttpConfig, tokens: &Tokens) -> Result<Self, Refused> {
        let client = Client::default();
        let changed = Arc::clone(&client.changed);
        let service = match tokens.authorized(&config.url).await? {
            Some(manager) => greeted(client.serve(http::with_tokens(config, manager)?)).await?,
            None => greeted(client.serve(http::plain(config)?)).await?,
        };
        Ok(Self { service, changed, _process: None })
    }

    fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    /// Waits until the server says that its tools are others.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Waits until the connection has ended.
    pub(super) async fn ended(&self) {
        // There is no signal for it, and being late by a moment costs nothing.
        while !self.service.is_closed() && !self.peer().is_transport_closed() {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }

    /// The server's tools, those that cannot be used left out, with a word on each of these.
    pub(super) async fn tools(&self) -> Result<(Vec<Definition>, Vec<String>), ToolError> {
        let listed = tokio::time::timeout(LISTING, self.list()).await;
        let listed =
            listed.map_err(|_| ToolError::Protocol("it did not list its tools in time".into()))??;
        let (mut tools, mut left_out) = (Vec::<Definition>::new(), Vec::new());
        for tool in listed {
            match defined(tool).checked() {
                Ok(tool) if tools.len() < MOST_TOOLS => {
                    if tools.iter().all(|known| known.name != tool.name) {
                        tools.push(tool);
                    }
                }
                Ok(_) => {
                    left_out.push(format!("it has more than {MOST_TOOLS} tools; the others are left out"));
                    break;
                }
                Err(error) => left_out.push(error.to_string()),
            }
        }
        Ok((tools, left_out))
    }

    async fn list(&self) -> Result<Vec<Tool>, ToolError> {
        let (mut tools, mut cursor) = (Vec::new(), None);
        for _ in 0..MOST_PAGES {
            let page = PaginatedRequestParams::default().with_cursor(cursor);
            let page = self.peer().list_tools(Some(page)).await.map_err(protocol)?;
            tools.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || tools.len() > MOST_TOOLS {
                break;
            }
        }
        Ok(tools)
    }

    /// Calls a tool. A call that takes too long or is stopped is taken back at the server, as far as it listens.
    pub(super) async fn call(
        &self,
        name: &str,
        arguments: Map<String, Json>,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<ToolOutput, ToolError> {
        let params = CallToolRequestParams::new(name.to_owned()).with_arguments(arguments);
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params));
        let sent = self.peer().send_cancellable_request(request, PeerRequestOptions::no_options()).await;
        let mut handle = sent.map_err(protocol)?;
        let answer = tokio::select! {
            biased;
            () = stop.cancelled() => Err(ToolError::Stopped),
            answer = &mut handle.rx => return received(answer.map_err(|_| ToolError::Ended)?),
            () = tokio::time::sleep(limit) => Err(ToolError::TimedOut(limit.as_secs())),
        };
        // It may be gone, and then there is nothing to take back.
        let _ = tokio::time::timeout(Duration::from_secs(2), handle.cancel(Some("no longer wanted".into())))
            .await;
        answer
    }
}

async fn greeted(
    hello: impl Future<Output = Result<RunningService<RoleClient, Client>, ClientInitializeError>>,
) -> Result<RunningService<RoleClient, Client>, Refused> {
    let silent = |_| ToolError::Protocol(format!("it said nothing for {} s", HELLO.as_secs()));
    match tokio::time::timeout(HELLO, hello).await.map_err(silent)? {
        Ok(service) => Ok(service),
        Err(error) => match error.auth_challenge() {
            Some(challenge) => Err(Refused::SignIn(challenge.to_owned())),
            None if error.is_authorization_required() => Err(Refused::SignIn(String::new())),
            None => Err(ToolError::Protocol(cut(&error.to_string())).into()),
        },
    }
}

fn received(answer: Result<ServerResult, ServiceError>) -> Result<ToolOutput, ToolError> {
    match answer {
        Ok(ServerResult::CallToolResult(result)) => Ok(output(result)),
        Ok(_) => Err(ToolError::Protocol("it asked something back, which Lantern does not answer".into())),
        Err(ServiceError::McpError(error)) => Err(ToolError::Failed(cut(&error.message))),
        Err(error) => Err(protocol(error)),
    }
}

fn protocol(error: ServiceError) -> ToolError {
    match error {
        ServiceError::TransportClosed => ToolError::Ended,
        other => ToolError::Protocol(cut(&other.to_string())),
    }
}

/// What somebody else said, short enough to be shown.
fn cut(text: &str) -> String {
    text.trim_end_matches('.').chars().take(500).collect()
}

fn defined(tool: Tool) -> Definition {
    let annotations = tool.annotations.unwrap_or_default();
    Definition {
        name: tool.name.into_owned(),
        title: tool.title.or(annotations.title),
        description: tool.description.unwrap_or_default().into_owned(),
        parameters: Json::Object((*tool.input_schema).clone()),
        hints: Hints {
            read_only: annotations.read_only_hint.unwrap_or(false),
            destructive: annotations.destructive_hint.unwrap_or(false),
        },
    }
}

fn output(result: CallToolResult) -> ToolOutput {
    let mut output = ToolOutput { is_error: result.is_error.unwrap_or(false), ..ToolOutput::default() };
    for block in result.content {
        match block {
            ContentBlock::Text(text) => output.push_text(&text.text),
            ContentBlock::Image(image) => {
                output.push_text(&format!("[picture {}]", output.images.len() + 1));
                output.images.push(Image { mime_type: image.mime_type, data: image.data });
            }
            ContentBlock::Audio(audio) => output.push_text(&format!("[sound, {}]", audio.mime_type)),
            ContentBlock::ResourceLink(link) => output.push_text(&format!("[{}: {}]", link.name, link.uri)),
            ContentBlock::Resource(embedded) => match embedded.resource {
                ResourceContents::TextResourceContents { uri, text, .. } => {
                    output.push_text(&format!("[{uri}]\n{text}"));
                }
                ResourceContents::BlobResourceContents { uri, blob, .. } => {
                    output.push_text(&format!("[{uri}: {} bytes of base64]", blob.len()));
                }
                _ => output.push_text("[a resource of an unknown kind]"),
            },
            _ => output.push_text("[content of an unknown kind]"),
        }
    }
    // The protocol asks servers to give it as text too; those that do not would otherwise have said nothing.
    if output.text.is_empty()
        && let Some(structured) = &result.structured_content
    {
        output.text = structured.to_string();
    }
    output.structured = result.structured_content;
    output.limited()
}

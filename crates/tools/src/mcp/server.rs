//! A server under Lantern's care: started when it is wanted, watched, started again when it dies, and gone when it is let go.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value as Json};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::ServerConfig;
use super::connection::{Connection, Refused};
use super::process::Written;
use super::sign_in::{Authorize, TokenStore, Tokens};
use crate::{Definition, ToolError, ToolOutput};

/// How often a server that worked once is started again.
const MOST_TRIES: u32 = 5;
/// The first wait before that; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// A server that lived so long begins anew with its tries.
const HEALTHY: Duration = Duration::from_secs(60);
/// How long a call waits for a server that is on its way.
const ARRIVING: Duration = Duration::from_secs(150);

/// How a server is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerState {
    /// Nobody started it.
    Off,
    /// On its way.
    Starting,
    /// It answers.
    Ready {
        /// What can be called.
        tools: Vec<Definition>,
        /// Why some of what it offers cannot.
        left_out: Vec<String>,
    },
    /// It wants the user to sign in.
    SignIn,
    /// It does not work.
    Failed {
        /// Why.
        error: ToolError,
        /// Whether it is started again by itself.
        retrying: bool,
    },
}

/// A server. It ends with the last of its clones.
#[derive(Clone)]
pub struct ToolServer {
    shared: Arc<Shared>,
    /// Ends the task, and with it the connection.
    _guard: Arc<DropGuard>,
}

struct Shared {
    config: ServerConfig,
    tokens: Tokens,
    written: Written,
    state: watch::Sender<ServerState>,
    connection: Mutex<Option<Arc<Connection>>>,
    /// What the server said when it wanted the user to sign in.
    challenge: Mutex<String>,
    /// Start, or start again.
    wake: Notify,
    stop: CancellationToken,
}

impl ToolServer {
    /// A server that is off. Its task runs on the runtime this is called on.
    pub fn new(config: ServerConfig, tokens: Arc<dyn TokenStore>) -> Self {
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            config,
            tokens: Tokens(tokens),
            written: Written::default(),
            state: watch::Sender::new(ServerState::Off),
            connection: Mutex::new(None),
            challenge: Mutex::new(String::new()),
            wake: Notify::new(),
            stop: stop.clone(),
        });
        let caring = Arc::clone(&shared);
        tokio::spawn(async move { caring.stop.clone().run_until_cancelled(caring.care()).await });
        Self { shared, _guard: Arc::new(stop.drop_guard()) }
    }

    /// Starts it, if it is not running or on its way.
    pub fn start(&self) {
        if matches!(*self.shared.state.borrow(), ServerState::Off) {
            self.restart();
        }
    }

    /// Starts it anew, whatever it is doing.
    pub fn restart(&self) {
        self.shared.state.send_replace(ServerState::Starting);
        self.shared.wake.notify_one();
    }

    /// How it is doing.
    pub fn state(&self) -> ServerState {
        self.shared.state.borrow().clone()
    }

    /// Tells of every change.
    pub fn watch(&self) -> watch::Receiver<ServerState> {
        self.shared.state.subscribe()
    }

    /// The last lines that its program wrote beside the protocol.
    pub fn written(&self) -> Vec<String> {
        self.shared.written.lines()
    }

    /// Its tools, once it is ready; starts it if need be.
    pub async fn tools(&self) -> Result<Vec<Definition>, ToolError> {
        self.start();
        let mut states = self.watch();
        let is_settled = |state: &ServerState| {
            !matches!(state, ServerState::Starting | ServerState::Failed { retrying: true, .. })
        };
        let settled = tokio::time::timeout(ARRIVING, states.wait_for(is_settled)).await;
        let state = settled.map_err(|_| ToolError::Protocol("it takes too long to start".into()))?;
        match &*state.map_err(|_| ToolError::Off)? {
            ServerState::Ready { tools, .. } => Ok(tools.clone()),
            ServerState::SignIn => Err(ToolError::SignIn),
            ServerState::Failed { error, .. } => Err(error.clone()),
            ServerState::Off | ServerState::Starting => Err(ToolError::Off),
        }
    }

    /// Calls a tool; starts the server if need be.
    pub async fn call(
        &self,
        name: &str,
        arguments: Map<String, Json>,
        limit: Duration,
        stop: &CancellationToken,
    ) -> Result<ToolOutput, ToolError> {
        let Some(tools) = stop.run_until_cancelled(self.tools()).await else {
            return Err(ToolError::Stopped);
        };
        if !tools?.iter().any(|tool| tool.name == name) {
            return Err(ToolError::Unknown(crate::definition::short(name)));
        }
        let connection = self.shared.connection().ok_or(ToolError::Ended)?;
        connection.call(name, arguments, limit, stop).await
    }

    /// Signs the user in and starts the server anew; `show` gets the address of the page to sign in on.
    pub async fn sign_in(&self, show: Authorize) -> Result<(), ToolError> {
        let ServerConfig::Http(config) = &self.shared.config else {
            return Err(ToolError::SignInFailed("programs of this computer are not signed in to".into()));
        };
        let challenge = self.shared.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.shared.tokens.sign_in(&config.url, &challenge, show).await?;
        self.restart();
        Ok(())
    }

    /// Forgets the tokens and starts the server anew.
    pub async fn sign_out(&self) -> Result<(), ToolError> {
        self.shared.tokens.0.clear().await.map_err(ToolError::SignInFailed)?;
        self.restart();
        Ok(())
    }
}

impl Shared {
    fn connection(&self) -> Option<Arc<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn keep(&self, connection: Option<Arc<Connection>>) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Starts the server whenever that is asked for, and again when it dies.
    async fn care(&self) {
        self.wake.notified().await;
        let mut tries = 0;
        loop {
            self.state.send_replace(ServerState::Starting);
            let begin = Instant::now();
            let (error, worked) = tokio::select! {
                ended = self.live() => ended,
                () = self.wake.notified() => {
                    tries = 0;
                    continue;
                }
            };
            self.keep(None);
            let Some(error) = error else {
                self.state.send_replace(ServerState::SignIn);
                self.wake.notified().await;
                continue;
            };
            tries = if worked && begin.elapsed() > HEALTHY { 0 } else { tries + u32::from(worked) };
            // One that never worked would not work a second later either.
            let retrying = worked && tries <= MOST_TRIES;
            tracing::info!("a tool server ended: {error}");
            self.state.send_replace(ServerState::Failed { error, retrying });
            let wait = FIRST_WAIT * 2u32.pow(tries.min(MOST_TRIES).saturating_sub(1));
            tokio::select! {
                () = tokio::time::sleep(wait), if retrying => {}
                () = self.wake.notified() => tries = 0,
            }
        }
    }

    /// One life: why it ended, or nothing where the user has to sign in; and whether it ever worked.
    async fn live(&self) -> (Option<ToolError>, bool) {
        self.keep(None);
        let connected = match &self.config {
            ServerConfig::Command(config) => Connection::over_stdio(config, &self.written).await,
            ServerConfig::Http(config) => Connection::over_http(config, &self.tokens).await,
        };
        let connection = match connected {
            Ok(connection) => Arc::new(connection),
            Err(Refused::Failed(error)) => return (Some(error), false),
            Err(Refused::SignIn(challenge)) => {
                *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = challenge;
                return (None, false);
            }
        };
        self.keep(Some(Arc::clone(&connection)));
        let mut worked = false;
        loop {
            match connection.tools().await {
                Ok((tools, left_out)) => self.state.send_replace(ServerState::Ready { tools, left_out }),
                Err(error) => return (Some(error), worked),
            };
            worked = true;
            tokio::select! {
                () = connection.changed() => {}
                () = connection.ended() => return (Some(ToolError::Ended), true),
            }
        }
    }
}

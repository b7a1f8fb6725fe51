//! Adding, listing and removing servers of tools. One that is added runs: the user has seen what that starts. At a start of
//! Lantern nothing runs until it is wanted, by a window that lists the servers or a conversation that uses one.

use std::sync::{Arc, Weak};

use lantern_protocol::{
    AppEvent, BUILT_IN, NewToolServer, ToolInfo, ToolServerInfo, ToolServerState, ToolTransport,
};
use lantern_store::Store;
use lantern_tools::{Definition, ServerState, TokenStore, ToolServer};

use super::stored::{self, FILE, Stored};
use crate::{App, AppError, Inner, lock};

const MOST_NAME: usize = 32;
/// Nobody has more, and each of them is a program.
const MOST_SERVERS: usize = 100;

impl App {
    /// Lantern's own tools and all servers, those that are switched on being started.
    pub async fn tool_servers(&self) -> Result<Vec<ToolServerInfo>, AppError> {
        let always = self.0.db.run(|store| store.always_run()).await?;
        let info = |server: &str, tool: &Definition| {
            let hash = tool.hash();
            let always = always
                .iter()
                .any(|known| known.server == server && known.tool == tool.name && known.hash == hash);
            ToolInfo {
                name: tool.name.clone(),
                title: tool.title.clone(),
                description: tool.description.clone(),
                parameters: tool.parameters.to_string(),
                hash,
                read_only: tool.hints.read_only,
                always,
            }
        };
        let own = self.own_tools().await?;
        let mut all = vec![ToolServerInfo {
            name: BUILT_IN.to_owned(),
            transport: None,
            enabled: true,
            state: ToolServerState::Ready,
            signed_in: false,
            tools: own.iter().map(|tool| info(BUILT_IN, tool)).collect(),
            left_out: Vec::new(),
            written: Vec::new(),
        }];
        for stored in self.read_tool_servers().await? {
            let mut server = ToolServerInfo {
                name: stored.name.clone(),
                transport: Some(stored.transport.clone()),
                enabled: stored.enabled,
                state: ToolServerState::Off,
                signed_in: false,
                tools: Vec::new(),
                left_out: Vec::new(),
                written: Vec::new(),
            };
            if stored.enabled {
                self.look_at(&stored, &mut server, |tool| info(&stored.name, tool)).await;
            }
            all.push(server);
        }
        Ok(all)
    }

    async fn look_at(
        &self,
        stored: &Stored,
        server: &mut ToolServerInfo,
        info: impl Fn(&Definition) -> ToolInfo,
    ) {
        let running = match self.running(stored).await {
            Ok(running) => running,
            Err(error) => {
                server.state = ToolServerState::Failed { error: error.into(), retrying: false };
                return;
            }
        };
        running.start();
        server.written = running.written();
        if matches!(stored.transport, ToolTransport::Http { .. }) {
            server.signed_in = self.0.secrets.get(&stored.tokens()).await.ok().flatten().is_some();
        }
        server.state = match running.state() {
            ServerState::Off => ToolServerState::Off,
            ServerState::Starting => ToolServerState::Starting,
            ServerState::SignIn => ToolServerState::SignIn,
            ServerState::Failed { error, retrying } => {
                ToolServerState::Failed { error: AppError::from(error).into(), retrying }
            }
            ServerState::Ready { tools, left_out } => {
                server.tools = tools.iter().map(info).collect();
                server.left_out = left_out;
                ToolServerState::Ready
            }
        };
    }

    /// Adds a server and starts it.
    pub async fn add_tool_server(&self, new: NewToolServer) -> Result<(), AppError> {
        let name = new.name.trim();
        check_name(name)?;
        stored::config(new.transport.clone()).check()?;
        let tools = &self.0.tools;
        let turn = tools.turn.lock().await;
        let mut all = self.read_tool_servers().await?;
        if all.iter().any(|known| known.name == name) {
            return Err(bad_name(format!("there is a tool server `{name}` already")));
        }
        if all.len() >= MOST_SERVERS {
            return Err(bad_name(format!("there are {MOST_SERVERS} tool servers already")));
        }
        let (stored, values) = Stored::new(name, new.transport);
        if !values.is_empty() {
            let text = serde_json::to_string(&values).map_err(AppError::internal)?;
            self.0.secrets.set(&stored.secret, &text).await?;
        }
        all.push(stored.clone());
        all.sort_by(|a, b| a.name.cmp(&b.name));
        self.write_tool_servers(all).await?;
        drop(turn);
        self.running(&stored).await?.start();
        Ok(())
    }

    /// Ends a server and forgets it, what was secret about it, and what its tools were allowed.
    pub async fn remove_tool_server(&self, name: &str) -> Result<(), AppError> {
        let _turn = self.0.tools.turn.lock().await;
        let mut all = self.read_tool_servers().await?;
        let at = all.iter().position(|known| known.name == name).ok_or_else(|| not_found(name))?;
        let removed = all.remove(at);
        lock(&self.0.tools.running).remove(name);
        self.write_tool_servers(all).await?;
        let forgotten = name.to_owned();
        self.0.db.run(move |store| store.ask_again(&forgotten, None)).await?;
        self.0.secrets.remove(&removed.secret).await?;
        self.0.secrets.remove(&removed.tokens()).await
    }

    /// Switches a server on or off. One that is off does not run.
    pub async fn enable_tool_server(&self, name: &str, enabled: bool) -> Result<(), AppError> {
        let _turn = self.0.tools.turn.lock().await;
        let mut all = self.read_tool_servers().await?;
        let stored = all.iter_mut().find(|known| known.name == name).ok_or_else(|| not_found(name))?;
        stored.enabled = enabled;
        let stored = stored.clone();
        lock(&self.0.tools.running).remove(name);
        self.write_tool_servers(all).await?;
        if enabled {
            self.running(&stored).await?.start();
        }
        Ok(())
    }

    /// Starts a server anew.
    pub async fn restart_tool_server(&self, name: &str) -> Result<(), AppError> {
        self.tool_server(name).await?.restart();
        Ok(())
    }

    /// Signs the user in to a server; `show` gets the address of the page to sign in on. Returns when that is done.
    pub async fn sign_in_tool_server(
        &self,
        name: &str,
        show: impl FnOnce(String) + Send + 'static,
    ) -> Result<(), AppError> {
        let server = self.tool_server(name).await?;
        server.sign_in(Box::new(show)).await?;
        Ok(())
    }

    /// Forgets that the user signed in to a server.
    pub async fn sign_out_tool_server(&self, name: &str) -> Result<(), AppError> {
        Ok(self.tool_server(name).await?.sign_out().await?)
    }

    /// Takes back that a tool, or all tools of a server, may run without asking.
    pub async fn ask_before_tool(&self, server: &str, tool: Option<String>) -> Result<(), AppError> {
        let server = server.to_owned();
        self.0.db.run(move |store: &mut Store| store.ask_again(&server, tool.as_deref())).await?;
        self.emit(AppEvent::ToolServersChanged);
        Ok(())
    }

    /// A server that is switched on.
    pub(super) async fn tool_server(&self, name: &str) -> Result<ToolServer, AppError> {
        let all = self.read_tool_servers().await?;
        let stored = all.into_iter().find(|known| known.name == name).ok_or_else(|| not_found(name))?;
        if !stored.enabled {
            return Err(lantern_tools::ToolError::Off.into());
        }
        self.running(&stored).await
    }

    /// The server as it is on disk; it is not started yet.
    async fn running(&self, stored: &Stored) -> Result<ToolServer, AppError> {
        let known = |running: &Stored, server: &ToolServer| (running == stored).then(|| server.clone());
        if let Some(server) =
            lock(&self.0.tools.running).get(&stored.name).and_then(|(running, server)| known(running, server))
        {
            return Ok(server);
        }
        let config = stored.config(&self.0.secrets).await?;
        let tokens = Arc::new(Tokens { app: Arc::downgrade(&self.0), name: stored.tokens() });
        let mut all = lock(&self.0.tools.running);
        // Another may have been quicker.
        if let Some(server) = all.get(&stored.name).and_then(|(running, server)| known(running, server)) {
            return Ok(server);
        }
        let _runtime = self.0.runtime.enter();
        let server = ToolServer::new(config, tokens);
        self.tell_of(&server);
        all.insert(stored.name.clone(), (stored.clone(), server.clone()));
        Ok(server)
    }

    /// Tells windows whenever the server is doing otherwise.
    fn tell_of(&self, server: &ToolServer) {
        let (mut states, app) = (server.watch(), Arc::downgrade(&self.0));
        self.0.runtime.spawn(async move {
            while states.changed().await.is_ok() {
                let Some(inner) = app.upgrade() else { return };
                App(inner).emit(AppEvent::ToolServersChanged);
            }
        });
    }

    /// Ends all servers.
    pub(crate) fn stop_tool_servers(&self) {
        lock(&self.0.tools.running).clear();
    }

    async fn read_tool_servers(&self) -> Result<Vec<Stored>, AppError> {
        let path = self.0.home.join(FILE);
        let read = tokio::task::spawn_blocking(move || stored::read(&path));
        read.await.map_err(AppError::internal)?
    }

    async fn write_tool_servers(&self, all: Vec<Stored>) -> Result<(), AppError> {
        let path = self.0.home.join(FILE);
        let written = tokio::task::spawn_blocking(move || stored::write(&path, &all));
        written.await.map_err(AppError::internal)??;
        self.emit(AppEvent::ToolServersChanged);
        Ok(())
    }
}

/// What a server's tokens are, among the secrets.
struct Tokens {
    app: Weak<Inner>,
    name: String,
}

impl Tokens {
    fn inner(&self) -> Result<Arc<Inner>, String> {
        self.app.upgrade().ok_or_else(|| "Lantern is closing".to_owned())
    }
}

#[async_trait::async_trait]
impl TokenStore for Tokens {
    async fn load(&self) -> Result<Option<String>, String> {
        self.inner()?.secrets.get(&self.name).await.map_err(|error| error.to_string())
    }

    async fn save(&self, tokens: String) -> Result<(), String> {
        self.inner()?.secrets.set(&self.name, &tokens).await.map_err(|error| error.to_string())
    }

    async fn clear(&self) -> Result<(), String> {
        self.inner()?.secrets.remove(&self.name).await.map_err(|error| error.to_string())
    }
}

fn check_name(name: &str) -> Result<(), AppError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if name.eq_ignore_ascii_case(BUILT_IN) {
        return Err(bad_name("that is the name of Lantern's own tools".into()));
    }
    if (1..=MOST_NAME).contains(&name.len()) && name.chars().all(is_good) {
        return Ok(());
    }
    Err(bad_name(format!("it must have 1 to {MOST_NAME} letters, digits, `-` and `_`")))
}

fn bad_name(why: String) -> AppError {
    let message = format!("The tool server cannot be added under this name: {why}.");
    AppError::new("tool_server_name", message, "Choose another name, such as `files`.")
}

fn not_found(name: &str) -> AppError {
    let name: String = name.chars().take(MOST_NAME).collect();
    let message = format!("There is no tool server `{name}`.");
    AppError::new("tool_server_not_found", message, "Choose one of those that are listed.")
}

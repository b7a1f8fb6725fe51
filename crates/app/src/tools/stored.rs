//! The servers as they lie on disk, and what of them is secret.

use std::collections::BTreeMap;
use std::path::Path;

use lantern_protocol::ToolTransport;
use lantern_tools::{CommandConfig, HttpConfig, ServerConfig};
use serde::{Deserialize, Serialize};

use crate::AppError;
use crate::secrets::{Secrets, write_private};

pub(super) const FILE: &str = "tools.json";

/// As it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stored {
    pub(super) name: String,
    pub(super) enabled: bool,
    /// The values of its variables and headers are empty here.
    pub(super) transport: ToolTransport,
    /// Under which name they are among the secrets; the tokens of whoever signed in are beside them. Nothing had the name
    /// before, so no server is ever sent what belongs to an earlier one.
    pub(super) secret: String,
}

/// Variables or headers by their names.
type Values = BTreeMap<String, String>;

impl Stored {
    /// A server that is new, and the values that are to be kept for it.
    pub(super) fn new(name: &str, transport: ToolTransport) -> (Self, Values) {
        let secret = format!("tool server {name} {}", uuid::Uuid::new_v4().simple());
        let (mut transport, mut values) = (transport, Values::new());
        let given = values_of(&mut transport);
        std::mem::swap(given, &mut values);
        given.extend(values.keys().map(|name| (name.clone(), String::new())));
        (Self { name: name.to_owned(), enabled: true, transport, secret }, values)
    }

    /// What it takes to reach the server.
    pub(super) async fn config(&self, secrets: &Secrets) -> Result<ServerConfig, AppError> {
        let mut transport = self.transport.clone();
        let given = values_of(&mut transport);
        if !given.is_empty() {
            let text = secrets.get(&self.secret).await?.ok_or_else(|| self.missing())?;
            *given = serde_json::from_str(&text).map_err(|_| self.missing())?;
        }
        Ok(config(transport))
    }

    /// Under which name the tokens are kept.
    pub(super) fn tokens(&self) -> String {
        format!("{} tokens", self.secret)
    }

    fn missing(&self) -> AppError {
        AppError::new(
            "tool_server_values_missing",
            format!("The variables of the tool server `{}` are not where they were kept.", self.name),
            "Start Lantern where the keyring is that has them, or remove the server and add it again.",
        )
    }
}

fn values_of(transport: &mut ToolTransport) -> &mut Values {
    match transport {
        ToolTransport::Command { env, .. } => env,
        ToolTransport::Http { headers, .. } => headers,
    }
}

/// The same in the words of those who run it.
pub(super) fn config(transport: ToolTransport) -> ServerConfig {
    match transport {
        ToolTransport::Command { command, args, env, folder } => {
            let folder = folder.filter(|folder| !folder.trim().is_empty()).map(Into::into);
            ServerConfig::Command(CommandConfig { command, args, env, folder })
        }
        ToolTransport::Http { url, headers } => ServerConfig::Http(HttpConfig { url, headers }),
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<Stored>, AppError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| file_error(&error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(file_error(&error.to_string())),
    }
}

pub(super) fn write(path: &Path, all: &[Stored]) -> Result<(), AppError> {
    let written =
        serde_json::to_vec_pretty(all).map_err(Into::into).and_then(|text| write_private(path, &text));
    written.map_err(|error: std::io::Error| file_error(&error.to_string()))
}

fn file_error(why: &str) -> AppError {
    AppError::new(
        "tools_file",
        format!("The list of tool servers ({FILE} in the data directory) cannot be used: {why}."),
        "Check the disk and the file's permissions, or remove the file and add the servers again.",
    )
}

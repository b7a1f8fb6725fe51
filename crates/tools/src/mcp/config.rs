//! How a server is reached.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::ToolError;

/// Longest part of a description, in bytes.
const MOST_BYTES: usize = 32 << 10;
/// Most arguments, variables or headers.
const MOST_PARTS: usize = 256;

/// A program of this computer, or a server somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerConfig {
    /// Started by Lantern; talks over its standard input and output.
    Command(CommandConfig),
    /// Reached over HTTP.
    Http(HttpConfig),
}

/// A program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommandConfig {
    /// Its name or path. No shell reads it.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Variables that it gets beside those that every program needs.
    pub env: BTreeMap<String, String>,
    /// Where it runs; `None` is the user's home.
    pub folder: Option<PathBuf>,
}

/// A server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpConfig {
    /// Its address, of streamable HTTP.
    pub url: String,
    /// Headers that each request has.
    pub headers: BTreeMap<String, String>,
}

impl ServerConfig {
    /// Refuses what cannot work, or would do something else than it says.
    pub fn check(&self) -> Result<(), ToolError> {
        match self {
            Self::Command(config) => config.check(),
            Self::Http(config) => config.check(),
        }
    }
}

impl CommandConfig {
    fn check(&self) -> Result<(), ToolError> {
        let refuse = |why: &str| Err(ToolError::Config(why.into()));
        if self.command.trim().is_empty() {
            return refuse("there is no command");
        }
        if self.args.len() > MOST_PARTS || self.env.len() > MOST_PARTS {
            return refuse("it has more than 256 arguments or variables");
        }
        let texts = self.args.iter().chain(self.env.values()).chain([&self.command]);
        if texts.clone().any(|text| text.contains('\0')) {
            return refuse("a text holds a zero byte");
        }
        if texts.map(String::len).sum::<usize>() > MOST_BYTES {
            return refuse("it is longer than 32 kB");
        }
        let is_name = |name: &String| !name.is_empty() && !name.contains(['=', '\0']);
        if !self.env.keys().all(is_name) {
            return refuse("a variable's name is empty or holds `=`");
        }
        Ok(())
    }
}

impl HttpConfig {
    fn check(&self) -> Result<(), ToolError> {
        let refuse = |why: &str| Err(ToolError::Config(why.into()));
        let Ok(url) = reqwest::Url::parse(self.url.trim()) else { return refuse("the address is no URL") };
        if !["http", "https"].contains(&url.scheme()) || url.host_str().is_none_or(str::is_empty) {
            return refuse("the address must begin with https:// or http://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("a password does not belong into the address; use a header");
        }
        if url.scheme() == "http" && !is_near(&url) {
            return refuse("over the internet it must be https://, or anybody could read along");
        }
        if self.headers.len() > MOST_PARTS || self.url.len() > MOST_BYTES {
            return refuse("it is too long");
        }
        super::http::headers(&self.headers).map(drop)
    }
}

/// Whether a server is on this computer or in its own network.
fn is_near(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    if host == "localhost"
        || host.ends_with(".localhost")
        || host.ends_with(".local")
        || !host.contains(['.', ':'])
    {
        return true;
    }
    match host.parse() {
        Ok(std::net::IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(std::net::IpAddr::V6(ip)) => {
            ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(url: &str) -> Result<(), &'static str> {
        let config = HttpConfig { url: url.into(), headers: BTreeMap::new() };
        ServerConfig::Http(config).check().map_err(|error| error.code())
    }

    #[test]
    fn addresses_are_of_the_web_and_safe() {
        for good in [
            "https://a.example/mcp",
            "http://127.0.0.1:3001/mcp",
            "http://[::1]:3/",
            "http://box:8/mcp",
            "http://192.168.1.2/x",
        ] {
            assert_eq!(http(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "mcp",
            "file:///etc/passwd",
            "http://a.example/mcp",
            "https://me:pw@a.example/",
            "http://8.8.8.8/",
        ] {
            assert_eq!(http(bad), Err("tool_server_config"), "{bad}");
        }
        let header = |name: &str, value: &str| {
            let headers = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            ServerConfig::Http(HttpConfig { url: "https://a.example/".into(), headers }).check().is_ok()
        };
        assert!(header("X-Key", "abc") && !header("X Key", "abc") && !header("X-Key", "a\r\nb: c"));
    }

    #[test]
    fn commands_are_programs() {
        let command = |command: &str, args: &[&str], env: &[(&str, &str)]| {
            let args = args.iter().map(|&arg| arg.to_owned()).collect();
            let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            let config = CommandConfig { command: command.into(), args, env, folder: None };
            ServerConfig::Command(config).check().is_ok()
        };
        assert!(command("npx", &["-y", "x"], &[("KEY", "a=b")]));
        assert!(
            !command(" ", &[], &[]) && !command("x", &["a\0b"], &[]) && !command("x", &[], &[("A=B", "")])
        );
        assert!(!command("x", &[&"y".repeat(40_000)], &[]));
    }
}

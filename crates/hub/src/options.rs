//! How the Hub is reached: address, token, folders, patience. Read from the environment once, at the edge.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::FreeSpace;

/// What a [`crate::Hub`] needs to know.
#[derive(Debug, Clone)]
pub struct HubOptions {
    /// Address of the Hub, without a path after its host unless a mirror has one.
    pub endpoint: String,
    /// Access token; sent to the endpoint's own host alone.
    pub token: Option<String>,
    /// The shared cache: holds one folder per repository.
    pub cache_dir: PathBuf,
    /// When to try again.
    pub retry: RetryPolicy,
    /// How much room a folder's disk has.
    pub free_space: FreeSpace,
    /// Most connections for one file, at least 1.
    pub connections: usize,
    /// Bytes a second that all downloads together may take; `None` takes what there is.
    pub bytes_per_second: Option<u64>,
}

/// Most connections for one file, unless somebody says otherwise.
pub const DEFAULT_CONNECTIONS: usize = 8;

impl HubOptions {
    /// Honours `HF_ENDPOINT`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`, `HF_HUB_CACHE` and the token file in `HF_HOME`.
    pub fn from_env() -> Self {
        Self {
            endpoint: variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".into()),
            token: token_from_env(),
            cache_dir: default_cache_dir(),
            retry: RetryPolicy::default(),
            free_space: FreeSpace::default(),
            connections: DEFAULT_CONNECTIONS,
            bytes_per_second: None,
        }
    }
}

/// How often a broken transfer is taken up again, and how long it waits in between.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// Tries in a row that bring no new byte before giving up.
    pub tries: u32,
    /// Wait before the second try; doubles each time.
    pub first_wait: Duration,
    /// Longest wait, also for what a server asks for.
    pub longest_wait: Duration,
    /// A connection that is silent for this long counts as broken.
    pub silence: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            tries: 6,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_secs(120),
            silence: Duration::from_secs(45),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().map(|v| v.trim().to_owned()).filter(|v| !v.is_empty())
}

fn hf_home() -> PathBuf {
    if let Some(home) = variable("HF_HOME") {
        return home.into();
    }
    if let Some(cache) = variable("XDG_CACHE_HOME") {
        return Path::new(&cache).join("huggingface");
    }
    let home =
        directories::BaseDirs::new().map(|dirs| dirs.home_dir().to_owned()).unwrap_or_else(env::temp_dir);
    home.join(".cache").join("huggingface")
}

/// The cache that Hugging Face's own tools use: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else in `~/.cache/huggingface`.
pub fn default_cache_dir() -> PathBuf {
    variable("HF_HUB_CACHE")
        .or_else(|| variable("HUGGINGFACE_HUB_CACHE"))
        .map_or_else(|| hf_home().join("hub"), PathBuf::from)
}

fn token_from_env() -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() {
        return None;
    }
    let file = variable("HF_TOKEN_PATH").map_or_else(|| hf_home().join("token"), PathBuf::from);
    variable("HF_TOKEN")
        .or_else(|| fs::read_to_string(file).ok())
        .map(|token| token.trim().to_owned())
        .filter(|token| !token.is_empty())
}

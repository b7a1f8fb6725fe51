//! Remote engines: OpenAI-compatible servers that the user added, and their models.
//!
//! They are listed in `remotes.json` in the data directory; their keys are among the secrets. A remote model's
//! id is `NAME/model`, and only that whole id reaches it: no abbreviation and no default leads to another machine unless
//! the user chose that id.

mod stored;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lantern_protocol::{AppEvent, ErrorInfo, RemoteHealth, RemoteModelInfo, RemoteServer};
use lantern_remote::{RemoteEngine, RemoteError};
use serde::Serialize;

use self::stored::{FILE, Stored};
use super::answering::RemoteModel;
use crate::{App, AppError, lock};

const MOST_REMOTES: usize = 50;
const MOST_NAME: usize = 40;
/// A list of models is asked for again after this.
const FRESH: Duration = Duration::from_secs(30);
/// A server that does not list its models by then counts as away.
const LISTING: Duration = Duration::from_secs(5);

/// A server the user added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Remote {
    /// What the user calls it; the first part of its models' ids.
    pub name: String,
    /// Its address, up to `/v1`.
    pub url: String,
    /// Whether it is sent a key.
    pub has_key: bool,
}

/// A server and what it serves, or why it does not answer.
#[derive(Debug, Clone)]
pub struct RemoteModels {
    /// The server.
    pub remote: Remote,
    /// Its models.
    pub models: Result<Vec<RemoteModel>, AppError>,
}

/// What is known of the servers at the moment.
#[derive(Default)]
pub(crate) struct Remotes {
    known: Mutex<HashMap<String, Known>>,
    /// Held while the file is changed.
    turn: tokio::sync::Mutex<()>,
    /// Whether keys of an earlier version were moved.
    are_moved: tokio::sync::Mutex<bool>,
    /// Keys that were read, by the names of their secrets: a keyring may ask the user each time.
    keys: Mutex<HashMap<String, String>>,
}

#[derive(Clone)]
struct Known {
    stored: Stored,
    models: Result<Vec<RemoteModel>, AppError>,
    at: Instant,
    latency: Duration,
}

impl Known {
    fn health(&self) -> RemoteHealth {
        match &self.models {
            Ok(models) => RemoteHealth::Reachable {
                latency_ms: u32::try_from(self.latency.as_millis()).unwrap_or(u32::MAX),
                models: models.iter().map(info).collect(),
            },
            Err(error) => RemoteHealth::Failing { error: ErrorInfo::from(error.clone()) },
        }
    }
}

fn info(model: &RemoteModel) -> RemoteModelInfo {
    let context_length = model.context_length.and_then(|tokens| u32::try_from(tokens).ok());
    RemoteModelInfo { id: model.id.clone(), context_length }
}

fn remote(stored: &Stored) -> Remote {
    Remote { name: stored.name.clone(), url: stored.url.clone(), has_key: stored.has_key() }
}

impl App {
    /// All servers that the user added, by name.
    pub async fn remotes(&self) -> Result<Vec<Remote>, AppError> {
        Ok(self.stored_remotes().await?.iter().map(remote).collect())
    }

    /// Adds a server. Its name must be free, and begin no id and no repository of the library. It need not answer yet.
    pub async fn add_remote(&self, name: &str, url: &str, key: Option<&str>) -> Result<Remote, AppError> {
        let key = key.map(str::trim).filter(|key| !key.is_empty());
        RemoteEngine::new(url, key)?;
        check_name(name)?;
        let prefix = format!("{name}/").to_lowercase();
        let begins = |id: &str| id.to_lowercase().starts_with(&prefix);
        let library = self.library().await?;
        if library.iter().any(|model| begins(&model.id) || model.repo.as_deref().is_some_and(begins)) {
            return Err(bad_name(format!("models of the library begin with `{name}/`")));
        }
        self.stored_remotes().await?;
        let _turn = self.0.models.remotes.turn.lock().await;
        let mut all = self.read_remotes().await?;
        if all.len() >= MOST_REMOTES || all.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(bad_name(format!("there is one of that name already, or there are {MOST_REMOTES}")));
        }
        let secret = key.map(|_| stored::name_of_secret(name));
        if let (Some(secret), Some(key)) = (&secret, key) {
            self.0.secrets.set(secret, key).await?;
        }
        let stored = Stored::new(name, url.trim(), secret);
        let remote = remote(&stored);
        all.push(stored);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        self.store_remotes(all).await?;
        Ok(remote)
    }

    /// Forgets a server and its key. Answers on their way come to their end. It is gone from the list even if the keyring
    /// does not let go of the key, which is an error then.
    pub async fn remove_remote(&self, name: &str) -> Result<(), AppError> {
        self.stored_remotes().await?;
        let remotes = &self.0.models.remotes;
        let _turn = remotes.turn.lock().await;
        let mut all = self.read_remotes().await?;
        let Some(at) = all.iter().position(|remote| remote.name == name) else {
            return Err(AppError::new(
                "remote_not_found",
                format!("There is no remote engine `{}`.", name.chars().take(MOST_NAME).collect::<String>()),
                "Choose one of those that are listed.",
            ));
        };
        let removed = all.remove(at);
        lock(&remotes.known).remove(name);
        self.store_remotes(all).await?;
        let Some(secret) = removed.secret else { return Ok(()) };
        lock(&remotes.keys).remove(&secret);
        self.0.secrets.remove(&secret).await.map_err(|error| {
            let message = format!("`{name}` is removed, but its key is still kept. {}", error.message);
            AppError { message, next_step: format!("Delete `{secret}` in the keyring yourself."), ..error }
        })
    }

    /// All servers with how they did when they were asked last, or how they do now if `ask` says so.
    pub async fn remote_servers(&self, ask: bool) -> Result<Vec<RemoteServer>, AppError> {
        let stored = self.stored_remotes().await?;
        if ask {
            futures::future::join_all(stored.iter().map(|stored| self.models_of(stored))).await;
        }
        let known = lock(&self.0.models.remotes.known);
        let server = |stored: Stored| {
            let known = known.get(&stored.name).filter(|known| known.stored == stored);
            let health = known.map_or(RemoteHealth::Unknown, Known::health);
            let has_key = stored.has_key();
            RemoteServer { name: stored.name, url: stored.url, has_key, health }
        };
        Ok(stored.into_iter().map(server).collect())
    }

    /// What each server serves; one that does not answer within five seconds says why. Asked for at most every 30 seconds.
    pub async fn remote_models(&self) -> Result<Vec<RemoteModels>, AppError> {
        let asked = self.stored_remotes().await?.into_iter().map(|stored| async move {
            let known = self.known_of(&stored);
            let models = match known {
                Some(models) => models,
                None => self.models_of(&stored).await,
            };
            RemoteModels { remote: remote(&stored), models }
        });
        Ok(futures::future::join_all(asked).await)
    }

    /// Whether a name is the whole id of a remote engine's model.
    pub async fn is_remote(&self, name: &str) -> Result<bool, AppError> {
        Ok(self.remote_named(name).await?.is_some())
    }

    /// The remote model with exactly this id; `None` when no server's name begins it, or the library has it.
    pub(crate) async fn remote_named(&self, id: &str) -> Result<Option<RemoteModel>, AppError> {
        let Some((name, model)) = id.split_once('/') else { return Ok(None) };
        let stored = self.stored_remotes().await?;
        let Some(stored) = stored.into_iter().find(|remote| remote.name == name) else { return Ok(None) };
        // What came into the library after the server stays here.
        if self.library().await?.iter().any(|known| known.id == id || known.repo.as_deref() == Some(id)) {
            return Ok(None);
        }
        // A server that was away may be back: only what it serves is taken from memory.
        let models = match self.known_of(&stored) {
            Some(Ok(models)) => models,
            _ => self.models_of(&stored).await?,
        };
        let found = models.into_iter().find(|found| found.id == id);
        found.map(Some).ok_or_else(|| {
            AppError::from(RemoteError::ModelNotFound {
                host: stored.name,
                model: model.chars().take(200).collect(),
                why: "it is not in its list".into(),
            })
        })
    }

    /// What the server said last, if that is not long ago.
    fn known_of(&self, stored: &Stored) -> Option<Result<Vec<RemoteModel>, AppError>> {
        let known = lock(&self.0.models.remotes.known).get(&stored.name).cloned()?;
        (known.stored == *stored && known.at.elapsed() < FRESH).then_some(known.models)
    }

    async fn models_of(&self, stored: &Stored) -> Result<Vec<RemoteModel>, AppError> {
        let begin = Instant::now();
        let models = match self.key_of(stored).await {
            Ok(key) => list(stored, key.as_deref()).await,
            Err(error) => Err(error),
        };
        let (latency, at) = (begin.elapsed(), Instant::now());
        let known = Known { stored: stored.clone(), models: models.clone(), at, latency };
        lock(&self.0.models.remotes.known).insert(stored.name.clone(), known);
        models
    }

    async fn key_of(&self, stored: &Stored) -> Result<Option<String>, AppError> {
        let keys = &self.0.models.remotes.keys;
        let read = stored.secret.as_ref().and_then(|secret| lock(keys).get(secret).cloned());
        if read.is_some() {
            return Ok(read);
        }
        let key = stored.key(&self.0.secrets).await?;
        if let (Some(secret), Some(key)) = (&stored.secret, &key) {
            lock(keys).insert(secret.clone(), key.clone());
        }
        Ok(key)
    }

    /// The list, without keys that an earlier version kept there.
    async fn stored_remotes(&self) -> Result<Vec<Stored>, AppError> {
        let remotes = &self.0.models.remotes;
        let mut are_moved = remotes.are_moved.lock().await;
        if !*are_moved {
            let _turn = remotes.turn.lock().await;
            stored::move_keys(&self.0.home.join(FILE), &self.0.secrets).await?;
            *are_moved = true;
        }
        drop(are_moved);
        self.read_remotes().await
    }

    async fn read_remotes(&self) -> Result<Vec<Stored>, AppError> {
        let path = self.0.home.join(FILE);
        let read = tokio::task::spawn_blocking(move || stored::read(&path));
        read.await.map_err(AppError::internal)?
    }

    async fn store_remotes(&self, all: Vec<Stored>) -> Result<(), AppError> {
        let path = self.0.home.join(FILE);
        let written = tokio::task::spawn_blocking(move || stored::write(&path, &all));
        written.await.map_err(AppError::internal)??;
        self.emit(AppEvent::RemotesChanged);
        Ok(())
    }
}

async fn list(stored: &Stored, key: Option<&str>) -> Result<Vec<RemoteModel>, AppError> {
    let engine = RemoteEngine::new(&stored.url, key)?;
    let silent = |_| RemoteError::Silent { host: stored.name.clone(), seconds: LISTING.as_secs() };
    let listed = tokio::time::timeout(LISTING, engine.models()).await.map_err(silent)??;
    let of = |model| RemoteModel::new(&stored.name, engine.clone(), model);
    Ok(listed.into_iter().map(of).collect())
}

fn check_name(name: &str) -> Result<(), AppError> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if (1..=MOST_NAME).contains(&name.len()) && name.chars().all(is_good) && !name.starts_with('.') {
        return Ok(());
    }
    Err(bad_name(format!("it must have 1 to {MOST_NAME} letters, digits, `-`, `_` and `.`")))
}

fn bad_name(why: String) -> AppError {
    let message = format!("The remote engine cannot have this name: {why}.");
    AppError::new("remote_name", message, "Choose another name, such as `gpu-box`.")
}

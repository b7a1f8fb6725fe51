//! Remote engines: OpenAI-compatible servers that the user added, and their models.
//!
//! They are kept, with their keys, in `remotes.json` in the data directory, which only its owner can read. A remote model's
//! id is `NAME/model`, and only that whole id reaches it: no abbreviation and no default leads to another machine unless
//! the user chose that id.

use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lantern_protocol::AppEvent;
use lantern_remote::{RemoteEngine, RemoteError};
use serde::{Deserialize, Serialize};

use super::answering::RemoteModel;
use crate::{App, AppError, lock};

const FILE: &str = "remotes.json";
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

/// As it lies on disk.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    name: String,
    url: String,
    key: Option<String>,
}

impl Stored {
    fn remote(&self) -> Remote {
        Remote { name: self.name.clone(), url: self.url.clone(), has_key: self.key.is_some() }
    }
}

/// What is known of the servers at the moment.
#[derive(Default)]
pub(crate) struct Remotes {
    known: Mutex<HashMap<String, Known>>,
    /// Held while the file is changed.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    stored: Stored,
    models: Result<Vec<RemoteModel>, AppError>,
    at: Instant,
}

impl App {
    /// All servers that the user added, by name.
    pub async fn remotes(&self) -> Result<Vec<Remote>, AppError> {
        Ok(self.stored_remotes().await?.iter().map(Stored::remote).collect())
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
        let stored = Stored { name: name.into(), url: url.trim().into(), key: key.map(Into::into) };
        let remote = stored.remote();
        let _turn = self.0.models.remotes.turn.lock().await;
        let mut all = self.stored_remotes().await?;
        if all.len() >= MOST_REMOTES || all.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return Err(bad_name(format!("there is one of that name already, or there are {MOST_REMOTES}")));
        }
        all.push(stored);
        all.sort_by(|a, b| a.name.cmp(&b.name));
        self.store_remotes(all).await?;
        Ok(remote)
    }

    /// Forgets a server and its key. Answers on their way come to their end.
    pub async fn remove_remote(&self, name: &str) -> Result<(), AppError> {
        let _turn = self.0.models.remotes.turn.lock().await;
        let mut all = self.stored_remotes().await?;
        let before = all.len();
        all.retain(|remote| remote.name != name);
        if all.len() == before {
            return Err(AppError::new(
                "remote_not_found",
                format!("There is no remote engine `{}`.", name.chars().take(MOST_NAME).collect::<String>()),
                "Choose one of those that are listed.",
            ));
        }
        lock(&self.0.models.remotes.known).remove(name);
        self.store_remotes(all).await
    }

    /// What each server serves; one that does not answer within five seconds says why. Asked for at most every 30 seconds.
    pub async fn remote_models(&self) -> Result<Vec<RemoteModels>, AppError> {
        let asked = self.stored_remotes().await?.into_iter().map(|stored| async move {
            let known = self.known_of(&stored);
            let models = match known {
                Some(models) => models,
                None => self.models_of(&stored).await,
            };
            RemoteModels { remote: stored.remote(), models }
        });
        Ok(futures::future::join_all(asked).await)
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
        let models = list(stored).await;
        let known = Known { stored: stored.clone(), models: models.clone(), at: Instant::now() };
        lock(&self.0.models.remotes.known).insert(stored.name.clone(), known);
        models
    }

    async fn stored_remotes(&self) -> Result<Vec<Stored>, AppError> {
        let path = self.0.home.join(FILE);
        let read = tokio::task::spawn_blocking(move || read(&path));
        read.await.map_err(AppError::internal)?
    }

    async fn store_remotes(&self, all: Vec<Stored>) -> Result<(), AppError> {
        let path = self.0.home.join(FILE);
        let written = tokio::task::spawn_blocking(move || write(&path, &all));
        written.await.map_err(AppError::internal)?.map_err(|error| file_error(&error.to_string()))?;
        self.emit(AppEvent::LibraryChanged);
        Ok(())
    }
}

async fn list(stored: &Stored) -> Result<Vec<RemoteModel>, AppError> {
    let engine = RemoteEngine::new(&stored.url, stored.key.as_deref())?;
    let silent = |_| RemoteError::Silent { host: stored.name.clone(), seconds: LISTING.as_secs() };
    let listed = tokio::time::timeout(LISTING, engine.models()).await.map_err(silent)??;
    let of = |model| RemoteModel::new(&stored.name, engine.clone(), model);
    Ok(listed.into_iter().map(of).collect())
}

fn read(path: &Path) -> Result<Vec<Stored>, AppError> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| file_error(&error.to_string())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(file_error(&error.to_string())),
    }
}

/// Under its name only when it is whole, and never readable for others, not even for a moment.
fn write(path: &Path, all: &[Stored]) -> std::io::Result<()> {
    let new = path.with_extension(format!("{}.new", uuid::Uuid::new_v4().simple()));
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    let written = file.write_all(&serde_json::to_vec_pretty(all)?).and_then(|()| file.sync_all());
    let renamed = written.and_then(|()| std::fs::rename(&new, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&new);
    }
    renamed
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

fn file_error(why: &str) -> AppError {
    AppError::new(
        "remotes_file",
        format!("The list of remote engines ({FILE} in the data directory) cannot be used: {why}."),
        "Check the disk and the file's permissions, or remove the file and add the servers again.",
    )
}

//! The token that the Hub is asked with. `HF_TOKEN` goes before the one the user gave Lantern, and that before the file of
//! Hugging Face's own tools.

use std::path::Path;

use lantern_hub::search::Finder;
use lantern_hub::{Hub, HubOptions};
use lantern_protocol::{HubTokenSource, SecretsStatus};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;

use crate::secrets::Secrets;
use crate::{App, AppError};

/// Longer ones than any the Hub gives out.
const MOST_TOKEN: usize = 1024;

/// What is known of the token besides the one in use.
pub(crate) struct Token {
    /// The one of the environment or of the Hub's own tools.
    given: Option<String>,
    /// Whether Lantern's own was read.
    is_read: Mutex<bool>,
}

impl Token {
    pub(crate) fn new(given: Option<String>) -> Self {
        Self { given, is_read: Mutex::new(false) }
    }
}

/// The options of the environment, with the token that the user gave Lantern where `HF_TOKEN` names no other.
///
/// For programs that ask the Hub without an [`App`].
pub async fn hub_options(home: &Path) -> HubOptions {
    let mut options = HubOptions::from_env();
    if !is_in_environment() {
        match Secrets::new(home, false).get(&name(home)).await {
            Ok(token) => options.token = token.or(options.token),
            Err(error) => tracing::warn!("the Hub is asked without Lantern's token: {error}"),
        }
    }
    options
}

impl App {
    /// The Hub, with the token that goes for it.
    pub(crate) async fn hub(&self) -> &Hub {
        let models = &self.0.models;
        let mut is_read = models.token.is_read.lock().await;
        if !*is_read {
            self.use_own_token().await;
            *is_read = true;
        }
        &models.hub
    }

    async fn use_own_token(&self) {
        if is_in_environment() {
            return;
        }
        let token = self.0.secrets.get(&name(&self.0.home)).await;
        let set = token.and_then(|token| match token {
            Some(token) => Ok(self.0.models.hub.set_token(Some(&token))?),
            None => Ok(()),
        });
        if let Err(error) = set {
            tracing::warn!("the Hub is asked without Lantern's token: {error}");
        }
    }

    /// The same for searches.
    pub(crate) async fn finder(&self) -> &Finder {
        self.hub().await;
        &self.0.models.finder
    }

    /// Reads the token in the background, so that the first request to the Hub finds it.
    pub(crate) fn read_hub_token(&self) {
        let app = self.clone();
        let read = async move {
            let closing = app.0.closing.clone();
            tokio::select! { _ = app.hub() => {}, () = closing.cancelled() => {} }
        };
        self.0.runtime.spawn(read);
    }

    /// Where secrets are kept, and who gave the Hub's token. Never a secret.
    pub async fn secrets_status(&self) -> Result<SecretsStatus, AppError> {
        let secret_storage = self.0.secrets.storage().await?;
        let hub_token = match &self.0.models.token.given {
            Some(_) if is_in_environment() => HubTokenSource::Environment,
            given => match self.0.secrets.get(&name(&self.0.home)).await? {
                Some(_) => HubTokenSource::Lantern,
                None if given.is_some() => HubTokenSource::File,
                None => HubTokenSource::None,
            },
        };
        Ok(SecretsStatus { secret_storage, hub_token })
    }

    /// Keeps the user's token for the Hub; an empty one forgets it. Goes for every request from now on unless `HF_TOKEN` does.
    pub async fn set_hub_token(&self, token: &str) -> Result<SecretsStatus, AppError> {
        let (token, name) = (token.trim(), name(&self.0.home));
        check(token)?;
        let hub = self.hub().await;
        match token {
            "" => self.0.secrets.remove(&name).await?,
            token => self.0.secrets.set(&name, token).await?,
        }
        if !is_in_environment() {
            let own = Some(token).filter(|token| !token.is_empty());
            hub.set_token(own.or(self.0.models.token.given.as_deref()))?;
        }
        self.secrets_status().await
    }
}

fn is_in_environment() -> bool {
    std::env::var("HF_TOKEN").is_ok_and(|token| !token.trim().is_empty())
}

/// Its name among the secrets: a keyring is shared by all data directories.
fn name(home: &Path) -> String {
    let hash = Sha256::digest(home.as_os_str().as_encoded_bytes());
    let short: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    format!("Hugging Face token {short}")
}

/// It travels in a header.
fn check(token: &str) -> Result<(), AppError> {
    if token.len() <= MOST_TOKEN && token.chars().all(|c| c.is_ascii_graphic()) {
        return Ok(());
    }
    Err(AppError::new(
        "hub_token",
        format!(
            "This is no token of Hugging Face: it must have at most {MOST_TOKEN} letters, digits and signs, without spaces."
        ),
        "Copy it again from huggingface.co/settings/tokens; it begins with hf_.",
    ))
}

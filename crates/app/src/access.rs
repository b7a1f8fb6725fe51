//! Which programs may use the endpoint: keys that are made, checked and revoked, and the log of what was asked.
//!
//! Beside the endpoint's own key, which is a setting, each program can have one of its own, with the models it may use and
//! how often it may ask. Every request is checked against the database: a key that was revoked in any process is
//! a stranger's at once.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lantern_protocol::{ApiKey, ApiRequest, AppEvent, IssuedKey, NewApiKey};
use sha2::{Digest, Sha256};

use crate::settings::{new_key, within};
use crate::{App, AppError, lock};

/// Characters of a secret that tell it from others on the screen.
const SHOWN: usize = 4;
const MAX_NAME: usize = 100;
const MAX_MODELS: usize = 1000;
/// Requests reach the database together, at most so much later: each by itself would keep a laptop's disk awake.
const LOG_PAUSE: Duration = Duration::from_secs(2);

const MINUTE: Duration = Duration::from_secs(60);

/// Who sends a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    key: Option<ApiKey>,
}

/// Why a caller is not let in.
#[derive(Debug)]
pub enum Refusal {
    /// Nobody has this key.
    Unknown,
    /// The key allows so many requests a minute, and the next one after this time.
    TooMany {
        /// The limit.
        per_minute: u32,
        /// Until then.
        retry_after: Duration,
    },
    /// The keys cannot be read.
    Failed(AppError),
}

/// What changes with each request.
#[derive(Default)]
pub(crate) struct Access {
    /// For each key with a limit, when it would be as if it had never been used.
    rested: Mutex<HashMap<String, Instant>>,
    log: Mutex<Log>,
}

/// Requests on their way to the database.
#[derive(Default)]
struct Log {
    /// Each with the identifier of the key it came with, if it was a program's own.
    requests: Vec<(Option<String>, ApiRequest)>,
    /// Whether somebody will take them there.
    is_awaited: bool,
}

impl Caller {
    /// Who has the endpoint's own key, which allows everything.
    pub const OWNER: Caller = Caller { key: None };

    /// The identifier of the program's key; `None` for the owner.
    pub fn key(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.id.as_str())
    }

    /// The name of the program's key.
    pub fn program(&self) -> Option<&str> {
        self.key.as_ref().map(|key| key.name.as_str())
    }

    /// Whether this model may be used.
    pub fn may_use(&self, model: &str) -> bool {
        let allowed = self.key.as_ref().and_then(|key| key.models.as_ref());
        allowed.is_none_or(|models| models.iter().any(|allowed| allowed == model))
    }
}

impl App {
    /// All programs' keys, the oldest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, AppError> {
        self.flush_log().await?;
        self.0.db.run(|store| store.api_keys()).await
    }

    /// Makes a key for a program. Its secret is in the answer and nowhere else.
    pub async fn make_api_key(&self, new: NewApiKey) -> Result<IssuedKey, AppError> {
        let new = NewApiKey { name: new.name.trim().to_owned(), ..new };
        check(&new)?;
        let secret = new_key();
        let (sha256, ends_with) = (hash(&secret), secret[secret.len() - SHOWN..].to_owned());
        let key = self.0.db.run(move |store| store.add_api_key(new, &sha256, &ends_with)).await?;
        self.emit(AppEvent::ApiKeysChanged);
        Ok(IssuedKey { key, secret })
    }

    /// Shuts a program out.
    pub async fn revoke_api_key(&self, id: &str) -> Result<(), AppError> {
        let gone = id.to_owned();
        if !self.0.db.run(move |store| store.revoke_api_key(&gone)).await? {
            return Err(AppError::new(
                "api_key_not_found",
                "There is no such key; it may have been revoked already.",
                "Look at the list of keys again.",
            ));
        }
        lock(&self.0.access.rested).remove(id);
        self.emit(AppEvent::ApiKeysChanged);
        Ok(())
    }

    /// Who has this secret, if it may ask something now. That counts as a request.
    pub async fn admit(&self, secret: &str) -> Result<Caller, Refusal> {
        let sha256 = hash(secret);
        let found = self.0.db.run(move |store| store.api_key_by_secret(&sha256)).await;
        let key = found.map_err(Refusal::Failed)?.ok_or(Refusal::Unknown)?;
        if let Some(per_minute) = key.requests_per_minute {
            let mut rested = lock(&self.0.access.rested);
            let now = Instant::now();
            let at = rested.entry(key.id.clone()).or_insert(now);
            count(at, now, per_minute).map_err(|retry_after| Refusal::TooMany { per_minute, retry_after })?;
        }
        Ok(Caller { key: Some(key) })
    }

    /// The last requests to the endpoint, the latest first.
    pub async fn api_requests(&self, most: u32) -> Result<Vec<ApiRequest>, AppError> {
        self.flush_log().await?;
        self.0.db.run(move |store| store.api_requests(most)).await
    }

    /// Keeps what was asked, and by whom. Never what was in it.
    pub fn log_api_request(&self, caller: Option<&Caller>, mut request: ApiRequest) {
        request.program = caller.and_then(|caller| caller.program().map(str::to_owned));
        let key = caller.and_then(|caller| caller.key.as_ref().map(|key| key.id.clone()));
        let mut log = lock(&self.0.access.log);
        log.requests.push((key, request));
        if !std::mem::replace(&mut log.is_awaited, true) {
            let (app, closing) = (self.clone(), self.0.closing.clone());
            let later = async move {
                let _ = closing.run_until_cancelled(tokio::time::sleep(LOG_PAUSE)).await;
                lock(&app.0.access.log).is_awaited = false;
                match app.flush_log().await {
                    Ok(()) => app.emit(AppEvent::ApiRequestsChanged),
                    Err(error) => tracing::warn!(code = error.code, "requests were not logged: {error}"),
                }
            };
            self.0.tasks.spawn_on(later, &self.0.runtime);
        }
    }

    async fn flush_log(&self) -> Result<(), AppError> {
        let requests = std::mem::take(&mut lock(&self.0.access.log).requests);
        if requests.is_empty() {
            return Ok(());
        }
        self.0.db.run(move |store| store.log_api_requests(&requests)).await
    }
}

/// Counts a request against a limit (the generic cell rate algorithm, ITU-T I.371): `rested` is when the key would be as if
/// it had never been used, and may lie a minute ahead at most. Else says how long to wait.
fn count(rested: &mut Instant, now: Instant, per_minute: u32) -> Result<(), Duration> {
    let next = (*rested).max(now) + MINUTE / per_minute.max(1);
    match next.saturating_duration_since(now + MINUTE) {
        Duration::ZERO => {
            *rested = next;
            Ok(())
        }
        wait => Err(wait),
    }
}

fn check(new: &NewApiKey) -> Result<(), AppError> {
    let length = new.name.chars().count();
    if length == 0 || length > MAX_NAME || new.name.chars().any(char::is_control) {
        return Err(AppError::new(
            "invalid_api_key_name",
            format!("The name has {length} characters; it needs 1 to {MAX_NAME}, on one line."),
            "Name the program that will use the key.",
        ));
    }
    if let Some(models) = &new.models
        && (models.is_empty() || models.len() > MAX_MODELS)
    {
        return Err(AppError::new(
            "invalid_api_key_models",
            format!("The key names {} models; it must be 1 to {MAX_MODELS}, or all.", models.len()),
            "Choose the models that the program may use.",
        ));
    }
    new.requests_per_minute.map_or(Ok(()), |limit| within("requestsPerMinute", limit, 1..=1_000_000))
}

fn hash(secret: &str) -> String {
    Sha256::digest(secret).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_allows_a_minute_s_worth_at_once_and_then_one_at_a_time() {
        let start = Instant::now();
        let mut rested = start;
        let mut ask = |second: u64| count(&mut rested, start + Duration::from_secs(second), 4);
        assert!((0..4).all(|_| ask(0).is_ok()));
        assert_eq!(ask(0), Err(Duration::from_secs(15)));
        assert_eq!(ask(10), Err(Duration::from_secs(5)));
        assert_eq!(ask(15), Ok(()));
        assert_eq!(ask(16), Err(Duration::from_secs(14)));
        assert!((0..4).all(|_| ask(600).is_ok()));
        assert!(ask(600).is_err(), "rest does not add up");
    }

    #[test]
    fn a_key_without_models_allows_all_and_one_with_models_those() {
        let key = ApiKey {
            id: "k".into(),
            name: "Editor".into(),
            ends_with: "wxyz".into(),
            models: Some(vec!["a".into()]),
            requests_per_minute: None,
            created_at: 0,
            last_used_at: None,
        };
        let caller = Caller { key: Some(key) };
        assert!(caller.may_use("a") && !caller.may_use("b") && Caller::OWNER.may_use("b"));
    }
}

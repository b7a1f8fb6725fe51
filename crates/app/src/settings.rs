//! Reading, checking and changing the settings.
//!
//! Sampling, the system prompt, `context_length` and `overflow` take effect at the next answer. `threads` takes effect when a
//! model is loaded next: the next answer or request reloads the model by itself if it has changed. `keep_packed` and
//! `prefix_disk_gb` take effect at a load too, but are no reason for one; turning either off has an effect at once.

use std::convert::Infallible;
use std::ops::RangeInclusive;

use lantern_protocol::{AppEvent, EndpointSettings, SamplingSettings, Settings, SettingsPatch};
use lantern_store::{Store, StoreError};

use crate::{App, AppError};

/// Fewer tokens hold no conversation; more no model attends to.
pub(crate) const CONTEXT_LENGTH: RangeInclusive<u32> = 64..=16_777_216;

/// Percent. Smaller cannot be read, larger leaves no room for a sentence.
const ZOOM: RangeInclusive<u16> = 50..=300;

const MAX_ORIGINS: usize = 100;
const MAX_ORIGIN: usize = 255;

impl App {
    /// All settings, as the database has them: another process may have changed them since.
    pub async fn settings(&self) -> Result<Settings, AppError> {
        self.0.db.run(|store| store.settings()).await
    }

    /// What programs send to the endpoint as bearer token.
    pub async fn endpoint_key(&self) -> Result<String, AppError> {
        Ok(self.settings().await?.endpoint.key)
    }

    /// Changes some settings. Either all of the patch is taken or, with `invalid_settings`, none.
    pub async fn update_settings(&self, patch: SettingsPatch) -> Result<Settings, AppError> {
        let no_copies = patch.keep_packed == Some(false);
        let no_prefixes = patch.prefix_disk_gb == Some(0);
        let settings = self
            .0
            .db
            .run(move |store| store.change_settings(|before| checked(before.patched(patch))))
            .await??;
        if no_copies {
            self.delete_packed_copies().await?;
        }
        if no_prefixes {
            self.delete_prefixes().await?;
        }
        self.limit_downloads(&settings);
        self.emit(AppEvent::SettingsChanged { settings: settings.clone() });
        Ok(settings)
    }
}

/// The very first start makes the endpoint's key.
pub(crate) fn make_key(store: &mut Store) -> Result<(), StoreError> {
    if store.settings()?.endpoint.key.is_empty() {
        let Ok(_) = store.change_settings(|settings| Ok::<_, Infallible>(keyed(settings)))?;
    }
    Ok(())
}

fn keyed(mut settings: Settings) -> Settings {
    if settings.endpoint.key.is_empty() {
        settings.endpoint.key = new_key();
    }
    settings
}

/// 244 random bits from the system, in hex, behind a prefix that secret scanners recognise.
pub(crate) fn new_key() -> String {
    format!("sk-lantern-{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple())
}

fn checked(settings: Settings) -> Result<Settings, AppError> {
    let settings = keyed(settings);
    check_sampling(&settings.sampling)?;
    check_endpoint(&settings.endpoint)?;
    within("tools.maxRounds", settings.tools.max_rounds, 0..=100)?;
    within("tools.timeoutSeconds", settings.tools.timeout_seconds, 1..=3600)?;
    if let Some(length) = settings.context_length {
        within("contextLength", length, CONTEXT_LENGTH)?;
    }
    if let Some(minutes) = settings.unload_after_minutes {
        within("unloadAfterMinutes", minutes, 1..=525_600)?;
    }
    if let Some(rate) = settings.download_bytes_per_second {
        within("downloadBytesPerSecond", rate, 1024..=u32::MAX)?;
    }
    if let Some(threads) = settings.threads {
        within("threads", threads, 1..=1024)?;
    }
    within("desktop.zoom", settings.desktop.zoom, ZOOM)?;
    Ok(settings)
}

pub(crate) fn check_sampling(sampling: &SamplingSettings) -> Result<(), AppError> {
    within("temperature", sampling.temperature, 0.0..=2.0)?;
    within("topP", sampling.top_p, f32::MIN_POSITIVE..=1.0)?;
    within("minP", sampling.min_p, 0.0..=1.0)?;
    within("repeatPenalty", sampling.repeat_penalty, 0.1..=10.0)?;
    within("presencePenalty", sampling.presence_penalty, -2.0..=2.0)?;
    within("frequencyPenalty", sampling.frequency_penalty, -2.0..=2.0)?;
    if let Some(tokens) = sampling.max_tokens {
        within("maxTokens", tokens, 1..=u32::MAX)?;
    }
    Ok(())
}

fn check_endpoint(endpoint: &EndpointSettings) -> Result<(), AppError> {
    within("endpoint.port", endpoint.port, 1..=u16::MAX)?;
    within("endpoint.allowedOrigins", endpoint.allowed_origins.len(), 0..=MAX_ORIGINS)?;
    endpoint.allowed_origins.iter().try_for_each(|origin| check_origin(origin))?;
    let key = &endpoint.key;
    // It travels in an HTTP header.
    if key.len() < 16 || !key.chars().all(|c| c.is_ascii_graphic()) {
        return Err(AppError::new(
            "invalid_settings",
            format!(
                "endpoint.key has {} characters; it needs 16 or more, without spaces, all ASCII.",
                key.len()
            ),
            "Leave it empty to have a good one made.",
        ));
    }
    Ok(())
}

/// `scheme://host` or `scheme://host:port`, as browsers write it, and nothing behind it.
fn check_origin(origin: &str) -> Result<(), AppError> {
    let is_host = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.:[]".contains(c);
    let (scheme, host) = origin.split_once("://").unwrap_or(("", ""));
    let is_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    if is_scheme && !host.is_empty() && origin.len() <= MAX_ORIGIN && host.chars().all(is_host) {
        return Ok(());
    }
    let origin: String = origin.chars().take(MAX_ORIGIN).collect();
    Err(AppError::new(
        "invalid_settings",
        format!("endpoint.allowedOrigins has `{origin}`, which is no origin."),
        "Write it as the browser does: https://example.org, in small letters, without a path.",
    ))
}

/// NaN is in no range.
pub(crate) fn within<T: PartialOrd + std::fmt::Display>(
    name: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), AppError> {
    if range.contains(&value) {
        return Ok(());
    }
    let (low, high) = range.into_inner();
    Err(AppError::new(
        "invalid_settings",
        format!("{name} is {value}; it must be from {low} to {high}."),
        format!("Choose a value from {low} to {high}."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(change: impl FnOnce(&mut Settings)) -> Option<String> {
        let mut settings = Settings::default();
        change(&mut settings);
        checked(settings).err().map(|e| e.code)
    }

    #[test]
    fn values_outside_their_ranges_are_refused() {
        let invalid = Some("invalid_settings".to_owned());
        assert_eq!(code(|_| {}), None);
        assert_eq!(code(|s| s.sampling.temperature = 2.1), invalid);
        assert_eq!(code(|s| s.sampling.temperature = f32::NAN), invalid);
        assert_eq!(code(|s| s.sampling.top_p = 0.0), invalid);
        assert_eq!(code(|s| s.sampling.max_tokens = Some(0)), invalid);
        assert_eq!(code(|s| s.context_length = Some(1)), invalid);
        assert_eq!(code(|s| s.endpoint.port = 0), invalid);
        assert_eq!(code(|s| s.desktop.zoom = 49), invalid);
        for origin in
            ["https://example.org", "http://localhost:3000", "http://[::1]:80", "vscode-webview://abc"]
        {
            assert_eq!(code(|s| s.endpoint.allowed_origins = vec![origin.into()]), None, "{origin}");
        }
        for origin in ["null", "*", "https://", "example.org", "https://a/b", "https://A.org", "https://a b"]
        {
            assert_eq!(code(|s| s.endpoint.allowed_origins = vec![origin.into()]), invalid, "{origin}");
        }
        assert_eq!(code(|s| s.unload_after_minutes = Some(0)), invalid);
        assert_eq!(code(|s| s.endpoint.key = "secret with spaces in it".into()), invalid);
    }

    #[test]
    fn every_key_is_another_one() {
        assert_ne!(new_key(), new_key());
        assert!(new_key().len() >= 64);
    }
}

//! What the tray says, in words of a few letters each.

use std::collections::BTreeMap;

use lantern_protocol::{DownloadProgress, DownloadState, EndpointStatus, ModelState};

use super::words::{Words, fill};

/// What the tray shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Of the entries that always say the same.
    pub words: &'static Words,
    pub endpoint: String,
    pub endpoint_on: bool,
    pub downloads: String,
    pub model: String,
    /// Whether there is a model to take out of memory.
    pub model_in_memory: bool,
}

/// The state of everything, in these words.
pub fn shown(
    words: &'static Words,
    endpoint: &EndpointStatus,
    model: &ModelState,
    downloads: &BTreeMap<String, DownloadProgress>,
) -> Shown {
    Shown {
        words,
        endpoint: of_endpoint(words, endpoint),
        endpoint_on: endpoint.running,
        downloads: of_downloads(words, downloads),
        model: of_model(words, model),
        model_in_memory: matches!(model, ModelState::Loaded { .. }),
    }
}

fn of_endpoint(words: &Words, endpoint: &EndpointStatus) -> String {
    match (&endpoint.url, &endpoint.error) {
        (Some(url), _) => fill(words.endpoint_at, &[("address", url.trim_start_matches("http://"))]),
        (None, Some(_)) => words.endpoint_failed.into(),
        (None, None) => words.endpoint_off.into(),
    }
}

fn of_model(words: &Words, model: &ModelState) -> String {
    match model {
        ModelState::Unloaded => words.no_model.into(),
        ModelState::Loading { model } => fill(words.loading, &[("model", &short(model))]),
        ModelState::Loaded { model, memory_bytes, .. } => {
            format!("{}, {}", short(model), bytes(words, *memory_bytes))
        }
        ModelState::Failed { model, .. } => fill(words.not_loaded, &[("model", &short(model))]),
    }
}

/// How far all that is under way has come together: `2 downloads: 45 %, 12.3 MB/s`.
fn of_downloads(words: &Words, downloads: &BTreeMap<String, DownloadProgress>) -> String {
    let open: Vec<_> = downloads.values().filter(|one| !one.state.is_over()).collect();
    if open.is_empty() {
        return words.no_downloads.into();
    }
    let text = if open.len() == 1 { words.one_download } else { words.downloads };
    let told = |state: &str| fill(text, &[("count", &open.len().to_string()), ("state", state)]);
    if open.iter().all(|one| one.state == DownloadState::Paused) {
        return told(words.paused);
    }
    let received: u64 = open.iter().map(|one| one.received_bytes).sum();
    let total = open.iter().map(|one| one.total_bytes).sum::<Option<u64>>().filter(|total| *total > 0);
    let far = match total {
        Some(total) => format!("{} %", (u128::from(received) * 100 / u128::from(total)).min(100)),
        None => bytes(words, received),
    };
    let rate: f64 = open.iter().map(|one| one.bytes_per_second).filter(|rate| rate.is_finite()).sum();
    told(&format!("{far}, {} MB/s", format!("{:.1}", rate / 1e6).replace('.', words.decimal_mark)))
}

/// The end of a library id, which says most, cut where a menu would become too wide.
fn short(model: &str) -> String {
    let name = model.rsplit('/').next().unwrap_or(model);
    match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name.to_owned(),
    }
}

fn bytes(words: &Words, count: u64) -> String {
    match count {
        0..1_000_000_000 => format!("{} MB", count / 1_000_000),
        _ => format!("{}{}{} GB", count / 1_000_000_000, words.decimal_mark, count / 100_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use lantern_protocol::{DownloadRequest, Language};

    use super::super::words::of;
    use super::*;

    fn download(state: DownloadState, received_bytes: u64, total_bytes: Option<u64>) -> DownloadProgress {
        DownloadProgress {
            id: "a".into(),
            request: DownloadRequest { repo: "a/b".into(), file: "c.gguf".into(), revision: None },
            state,
            received_bytes,
            total_bytes,
            bytes_per_second: 6.15e6,
            eta_seconds: None,
            connections: 1,
            files: Vec::new(),
            error: None,
        }
    }

    fn said(all: Vec<DownloadProgress>) -> String {
        said_in(Language::En, all)
    }

    fn said_in(language: Language, all: Vec<DownloadProgress>) -> String {
        of_downloads(
            of(language),
            &all.into_iter().enumerate().map(|(n, one)| (n.to_string(), one)).collect(),
        )
    }

    #[test]
    fn downloads_are_told_together() {
        use DownloadState::{Done, Paused, Running};
        assert_eq!(said(vec![]), "No downloads");
        assert_eq!(said(vec![download(Done, 1, Some(1))]), "No downloads");
        assert_eq!(said(vec![download(Paused, 1, Some(2))]), "1 download: paused");
        assert_eq!(said(vec![download(Running, 5_000_000, None)]), "1 download: 5 MB, 6.2 MB/s");
        let two = vec![download(Running, 30, Some(50)), download(Running, 15, Some(50))];
        assert_eq!(said(two), "2 downloads: 45 %, 12.3 MB/s");
        let two = vec![download(Running, 30, Some(50)), download(Running, 15, Some(50))];
        assert_eq!(said_in(Language::De, two), "2 Downloads: 45 %, 12,3 MB/s");
        assert_eq!(said(vec![download(Running, u64::MAX, Some(1))]), "1 download: 100 %, 6.2 MB/s");
    }

    #[test]
    fn models_and_the_endpoint_are_named() {
        let english = of(Language::En);
        let loaded = ModelState::Loaded {
            model: "folder/Small-Q4.gguf".into(),
            context_length: 8192,
            memory_bytes: 2_350_000_000,
        };
        assert_eq!(of_model(english, &loaded), "Small-Q4.gguf, 2.3 GB");
        assert_eq!(
            of_model(english, &ModelState::Loading { model: "ä".repeat(100) }),
            format!("Loading {}…", "ä".repeat(40))
        );
        let on = EndpointStatus { running: true, url: Some("http://127.0.0.1:1/v1".into()), error: None };
        assert_eq!(of_endpoint(english, &on), "Endpoint at 127.0.0.1:1/v1");
        assert_eq!(of_endpoint(of(Language::De), &on), "Endpunkt auf 127.0.0.1:1/v1");
    }
}

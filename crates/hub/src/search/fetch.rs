//! Small requests to the Hub that somebody waits for: a few tries, limits of size, and failures by name.

use std::sync::Arc;

use reqwest::header::{HeaderMap, LINK};
use reqwest::{Method, Response, Url};
use serde_json::Value;

use crate::http::{Failure, Http, Patience, broken, chain, malformed};
use crate::{Hub, HubError, RepoId, RetryPolicy};

/// Most bytes of an answer of the Hub's in JSON.
const MAX_JSON: usize = 16 << 20;
/// Tries: somebody waits.
const TRIES: u32 = 3;

/// An answer in JSON.
pub(super) struct Json {
    pub(super) value: Value,
    /// The query of the page after this one.
    pub(super) next: Option<String>,
}

/// A part of a file.
pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    /// Whether the answer went on.
    pub(super) is_cut: bool,
}

/// Asks.
#[derive(Clone)]
pub(super) struct Fetcher {
    http: Arc<Http>,
    retry: RetryPolicy,
}

impl Fetcher {
    pub(super) fn new(hub: &Hub) -> Self {
        let retry = hub.retry();
        Self { http: hub.http(), retry: RetryPolicy { tries: retry.tries.clamp(1, TRIES), ..retry } }
    }

    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    /// `{endpoint}/api/models`.
    pub(super) fn models_url(&self) -> Url {
        self.url(&["api", "models"])
    }

    /// An address below the endpoint.
    pub(super) fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.http.endpoint();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(parts);
        }
        url
    }

    /// An answer in JSON.
    pub(super) async fn json(&self, url: Url, what: &str) -> Result<Json, HubError> {
        let mut patience = self.patience();
        loop {
            match self.json_once(&url, what).await {
                Ok(json) => return Ok(json),
                Err(failure) => wait_out(&mut patience, failure).await?,
            }
        }
    }

    async fn json_once(&self, url: &Url, what: &str) -> Result<Json, Failure> {
        let response = self.checked(url.clone(), HeaderMap::new(), what).await?;
        let next = response.headers().get(LINK).and_then(|link| next_query(link.to_str().ok()?));
        let part = read(response, MAX_JSON).await?;
        if part.is_cut {
            return Err(
                malformed(url, format!("its answer for {what} has more than {MAX_JSON} bytes")).into()
            );
        }
        let value = serde_json::from_slice(&part.bytes)
            .map_err(|error| malformed(url, format!("its answer for {what} is not JSON ({error})")))?;
        Ok(Json { value, next })
    }

    /// The first `most` bytes of what an address gives.
    pub(super) async fn start_of(
        &self,
        url: Url,
        headers: HeaderMap,
        what: &str,
        most: usize,
    ) -> Result<Part, HubError> {
        let mut patience = self.patience();
        loop {
            let answer = self.checked(url.clone(), headers.clone(), what).await;
            let part = match answer {
                Ok(response) => read(response, most).await,
                Err(failure) => Err(failure),
            };
            match part {
                Ok(part) => return Ok(part),
                Err(failure) => wait_out(&mut patience, failure).await?,
            }
        }
    }

    /// Sends until an answer is a success.
    pub(super) async fn checked(
        &self,
        url: Url,
        headers: HeaderMap,
        what: &str,
    ) -> Result<Response, Failure> {
        let response = self.http.send(Method::GET, url, headers, |_| false).await?;
        self.http.check(response, what)
    }

    /// For one request and its repetitions.
    pub(super) fn patience(&self) -> Patience {
        Patience::new(self.retry)
    }

    /// A refusal told as what it is: the terms of a repository that was not accepted yet.
    pub(super) fn gated(&self, error: HubError, repo: &RepoId) -> HubError {
        match error {
            HubError::Unauthorized { status, .. } => {
                HubError::Gated { what: repo.as_str().into(), page: self.page_url(repo), status }
            }
            other => other,
        }
    }

    /// A repository's page for people.
    pub(super) fn page_url(&self, repo: &RepoId) -> String {
        self.url(&[repo.owner(), repo.name()]).into()
    }
}

/// Waits before the next try, or says why there is none.
pub(super) async fn wait_out(patience: &mut Patience, failure: Failure) -> Result<(), HubError> {
    let asked = match &failure {
        Failure::Transient { wait, .. } => wait.unwrap_or_default(),
        Failure::Fatal(_) => Default::default(),
    };
    match patience.after(failure) {
        Ok((wait, _)) => {
            tokio::time::sleep(wait).await;
            Ok(())
        }
        Err(HubError::HttpStatus { host, status: 429, .. }) => {
            Err(HubError::RateLimited { host, seconds: asked.as_secs().max(1) })
        }
        Err(error) => Err(error),
    }
}

/// Reads at most so many bytes, whatever was announced.
pub(super) async fn read(mut response: Response, most: usize) -> Result<Part, Failure> {
    let url = response.url().clone();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| broken(&url, chain(&error)))? {
        let room = most - bytes.len();
        if piece.len() > room {
            bytes.extend_from_slice(&piece[..room]);
            return Ok(Part { bytes, is_cut: true });
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Part { bytes, is_cut: false })
}

/// The query of the address that a `Link` header calls the next one. Only the query is taken: where to ask is known.
fn next_query(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| {
        part.split(';').skip(1).any(|parameter| matches!(parameter.trim(), "rel=\"next\"" | "rel=next"))
    })?;
    let address = next.split(';').next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    let (_, query) = address.split_once('?')?;
    (!query.is_empty() && query.len() <= 4096).then(|| query.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_link() {
        let link = r#"<https://huggingface.co/api/models?filter=gguf&limit=2&cursor=abc%3D>; rel="next""#;
        assert_eq!(next_query(link).as_deref(), Some("filter=gguf&limit=2&cursor=abc%3D"));
        let two = r#"<https://h/api/models?a=1>; rel="prev", <https://h/api/models?a=3>; rel="next""#;
        assert_eq!(next_query(two).as_deref(), Some("a=3"));
        for none in ["", "<https://h/x?a=1>; rel=\"prev\"", "<https://h/x>; rel=\"next\"", "x; rel=next"] {
            assert_eq!(next_query(none), None, "{none}");
        }
    }
}

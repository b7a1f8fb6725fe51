//! Where a file's bytes come from: the signed address that the Hub redirects to, asked for anew when it has expired.

use std::sync::Arc;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, RANGE};
use reqwest::{Response, StatusCode, Url};
use tokio::sync::Mutex;

use super::ranges::Range;
use crate::http::{Failure, Http, malformed};
use crate::remote::header;
use crate::{FilePath, HubError, RepoId};

/// One file at one commit, on the Hub.
pub(super) struct Source {
    http: Arc<Http>,
    /// At the Hub.
    address: Url,
    /// `owner/name/file`, for messages.
    what: String,
    file: String,
    total: u64,
    /// Whether wrong bytes would be noticed at the end.
    is_hashed: bool,
    /// Where the Hub redirects to.
    signed: Mutex<Signed>,
}

#[derive(Default)]
struct Signed {
    url: Option<Url>,
    /// Entity tag of the first answer, by which files without a hash are known.
    tag: Option<String>,
}

/// Bytes on their way.
pub(super) enum Answer {
    /// Those asked for.
    Range(Response),
    /// All of the file, whatever was asked for.
    Whole(Response),
}

impl Source {
    pub(super) fn new(
        http: Arc<Http>,
        (repo, file, commit): (&RepoId, &FilePath, &str),
        total: u64,
        is_hashed: bool,
        signed: Option<Url>,
    ) -> Self {
        let address = http.file_url(repo, commit, file);
        let what = format!("{}/{}", repo.as_str(), file.as_str());
        let signed = Mutex::new(Signed { url: signed, tag: None });
        Self { http, address, what, file: file.as_str().into(), total, is_hashed, signed }
    }

    /// Asks for some of the bytes. An address that was refused is asked for anew once; a new one that is refused too is a
    /// failure.
    pub(super) async fn get(&self, range: &Range) -> Result<Answer, Failure> {
        let mut headers = HeaderMap::new();
        let bytes = format!("bytes={}-{}", range.start, range.end - 1);
        let value = HeaderValue::from_str(&bytes).map_err(|_| HubError::Internal(bytes))?;
        headers.insert(RANGE, value);
        let (mut url, known) = self.address().await?;
        let mut response = self.http.get_content(url.clone(), headers.clone()).await?;
        if known && is_refusal(response.status()) {
            tracing::info!(file = self.file, status = response.status().as_u16(), "the address has expired");
            self.forget(&url).await;
            (url, _) = self.address().await?;
            response = self.http.get_content(url.clone(), headers).await?;
        }
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Err(self.other_size(&response));
        }
        match self.http.check(response, &self.what) {
            Ok(response) => self.judge(response, range).await,
            Err(failure) => {
                self.forget(&url).await;
                Err(failure)
            }
        }
    }

    /// The address of the bytes, and whether it is one that was used before.
    async fn address(&self) -> Result<(Url, bool), Failure> {
        let mut signed = self.signed.lock().await;
        if let Some(url) = &signed.url {
            return Ok((url.clone(), true));
        }
        let url = self.http.locate(self.address.clone(), &self.what).await?;
        signed.url = Some(url.clone());
        Ok((url, false))
    }

    /// Lets go of an address, unless another connection has brought a new one already.
    async fn forget(&self, url: &Url) {
        let mut signed = self.signed.lock().await;
        if signed.url.as_ref() == Some(url) {
            signed.url = None;
        }
    }

    /// The server says that there are no such bytes, and mostly how many there are (`bytes */10`).
    fn other_size(&self, response: &Response) -> Failure {
        let told = header(response.headers(), CONTENT_RANGE.as_str());
        let actual = told.and_then(|told| told.rsplit_once('/')?.1.parse().ok()).unwrap_or(0);
        let error = HubError::SizeMismatch { file: self.file.clone(), expected: self.total, actual };
        Failure::Transient { error, wait: None }
    }

    /// Whether the answer has the bytes asked for. What has others is tried again: a mirror or a proxy may be at odds for a
    /// moment.
    async fn judge(&self, response: Response, range: &Range) -> Result<Answer, Failure> {
        let headers = response.headers();
        let passing = |error: HubError| Failure::Transient { error, wait: None };
        let is_page =
            header(headers, CONTENT_TYPE.as_str()).is_some_and(|kind| kind.starts_with("text/html"));
        if is_page && !self.file.ends_with(".html") {
            let text = format!("it sent a web page instead of {}", self.file);
            return Err(passing(malformed(response.url(), text)));
        }
        let wrong_size =
            |actual| HubError::SizeMismatch { file: self.file.clone(), expected: self.total, actual };
        if response.status() == StatusCode::PARTIAL_CONTENT {
            let told = header(headers, CONTENT_RANGE.as_str()).and_then(parse_content_range);
            return match told {
                Some((_, Some(whole))) if whole != self.total => Err(passing(wrong_size(whole))),
                Some((from, _)) if from == range.start => self.same_tag(response).await.map(Answer::Range),
                _ => {
                    let text = "it answered with another range than the one asked for";
                    Err(passing(malformed(response.url(), text)))
                }
            };
        }
        let length = header(headers, CONTENT_LENGTH.as_str()).and_then(|length| length.parse::<u64>().ok());
        match length {
            Some(length) if length != self.total => Err(passing(wrong_size(length))),
            _ if *range == (0..self.total) => self.same_tag(response).await.map(Answer::Range),
            _ => self.same_tag(response).await.map(Answer::Whole),
        }
    }

    /// Bytes of a file without a hash must all be of one entity tag. Where there is a hash it decides, since content networks
    /// have tags of their own.
    async fn same_tag(&self, response: Response) -> Result<Response, Failure> {
        let tag = header(response.headers(), ETAG.as_str()).filter(|tag| !tag.starts_with("W/"));
        if let (false, Some(tag)) = (self.is_hashed, tag) {
            let mut signed = self.signed.lock().await;
            if *signed.tag.get_or_insert_with(|| tag.to_owned()) != tag {
                let text = "its content changed while it was being fetched";
                return Err(malformed(response.url(), text).into());
            }
        }
        Ok(response)
    }
}

/// What content networks say of an address that was good once.
fn is_refusal(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE
    )
}

/// `bytes 5-9/10` → (5, 10); the whole may be `*`.
fn parse_content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, _) = range.split_once('-')?;
    Some((from.parse().ok()?, whole.parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        assert_eq!(parse_content_range("bytes 5-9/10"), Some((5, Some(10))));
        assert_eq!(parse_content_range("bytes 5-9/*"), Some((5, None)));
        assert_eq!(parse_content_range("bytes */10"), None);
        assert_eq!(parse_content_range("items 5-9/10"), None);
    }
}

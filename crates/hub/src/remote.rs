//! What the Hub says about a file before any of its bytes are fetched.
//!
//! hf-hub's own request for this follows the redirect to the content network and then looks for the commit in the wrong
//! answer, so the HEAD is made here: the Hub puts commit, size and hash on the redirect itself.

use reqwest::header::{CONTENT_LENGTH, ETAG, HeaderMap};
use reqwest::{Method, Response, Url};

use crate::http::{Failure, Http, malformed, redirect_target};
use crate::names::BlobName;
use crate::{Commit, FilePath, RepoId, Revision};

/// One file at one commit.
#[derive(Debug, Clone)]
pub(crate) struct RemoteMeta {
    pub(crate) commit: Commit,
    pub(crate) blob: BlobName,
    pub(crate) size: u64,
    /// Where its bytes are, if the Hub said so at once.
    pub(crate) location: Option<Url>,
}

const COMMIT: &str = "x-repo-commit";
const LINKED_ETAG: &str = "x-linked-etag";
const LINKED_SIZE: &str = "x-linked-size";

impl Http {
    pub(crate) async fn metadata(
        &self,
        repo: &RepoId,
        revision: &Revision,
        file: &FilePath,
    ) -> Result<RemoteMeta, Failure> {
        let url = self.file_url(repo, revision.as_str(), file);
        let what = format!("{}/{} at {}", repo.as_str(), file.as_str(), revision.as_str());
        let tells_all = |response: &Response| {
            response.headers().contains_key(COMMIT) && tag(response.headers()).is_some()
        };
        let response = self.send(Method::HEAD, url, HeaderMap::new(), tells_all).await?;
        let response = if tells_all(&response) && response.status().is_redirection() {
            response
        } else {
            self.check(response, &what)?
        };
        parse(&response, revision)
    }
}

fn parse(response: &Response, revision: &Revision) -> Result<RemoteMeta, Failure> {
    let (url, headers) = (response.url(), response.headers());
    let commit = match header(headers, COMMIT) {
        Some(commit) => Commit::parse(commit)?,
        None => Commit::parse(revision.as_str()).map_err(|_| malformed(url, "the answer names no commit"))?,
    };
    let blob = BlobName::parse(tag(headers).ok_or_else(|| malformed(url, "the answer has no entity tag"))?)?;
    // The length of a redirect is that of its own little page.
    let plain_size =
        if response.status().is_success() { header(headers, CONTENT_LENGTH.as_str()) } else { None };
    let size = header(headers, LINKED_SIZE).or(plain_size).and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| malformed(url, "the answer does not say how large the file is"))?;
    let location = if response.status().is_redirection() { Some(redirect_target(response)?) } else { None };
    Ok(RemoteMeta { commit, blob, size, location })
}

fn tag(headers: &HeaderMap) -> Option<&str> {
    header(headers, LINKED_ETAG).or_else(|| header(headers, ETAG.as_str()))
}

pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

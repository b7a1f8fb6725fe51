//! Headers of files on the Hub, by requests for their first bytes alone.
//!
//! A header is mostly vocabulary, megabytes of it, and the same in all files of a repository: once one was read, of the
//! others only the tensor tables are. What was read is kept on disk under the file's hash.

use std::path::Path;
use std::sync::Arc;

use lantern_gguf::{GgufError, GgufFile, GgufHead, HeadRead};
use reqwest::header::{CONTENT_RANGE, HeaderMap, HeaderValue, RANGE};
use reqwest::{StatusCode, Url};

use super::Finder;
use super::fetch::{read, wait_out};
use super::head_cache::{Base, Key};
use super::repository::Listing;
use crate::choice::pieces;
use crate::http::{Failure, malformed};
use crate::remote::header;
use crate::{FilePath, HubError, RemoteFile, RepoId};

/// Bytes that are asked for first; headers without a vocabulary are shorter.
const FIRST: u64 = 512 << 10;
/// Around the place where another file's tensor table lies.
const BEFORE_TABLE: u64 = 4 << 10;
const BEHIND_TABLE: u64 = 8 << 10;
/// Most pieces of a model whose headers are read.
const MOST_PIECES: usize = 256;

/// Reads headers of one repository's files.
pub struct Headers<'f> {
    finder: &'f Finder,
    listing: Arc<Listing>,
    /// A header that was read whole.
    base: Option<(Arc<GgufHead>, Base)>,
}

impl Finder {
    /// To read headers of the files of `owner/name`.
    pub async fn headers(&self, repo: &str) -> Result<Headers<'_>, HubError> {
        let listing = self.listing(&RepoId::parse(repo)?).await?;
        Ok(Headers { finder: self, listing, base: None })
    }
}

impl Headers<'_> {
    /// The header of a model file; of a split model those of all pieces, whichever is named. The file has no bytes of
    /// tensors.
    pub async fn read(&mut self, file: &str) -> Result<GgufFile, HubError> {
        let path = FilePath::parse(file)?;
        let pieces = pieces(&path)?.unwrap_or_else(|| vec![path]);
        let name = format!("{}/{file}", self.listing.repo.as_str());
        let gguf = |source: GgufError| HubError::Gguf { path: name.clone().into(), source: Arc::new(source) };
        if pieces.len() > MOST_PIECES {
            let reason =
                format!("it is one of {} pieces; headers of {MOST_PIECES} are read at most", pieces.len());
            return Err(gguf(GgufError::BadShard { path: name.clone().into(), reason }));
        }
        let mut heads = Vec::with_capacity(pieces.len());
        for piece in &pieces {
            heads.push(GgufHead::clone(&*self.head(piece).await?));
        }
        GgufFile::from_heads(Path::new(&name), heads).map_err(gguf)
    }

    async fn head(&mut self, path: &FilePath) -> Result<Arc<GgufHead>, HubError> {
        let listing = self.listing.clone();
        let no_such_file = || HubError::NoSuchFile {
            repo: listing.repo.as_str().into(),
            wanted: path.as_str().into(),
            candidates: listing
                .files
                .iter()
                .map(|file| file.path.clone())
                .filter(|path| crate::hub::is_model(path))
                .collect(),
        };
        let file = listing.files.iter().find(|file| file.path == path.as_str()).ok_or_else(no_such_file)?;
        let (key, cache) = (Key::of(&listing, file), &self.finder.heads);
        if let Some(head) = cache.load(&key, file.size).await {
            return Ok(Arc::new(head));
        }
        if let Some((base, name)) = &self.base
            && let Some((head, start, part)) = self.sibling(base, path, file).await?
        {
            cache.store_part(&key, name, start, part).await;
            return Ok(Arc::new(head));
        }
        let (head, bytes) = self.whole(path, file).await?;
        cache.store(&key, bytes).await;
        let head = Arc::new(head);
        // The first one that is read whole is what others are held against.
        self.base.get_or_insert((head.clone(), Base { key, file_len: file.size }));
        Ok(head)
    }

    /// The header of a file that has the vocabulary of `base`, with the part of it that was read.
    async fn sibling(
        &self,
        base: &GgufHead,
        path: &FilePath,
        file: &RemoteFile,
    ) -> Result<Option<(GgufHead, u64, Vec<u8>)>, HubError> {
        let table = base.table();
        let start = table.start.saturating_sub(BEFORE_TABLE);
        let end = (table.end + BEHIND_TABLE).min(file.size);
        // A short header is as quickly read whole.
        if start < FIRST || start >= end {
            return Ok(None);
        }
        let part = self.range(path, file.size, start, end).await?;
        Ok(base.sibling(&part, start, file.size).map(|head| (head, start, part)))
    }

    /// A header from its beginning, with its bytes.
    async fn whole(&self, path: &FilePath, file: &RemoteFile) -> Result<(GgufHead, Vec<u8>), HubError> {
        let gguf = |source| HubError::Gguf {
            path: format!("{}/{}", self.listing.repo.as_str(), path.as_str()).into(),
            source: Arc::new(source),
        };
        let (mut bytes, mut wanted) = (Vec::new(), FIRST);
        loop {
            let start = bytes.len() as u64;
            bytes.extend(self.range(path, file.size, start, wanted.min(file.size)).await?);
            match GgufHead::read(&bytes, file.size).map_err(gguf)? {
                HeadRead::Whole(head) => {
                    bytes.truncate(usize::try_from(head.byte_len()).unwrap_or(usize::MAX));
                    return Ok((*head, bytes));
                }
                HeadRead::More { at_least } => wanted = at_least.max(2 * bytes.len() as u64),
            }
        }
    }

    /// The bytes of a file from `start` to before `end`.
    async fn range(&self, path: &FilePath, size: u64, start: u64, end: u64) -> Result<Vec<u8>, HubError> {
        if start >= end {
            return Ok(Vec::new());
        }
        let Listing { repo, revision, .. } = &*self.listing;
        let url = self.finder.fetcher.http().file_url(repo, revision.as_str(), path);
        let what = format!("{}/{}", repo.as_str(), path.as_str());
        let mut headers = HeaderMap::new();
        let range = HeaderValue::from_str(&format!("bytes={start}-{}", end - 1));
        headers.insert(RANGE, range.map_err(|error| HubError::Internal(error.to_string()))?);
        let wanted = Wanted { url, headers, what, size, start, end };
        let mut patience = self.finder.fetcher.patience();
        loop {
            let failure = match self.range_once(&wanted).await {
                Ok(bytes) => return Ok(bytes),
                Err(failure) => failure,
            };
            let waited = wait_out(&mut patience, failure).await;
            waited.map_err(|error| self.finder.fetcher.gated(error, repo))?;
        }
    }

    async fn range_once(&self, wanted: &Wanted) -> Result<Vec<u8>, Failure> {
        let Wanted { url, headers, what, size, start, end } = wanted;
        let response = self.finder.fetcher.checked(url.clone(), headers.clone(), what).await?;
        let is_part = response.status() == StatusCode::PARTIAL_CONTENT;
        let (first, total) = match is_part {
            true => content_range(header(response.headers(), CONTENT_RANGE.as_str()).unwrap_or_default())
                .ok_or_else(|| malformed(response.url(), "it sends a part of a file without saying which"))?,
            // It sends all of it, whatever was asked: what comes before is thrown away.
            false => (0, None),
        };
        if first > *start || (is_part && first != *start) || total.is_some_and(|total| total != *size) {
            let why = format!("it sends another part of {what} than was asked for");
            return Err(malformed(response.url(), why).into());
        }
        let host = response.url().clone();
        let most =
            usize::try_from(end - first).map_err(|_| HubError::Internal("a header too long".into()))?;
        let mut bytes = read(response, most).await?.bytes;
        if bytes.len() < most {
            let why = format!("{what} ends after {} bytes of {size}", first + bytes.len() as u64);
            return Err(Failure::Transient { error: malformed(&host, why), wait: None });
        }
        Ok(bytes.split_off(usize::try_from(start - first).unwrap_or(0)))
    }
}

/// A part of a file that is asked for, and what it must be.
struct Wanted {
    url: Url,
    headers: HeaderMap,
    what: String,
    size: u64,
    start: u64,
    end: u64,
}

/// `bytes 5-9/100` → 5 and 100; the length may be `*`.
fn content_range(text: &str) -> Option<(u64, Option<u64>)> {
    let (range, total) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (first, _) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, total.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_say_where_they_begin() {
        assert_eq!(content_range("bytes 5-9/100"), Some((5, Some(100))));
        assert_eq!(content_range("bytes 0-0/*"), Some((0, None)));
        for bad in ["", "bytes", "bytes */100", "items 0-1/2"] {
            assert_eq!(content_range(bad), None, "{bad}");
        }
    }
}

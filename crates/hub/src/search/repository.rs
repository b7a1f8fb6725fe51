//! What a repository holds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use lantern_protocol::{Gate, Gating, ModelCapability, ModelCard, Repository};
use reqwest::header::HeaderMap;

use super::answer::Found;
use super::card::{MAX_CARD, card};
use super::files::{Grouped, group};
use super::query::PROPERTIES;
use super::{FRESH, Finder};
use crate::choice::projector_of;
use crate::{FilePath, HubError, RemoteFile, RepoId, Revision};

/// The files of a repository at one commit, or on its main branch.
pub(super) struct Listing {
    pub(super) repo: RepoId,
    pub(super) revision: Revision,
    pub(super) files: Vec<RemoteFile>,
}

/// Listings of late, by repository.
#[derive(Default)]
pub(super) struct Listings(Mutex<HashMap<String, (Instant, Arc<Listing>)>>);

impl Listings {
    fn get(&self, repo: &RepoId) -> Option<Arc<Listing>> {
        let listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.get(repo.as_str()).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, listing)| listing.clone())
    }

    fn put(&self, listing: Listing) -> Arc<Listing> {
        let listing = Arc::new(listing);
        let mut listings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listings.retain(|_, (at, _)| at.elapsed() < FRESH);
        listings.insert(listing.repo.as_str().into(), (Instant::now(), listing.clone()));
        listing
    }
}

impl Finder {
    /// Everything about `owner/name`: files by quantisation, licence, terms, card.
    pub async fn repository(&self, repo: &str) -> Result<Repository, HubError> {
        let repo = RepoId::parse(repo)?;
        let found = self.info(&repo).await?;
        let commit = found.commit().and_then(|commit| Revision::parse(commit).ok());
        let revision = commit.clone().unwrap_or_default();
        let (listing, card) = tokio::join!(self.list(&repo, revision.clone()), self.card(&repo, &revision));
        let Grouped { quants, projectors, drafts, total_bytes } = group(&listing?.files);
        let mut about = found.about(self.read_template);
        if !projectors.is_empty() && !about.capabilities.contains(&ModelCapability::Vision) {
            about.capabilities.insert(0, ModelCapability::Vision);
        }
        about.quants =
            quants.iter().map(|group| group.quant.clone()).filter(|quant| !quant.is_empty()).collect();
        let url = self.fetcher.page_url(&repo);
        let web = |link: &&str| link.starts_with("https://") && link.len() < 500;
        Ok(Repository {
            gate: gate(about.gating, &repo, &url),
            licence_url: found.card("license_link").filter(web).map(str::to_owned),
            commit: commit.map(|commit| commit.as_str().to_owned()),
            about,
            url,
            quants,
            projectors,
            drafts,
            total_bytes,
            card,
        })
    }

    /// The files of `owner/name`, put together.
    pub async fn files(&self, repo: &str) -> Result<Grouped, HubError> {
        Ok(group(&self.listing(&RepoId::parse(repo)?).await?.files))
    }

    /// Bytes of the projector that is fetched with a model file of `owner/name`.
    pub async fn projector_bytes(&self, repo: &str, file: &str) -> Result<Option<u64>, HubError> {
        let listing = self.listing(&RepoId::parse(repo)?).await?;
        Ok(projector_of(file, &listing.files).map(|projector| projector.size))
    }

    async fn info(&self, repo: &RepoId) -> Result<Found, HubError> {
        let mut url = self.fetcher.url(&["api", "models", repo.owner(), repo.name()]);
        for property in PROPERTIES.into_iter().chain(["sha", "cardData"]) {
            url.query_pairs_mut().append_pair("expand", property);
        }
        let answer = self.fetcher.json(url, repo.as_str()).await?;
        let malformed = |why| HubError::MalformedResponse { host: self.hub.host(), why };
        let found = Found::read(&answer.value).map_err(malformed)?;
        found.ok_or_else(|| malformed("it describes a repository without an owner".into()))
    }

    /// The files of a repository, as they were some minutes ago at most.
    pub(super) async fn listing(&self, repo: &RepoId) -> Result<Arc<Listing>, HubError> {
        match self.listings.get(repo) {
            Some(listing) => Ok(listing),
            None => self.list(repo, Revision::default()).await,
        }
    }

    async fn list(&self, repo: &RepoId, revision: Revision) -> Result<Arc<Listing>, HubError> {
        let files = self.hub.files(repo.as_str(), Some(revision.as_str())).await?;
        Ok(self.listings.put(Listing { repo: repo.clone(), revision, files }))
    }

    /// A repository without a card is none to complain about.
    async fn card(&self, repo: &RepoId, revision: &Revision) -> Option<ModelCard> {
        let path = FilePath::parse("README.md").ok()?;
        let url = self.fetcher.http().file_url(repo, revision.as_str(), &path);
        match self.fetcher.start_of(url, HeaderMap::new(), "README.md", MAX_CARD).await {
            Ok(part) => Some(card(&part.bytes, part.is_cut)),
            Err(error) => {
                tracing::info!(code = error.code(), repo = repo.as_str(), "no model card: {error}");
                None
            }
        }
    }
}

fn gate(gating: Gating, repo: &RepoId, url: &str) -> Option<Gate> {
    let repo = repo.as_str();
    let what_to_do = match gating {
        Gating::None => return None,
        Gating::Automatic => format!(
            "{repo} has terms of use. Sign in at {url}, accept them, and give Lantern a token of that account; files can be fetched at once."
        ),
        Gating::Manual => format!(
            "The authors of {repo} decide who may fetch it. Sign in at {url}, ask for access, give Lantern a token of that account, and wait for their answer."
        ),
    };
    Some(Gate { gating, url: url.to_owned(), what_to_do })
}

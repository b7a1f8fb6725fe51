//! Finding models on the Hub: searching, what a repository holds, and the headers of files that are not here.
//!
//! The Hub chooses by words, owner and file format; by size, family, quantisation and capability it is chosen here,
//! from what the Hub says of each repository. Whatever it answers is a stranger's: it has limits of size, and what is
//! not understood is left out or is a named error.

mod answer;
mod card;
mod fetch;
mod files;
mod head_cache;
mod heads;
mod quants;
mod query;
mod repository;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use lantern_protocol::{SearchPage, SearchQuery};

use crate::{Hub, HubError};
use answer::Found;
use fetch::Fetcher;
use head_cache::HeadCache;
use query::Wishes;
use repository::Listings;

pub use files::Grouped;
pub use heads::Headers;
pub use quants::{quality_note, quality_rank, quant_of};

/// How long an answer is given again without asking.
const FRESH: Duration = Duration::from_secs(300);
/// Answers that are remembered.
const REMEMBERED: usize = 64;
/// Pages of the Hub that one search looks at while too few repositories are what was asked for.
const MOST_PAGES: usize = 6;
/// Repositories wanted at a time unless told, and at most.
const USUAL_LIMIT: u32 = 30;
const MOST: u32 = 100;

/// What a chat template says of a model, for whoever can read templates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TemplateSays {
    /// It knows tools.
    pub tools: bool,
    /// It knows thoughts before the answer.
    pub thinking: bool,
}

/// Reads a chat template.
pub type ReadTemplate = fn(&str) -> TemplateSays;

/// Looks for models on the Hub. Its methods can be dropped at any time, which ends their requests.
pub struct Finder {
    hub: Hub,
    fetcher: Fetcher,
    heads: HeadCache,
    listings: Listings,
    read_template: ReadTemplate,
    /// By what was asked.
    searches: Mutex<HashMap<SearchQuery, (Instant, SearchPage)>>,
}

impl Finder {
    /// Looks on this hub. Headers of files are kept in `folder`.
    pub fn new(hub: Hub, folder: impl Into<PathBuf>, read_template: ReadTemplate) -> Self {
        let (fetcher, heads) = (Fetcher::new(&hub), HeadCache::at(folder.into()));
        Self { hub, fetcher, heads, listings: Listings::default(), read_template, searches: Mutex::default() }
    }

    /// Repositories with GGUF files that are what was asked for. May give fewer than wanted, even none, and still have
    /// more behind its `next`: few repositories may be what was asked for among those that the Hub named.
    pub async fn search(&self, query: &SearchQuery) -> Result<SearchPage, HubError> {
        if let Some(page) = self.remembered(query) {
            return Ok(page);
        }
        let wishes = Wishes::of(query);
        let wanted = query.limit.unwrap_or(USUAL_LIMIT).clamp(1, MOST);
        let mut url = self.fetcher.models_url();
        match &query.next {
            Some(next) => query::go_on(&mut url, next)?,
            None => query::begin(&mut url, query, wanted),
        }
        let mut page = SearchPage { chosen_here: wishes.names(), ..SearchPage::default() };
        for _ in 0..MOST_PAGES {
            let found = self.page(&url).await?;
            page.looked_at =
                page.looked_at.saturating_add(u32::try_from(found.repositories.len()).unwrap_or(MOST));
            let named = found.repositories.into_iter().map(|found| found.about(self.read_template));
            page.repositories.extend(named.filter(|repository| wishes.are_met_by(repository)));
            page.next = found.next;
            let Some(next) = page.next.as_deref().filter(|_| page.repositories.len() < wanted as usize)
            else {
                break;
            };
            query::go_on(&mut url, next)?;
        }
        self.remember(query, &page);
        Ok(page)
    }

    async fn page(&self, url: &reqwest::Url) -> Result<Named, HubError> {
        const WHAT: &str = "a list of models";
        let answer = self.fetcher.json(url.clone(), WHAT).await?;
        let malformed = |why: &str| HubError::MalformedResponse { host: self.hub.host(), why: why.into() };
        let list = answer.value.as_array().ok_or_else(|| malformed("its list of models is not a list"))?;
        let found = list.iter().take(2 * MOST as usize).map(Found::read).collect::<Result<Vec<_>, _>>();
        let repositories = found.map_err(|why| malformed(&why))?.into_iter().flatten().collect();
        Ok(Named { repositories, next: answer.next })
    }

    fn remembered(&self, query: &SearchQuery) -> Option<SearchPage> {
        let searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        searches.get(query).filter(|(at, _)| at.elapsed() < FRESH).map(|(_, page)| page.clone())
    }

    fn remember(&self, query: &SearchQuery, page: &SearchPage) {
        let mut searches = self.searches.lock().unwrap_or_else(PoisonError::into_inner);
        searches.retain(|_, (at, _)| at.elapsed() < FRESH);
        if searches.len() >= REMEMBERED
            && let Some(oldest) = searches.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone())
        {
            searches.remove(&oldest);
        }
        searches.insert(query.clone(), (Instant::now(), page.clone()));
    }
}

/// A page as the Hub gives it.
struct Named {
    repositories: Vec<Found>,
    /// What to ask for the next one.
    next: Option<String>,
}

//! A Hub for tests, on real sockets: one answers like huggingface.co, a second one like the content network it redirects
//! to. It speaks what clients use: information, trees, search, `resolve` with ranges, entity tags and signed addresses that
//! expire, gated and private repositories, pointers to xet. What goes wrong is chosen by the test; every request is written
//! down, and every byte of content that is sent is counted.
//!
//! Known differences from the real one: entity tags of small files are not git's hashes, file lists have no commits, and a
//! token is anything that was not forbidden.

mod api;
mod content;
mod proxy;
mod repo;
mod resolve;
mod serve;
mod state;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

pub use proxy::TestProxy;
pub use repo::{Gate, Repo, TestFile, random_bytes, sha256};
pub use state::{Fault, Link, Seen, State};

/// Commit that repositories are at, unless a test says otherwise.
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What both servers know.
pub(crate) type Shared = Arc<Mutex<State>>;

pub(crate) fn lock(shared: &Shared) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The running servers; they end with the runtime. Clones are the same servers.
#[derive(Clone)]
pub struct TestHub {
    /// Where the Hub listens.
    pub address: SocketAddr,
    /// Where the content network listens.
    pub content_address: SocketAddr,
    shared: Shared,
}

impl TestHub {
    /// Starts on free ports, without repositories.
    pub async fn start() -> std::io::Result<Self> {
        Self::start_at(0).await
    }

    /// Starts with the Hub on this port of the loopback interface.
    pub async fn start_at(port: u16) -> std::io::Result<Self> {
        let shared = Shared::default();
        let content = Router::new().fallback(content::answer).with_state(shared.clone());
        let content_address = serve::listen(0, content, shared.clone()).await?;
        lock(&shared).content_address = Some(content_address);
        let hub = Router::new().fallback(answer).with_state(shared.clone());
        let address = serve::listen(port, hub, shared.clone()).await?;
        lock(&shared).address = Some(address);
        Ok(Self { address, content_address, shared })
    }

    /// What clients take as `HF_ENDPOINT`.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a repository, or replaces it.
    pub fn add(&self, repo: Repo) {
        self.change(|state| drop(state.repos.insert(repo.id.clone(), repo)));
    }

    /// Changes a repository that is there.
    pub fn edit(&self, id: &str, edit: impl FnOnce(&mut Repo)) {
        self.change(|state| edit(state.repos.get_mut(id).unwrap_or_else(|| panic!("no repository {id}"))));
    }

    /// Changes anything.
    pub fn change<T>(&self, edit: impl FnOnce(&mut State) -> T) -> T {
        edit(&mut lock(&self.shared))
    }

    /// What goes wrong with the next requests for content, in order.
    pub fn next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.change(|state| state.content_faults.extend(faults));
    }

    /// What goes wrong with the next requests to the Hub, in order.
    pub fn next_of_hub(&self, faults: impl IntoIterator<Item = Fault>) {
        self.change(|state| state.hub_faults.extend(faults));
    }

    /// From now on, addresses that were given out are refused.
    pub fn expire_links(&self) {
        self.change(|state| state.link_generation += 1);
    }

    /// Bytes of content that were sent.
    pub fn sent(&self) -> u64 {
        self.change(|state| state.sent)
    }

    /// Requests to the Hub, in order.
    pub fn seen_by_hub(&self) -> Vec<Seen> {
        self.change(|state| state.seen.iter().filter(|seen| !seen.content).cloned().collect())
    }

    /// Requests for content, in order.
    pub fn seen_by_content(&self) -> Vec<Seen> {
        self.change(|state| state.seen.iter().filter(|seen| seen.content).cloned().collect())
    }
}

/// The Hub's own host: lists and redirects.
async fn answer(
    axum::extract::State(shared): axum::extract::State<Shared>,
    request: axum::extract::Request,
) -> axum::response::Response {
    let (latency, fault) = {
        let mut state = lock(&shared);
        state.note(&request, false);
        (state.link.latency, state.hub_faults.pop_front())
    };
    tokio::time::sleep(latency).await;
    if let Some(response) = fault.as_ref().and_then(content::refusal) {
        return response;
    }
    let state = lock(&shared);
    let path = request.uri().path();
    match path.strip_prefix("/api/") {
        Some(rest) => api::answer(&state, rest, &request),
        None => resolve::answer(&state, path, &request),
    }
}

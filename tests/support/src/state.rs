//! What the servers hold, what they are to do wrong, and what they have seen.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::extract::Request;

use crate::Repo;

/// Something that goes wrong with one request. What concerns bodies is for content alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Nothing does: for a request in between.
    None,
    /// Sends this many bytes and breaks the connection.
    CutAfter(u64),
    /// Sends this many bytes and then nothing, without closing.
    StallAfter(u64),
    /// Another status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
    /// Sends the whole file whatever was asked.
    IgnoreRange,
    /// Sends as many bytes as wanted, but other ones.
    WrongBytes,
    /// Sends bytes of another place than those asked for, and says so.
    WrongRange,
    /// Sends the whole file and more than it has.
    TooMany,
    /// Sends a login page, as hotels do.
    Html,
    /// Says that the content has another entity tag now.
    OtherTag,
}

/// What the way to the servers is like.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// Before a connection is taken and before each answer.
    pub latency: Duration,
    /// Most bytes of content a second, for each connection.
    pub bytes_per_second: Option<u64>,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whether the content network was asked and not the Hub.
    pub content: bool,
    /// `GET`, `HEAD`.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Behind the question mark.
    pub query: String,
    /// The header, if there was one.
    pub authorization: Option<String>,
    /// The header, if there was one.
    pub range: Option<String>,
    /// The header, if there was one.
    pub if_range: Option<String>,
    /// When it came.
    pub at: Instant,
}

/// Everything, to be changed by tests at any time.
#[derive(Debug, Default)]
pub struct State {
    /// Repositories by `owner/name`.
    pub repos: BTreeMap<String, Repo>,
    /// Taken one by one by requests for content; when empty it serves well.
    pub content_faults: VecDeque<Fault>,
    /// Taken one by one by requests to the Hub.
    pub hub_faults: VecDeque<Fault>,
    /// So many of the answers with content that are under way are broken now, those that send next.
    pub break_now: usize,
    /// So many send nothing more from now on.
    pub stall_now: usize,
    /// Tokens that the Hub does not know.
    pub bad_tokens: HashSet<String>,
    /// Most entries in one page of a list; 0 is no limit.
    pub page: usize,
    /// What the way is like.
    pub link: Link,
    /// How long a signed address is good for; `None` is for ever.
    pub link_life: Option<Duration>,
    /// Entity tag of the content network, in quotes; `None` gives the content's hash.
    pub content_tag: Option<String>,
    /// Every request.
    pub seen: Vec<Seen>,
    /// Bytes of content that were sent.
    pub sent: u64,
    /// Content requests that are being answered.
    pub open: usize,
    /// Most of them at one time.
    pub most_open: usize,
    pub(crate) link_generation: u64,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) content_address: Option<SocketAddr>,
}

impl State {
    pub(crate) fn note(&mut self, request: &Request, content: bool) {
        let header =
            |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        self.seen.push(Seen {
            content,
            method: request.method().to_string(),
            path: request.uri().path().into(),
            query: request.uri().query().unwrap_or_default().into(),
            authorization: header("authorization"),
            range: header("range"),
            if_range: header("if-range"),
            at: Instant::now(),
        });
    }

    /// The token that came with a request.
    pub(crate) fn token<'r>(&self, request: &'r Request) -> Option<&'r str> {
        let value = request.headers().get("authorization")?.to_str().ok()?;
        value.strip_prefix("Bearer ").filter(|token| !self.bad_tokens.contains(*token))
    }

    /// `http://…` of the Hub itself.
    pub(crate) fn endpoint(&self) -> String {
        self.address.map_or_else(String::new, |address| format!("http://{address}"))
    }
}

//! A Hub on two real sockets: one answers like huggingface.co, the other like the content network it redirects to.
//! Every request is written down; what the content network does next can be chosen per request.
#![allow(dead_code)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use sha2::{Digest, Sha256};

pub const REPO: &str = "owner/model-GGUF";
pub const FILE: &str = "model-Q4_0.gguf";
pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the content network does with one request.
#[derive(Debug, Clone)]
pub enum Act {
    /// Sends this many bytes and breaks the connection.
    CutAfter(usize),
    /// Sends this many bytes and then nothing, without closing.
    StallAfter(usize),
    /// Another status, with this `Retry-After`.
    Status(u16, Option<&'static str>),
    /// Sends the whole file whatever was asked.
    IgnoreRange,
    /// Sends as many bytes as wanted, but other ones.
    WrongBytes,
    /// Sends more than it announced to the Hub.
    TooMany,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    pub server: &'static str,
    pub method: String,
    pub path: String,
    pub authorization: Option<String>,
    pub range: Option<String>,
    pub if_range: Option<String>,
}

pub struct Behaviour {
    pub content: Vec<u8>,
    /// Other files, by name.
    pub files: Vec<(String, Vec<u8>)>,
    /// Whether there is a GGUF file at all.
    pub has_gguf: bool,
    /// Taken one by one by the content network; when empty it serves well.
    pub acts: VecDeque<Act>,
    /// What the Hub answers to the next requests instead, if anything.
    pub hub_acts: VecDeque<(u16, Option<&'static str>)>,
    pub commit: String,
    pub etag: String,
    /// Entity tag of the content network.
    pub cdn_etag: String,
    pub seen: Vec<Seen>,
    pub sent: usize,
    pub cdn: Option<SocketAddr>,
}

/// The running servers; they end with the runtime.
#[derive(Clone)]
pub struct FakeHub {
    pub address: SocketAddr,
    pub state: Arc<Mutex<Behaviour>>,
}

impl FakeHub {
    pub async fn start(content: Vec<u8>) -> Self {
        let state = Arc::new(Mutex::new(Behaviour {
            etag: hex(&content),
            content,
            files: Vec::new(),
            has_gguf: true,
            acts: VecDeque::new(),
            hub_acts: VecDeque::new(),
            commit: COMMIT.into(),
            cdn_etag: "\"cdn-1\"".into(),
            seen: Vec::new(),
            sent: 0,
            cdn: None,
        }));
        let cdn = listen(Router::new().fallback(cdn).with_state(state.clone())).await;
        state.lock().unwrap().cdn = Some(cdn);
        let address = listen(Router::new().fallback(hub).with_state(state.clone())).await;
        Self { address, state }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.state.lock().unwrap().acts.extend(acts);
    }

    pub fn change(&self, edit: impl FnOnce(&mut Behaviour)) {
        edit(&mut self.state.lock().unwrap());
    }

    pub fn sha256(&self) -> String {
        hex(&self.state.lock().unwrap().content)
    }

    /// Bytes that the content network has sent.
    pub fn sent(&self) -> usize {
        self.state.lock().unwrap().sent
    }

    /// Requests to one of the servers (`hub` or `cdn`), in order.
    pub fn seen(&self, server: &str) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.server == server).cloned().collect()
    }
}

/// The name of piece `i`, from 0.
pub fn shard(i: usize, count: usize) -> String {
    format!("split/big-Q6_K-{:05}-of-{count:05}.gguf", i + 1)
}

pub fn hex(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Bytes without a pattern that a wrong offset could hide in.
pub fn content(len: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..len).map(|_| next()).collect()
}

async fn listen(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

fn note(state: &mut Behaviour, server: &'static str, request: &Request) {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    state.seen.push(Seen {
        server,
        method: request.method().to_string(),
        path: request.uri().path().into(),
        authorization: header("authorization"),
        range: header("range"),
        if_range: header("if-range"),
    });
}

async fn hub(State(state): State<Arc<Mutex<Behaviour>>>, request: Request) -> Response {
    let mut state = state.lock().unwrap();
    note(&mut state, "hub", &request);
    if let Some((status, retry_after)) = state.hub_acts.pop_front() {
        return refusal(status, retry_after);
    }
    let path = request.uri().path();
    let trees = ["main", &state.commit].map(|revision| format!("/api/models/{REPO}/tree/{revision}"));
    if trees.iter().any(|tree| tree == path) {
        let file = |path: &str, content: &[u8]| {
            let (size, hash) = (content.len(), hex(content));
            format!(
                r#"{{"type":"file","oid":"1","size":{size},"path":"{path}","lfs":{{"sha256":"{hash}","size":{size},"pointerSize":134}}}}"#
            )
        };
        let mut files = vec![
            r#"{"type":"directory","oid":"2","path":"sub"}"#.to_owned(),
            r#"{"type":"file","oid":"3","size":7,"path":"README.md"}"#.to_owned(),
        ];
        if state.has_gguf {
            files.extend([FILE, "model-Q8_0.gguf"].map(|name| file(name, &state.content)));
        }
        files.extend(state.files.iter().map(|(name, bytes)| file(name, bytes)));
        let list = format!("[{}]", files.join(","));
        return ([("content-type", "application/json")], list).into_response();
    }
    let starter = lantern_hub::STARTER;
    let known = |revision: &str| {
        path == format!("/{REPO}/resolve/{revision}/{FILE}")
            || path == format!("/{}/resolve/{revision}/{}", starter.repo, starter.file)
    };
    let cdn = state.cdn.unwrap();
    let is_wanted = |(file, _): &(String, Vec<u8>)| {
        ["main", &state.commit].iter().any(|revision| path == format!("/{REPO}/resolve/{revision}/{file}"))
    };
    if let Some(i) = state.files.iter().position(is_wanted) {
        let bytes = &state.files[i].1;
        let headers = [
            ("x-repo-commit", state.commit.clone()),
            ("x-linked-etag", format!("\"{}\"", hex(bytes))),
            ("x-linked-size", bytes.len().to_string()),
            ("location", format!("http://{cdn}/file/{i}")),
        ];
        return (StatusCode::FOUND, headers, "moved").into_response();
    }
    if !known("main") && !known(&state.commit) {
        return (StatusCode::NOT_FOUND, [("x-error-code", "EntryNotFound")]).into_response();
    }
    let headers = [
        ("x-repo-commit", state.commit.clone()),
        ("x-linked-etag", format!("\"{}\"", state.etag)),
        ("x-linked-size", state.content.len().to_string()),
        ("location", format!("http://{cdn}/blob?signature=abc")),
    ];
    (StatusCode::FOUND, headers, "moved").into_response()
}

fn refusal(status: u16, retry_after: Option<&'static str>) -> Response {
    let mut headers = HeaderMap::new();
    if let Some(value) = retry_after {
        headers.insert("retry-after", value.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), headers).into_response()
}

async fn cdn(State(shared): State<Arc<Mutex<Behaviour>>>, request: Request) -> Response {
    let mut state = shared.lock().unwrap();
    note(&mut state, "cdn", &request);
    if request.method() == Method::HEAD {
        return StatusCode::OK.into_response();
    }
    let act = state.acts.pop_front();
    if let Some(Act::Status(status, retry_after)) = act {
        return refusal(status, retry_after);
    }
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let file = request.uri().path().strip_prefix("/file/").and_then(|i| i.parse::<usize>().ok());
    let content = file.map_or(&state.content, |i| &state.files[i].1).clone();
    let total = content.len();
    let wanted = header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let fresh = header("if-range").is_none_or(|tag| tag == state.cdn_etag);
    let start = wanted.filter(|_| fresh && !matches!(act, Some(Act::IgnoreRange | Act::TooMany)));
    let mut body = content[start.unwrap_or(0)..].to_vec();
    if matches!(act, Some(Act::WrongBytes)) {
        body.iter_mut().for_each(|byte| *byte = !*byte);
    }
    if matches!(act, Some(Act::TooMany)) {
        body.extend_from_slice(&[0; 4096]);
    }
    let mut response = Response::builder()
        .status(if start.is_some() { 206 } else { 200 })
        .header("etag", &state.cdn_etag)
        .header("accept-ranges", "bytes")
        .header("content-length", body.len());
    if let Some(start) = start {
        response = response.header("content-range", format!("bytes {start}-{}/{total}", total - 1));
    }
    let shared = shared.clone();
    response.body(stream(body, act, shared)).unwrap()
}

/// Small pieces, so that a break comes in the middle.
fn stream(body: Vec<u8>, act: Option<Act>, shared: Arc<Mutex<Behaviour>>) -> Body {
    let limit = match act {
        Some(Act::CutAfter(n) | Act::StallAfter(n)) => n.min(body.len()),
        _ => body.len(),
    };
    let pieces: Vec<Bytes> = body[..limit].chunks(4096).map(Bytes::copy_from_slice).collect();
    let sent = futures::stream::iter(pieces).then(move |piece| {
        shared.lock().unwrap().sent += piece.len();
        async move { Ok::<_, std::io::Error>(piece) }
    });
    match act {
        Some(Act::CutAfter(_)) => {
            let cut = futures::stream::once(async {
                // The bytes before the break should arrive before it.
                tokio::time::sleep(Duration::from_millis(30)).await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(sent.chain(cut))
        }
        Some(Act::StallAfter(_)) => Body::from_stream(sent.chain(futures::stream::pending())),
        _ => Body::from_stream(sent),
    }
}

//! The content network: signed addresses, ranges, and everything that goes wrong with them.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Extract};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use futures::StreamExt;

use crate::repo::TestFile;
use crate::{Fault, Shared, State, lock, sha256};

/// Bytes that are sent at once: small, so that breaks come in the middle.
const PIECE: u64 = 16 << 10;

const LOGIN_PAGE: &str =
    "<!DOCTYPE html><html><body><h1>Welcome to the hotel</h1>Please log in.</body></html>";

/// Milliseconds since the program's first look.
fn now() -> u128 {
    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_millis()
}

/// Where a file's bytes are, for as long as the state says.
pub(crate) fn signed_address(state: &State, file: &TestFile) -> String {
    let expires = state.link_life.map_or(u128::MAX >> 1, |life| now() + life.as_millis());
    let address = state.content_address.map_or_else(String::new, |address| address.to_string());
    let signature = signature(state, &file.sha256, expires);
    format!("http://{address}/blobs/{}?Expires={expires}&Signature={signature}", file.sha256)
}

fn signature(state: &State, hash: &str, expires: u128) -> String {
    sha256(format!("{hash} {expires} {}", state.link_generation).as_bytes())
}

/// Whether an address was signed here and is still good.
fn is_good(state: &State, hash: &str, query: &str) -> bool {
    let value = |name: &str| {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default()
    };
    let expires = value("Expires").parse().unwrap_or(0);
    now() < expires && value("Signature") == signature(state, hash, expires)
}

/// Handles every request for content.
pub(crate) async fn answer(Extract(shared): Extract<Shared>, request: Request) -> Response {
    let latency = {
        let mut state = lock(&shared);
        state.note(&request, true);
        state.link.latency
    };
    tokio::time::sleep(latency).await;
    let mut state = lock(&shared);
    let hash = request.uri().path().strip_prefix("/blobs/").unwrap_or_default();
    let file = state.repos.values().flat_map(|repo| repo.files.values()).find(|file| file.sha256 == hash);
    let Some(file) = file.cloned() else { return StatusCode::NOT_FOUND.into_response() };
    if !is_good(&state, hash, request.uri().query().unwrap_or_default()) {
        let text = "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>";
        return (StatusCode::FORBIDDEN, [("content-type", "application/xml")], text).into_response();
    }
    let fault = if request.method() == Method::HEAD { None } else { state.content_faults.pop_front() };
    let fault = fault.unwrap_or(Fault::None);
    if let Some(response) = refusal(&fault) {
        return response;
    }
    bytes(&state, &shared, &file, fault, &request)
}

/// The answer of a fault that has no bytes of the file.
pub(crate) fn refusal(fault: &Fault) -> Option<Response> {
    match fault {
        Fault::Status(status, retry_after) => {
            let mut headers = HeaderMap::new();
            if let Some(value) = retry_after.and_then(|value| value.parse().ok()) {
                headers.insert("retry-after", value);
            }
            Some((StatusCode::from_u16(*status).unwrap_or_default(), headers).into_response())
        }
        Fault::Html => Some(Html(LOGIN_PAGE).into_response()),
        _ => None,
    }
}

fn bytes(state: &State, shared: &Shared, file: &TestFile, fault: Fault, request: &Request) -> Response {
    let total = file.bytes.len() as u64;
    let mut tag = state.content_tag.clone().unwrap_or_else(|| format!("\"{}\"", file.sha256));
    if fault == Fault::OtherTag {
        tag = "\"another\"".into();
    }
    let if_range = request.headers().get("if-range").and_then(|value| value.to_str().ok());
    let fresh = if_range.is_none_or(|wanted| wanted == tag);
    let range = range_of(request, total).filter(|_| fresh);
    let range = range.filter(|_| !matches!(fault, Fault::IgnoreRange | Fault::TooMany));
    let beyond = request.headers().contains_key("range") && range_of(request, total).is_none();
    if beyond && fresh && total > 0 {
        let headers = [("content-range", format!("bytes */{total}"))];
        return (StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response();
    }
    let (mut from, mut to) = range.unwrap_or((0, total));
    if fault == Fault::WrongRange && range.is_some() {
        let length = to - from;
        from = if from > 0 { from - 1 } else { 1.min(total - 1) };
        to = (from + length).min(total);
    }
    let mut body = file.bytes.slice(from as usize..to as usize);
    match fault {
        Fault::WrongBytes => body = body.iter().map(|byte| !byte).collect::<Vec<u8>>().into(),
        Fault::TooMany => body = [&body[..], &[0; 4096]].concat().into(),
        _ => {}
    }
    let mut response = Response::builder()
        .status(if range.is_some() { 206 } else { 200 })
        .header("etag", tag)
        .header("accept-ranges", "bytes")
        .header("content-type", "application/octet-stream")
        .header("content-length", body.len());
    if range.is_some() {
        response = response.header("content-range", format!("bytes {from}-{}/{total}", to - 1));
    }
    if request.method() == Method::HEAD {
        return response.body(Body::empty()).unwrap_or_default();
    }
    response.body(stream(body, fault, shared.clone(), state.link.bytes_per_second)).unwrap_or_default()
}

/// `bytes=5-9` of ten bytes → from 5 to 10; `None` where there is no header or nothing of it exists.
pub(crate) fn range_of(request: &Request, total: u64) -> Option<(u64, u64)> {
    let text = request.headers().get("range")?.to_str().ok()?.strip_prefix("bytes=")?;
    let (from, to) = text.split_once('-')?;
    let (from, to) = match (from.parse::<u64>().ok(), to.parse::<u64>().ok()) {
        (Some(from), Some(to)) => (from, (to + 1).min(total)),
        (Some(from), None) if to.is_empty() => (from, total),
        (None, Some(last)) if from.is_empty() => (total.saturating_sub(last), total),
        _ => return None,
    };
    (from < to).then_some((from, to))
}

/// Counts the answers under way.
struct Open(Shared);

impl Open {
    fn new(shared: Shared) -> Self {
        {
            let mut state = lock(&shared);
            state.open += 1;
            state.most_open = state.most_open.max(state.open);
        }
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        lock(&self.0).open -= 1;
    }
}

/// What is still to be sent of an answer.
struct Sending {
    left: Bytes,
    sent: u64,
    start: Instant,
    rate: Option<u64>,
    open: Option<Open>,
    shared: Shared,
}

fn stream(body: Bytes, fault: Fault, shared: Shared, rate: Option<u64>) -> Body {
    let limit = match fault {
        Fault::CutAfter(n) | Fault::StallAfter(n) => n.min(body.len() as u64),
        _ => body.len() as u64,
    };
    let left = body.slice(..limit as usize);
    let sending = Sending { left, sent: 0, start: Instant::now(), rate, open: None, shared };
    let sent = futures::stream::unfold(sending, next_piece);
    match fault {
        Fault::CutAfter(_) => {
            let cut = futures::stream::once(async {
                // The bytes before the break should arrive before it.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Err(std::io::Error::other("cut"))
            });
            Body::from_stream(sent.chain(cut))
        }
        Fault::StallAfter(_) => Body::from_stream(sent.chain(futures::stream::pending())),
        _ => Body::from_stream(sent),
    }
}

async fn next_piece(mut sending: Sending) -> Option<(std::io::Result<Bytes>, Sending)> {
    if sending.left.is_empty() {
        return None;
    }
    let shared = sending.shared.clone();
    sending.open.get_or_insert_with(|| Open::new(shared));
    let size = PIECE.min(sending.left.len() as u64);
    sending.sent += size;
    if let Some(rate) = sending.rate {
        let due = sending.start + Duration::from_secs_f64(sending.sent as f64 / rate as f64);
        // A timer wakes late by up to a millisecond, which the next pieces make up for.
        if let Some(early) = due.checked_duration_since(Instant::now()).filter(|d| d.as_millis() > 0) {
            tokio::time::sleep(early).await;
        }
    }
    let (breaks, stalls) = {
        let mut state = lock(&sending.shared);
        let breaks = state.break_now > 0;
        let stalls = !breaks && state.stall_now > 0;
        state.break_now -= usize::from(breaks);
        state.stall_now -= usize::from(stalls);
        state.sent += if breaks || stalls { 0 } else { size };
        (breaks, stalls)
    };
    if stalls {
        std::future::pending::<()>().await;
    }
    if breaks {
        return Some((Err(std::io::Error::other("broken")), sending));
    }
    let piece = sending.left.split_to(size as usize);
    Some((Ok(piece), sending))
}

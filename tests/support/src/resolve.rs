//! `/{owner}/{name}/resolve/{revision}/{file}`: what a file is, and where its bytes are.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::content::{self, signed_address};
use crate::repo::{Gate, TestFile};
use crate::{Repo, State};

pub(crate) fn answer(state: &State, path: &str, request: &Request) -> Response {
    if path == "/" {
        return "This is a Hub for tests.".into_response();
    }
    let path = decoded(path);
    let parts: Vec<&str> = path.trim_start_matches('/').splitn(5, '/').collect();
    let &[owner, name, "resolve" | "raw", revision, file] = parts.as_slice() else {
        return error(StatusCode::NOT_FOUND, "EntryNotFound", "There is no such page.");
    };
    let id = format!("{owner}/{name}");
    let repo = match visible(state, &id, request) {
        Ok(repo) => repo,
        Err(refusal) => return *refusal,
    };
    if let Some(refusal) = gated(state, repo, request) {
        return refusal;
    }
    if !repo.has(revision) {
        return error(StatusCode::NOT_FOUND, "RevisionNotFound", &format!("Invalid rev id: {revision}"));
    }
    let commit = repo.commit_of(revision);
    match repo.files.get(file) {
        Some(file) if file.large => redirect(state, commit, repo, file),
        Some(file) => whole(commit, file, request),
        None => error(StatusCode::NOT_FOUND, "EntryNotFound", "Entry not found"),
    }
}

/// The repository, if whoever asks may know of it. Strangers are not told whether there is one.
pub(crate) fn visible<'s>(state: &'s State, id: &str, request: &Request) -> Result<&'s Repo, Box<Response>> {
    let token = state.token(request);
    if token.is_none() && request.headers().contains_key("authorization") {
        let text = "Invalid credentials in Authorization header";
        return Err(Box::new(error(StatusCode::UNAUTHORIZED, "", text)));
    }
    let may_see =
        |repo: &&Repo| repo.gate != Gate::Private || token.is_some_and(|token| repo.admitted.contains(token));
    state.repos.get(id).filter(may_see).ok_or_else(|| {
        let status = if token.is_some() { StatusCode::NOT_FOUND } else { StatusCode::UNAUTHORIZED };
        let text = if token.is_some() { "Repository not found" } else { "Invalid username or password." };
        Box::new(error(status, "RepoNotFound", text))
    })
}

fn gated(state: &State, repo: &Repo, request: &Request) -> Option<Response> {
    let token = state.token(request);
    if repo.gate != Gate::Terms || token.is_some_and(|token| repo.admitted.contains(token)) {
        return None;
    }
    let (id, page) = (&repo.id, format!("{}/{}", state.endpoint(), repo.id));
    Some(match token {
        None => error(
            StatusCode::UNAUTHORIZED,
            "GatedRepo",
            &format!(
                "Access to model {id} is restricted. You must have access to it and be authenticated to access it. Please log in."
            ),
        ),
        Some(_) => error(
            StatusCode::FORBIDDEN,
            "GatedRepo",
            &format!(
                "Access to model {id} is restricted and you are not in the authorized list. Visit {page} to ask for access."
            ),
        ),
    })
}

/// As the Hub refuses: a code and a text in headers, the text as JSON as well.
pub(crate) fn error(status: StatusCode, code: &str, text: &str) -> Response {
    let body = axum::Json(json!({ "error": text }));
    let mut headers = vec![("x-error-message", text)];
    if !code.is_empty() {
        headers.push(("x-error-code", code));
    }
    let mut response = (status, body).into_response();
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn redirect(state: &State, commit: &str, repo: &Repo, file: &TestFile) -> Response {
    let mut response = Response::builder()
        .status(StatusCode::FOUND)
        .header("x-repo-commit", commit)
        .header("x-linked-etag", format!("\"{}\"", file.entity_tag()))
        .header("x-linked-size", file.bytes.len())
        .header("accept-ranges", "bytes")
        .header("location", signed_address(state, file));
    if let Some(hash) = &file.xet {
        let api = format!("{}/api/models/{}", state.endpoint(), repo.id);
        let links = format!(
            "<{api}/xet-read-token/{commit}>; rel=\"xet-auth\", <{api}/xet-reconstruction/{hash}>; rel=\"xet-reconstruction-info\""
        );
        response = response.header("x-xet-hash", hash).header("link", links);
    }
    response.body(Body::from("Found. Redirecting")).unwrap_or_default()
}

/// A small file comes from the Hub itself.
fn whole(commit: &str, file: &TestFile, request: &Request) -> Response {
    let tag = format!("\"{}\"", file.entity_tag());
    let range = content::range_of(request, file.bytes.len() as u64);
    let (status, bytes) = match range {
        Some((from, to)) => (StatusCode::PARTIAL_CONTENT, file.bytes.slice(from as usize..to as usize)),
        None => (StatusCode::OK, file.bytes.clone()),
    };
    let mut response = Response::builder()
        .status(status)
        .header("x-repo-commit", commit)
        .header("etag", tag)
        .header("accept-ranges", "bytes")
        .header("content-length", bytes.len());
    if let Some((from, to)) = range {
        response = response.header("content-range", format!("bytes {from}-{}/{}", to - 1, file.bytes.len()));
    }
    let body = if request.method() == Method::HEAD { Body::empty() } else { Body::from(bytes) };
    response.body(body).unwrap_or_default()
}

/// Percent signs undone.
pub(crate) fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let digits = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

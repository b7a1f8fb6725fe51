//! `/api/…`: what a repository is, what is in it, and finding one.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::repo::{Gate, TestFile};
use crate::resolve::{decoded, error, visible};
use crate::{Repo, State};

pub(crate) fn answer(state: &State, path: &str, request: &Request) -> Response {
    let query = Query::of(request);
    let path = decoded(path);
    let parts: Vec<&str> = path.trim_end_matches('/').splitn(6, '/').collect();
    let repo = |owner: &str, name: &str| visible(state, &format!("{owner}/{name}"), request);
    match *parts.as_slice() {
        ["whoami-v2"] => who(state, request),
        ["models"] => search(state, &query, request),
        ["models", owner, name] => match repo(owner, name) {
            Ok(repo) => Json(info(repo, repo.commit.as_str(), &query)).into_response(),
            Err(refusal) => *refusal,
        },
        ["models", owner, name, "revision", revision] => match repo(owner, name) {
            Ok(repo) if repo.has(revision) => {
                Json(info(repo, repo.commit_of(revision), &query)).into_response()
            }
            Ok(_) => no_revision(revision),
            Err(refusal) => *refusal,
        },
        ["models", owner, name, "tree", revision] => match repo(owner, name) {
            Ok(repo) => tree(state, repo, revision, "", &query, request),
            Err(refusal) => *refusal,
        },
        ["models", owner, name, "tree", revision, folder] => match repo(owner, name) {
            Ok(repo) => tree(state, repo, revision, folder, &query, request),
            Err(refusal) => *refusal,
        },
        _ => error(StatusCode::NOT_FOUND, "", "There is no such API."),
    }
}

fn no_revision(revision: &str) -> Response {
    error(StatusCode::NOT_FOUND, "RevisionNotFound", &format!("Invalid rev id: {revision}"))
}

fn who(state: &State, request: &Request) -> Response {
    match state.token(request) {
        Some(_) => Json(json!({ "type": "user", "name": "tester", "fullname": "A tester", "orgs": [] }))
            .into_response(),
        None => error(StatusCode::UNAUTHORIZED, "", "Invalid username or password."),
    }
}

/// What stands behind the question mark.
struct Query(Vec<(String, String)>);

impl Query {
    fn of(request: &Request) -> Self {
        let pairs = request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let plain = |text: &str| decoded(&text.replace('+', " "));
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(name, value)| (plain(name), plain(value)))
                .collect(),
        )
    }

    fn all<'q>(&'q self, name: &str) -> impl Iterator<Item = &'q str> {
        let name = name.to_owned();
        let same = move |key: &str| key == name || key.strip_suffix("[]") == Some(&name);
        self.0.iter().filter(move |(key, _)| same(key)).map(|(_, value)| value.as_str())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    fn is(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true") || value == "1")
    }

    /// The same query with another cursor.
    fn after(&self, cursor: usize) -> String {
        let encode = |text: &str| text.replace('%', "%25").replace('&', "%26").replace(' ', "%20");
        let mut pairs: Vec<String> = self
            .0
            .iter()
            .filter(|(name, _)| name != "cursor")
            .map(|(name, value)| format!("{}={}", encode(name), encode(value)))
            .collect();
        pairs.push(format!("cursor={cursor}"));
        pairs.join("&")
    }
}

/// One page of a list, with a link to the next.
fn page(state: &State, all: Vec<Value>, query: &Query, request: &Request) -> Response {
    let number = |name: &str| query.get(name).and_then(|value| value.parse::<usize>().ok());
    let from = number("cursor").unwrap_or(0).min(all.len());
    let most = number("limit").unwrap_or(1000).min(if state.page == 0 { usize::MAX } else { state.page });
    let to = (from + most).min(all.len());
    let mut response = Json(&all[from..to]).into_response();
    let next = format!("<{}{}?{}>; rel=\"next\"", state.endpoint(), request.uri().path(), query.after(to));
    if let (true, Ok(link)) = (to < all.len(), next.parse()) {
        response.headers_mut().insert("link", link);
    }
    response
}

/// Everything the Hub says of a repository; clients that ask for single fields put up with more.
fn info(repo: &Repo, commit: &str, query: &Query) -> Value {
    let with_sizes = query.is("blobs");
    let sibling = |(path, file): (&String, &TestFile)| {
        let mut sibling = json!({ "rfilename": path });
        if with_sizes {
            sibling["size"] = json!(file.bytes.len());
            sibling["blobId"] = json!(file.sha256[..40]);
            if file.large {
                sibling["lfs"] = lfs(file);
            }
        }
        sibling
    };
    let gated = if repo.gate == Gate::Terms { json!("manual") } else { json!(false) };
    let mut info = json!({
        "_id": &crate::sha256(repo.id.as_bytes())[..24],
        "id": repo.id,
        "modelId": repo.id,
        "author": repo.id.split('/').next(),
        "sha": commit,
        "private": repo.gate == Gate::Private,
        "gated": gated,
        "disabled": false,
        "downloads": repo.downloads,
        "likes": repo.likes,
        "trendingScore": repo.trending,
        "tags": repo.tags,
        "createdAt": repo.created_at,
        "lastModified": repo.last_modified,
        "cardData": repo.card,
        "siblings": repo.files.iter().map(sibling).collect::<Vec<_>>(),
        "usedStorage": repo.files.values().map(|file| file.bytes.len()).sum::<usize>(),
    });
    if let Some(tag) = &repo.pipeline_tag {
        info["pipeline_tag"] = json!(tag);
    }
    if let Some(gguf) = &repo.gguf {
        info["gguf"] = gguf.clone();
    }
    info
}

fn lfs(file: &TestFile) -> Value {
    json!({ "sha256": file.sha256, "oid": file.sha256, "size": file.bytes.len(), "pointerSize": 134 })
}

fn tree(
    state: &State,
    repo: &Repo,
    revision: &str,
    folder: &str,
    query: &Query,
    request: &Request,
) -> Response {
    if !repo.has(revision) {
        return no_revision(revision);
    }
    let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let recursive = query.is("recursive");
    let (mut folders, mut files) = (BTreeSet::new(), Vec::new());
    for (path, file) in repo.files.iter().filter(|(path, _)| path.starts_with(&start)) {
        let inner = &path[start.len()..];
        let slashes: Vec<usize> = inner.match_indices('/').map(|(at, _)| start.len() + at).collect();
        let seen = if recursive { slashes.len() } else { slashes.len().min(1) };
        folders.extend(slashes.iter().take(seen).map(|at| path[..*at].to_owned()));
        if recursive || slashes.is_empty() {
            files.push(entry(path, file));
        }
    }
    let oid = |path: &str| crate::sha256(path.as_bytes())[..40].to_owned();
    let folders = folders
        .into_iter()
        .map(|path| json!({ "type": "directory", "oid": oid(&path), "size": 0, "path": path }));
    let all: Vec<Value> = folders.chain(files).collect();
    if all.is_empty() && !start.is_empty() {
        return error(StatusCode::NOT_FOUND, "EntryNotFound", &format!("{folder} does not exist"));
    }
    page(state, all, query, request)
}

fn entry(path: &str, file: &TestFile) -> Value {
    let mut entry = json!({
        "type": "file",
        "oid": file.sha256[..40],
        "size": file.bytes.len(),
        "path": path,
    });
    if file.large {
        entry["lfs"] = lfs(file);
    }
    if let Some(hash) = &file.xet {
        entry["xetHash"] = json!(hash);
    }
    entry
}

/// `?search=&author=&filter=&pipeline_tag=&gated=&sort=&direction=&limit=`.
fn search(state: &State, query: &Query, request: &Request) -> Response {
    let lower = |text: &str| text.to_lowercase();
    let words: Vec<String> = query.all("search").flat_map(str::split_whitespace).map(lower).collect();
    let wanted: Vec<&str> =
        query.all("filter").chain(query.all("tags")).flat_map(|tags| tags.split(',')).collect();
    let token = state.token(request);
    let mut found: Vec<&Repo> = state
        .repos
        .values()
        .filter(|repo| repo.gate != Gate::Private || token.is_some_and(|t| repo.admitted.contains(t)))
        .filter(|repo| words.iter().all(|word| lower(&repo.id).contains(word)))
        .filter(|repo| query.get("author").is_none_or(|author| repo.id.starts_with(&format!("{author}/"))))
        .filter(|repo| {
            let has = |tag: &&str| repo.tags.iter().any(|own| own == tag);
            wanted.iter().all(|tag| has(tag) || repo.pipeline_tag.as_deref() == Some(*tag))
        })
        .filter(|repo| query.get("pipeline_tag").is_none_or(|tag| repo.pipeline_tag.as_deref() == Some(tag)))
        .filter(|repo| query.get("gated").is_none_or(|_| query.is("gated") == (repo.gate == Gate::Terms)))
        .collect();
    let sort = query.get("sort").unwrap_or("trendingScore");
    found.sort_by(|a, b| match sort {
        "downloads" => b.downloads.cmp(&a.downloads),
        "likes" => b.likes.cmp(&a.likes),
        "createdAt" => b.created_at.cmp(&a.created_at),
        "lastModified" => b.last_modified.cmp(&a.last_modified),
        _ => b.trending.cmp(&a.trending),
    });
    if query.get("direction") == Some("1") {
        found.reverse();
    }
    page(state, found.iter().map(|repo| info(repo, &repo.commit, query)).collect(), query, request)
}

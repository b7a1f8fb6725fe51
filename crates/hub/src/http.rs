//! Requests to the Hub: which address, which headers, which redirects, and whether a failure is worth another try.
//!
//! Redirects are followed by hand, because the token's rule is stricter than a client library's: it goes to the
//! endpoint's own scheme, host and port, over https (or plain http on this machine), and to nothing it redirects to.

use std::net::IpAddr;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, Response, StatusCode, Url, redirect};

pub(crate) use crate::patience::Patience;
use crate::{FilePath, HubError, HubOptions, RepoId, RetryPolicy};

const MAX_REDIRECTS: usize = 10;
const USER_AGENT: &str = concat!("lantern/", env!("CARGO_PKG_VERSION"));

/// A failure, and whether trying again may help.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Try again, not before `wait` when the server named a time.
    Transient { error: HubError, wait: Option<Duration> },
    /// Trying again changes nothing.
    Fatal(HubError),
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self::Fatal(error)
    }
}

/// The client and what it needs to know about the endpoint.
pub(crate) struct Http {
    client: Client,
    /// For file contents: HTTP/1.1, where each request that runs has a connection of its own.
    content: Client,
    endpoint: Url,
    token: RwLock<Option<HeaderValue>>,
    silence: Duration,
}

impl Http {
    pub(crate) fn new(options: &HubOptions) -> Result<Self, HubError> {
        let bad = |why: String| HubError::BadEndpoint { endpoint: options.endpoint.clone(), why };
        let endpoint = Url::parse(&options.endpoint).map_err(|error| bad(error.to_string()))?;
        if !matches!(endpoint.scheme(), "https" | "http") || endpoint.host_str().is_none() {
            return Err(bad("it must begin with https:// and name a host".into()));
        }
        let client = client(&options.retry, redirect::Policy::none()).map_err(|error| bad(chain(&error)))?;
        let content = content_client(&options.retry).map_err(|error| bad(chain(&error)))?;
        let token = RwLock::new(bearer(options.token.as_deref()));
        Ok(Self { client, content, endpoint, token, silence: options.retry.silence })
    }

    /// Requests from now on bring this token.
    pub(crate) fn set_token(&self, token: Option<&str>) {
        *self.token.write().unwrap_or_else(PoisonError::into_inner) = bearer(token);
    }

    pub(crate) fn endpoint_host(&self) -> String {
        host_of(&self.endpoint)
    }

    /// Whether the token may travel to the endpoint at all.
    pub(crate) fn endpoint_is_private(&self) -> bool {
        is_private(&self.endpoint)
    }

    pub(crate) fn endpoint(&self) -> Url {
        self.endpoint.clone()
    }

    /// `{endpoint}/{owner}/{name}/resolve/{revision}/{file}`, every part encoded.
    pub(crate) fn file_url(&self, repo: &RepoId, revision: &str, file: &FilePath) -> Url {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .extend([repo.owner(), repo.name(), "resolve", revision])
                .extend(file.parts());
        }
        url
    }

    /// Sends a request and follows redirects until one answer is not a redirect or `stop` takes it as it is.
    /// The answer may have any status.
    pub(crate) async fn send(
        &self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        stop: impl Fn(&Response) -> bool,
    ) -> Result<Response, Failure> {
        self.send_on(&self.client, method, url, headers, stop).await
    }

    /// Asks for bytes of a file; the answer may have any status.
    pub(crate) async fn get_content(&self, url: Url, headers: HeaderMap) -> Result<Response, Failure> {
        self.send_on(&self.content, Method::GET, url, headers, |_| false).await
    }

    /// The address to which the Hub sends everybody who wants a file's bytes: its own, or that of another host.
    pub(crate) async fn locate(&self, url: Url, what: &str) -> Result<Url, Failure> {
        let leaves = |response: &Response| {
            redirect_target(response).is_ok_and(|target| host_of(&target) != host_of(response.url()))
        };
        let response = self.send(Method::HEAD, url, HeaderMap::new(), leaves).await?;
        if response.status().is_redirection() {
            return redirect_target(&response);
        }
        Ok(self.check(response, what)?.url().clone())
    }

    async fn send_on(
        &self,
        client: &Client,
        method: Method,
        mut url: Url,
        headers: HeaderMap,
        stop: impl Fn(&Response) -> bool,
    ) -> Result<Response, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let mut request = client
                .request(method.clone(), url.clone())
                .header(ACCEPT_ENCODING, "identity")
                .headers(headers.clone());
            if let Some(token) = self.token_for(&url) {
                request = request.header(AUTHORIZATION, token);
            }
            let answer = tokio::time::timeout(self.silence, request.send()).await;
            let response = match answer {
                Ok(Ok(response)) => response,
                Ok(Err(error)) => return Err(broken(&url, chain(&error))),
                Err(_) => {
                    return Err(broken(&url, format!("no answer within {} s", self.silence.as_secs_f32())));
                }
            };
            if !response.status().is_redirection() || stop(&response) {
                return Ok(response);
            }
            url = redirect_target(&response)?;
        }
        Err(malformed(&url, "it redirects in a circle").into())
    }

    /// Where people read about the repository that `owner/name/…` is of.
    fn page_of(&self, what: &str) -> String {
        let repo: Vec<&str> = what.splitn(3, '/').take(2).collect();
        format!("{}/{}", self.endpoint.as_str().trim_end_matches('/'), repo.join("/"))
    }

    fn token_for(&self, url: &Url) -> Option<HeaderValue> {
        let own = url.scheme() == self.endpoint.scheme()
            && url.host_str() == self.endpoint.host_str()
            && url.port_or_known_default() == self.endpoint.port_or_known_default();
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        token.clone().filter(|_| own && is_private(url))
    }

    /// Turns a status that is not a success into the failure it means.
    pub(crate) fn check(&self, response: Response, what: &str) -> Result<Response, Failure> {
        let (status, host) = (response.status(), host_of(response.url()));
        let what = what.to_owned();
        if status.is_success() {
            return Ok(response);
        }
        // A signed address of a content network expires; asking the Hub again brings a new one.
        let foreign = host != self.endpoint_host();
        let gated = response.headers().get("x-error-code").is_some_and(|code| code == "GatedRepo");
        let error = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if gated && !foreign => {
                HubError::Gated { page: self.page_of(&what), what, status: status.as_u16() }
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => HubError::NotFound { host, what },
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                HubError::Unauthorized { host, what, status: status.as_u16() }
            }
            _ => HubError::HttpStatus { host, what, status: status.as_u16() },
        };
        let passing = status.is_server_error()
            || matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS)
            || (foreign && status == StatusCode::FORBIDDEN);
        if passing {
            let wait = retry_after(response.headers());
            Err(Failure::Transient { error, wait })
        } else {
            Err(Failure::Fatal(error))
        }
    }
}

/// As [`client`], with a connection for each request; how long a body may be silent is watched by whoever reads it.
fn content_client(retry: &RetryPolicy) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .connect_timeout(retry.silence.min(Duration::from_secs(20)))
        .http1_only()
        .build()
}

/// The token as a header whose value no log shows; what cannot be a header is none.
fn bearer(token: Option<&str>) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token?)).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// A client with Lantern's time limits; proxies come from the environment.
pub(crate) fn client(retry: &RetryPolicy, redirects: redirect::Policy) -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirects)
        .connect_timeout(retry.silence.min(Duration::from_secs(20)))
        .read_timeout(retry.silence)
        .build()
}

/// Over TLS, or without leaving this machine.
fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

pub(crate) fn redirect_target(response: &Response) -> Result<Url, Failure> {
    let from = response.url();
    let target = response
        .headers()
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or_else(|| malformed(from, "it redirects without saying where to"))?;
    if is_private(from) && !is_private(&target) {
        return Err(malformed(from, "it redirects from https to an address without encryption").into());
    }
    Ok(target)
}

pub(crate) fn host_of(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => url.to_string(),
    }
}

pub(crate) fn malformed(url: &Url, why: impl Into<String>) -> HubError {
    HubError::MalformedResponse { host: host_of(url), why: why.into() }
}

/// A connection that could not be made, or broke.
pub(crate) fn broken(url: &Url, why: String) -> Failure {
    Failure::Transient { error: HubError::Unreachable { host: host_of(url), tries: 1, why }, wait: None }
}

/// An error and what caused it, in one line, without the address (it may carry a signature).
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = match (error.is_timeout(), error.is_connect()) {
        (true, _) => "timed out".to_owned(),
        (_, true) => "no connection".to_owned(),
        _ => "the connection broke".to_owned(),
    };
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        source = cause.source();
    }
    text
}

/// Seconds, or a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let date = SystemTime::from(jiff::fmt::rfc2822::parse(value).ok()?.timestamp());
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(endpoint: &str) -> Http {
        let options = HubOptions {
            endpoint: endpoint.into(),
            token: Some("hf_secret".into()),
            cache_dir: "/nowhere".into(),
            ..HubOptions::from_env()
        };
        Http::new(&options).unwrap()
    }

    #[test]
    fn the_token_goes_to_the_endpoint_alone_and_never_in_the_clear() {
        let allowed =
            |endpoint: &str, url: &str| http(endpoint).token_for(&Url::parse(url).unwrap()).is_some();
        assert!(allowed("https://huggingface.co", "https://huggingface.co/a/b"));
        assert!(allowed("http://127.0.0.1:8000", "http://127.0.0.1:8000/a"));
        assert!(allowed("http://[::1]:8000", "http://[::1]:8000/a"));
        assert!(!allowed("https://huggingface.co", "https://cdn.huggingface.co/a"));
        assert!(!allowed("https://huggingface.co", "https://huggingface.co.example.org/a"));
        assert!(!allowed("https://huggingface.co", "http://huggingface.co/a"));
        assert!(!allowed("http://mirror.lan", "http://mirror.lan/a"));
        assert!(!allowed("http://127.0.0.1:8000", "http://127.0.0.1:8001/a"));
    }

    #[test]
    fn addresses_are_encoded_part_by_part() {
        let repo = RepoId::parse("owner/name").unwrap();
        let file = FilePath::parse("sub dir/a#b%2e.gguf").unwrap();
        let url = http("https://mirror.example/hub/").file_url(&repo, "refs/pr/1", &file);
        assert_eq!(
            url.as_str(),
            "https://mirror.example/hub/owner/name/resolve/refs%2Fpr%2F1/sub%20dir/a%23b%252e.gguf"
        );
    }

    #[test]
    fn retry_after_takes_seconds_and_dates() {
        let header = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_str(text).unwrap())]);
        assert_eq!(retry_after(&header("7")), Some(Duration::from_secs(7)));
        assert_eq!(retry_after(&header("Wed, 21 Oct 2015 07:28:00 GMT")), Some(Duration::ZERO));
        assert_eq!(retry_after(&header("soon")), None);
    }
}

//! Who may come in: the Host and Origin of every request, and the key.
//!
//! A web page can make a browser send requests to 127.0.0.1, directly (cross-site) or under a name that it points
//! there (DNS rebinding). The first carries a foreign `Origin`, the second a foreign `Host`; both are refused
//! before anything is read. Programs send no `Origin`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lantern_app::{App, Caller, Refusal};

use crate::ApiError;
use crate::visit::Visit;

/// Paths that tell nothing of the user's, for which no key is wanted.
const OPEN: [&str; 3] = ["/health", "/openapi.json", "/docs"];
/// Where Anthropic's clients put the key.
const API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");

/// What the guard compares with.
pub(crate) struct Guard {
    pub place: Place,
    /// The endpoint's own key; programs' keys are the application's.
    pub key: String,
    pub app: App,
}

/// Where requests may go to and come from.
#[derive(Debug)]
pub(crate) struct Place {
    /// Port the listener really has.
    pub port: u16,
    /// Origins of web pages that may come in.
    pub origins: Vec<String>,
    /// Whether other devices may come in.
    pub lan: bool,
}

/// Lets a request pass to its handler, or answers it with the reason why not.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let authority = request.uri().authority().map(|authority| authority.as_str());
    let origin = match guard.place.admit(authority, request.headers()) {
        Ok(origin) => origin.map(str::to_owned),
        Err(error) => return error.into_response(),
    };
    let response = match &origin {
        // A browser asks first, without a key, and would not ask again if that were refused.
        Some(_) if request.method() == Method::OPTIONS => StatusCode::NO_CONTENT.into_response(),
        _ => guard.admit_caller(request, next).await,
    };
    match origin.and_then(|origin| HeaderValue::from_str(&origin).ok()) {
        Some(origin) => with_cors(response, origin),
        None => response,
    }
}

/// Lets a page of this origin read the answer.
fn with_cors(mut response: Response, origin: HeaderValue) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, DELETE"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, x-api-key, anthropic-version"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

impl Place {
    /// Whether a request came to an address of this machine, from a program or from a page that may come in; that page's
    /// origin, if it is not the endpoint's own.
    fn admit<'h>(
        &self,
        authority: Option<&str>,
        headers: &'h HeaderMap,
    ) -> Result<Option<&'h str>, ApiError> {
        let host = authority.or_else(|| single(headers, header::HOST)).unwrap_or("");
        let is_here = self.is_own_host(host) || self.lan && self.is_address(host);
        if !is_here {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "host_refused",
                format!("The Host `{}` is not this machine's own.", printable(host)),
                format!(
                    "Address Lantern as http://127.0.0.1:{} or http://localhost:{}.",
                    self.port, self.port
                ),
            ));
        }
        if !headers.contains_key(header::ORIGIN) {
            return Ok(None);
        }
        let origin = single(headers, header::ORIGIN).unwrap_or("");
        if origin.strip_prefix("http://").is_some_and(|host| self.is_own_host(host)) {
            return Ok(None);
        }
        if self.origins.iter().any(|allowed| allowed == origin) {
            return Ok(Some(origin));
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "origin_refused",
            format!("Web pages of `{}` may not use this endpoint.", printable(origin)),
            "Call the endpoint from a program, or allow this origin in Lantern's settings.",
        ))
    }

    /// An address in numbers, with this port: a name might be somebody else's who lets it point here.
    fn is_address(&self, host: &str) -> bool {
        host.parse::<SocketAddr>().is_ok_and(|address| address.port() == self.port)
            || self.port == 80 && host.parse::<IpAddr>().is_ok()
    }

    fn is_own_host(&self, host: &str) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| {
            host.strip_prefix(own).is_some_and(|rest| {
                rest.strip_prefix(':').is_some_and(|port| port.parse() == Ok(self.port))
                    || (rest.is_empty() && self.port == 80)
            })
        })
    }
}

impl Guard {
    /// Finds out whose key it is.
    async fn admit_caller(&self, request: Request, next: Next) -> Response {
        let visit = request.extensions().get::<Arc<Visit>>().cloned();
        let caller = match self.caller(request.headers()).await {
            Ok(caller) => caller,
            Err(_) if OPEN.contains(&request.uri().path()) => return next.run(request).await,
            Err(error) => return error.into_response(),
        };
        if let Some(visit) = visit {
            visit.is_by(caller);
        }
        next.run(request).await
    }

    async fn caller(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        // Either header may have it.
        let bearer = single(headers, header::AUTHORIZATION).and_then(bearer);
        let sent: Vec<&str> = [bearer, single(headers, API_KEY)].into_iter().flatten().collect();
        if sent.iter().any(|sent| self.is_own_key(sent)) {
            return Ok(Caller::OWNER);
        }
        for sent in sent {
            match self.app.admit(sent).await {
                Ok(caller) => return Ok(caller),
                Err(Refusal::Unknown) => {}
                Err(Refusal::TooMany { per_minute, retry_after }) => {
                    return Err(ApiError::new(
                        StatusCode::TOO_MANY_REQUESTS,
                        "rate_limit_exceeded",
                        format!("This key allows {per_minute} requests a minute."),
                        format!("Send it again in {} s.", seconds(retry_after)),
                    )
                    .retry_after(seconds(retry_after)));
                }
                Err(Refusal::Failed(error)) => return Err(error.into()),
            }
        }
        Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "The key is missing or wrong.",
            "Send `Authorization: Bearer KEY` with the key from Lantern's settings, or from `lantern serve`.",
        ))
    }

    /// Compares in a time that does not tell how much of a guess was right.
    fn is_own_key(&self, sent: &str) -> bool {
        let (sent, key) = (sent.as_bytes(), self.key.as_bytes());
        sent.len() == key.len() && sent.iter().zip(key).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
    }
}

/// The header's value when it stands there exactly once.
fn single(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, key) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

/// Whole seconds, not fewer.
fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// At most 100 characters of a client's text, for quoting it back.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit_to(place: &Place, headers: &[(&str, &str)]) -> Result<Option<String>, String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let admitted = place.admit(None, &map).map(|origin| origin.map(str::to_owned));
        admitted.map_err(|error| error.code().to_owned())
    }

    fn admit(headers: &[(&str, &str)]) -> Result<Option<String>, String> {
        admit_to(&Place { port: 11535, origins: vec![], lan: false }, headers)
    }

    #[test]
    fn own_names_come_in() {
        for host in ["127.0.0.1:11535", "localhost:11535", "[::1]:11535"] {
            assert_eq!(admit(&[("host", host)]), Ok(None), "{host}");
        }
    }

    #[test]
    fn foreign_hosts_stay_out() {
        for host in [
            "evil.example:11535",
            "127.0.0.1.evil.example:11535",
            "127.0.0.1:1",
            "127.0.0.1",
            "localhost:11535.evil",
            "192.168.0.2:11535",
            "",
        ] {
            assert_eq!(admit(&[("host", host)]), Err("host_refused".into()), "{host}");
        }
        let twice = [("host", "127.0.0.1:11535"), ("host", "evil.example")];
        assert_eq!(admit(&twice), Err("host_refused".into()));
    }

    #[test]
    fn other_devices_come_in_by_number_where_they_may() {
        let place = Place { port: 11535, origins: vec![], lan: true };
        for host in ["192.168.0.2:11535", "[fe80::1]:11535", "localhost:11535"] {
            assert_eq!(admit_to(&place, &[("host", host)]), Ok(None), "{host}");
        }
        for host in ["evil.example:11535", "192.168.0.2:80", "192.168.0.2", "1.2.3.4.evil.example:11535"] {
            assert_eq!(admit_to(&place, &[("host", host)]), Err("host_refused".into()), "{host}");
        }
    }

    #[test]
    fn foreign_origins_stay_out_unless_they_are_allowed() {
        let host = ("host", "127.0.0.1:11535");
        for origin in ["null", "https://evil.example", "http://127.0.0.1:3000", "https://127.0.0.1:11535", ""]
        {
            assert_eq!(admit(&[host, ("origin", origin)]), Err("origin_refused".into()), "{origin}");
        }
        assert_eq!(admit(&[host, ("origin", "http://localhost:11535")]), Ok(None));
        let place = Place { port: 11535, origins: vec!["https://good.example".into()], lan: false };
        let good = "https://good.example";
        assert_eq!(admit_to(&place, &[host, ("origin", good)]), Ok(Some(good.into())));
        for origin in ["http://good.example", "https://good.example.evil", "https://good.example:1", "null"] {
            assert_eq!(
                admit_to(&place, &[host, ("origin", origin)]),
                Err("origin_refused".into()),
                "{origin}"
            );
        }
        let twice = [host, ("origin", good), ("origin", "https://evil.example")];
        assert_eq!(admit_to(&place, &twice), Err("origin_refused".into()));
    }
}

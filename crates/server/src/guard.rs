//! Who may come in: the Host and Origin of every request, and the key.
//!
//! A web page can make a browser send requests to 127.0.0.1, directly (cross-site) or under a name that it points
//! there (DNS rebinding). The first carries a foreign `Origin`, the second a foreign `Host`; both are refused
//! before anything is read. Programs send no `Origin`.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::ApiError;

/// Paths that tell nothing of the user's, for which no key is wanted.
const OPEN: [&str; 3] = ["/health", "/openapi.json", "/docs"];
/// Where Anthropic's clients put the key.
const API_KEY: header::HeaderName = header::HeaderName::from_static("x-api-key");

/// What the guard compares with.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Port the listener really has.
    pub port: u16,
    /// The key clients must send.
    pub key: String,
}

/// Lets a request pass to its handler, or answers it with the reason why not.
pub(crate) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.admit(request.uri().path(), request.uri().authority().map(|a| a.as_str()), request.headers())
    {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

impl Guard {
    fn admit(&self, path: &str, authority: Option<&str>, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = authority.or_else(|| single(headers, header::HOST)).unwrap_or("");
        if !self.is_own_host(host) {
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
        if headers.contains_key(header::ORIGIN) {
            let origin = single(headers, header::ORIGIN).unwrap_or("");
            let own = origin.strip_prefix("http://").is_some_and(|host| self.is_own_host(host));
            if !own {
                return Err(ApiError::new(
                    StatusCode::FORBIDDEN,
                    "origin_refused",
                    format!("Web pages of `{}` may not use this endpoint.", printable(origin)),
                    "Call the endpoint from a program instead of a web page.",
                ));
            }
        }
        if OPEN.contains(&path) || self.has_key(headers) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::UNAUTHORIZED,
            "invalid_api_key",
            "The key is missing or wrong.",
            "Send `Authorization: Bearer KEY` with the key from Lantern's settings, or from `lantern serve`.",
        ))
    }

    fn is_own_host(&self, host: &str) -> bool {
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| {
            host.strip_prefix(own).is_some_and(|rest| {
                rest.strip_prefix(':').is_some_and(|port| port.parse() == Ok(self.port))
                    || (rest.is_empty() && self.port == 80)
            })
        })
    }

    /// Either header may have it. Compares in a time that does not tell how much of a guess was right.
    fn has_key(&self, headers: &HeaderMap) -> bool {
        let sent = single(headers, header::AUTHORIZATION).and_then(bearer);
        sent.is_some_and(|sent| self.is_key(sent))
            || single(headers, API_KEY).is_some_and(|sent| self.is_key(sent))
    }

    fn is_key(&self, sent: &str) -> bool {
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

/// At most 100 characters of a client's text, for quoting it back.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admit(path: &str, headers: &[(&str, &str)]) -> Result<(), String> {
        let guard = Guard { port: 11535, key: "sesame".into() };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(header::HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        guard.admit(path, None, &map).map_err(|e| e.body()["error"]["code"].as_str().unwrap().to_string())
    }

    const KEY: (&str, &str) = ("authorization", "Bearer sesame");

    #[test]
    fn own_names_with_the_key_come_in() {
        for host in ["127.0.0.1:11535", "localhost:11535", "[::1]:11535"] {
            assert_eq!(admit("/v1/models", &[("host", host), KEY]), Ok(()), "{host}");
        }
    }

    #[test]
    fn foreign_hosts_stay_out_even_with_the_key() {
        for host in [
            "evil.example:11535",
            "127.0.0.1.evil.example:11535",
            "127.0.0.1:1",
            "127.0.0.1",
            "localhost:11535.evil",
            "",
        ] {
            assert_eq!(admit("/v1/models", &[("host", host), KEY]), Err("host_refused".into()), "{host}");
            assert_eq!(admit("/health", &[("host", host)]), Err("host_refused".into()), "{host}");
        }
        let twice = [("host", "127.0.0.1:11535"), ("host", "evil.example"), KEY];
        assert_eq!(admit("/v1/models", &twice), Err("host_refused".into()));
    }

    #[test]
    fn foreign_origins_stay_out() {
        for origin in ["null", "https://evil.example", "http://127.0.0.1:3000", "https://127.0.0.1:11535", ""]
        {
            let headers = [("host", "127.0.0.1:11535"), ("origin", origin), KEY];
            assert_eq!(admit("/v1/models", &headers), Err("origin_refused".into()), "{origin}");
        }
        let own = [("host", "127.0.0.1:11535"), ("origin", "http://localhost:11535"), KEY];
        assert_eq!(admit("/v1/models", &own), Ok(()));
    }

    #[test]
    fn the_key_is_wanted_where_something_is_told() {
        let host = ("host", "127.0.0.1:11535");
        for path in OPEN {
            assert_eq!(admit(path, &[host]), Ok(()));
        }
        assert_eq!(admit("/v1/messages", &[host, ("x-api-key", "sesame")]), Ok(()));
        assert_eq!(admit("/v1/messages", &[host, ("x-api-key", "sesam")]), Err("invalid_api_key".into()));
        for value in ["Bearer sesam", "Bearer sesame!", "Bearer ", "sesame", "Basic sesame"] {
            assert_eq!(
                admit("/v1/models", &[host, ("authorization", value)]),
                Err("invalid_api_key".into()),
                "{value}"
            );
        }
        assert_eq!(admit("/v1/models", &[host]), Err("invalid_api_key".into()));
    }
}

//! Where code that a model wrote may run: a document at an address of its own, which the page shows in a sandboxed
//! frame. A document that the page made itself would inherit the page's policy; this one has a stricter one, that allows
//! its own scripts and no connection at all. What the frame is to show, the page tells it with a message.

use tauri::http::{Request, Response, header};
use tauri::{Builder, Runtime, Url};

/// The scheme of the address.
const SCHEME: &str = "artifact";
/// An empty document that waits to be told what to be.
const DOCUMENT: &str = include_str!("../../ui/sandbox/index.html");
/// Nothing is fetched, and `sandbox` keeps its origin nobody's even in a frame that forgets to.
const POLICY: &str = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; font-src data:; media-src data:; connect-src 'none'; frame-src 'none'; \
    worker-src 'none'; object-src 'none'; base-uri 'none'; form-action 'none'; webrtc 'block'";

/// Serves the document.
pub fn serve<R: Runtime>(builder: Builder<R>) -> Builder<R> {
    builder.register_uri_scheme_protocol(SCHEME, |_, request| answer(&request))
}

/// Whether this is the document's address, which frames may show.
pub fn is_document(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let own = match url.scheme() {
        SCHEME => host == "localhost",
        // Windows serves it as http(s)://artifact.localhost.
        "http" | "https" => host == "artifact.localhost",
        _ => false,
    };
    own && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
}

fn answer(request: &Request<Vec<u8>>) -> Response<&'static [u8]> {
    let found = request.uri().path() == "/";
    let mut response = Response::new(if found { DOCUMENT.as_bytes() } else { b"" });
    if !found {
        *response.status_mut() = tauri::http::StatusCode::NOT_FOUND;
    }
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_DNS_PREFETCH_CONTROL, "off"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::{POLICY, answer, is_document};
    use tauri::http::Request;

    #[test]
    fn only_the_document_itself_is_one() {
        let allowed = |url: &str| is_document(&url.parse().unwrap());
        assert!(allowed("artifact://localhost/"));
        assert!(allowed("http://artifact.localhost/"));
        for other in
            ["artifact://localhost/?a=b", "artifact://elsewhere/", "http://localhost/", "tauri://localhost/"]
        {
            assert!(!allowed(other), "{other} was allowed");
        }
    }

    #[test]
    fn it_comes_with_a_policy_that_forbids_connections() {
        let request = |path: &str| Request::builder().uri(format!("artifact://localhost{path}")).body(vec![]);
        let response = answer(&request("/").unwrap());
        assert!(response.body().starts_with(b"<!doctype html>"));
        assert_eq!(response.headers()["content-security-policy"], POLICY);
        assert!(POLICY.starts_with("sandbox allow-scripts; default-src 'none'"));
        assert!(!POLICY.contains("http"), "the policy names another host");
        assert_eq!(answer(&request("/other").unwrap()).status(), 404);
    }
}

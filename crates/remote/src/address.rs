//! Which addresses a remote engine may have.

use std::net::IpAddr;

use reqwest::Url;

use crate::RemoteError;

/// The address as it is used: without a slash at its end, a query or a fragment.
pub(crate) fn checked(address: &str) -> Result<Url, RemoteError> {
    let bad = |why: &str| RemoteError::BadAddress { address: shown(address), why: why.into() };
    let url = Url::parse(address.trim()).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(bad("it must begin with https:// or http:// and name a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it has a name or password in it; give the key separately"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has something behind a ? or #"));
    }
    if url.scheme() == "http" && !is_near(&url) {
        return Err(bad("over the internet it must be https, so that nobody can read along"));
    }
    Ok(url)
}

/// `{base}/{path}`.
pub(crate) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    url
}

/// `host` or `host:port`.
pub(crate) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    }
}

/// This machine, or a network that no router passes on to the internet.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        Ok(IpAddr::V6(ip)) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
        // Other names may mean any machine, and another one tomorrow.
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// For messages: without what may be a password, and not too long.
fn shown(address: &str) -> String {
    let text = match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}://…@{rest}"),
        _ => address.to_owned(),
    };
    text.chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_this_machine_and_its_network() {
        for good in [
            "https://api.example.org/v1",
            "http://localhost:8000/v1",
            "http://127.0.0.1:8000/v1/",
            "http://[::1]/v1",
            "http://192.168.1.7:8000/v1",
            "http://10.1.2.3/v1",
            "http://[fd00::1]:8000/v1",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://example.org/v1",
            "http://8.8.8.8/v1",
            "http://localhost.example.org/v1",
            "ftp://127.0.0.1",
            "https://user:secret@example.org/v1",
            "https://example.org/v1?key=secret",
            "127.0.0.1:8000",
            "",
        ] {
            let error = checked(bad).unwrap_err();
            assert_eq!(error.code(), "remote_address", "{bad}");
            assert!(!error.to_string().contains("user:secret"), "{error}");
        }
    }

    #[test]
    fn paths_stand_behind_the_base() {
        for base in ["http://localhost:1/v1", "http://localhost:1/v1/"] {
            assert_eq!(
                below(&checked(base).unwrap(), "chat/completions").as_str(),
                "http://localhost:1/v1/chat/completions"
            );
        }
    }
}

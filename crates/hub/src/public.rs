//! A small file from anywhere on the web, for which somebody else gave the address.
//!
//! Whoever can make Lantern fetch an address must not reach what only this computer reaches: addresses of this machine and
//! of its own network are refused, in the address, in what its name means, and wherever it redirects to.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};

use crate::HubError;
use crate::http::{chain, host_of};

const TIME: Duration = Duration::from_secs(30);
const MAX_REDIRECTS: usize = 3;

/// Fetches a file of up to `most` bytes. Sends no token and no cookie.
pub async fn fetch_public(address: &str, most: usize) -> Result<Vec<u8>, HubError> {
    fetch(address, most, is_public).await
}

async fn fetch(address: &str, most: usize, allowed: fn(IpAddr) -> bool) -> Result<Vec<u8>, HubError> {
    let url = Url::parse(address).map_err(|error| HubError::BadAddress { why: error.to_string() })?;
    check(&url, allowed)?;
    let host = host_of(&url);
    let unreachable =
        |error: reqwest::Error| HubError::BadAddress { why: format!("{host}: {}", chain(&error)) };
    let redirects = redirect::Policy::custom(move |attempt| match check(attempt.url(), allowed) {
        _ if attempt.previous().len() > MAX_REDIRECTS => attempt.error("it redirects too often"),
        Ok(()) => attempt.follow(),
        Err(error) => attempt.error(error),
    });
    let client = Client::builder()
        .redirect(redirects)
        .timeout(TIME)
        .dns_resolver(Arc::new(Resolver { allowed }))
        .build()
        .map_err(unreachable)?;
    let mut response = client.get(url.clone()).send().await.map_err(unreachable)?;
    if !response.status().is_success() {
        return Err(HubError::BadAddress {
            why: format!("{host} answers with HTTP {}", response.status().as_u16()),
        });
    }
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(unreachable)? {
        bytes.extend_from_slice(&piece);
        if bytes.len() > most {
            return Err(HubError::BadAddress { why: format!("{host} sends more than {most} bytes") });
        }
    }
    Ok(bytes)
}

/// Refuses other schemes, and addresses that are numbers and not allowed; names are judged when they are looked up.
fn check(url: &Url, allowed: fn(IpAddr) -> bool) -> Result<(), HubError> {
    let refuse = |why: &str| Err(HubError::BadAddress { why: format!("{}: {why}", host_of(url)) });
    if !matches!(url.scheme(), "http" | "https") {
        return refuse("only http and https are fetched");
    }
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    match host.parse::<IpAddr>() {
        Ok(address) if !allowed(address) => refuse("it is an address of this computer or its network"),
        _ => Ok(()),
    }
}

/// Looks names up and leaves out what is not allowed.
struct Resolver {
    allowed: fn(IpAddr) -> bool,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.allowed;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let kept: Vec<SocketAddr> = found.filter(|address| allowed(address.ip())).collect();
            if kept.is_empty() {
                return Err("it has no address outside this computer and its network".into());
            }
            Ok(Box::new(kept.into_iter()) as Addrs)
        })
    }
}

/// Whether an address belongs to the public Internet, as far as its number tells (RFC 6890 and successors).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            let shared = first == 100 && (64..128).contains(&second);
            let reserved = first == 0 || first >= 240 || (first == 198 && (18..20).contains(&second));
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || shared
                || reserved)
        }
        IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
            Some(v4) => is_public(IpAddr::V4(v4)),
            None => !(is_local(v6) || v6.is_loopback() || v6.is_unspecified() || v6.is_multicast()),
        },
    }
}

fn is_local(v6: Ipv6Addr) -> bool {
    v6.is_unique_local() || v6.is_unicast_link_local()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers every request with these bytes.
    fn server(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = format!("http://{}/picture", listener.local_addr().expect("its address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(answer);
            }
        });
        address
    }

    #[test]
    fn only_public_addresses_are_public() {
        for address in ["8.8.8.8", "2606:4700::1111", "1.1.1.1", "100.128.0.1"] {
            assert!(is_public(address.parse().expect("an address")), "{address}");
        }
        let local = [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "0.0.0.0",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
        ];
        for address in local {
            assert!(!is_public(address.parse().expect("an address")), "{address}");
        }
    }

    #[tokio::test]
    async fn this_computer_is_not_fetched_from() {
        let address = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        let by_name = address.replace("127.0.0.1", "localhost");
        for address in [
            address.as_str(),
            &by_name,
            "http://[::1]:1/",
            "http://127.1/",
            "file:///etc/passwd",
            "no address",
        ] {
            let error = fetch_public(address, 100).await.expect_err(address);
            assert_eq!(error.code(), "bad_address", "{address}: {error}");
        }
        assert_eq!(fetch(&address, 100, |_| true).await.expect("it is there"), b"ok");
        assert_eq!(fetch(&by_name, 100, |_| true).await.expect("it is there"), b"ok");
    }

    #[tokio::test]
    async fn what_is_too_long_or_goes_astray_is_refused() {
        let long =
            server(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\nconnection: close\r\n\r\n01234567890123456789");
        assert!(fetch(&long, 19, |_| true).await.expect_err("too long").to_string().contains("more than 19"));
        assert!(fetch(&long, 20, |_| true).await.is_ok());
        let gone = server(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        assert!(fetch(&gone, 19, |_| true).await.expect_err("gone").to_string().contains("404"));
        let astray = server(b"HTTP/1.1 302 Found\r\nlocation: file:///etc/passwd\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        assert!(fetch(&astray, 19, |_| true).await.is_err());
    }
}

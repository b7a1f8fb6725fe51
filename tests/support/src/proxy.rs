//! A proxy for tests: tunnels (`CONNECT`) and plain requests with a whole address.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// The running proxy; it ends with the runtime.
#[derive(Clone)]
pub struct TestProxy {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl TestProxy {
    /// Starts on a free port.
    pub async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let proxy = Self { address: listener.local_addr()?, seen: Arc::default() };
        let seen = proxy.seen.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let seen = seen.clone();
                // Either side may leave at any time.
                tokio::spawn(async move { drop(pass(client, &seen).await) });
            }
        });
        Ok(proxy)
    }

    /// What clients take as `HTTP_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// First lines of the requests so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One connection: its head says where to, the rest passes as it is. Clients must not change hosts on a connection, so
/// they are asked to close it after each answer.
async fn pass(mut client: TcpStream, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let (first, rest) = head.split_once("\r\n").unwrap_or((&head, ""));
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(first.to_owned());
    let mut words = first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    if method == "CONNECT" {
        let mut server = TcpStream::connect(target).await?;
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        copy_bidirectional(&mut client, &mut server).await?;
        return Ok(());
    }
    let address = target.strip_prefix("http://").unwrap_or(target);
    let (host, path) = address.split_once('/').unwrap_or((address, ""));
    let mut server = TcpStream::connect(host).await?;
    let request = format!("{method} /{path} HTTP/1.1\r\nConnection: close\r\n{rest}");
    server.write_all(request.as_bytes()).await?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

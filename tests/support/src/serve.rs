//! Connections, taken as late as the link's latency says.

use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpSocket;

use crate::{Shared, lock};

/// What may lie in a socket unsent: little, so that what was counted as sent was nearly all received.
const SEND_BUFFER: u32 = 128 << 10;

pub(crate) async fn listen(port: u16, router: Router, shared: Shared) -> std::io::Result<SocketAddr> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    let listener = socket.listen(256)?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (router, latency) = (router.clone(), lock(&shared).link.latency);
            tokio::spawn(async move {
                tokio::time::sleep(latency).await;
                let _ = socket.set_nodelay(true);
                let service = TowerToHyperService::new(router);
                // Clients break connections as they like.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    Ok(address)
}

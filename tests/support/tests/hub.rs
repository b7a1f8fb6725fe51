//! The Hub for tests, asked with nothing but a socket.

use lantern_test_hub::{Fault, Gate, Repo, TestHub, random_bytes, sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Head and body of the answer to one request.
async fn ask(address: std::net::SocketAddr, method: &str, target: &str, more: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A cut is no failure of the asking.
    let _ = socket.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
    (String::from_utf8_lossy(&answer[..end]).to_lowercase(), answer[end + 4..].to_vec())
}

fn header<'h>(head: &'h str, name: &str) -> &'h str {
    head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap_or_default()
}

#[tokio::test]
async fn a_large_file_is_behind_a_signed_address_and_comes_in_ranges() {
    let hub = TestHub::start().await.unwrap();
    let bytes = random_bytes(100_000, 1);
    hub.add(Repo::new("o/m").with("m.gguf", bytes.clone()).with("README.md", "hello"));
    let (head, _) = ask(hub.address, "HEAD", "/o/m/resolve/main/m.gguf", "").await;
    assert!(head.starts_with("http/1.1 302"), "{head}");
    assert_eq!(header(&head, "x-linked-etag"), format!("\"{}\"", sha256(&bytes)));
    let target = header(&head, "location").splitn(4, '/').nth(3).unwrap().to_owned();
    let target = format!("/{}", target.replace("expires", "Expires").replace("signature", "Signature"));
    let (head, body) = ask(hub.content_address, "GET", &target, "Range: bytes=10-19\r\n").await;
    assert!(head.starts_with("http/1.1 206"), "{head}");
    assert_eq!((header(&head, "content-range"), &body[..]), ("bytes 10-19/100000", &bytes[10..20]));
    assert_eq!(hub.sent(), 10);
    hub.next([Fault::CutAfter(50_000)]);
    let (_, body) = ask(hub.content_address, "GET", &target, "").await;
    assert!(body.len() < 100_000 && bytes.starts_with(&body[..40_000]), "{}", body.len());
    hub.expire_links();
    let (head, _) = ask(hub.content_address, "GET", &target, "").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    let (head, body) = ask(hub.address, "GET", "/o/m/resolve/main/README.md", "").await;
    assert!(head.starts_with("http/1.1 200") && body == b"hello", "{head}");
}

#[tokio::test]
async fn lists_come_in_pages_and_gates_say_what_is_wanted() {
    let hub = TestHub::start().await.unwrap();
    for i in 0..5u64 {
        let mut repo = Repo::new(&format!("o/model-{i}")).with("sub/m.gguf", "x");
        repo.downloads = i;
        hub.add(repo);
    }
    hub.change(|state| state.page = 2);
    let (head, body) = ask(hub.address, "GET", "/api/models?search=model&sort=downloads", "").await;
    let list = String::from_utf8(body).unwrap();
    assert!(list.contains("o/model-4") && list.contains("o/model-3") && !list.contains("o/model-2"));
    assert!(header(&head, "link").ends_with("cursor=2>; rel=\"next\""), "{head}");
    let (_, body) = ask(hub.address, "GET", "/api/models/o/model-1/tree/main?recursive=true", "").await;
    let tree = String::from_utf8(body).unwrap();
    assert!(tree.contains("\"directory\"") && tree.contains("sub/m.gguf"), "{tree}");

    hub.edit("o/model-1", |repo| repo.gate = Gate::Terms);
    let file = "/o/model-1/resolve/main/sub/m.gguf";
    let (head, _) = ask(hub.address, "GET", file, "").await;
    assert!(head.starts_with("http/1.1 401") && header(&head, "x-error-code") == "gatedrepo", "{head}");
    let (head, _) = ask(hub.address, "GET", file, "Authorization: Bearer t\r\n").await;
    assert!(head.starts_with("http/1.1 403"), "{head}");
    hub.edit("o/model-1", |repo| repo.admitted.extend(["t".to_owned()]));
    let (head, _) = ask(hub.address, "GET", file, "Authorization: Bearer t\r\n").await;
    assert!(head.starts_with("http/1.1 302"), "{head}");
}

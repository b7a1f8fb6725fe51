//! The queue: held, taken up, stopped, put in another order, and there again after the program ended.

mod place;

use std::fs;

use lantern_hub::Hub;
use lantern_protocol::{DownloadRequest, DownloadState};
use lantern_test_hub::{Fault, Repo, TestHub, random_bytes};
use place::{Place, REPO, SIZE, content, hub_with, request, until};

async fn four_files() -> TestHub {
    let server = TestHub::start().await.unwrap();
    let mut repo = Repo::new(REPO);
    for (i, name) in ["a", "b", "c", "d"].iter().enumerate() {
        repo = repo.with(&format!("{name}.gguf"), random_bytes(100_000, i as u64));
    }
    server.add(repo);
    server
}

fn named(name: &str) -> DownloadRequest {
    DownloadRequest { file: format!("{name}.gguf"), ..request() }
}

#[tokio::test]
async fn stopping_keeps_what_has_arrived() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let hub = place.hub(&server);
    server.next([Fault::StallAfter(250_000)]);
    let download = hub.download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 250_000).await;
    let same = hub.download(request()).unwrap();
    assert_eq!(server.seen_by_content().len(), 1, "a second request for the same file should join the first");
    hub.cancel(download.id()).unwrap();
    assert_eq!(same.wait().await.unwrap_err().code(), "download_cancelled");
    assert_eq!(download.latest().state, DownloadState::Cancelled);
    assert_eq!(download.latest().received_bytes, 250_000);
    hub.download(request()).unwrap().wait().await.unwrap();
    assert_eq!(server.sent(), SIZE as u64);
    assert_eq!(hub.cancel("owner/model/absent@main").unwrap_err().code(), "no_such_download");
}

#[tokio::test]
async fn a_download_is_held_and_taken_up_again() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let hub = place.hub(&server);
    server.next([Fault::StallAfter(250_000)]);
    let download = hub.download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 250_000).await;
    hub.pause(download.id()).unwrap();
    until(&download, |progress| progress.state == DownloadState::Paused).await;
    assert!(!download.is_over());
    hub.resume(download.id()).unwrap();
    let path = download.wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert_eq!(server.sent(), SIZE as u64, "bytes were fetched twice");
}

#[tokio::test]
async fn the_order_of_those_that_wait_can_be_changed() {
    let (server, place) = (four_files().await, Place::new(SIZE));
    let hub = place.hub(&server);
    // Two run, and hang; the others wait.
    server.next([Fault::StallAfter(50_000), Fault::StallAfter(50_000)]);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| hub.download(named(name)).unwrap());
    until(&a, |progress| progress.received_bytes >= 50_000).await;
    until(&b, |progress| progress.received_bytes >= 50_000).await;
    let states = || hub.downloads().iter().map(|d| d.state).collect::<Vec<_>>();
    assert_eq!(states()[2..], [DownloadState::Queued; 2]);
    hub.move_to(d.id(), 2).unwrap();
    server.next([Fault::StallAfter(50_000)]);
    hub.pause(a.id()).unwrap();
    until(&d, |progress| progress.received_bytes >= 50_000).await;
    assert_eq!(c.latest().state, DownloadState::Queued, "who was put before it runs first");
    let order: Vec<_> = hub.downloads().into_iter().map(|d| d.request.file).collect();
    assert_eq!(order, ["a.gguf", "b.gguf", "d.gguf", "c.gguf"]);
    hub.cancel(b.id()).unwrap();
    c.wait().await.unwrap();
}

#[tokio::test]
async fn the_queue_outlives_the_program() {
    let (server, place) = (four_files().await, Place::new(SIZE));
    let file = place.dir.path().join("data/downloads.json");
    let first = Hub::new(place.options(&server)).unwrap();
    assert!(first.continue_queue(&file).is_empty());
    server.next([Fault::StallAfter(50_000), Fault::StallAfter(50_000)]);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| first.download(named(name)).unwrap());
    until(&a, |progress| progress.received_bytes >= 50_000).await;
    until(&b, |progress| progress.received_bytes >= 50_000).await;
    first.pause(b.id()).unwrap();
    first.cancel(d.id()).unwrap();
    d.wait().await.unwrap_err();
    // While one program has the queue, another leaves it alone.
    let other = Hub::new(place.options(&server)).unwrap();
    assert!(other.continue_queue(&file).is_empty());
    for download in [&a, &b, &c] {
        download.suspend();
        let _ = download.wait().await;
    }
    drop((first, a, b, c, d));
    tokio::task::yield_now().await;

    let second = Hub::new(place.options(&server)).unwrap();
    let again = second.continue_queue(&file);
    let names: Vec<_> = again.iter().map(|d| d.latest().request.file).collect();
    assert_eq!(names, ["a.gguf", "b.gguf", "c.gguf"], "{}", fs::read_to_string(&file).unwrap_or_default());
    again[0].wait().await.unwrap();
    again[2].wait().await.unwrap();
    assert_eq!(again[1].latest().state, DownloadState::Paused);
    second.resume(again[1].id()).unwrap();
    again[1].wait().await.unwrap();
    assert!(server.sent() <= 300_000 + 2 * 16_384, "{} bytes were sent", server.sent());
    let left = fs::read_to_string(&file).unwrap();
    assert!(!left.contains("gguf"), "{left}");
}

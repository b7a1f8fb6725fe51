//! Everything that goes wrong on the way, and what becomes of it: a download that goes on, or an error with a name.

mod place;

use std::fs;
use std::time::{Duration, Instant};

use lantern_hub::{FreeSpace, Hub, HubError, HubOptions};
use lantern_protocol::{DownloadRequest, DownloadState};
use lantern_test_hub::{COMMIT, Fault, TestFile, TestHub};
use place::{FILE, MB, Place, REPO, SIZE, content, hub_with, request, until};

async fn fails(place: &Place, server: &TestHub) -> HubError {
    place.hub(server).download(request()).unwrap().wait().await.unwrap_err()
}

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_is_taken_up_where_it_broke() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    // More breaks than tries are allowed: each brings new bytes, so none counts against the limit.
    server.next([20_000, 100_000, 50_000, 30_000, 77_777, 100_001].map(Fault::CutAfter));
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert_eq!(server.seen_by_content().len(), 7);
    assert!(server.sent() <= (SIZE + 7 * 16_384) as u64, "{} bytes for a file of {SIZE}", server.sent());
}

/// The runtime is torn down in the middle, as when the process dies: no destructor of the download gets to tidy up.
#[test]
fn a_killed_download_is_finished_by_the_next_process() {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (server, place) = (servers.block_on(hub_with(SIZE)), Place::new(SIZE));
    server.next([Fault::StallAfter(400_000)]);
    let first = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    first.block_on(async {
        let download = place.hub(&server).download(request()).unwrap();
        until(&download, |progress| progress.received_bytes >= 400_000).await;
    });
    first.shutdown_background();
    let second = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path =
        second.block_on(async { place.hub(&server).download(request()).unwrap().wait().await }).unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    let last = server.seen_by_content().last().unwrap().range.clone();
    assert_eq!(last.as_deref(), Some("bytes=400000-599999"));
    assert_eq!(server.sent(), SIZE as u64, "bytes were fetched twice");
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_beginning() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::CutAfter(200_000), Fault::IgnoreRange, Fault::IgnoreRange]);
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    // The same with several connections.
    let (server, place) = (hub_with(12 * MB).await, Place::new(12 * MB));
    server.next(vec![Fault::IgnoreRange; 50]);
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert!(fs::read(path).unwrap() == content(12 * MB), "other bytes");
}

#[tokio::test]
async fn answers_that_are_not_what_was_asked_for_are_not_taken() {
    for fault in [Fault::Html, Fault::WrongRange, Fault::TooMany] {
        let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
        // A range is only asked for of what is missing.
        server.next([Fault::CutAfter(100_000), fault.clone(), fault.clone()]);
        let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
        assert!(fs::read(path).unwrap() == content(SIZE), "other bytes after {fault:?}");
    }
}

#[tokio::test]
async fn what_never_gets_right_has_a_name_and_nothing_is_published() {
    let cases = [
        (Fault::Html, "hub_malformed_response", "a web page"),
        (Fault::TooMany, "size_mismatch", "bytes"),
        (Fault::Status(503, None), "hub_http_status", "503"),
        (Fault::CutAfter(0), "hub_unreachable", "4 tries"),
    ];
    for (fault, code, words) in cases {
        let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
        server.next(vec![fault.clone(); 50]);
        let error = fails(&place, &server).await;
        assert_eq!(error.code(), code, "{fault:?}: {error}");
        assert!(error.to_string().contains(words) && !error.next_step().is_empty(), "{error}");
        assert!(!place.blob().exists() && !place.repo().join("snapshots").exists());
        server.change(|state| state.content_faults.clear());
        place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    }
}

#[tokio::test]
async fn a_file_that_is_shorter_than_announced_is_named() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    // The Hub announces the old content, the content network has the beginning of it.
    server.edit(REPO, |repo| {
        let mut short = TestFile::new(FILE, content(SIZE)[..1000].to_vec());
        short.sha256 = place.name.clone();
        repo.files.insert(FILE.into(), short);
    });
    let error = fails(&place, &server).await;
    assert_eq!(error.code(), "hash_mismatch", "{error}");
    assert!(!place.blob().exists());
}

#[tokio::test]
async fn a_part_that_is_behind_the_end_of_a_shorter_file_is_named() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::CutAfter(300_000)]);
    server.next(vec![Fault::Status(416, None); 20]);
    assert_eq!(fails(&place, &server).await.code(), "size_mismatch");
}

#[tokio::test]
async fn wrong_bytes_are_put_aside_and_named() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::WrongBytes]);
    let download = place.hub(&server).download(request()).unwrap();
    let error = download.wait().await.unwrap_err();
    assert_eq!(error.code(), "hash_mismatch");
    let HubError::Quarantined { expected, actual, aside, .. } = error else { unreachable!() };
    assert_eq!((&expected, &aside), (&place.name, &place.quarantine()));
    assert!(actual != expected && aside.exists() && !place.part().exists() && !place.blob().exists());
    let last = download.latest();
    assert_eq!(last.state, DownloadState::Failed);
    assert_eq!(last.error.unwrap().code, "hash_mismatch");
    place.hub(&server).download(request()).unwrap().wait().await.unwrap();
}

#[tokio::test]
async fn damage_in_the_bytes_of_an_earlier_session_costs_one_clean_start() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::StallAfter(300_000)]);
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 300_000).await;
    download.cancel();
    download.wait().await.unwrap_err();
    let mut bytes = fs::read(place.part()).unwrap();
    bytes[1234] ^= 1;
    fs::write(place.part(), bytes).unwrap();
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
}

#[tokio::test]
async fn the_wait_a_server_asks_for_is_kept() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next_of_hub([Fault::Status(429, Some("1"))]);
    server.next([Fault::Status(429, Some("1")), Fault::Status(403, None)]);
    let start = Instant::now();
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.state == DownloadState::Retrying).await;
    download.wait().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(2), "Retry-After: 1 was not honoured");
}

#[tokio::test]
async fn tries_are_limited_and_some_failures_are_final() {
    let cases: [(u16, Option<&'static str>, &str, usize); 5] = [
        (500, None, "hub_http_status", 4),
        (404, None, "hub_not_found", 1),
        (401, None, "hub_unauthorized", 1),
        (403, None, "hub_unauthorized", 1),
        (429, Some("999"), "hub_rate_limited", 1),
    ];
    for (status, wait, code, requests) in cases {
        let (server, place) = (hub_with(100).await, Place::new(100));
        server.next_of_hub(vec![Fault::Status(status, wait); 10]);
        let error = fails(&place, &server).await;
        assert_eq!((error.code(), server.seen_by_hub().len()), (code, requests), "for HTTP {status}");
        assert!(!error.next_step().is_empty());
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_reported_with_its_host() {
    let (server, place) = (hub_with(100).await, Place::new(100));
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let hub =
        Hub::new(HubOptions { endpoint: format!("http://{closed}"), ..place.options(&server) }).unwrap();
    let error = hub.download(request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "hub_unreachable");
    assert!(error.to_string().contains(&closed.to_string()), "{error}");
    assert_eq!(hub.files(REPO, None).await.unwrap_err().code(), "hub_unreachable");
}

#[tokio::test]
async fn a_full_disk_is_noticed_before_the_first_byte() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let options = HubOptions { free_space: FreeSpace::from_fn(|_| Some(100_000)), ..place.options(&server) };
    let error = Hub::new(options).unwrap().download(request()).unwrap().wait().await.unwrap_err();
    let is_right = |needed: u64| needed >= SIZE as u64 - 100_000;
    assert!(
        matches!(error, HubError::DiskFull { available: 100_000, needed, .. } if is_right(needed)),
        "{error}"
    );
    assert_eq!(server.seen_by_content().len(), 0);
}

#[tokio::test]
async fn names_that_would_leave_the_cache_are_refused() {
    let (server, place) = (hub_with(100).await, Place::new(100));
    let hub = place.hub(&server);
    for (repo, file, revision) in [
        ("../evil", FILE, None),
        ("owner/..", FILE, None),
        (REPO, "../../../evil.gguf", None),
        (REPO, "/etc/evil.gguf", None),
        (REPO, "a\\..\\evil.gguf", None),
        (REPO, FILE, Some("../../../evil")),
    ] {
        let request =
            DownloadRequest { repo: repo.into(), file: file.into(), revision: revision.map(str::to_owned) };
        assert_eq!(hub.download(request).unwrap_err().code(), "unsafe_name", "{repo} {file} {revision:?}");
    }
    server.edit(REPO, |repo| repo.commit = "../../../../evil".into());
    assert_eq!(hub.download(request()).unwrap().wait().await.unwrap_err().code(), "unsafe_name");
    server.edit(REPO, |repo| {
        repo.commit = COMMIT.into();
        repo.files.get_mut(FILE).unwrap().tag = Some("../../../evil".into());
    });
    assert_eq!(hub.download(request()).unwrap().wait().await.unwrap_err().code(), "unsafe_name");
    assert!(place.files().is_empty(), "{:?}", place.files());
    assert_eq!(server.seen_by_content().len(), 0);
}

#[tokio::test]
#[cfg(unix)]
async fn a_part_that_is_deleted_meanwhile_is_named() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::StallAfter(300_000)]);
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 100_000).await;
    fs::remove_file(place.part()).unwrap();
    let error = download.wait().await.unwrap_err();
    assert_eq!(error.code(), "part_file_gone", "{error}");
    assert!(!place.blob().exists());
    place.hub(&server).download(request()).unwrap().wait().await.unwrap();
}

#[tokio::test]
#[cfg(unix)]
async fn a_folder_that_may_not_be_written_is_named() {
    use std::os::unix::fs::PermissionsExt;
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let folder = place.dir.path().join("locked");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    // The administrator may write anywhere but where the kernel forbids it.
    let is_root = fs::write(folder.join("try"), "").is_ok();
    let cache_dir = if is_root { "/sys/kernel/lantern".into() } else { folder };
    let hub = Hub::new(HubOptions { cache_dir, ..place.options(&server) }).unwrap();
    let error = hub.download(request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "not_writable", "{error}");
    assert_eq!(server.seen_by_content().len(), 0);
}

#[tokio::test]
async fn a_second_program_waits_and_finds_the_file() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::StallAfter(100_000)]);
    let first = place.hub(&server).download(request()).unwrap();
    until(&first, |progress| progress.received_bytes >= 90_000).await;
    let second = place.hub(&server).download(request()).unwrap();
    let busy = |p: &lantern_protocol::DownloadProgress| {
        p.error.as_ref().is_some_and(|error| error.code == "download_busy")
    };
    until(&second, busy).await;
    // The silence of the first connection ends, and with it the download.
    first.wait().await.unwrap();
    second.wait().await.unwrap();
    assert!(server.sent() <= (SIZE + 16_384) as u64, "{} bytes were sent", server.sent());
}

//! Downloads over real sockets into real folders, with everything that goes wrong on the way.

mod fake_hub;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fake_hub::{Act, COMMIT, FILE, FakeHub, REPO, content, shard};
use lantern_hub::{Download, FreeSpace, Hub, HubError, HubOptions, RetryPolicy};
use lantern_protocol::{DownloadRequest, DownloadState};

const SIZE: usize = 600_000;

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn options(&self, server: &FakeHub) -> HubOptions {
        HubOptions {
            endpoint: server.endpoint(),
            token: Some("hf_secret".into()),
            cache_dir: self.dir.path().join("cache"),
            retry: RetryPolicy {
                tries: 4,
                first_wait: Duration::from_millis(10),
                longest_wait: Duration::from_secs(3),
                silence: Duration::from_secs(5),
            },
            free_space: FreeSpace::default(),
        }
    }

    fn hub(&self, server: &FakeHub) -> Hub {
        Hub::new(self.options(server)).unwrap()
    }

    fn repo(&self) -> PathBuf {
        self.dir.path().join("cache/models--owner--model-GGUF")
    }

    fn blob(&self, server: &FakeHub) -> PathBuf {
        self.repo().join("blobs").join(server.sha256())
    }

    fn part(&self, server: &FakeHub) -> PathBuf {
        self.repo().join("blobs").join(format!("{}.incomplete", server.sha256()))
    }

    /// Every file below the cache, relative.
    fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, root: &Path, out: &mut Vec<String>) {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), root, out);
                } else {
                    out.push(entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned());
                }
            }
        }
        let mut out = Vec::new();
        walk(self.dir.path(), self.dir.path(), &mut out);
        out
    }
}

fn request() -> DownloadRequest {
    DownloadRequest { repo: REPO.into(), file: FILE.into(), revision: None }
}

async fn until(download: &Download, what: impl Fn(&lantern_protocol::DownloadProgress) -> bool) {
    let mut progress = download.progress();
    tokio::time::timeout(Duration::from_secs(20), progress.wait_for(|p| what(p)))
        .await
        .expect("it never came so far")
        .unwrap();
}

#[tokio::test]
async fn a_file_lands_in_the_shared_layout_and_is_not_fetched_twice() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let hub = place.hub(&server);
    let download = hub.download(request()).unwrap();
    let path = download.wait().await.unwrap();
    assert_eq!(path, place.repo().join("snapshots").join(COMMIT).join(FILE));
    assert_eq!(fs::read(&path).unwrap(), content(SIZE));
    #[cfg(unix)]
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("../../blobs").join(server.sha256()));
    assert_eq!(fs::read_to_string(place.repo().join("refs/main")).unwrap(), COMMIT);
    let last = download.latest();
    assert_eq!(
        (last.state, last.received_bytes, last.total_bytes),
        (DownloadState::Done, SIZE as u64, Some(SIZE as u64))
    );
    assert!(
        !place.files().iter().any(|file| file.contains("incomplete") || file.contains("draft")),
        "{:?}",
        place.files()
    );

    assert_eq!(place.hub(&server).download(request()).unwrap().wait().await.unwrap(), path);
    assert_eq!(server.sent(), SIZE, "the second download fetched bytes again");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_not_where_it_redirects() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let hub = place.hub(&server);
    hub.files(REPO, None).await.unwrap();
    hub.download(request()).unwrap().wait().await.unwrap();
    let (hub_saw, cdn_saw) = (server.seen("hub"), server.seen("cdn"));
    assert!(
        hub_saw.len() >= 3
            && hub_saw.iter().all(|seen| seen.authorization.as_deref() == Some("Bearer hf_secret")),
        "{hub_saw:?}"
    );
    assert!(
        !cdn_saw.is_empty() && cdn_saw.iter().all(|seen| seen.authorization.is_none()),
        "the token leaked: {cdn_saw:?}"
    );
}

#[tokio::test]
async fn a_connection_that_breaks_again_and_again_is_taken_up_where_it_broke() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    // More breaks than tries are allowed: each brings new bytes, so none counts against the limit.
    server.next([1, 100_000, 50_000, 4096, 77_777, 100_001].map(Act::CutAfter));
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    let gets = server.seen("cdn");
    assert_eq!(gets.len(), 7);
    assert!(
        gets[1..].iter().all(|get| get.range.is_some() && get.if_range.as_deref() == Some("\"cdn-1\"")),
        "{gets:?}"
    );
    assert!(server.sent() <= SIZE + 7 * 4096, "{} bytes were sent for a file of {SIZE}", server.sent());
}

/// The runtime is torn down in the middle, as when the process dies: no destructor of the download gets to tidy up.
#[test]
fn a_killed_download_is_finished_by_the_next_process() {
    let servers = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = servers.block_on(FakeHub::start(content(SIZE)));
    let place = Place::new();
    server.next([Act::StallAfter(400_000)]);

    let first = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    first.block_on(async {
        let download = place.hub(&server).download(request()).unwrap();
        until(&download, |progress| progress.received_bytes >= 400_000).await;
    });
    first.shutdown_background();
    let kept = fs::metadata(place.part(&server)).unwrap().len();
    assert_eq!(kept, 400_000);

    let second = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path =
        second.block_on(async { place.hub(&server).download(request()).unwrap().wait().await }).unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert_eq!(server.seen("cdn").last().unwrap().range.as_deref(), Some("bytes=400000-"));
    assert_eq!(server.sent(), SIZE, "bytes were fetched twice");
}

#[tokio::test]
async fn a_server_that_ignores_ranges_is_read_from_the_beginning() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::CutAfter(200_000), Act::IgnoreRange, Act::IgnoreRange]);
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
}

#[tokio::test]
async fn another_content_network_does_not_cost_the_bytes_that_are_there() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::CutAfter(400_000)]);
    let hub = place.hub(&server);
    let download = hub.download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 300_000).await;
    server.change(|state| state.cdn_etag = "\"cdn-2\"".into());
    let path = download.wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    let last = server.seen("cdn").last().unwrap().clone();
    assert!(last.range.is_some() && last.if_range.is_none(), "{last:?}");
}

#[tokio::test]
async fn wrong_bytes_are_deleted_and_named() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::WrongBytes]);
    let download = place.hub(&server).download(request()).unwrap();
    let error = download.wait().await.unwrap_err();
    assert_eq!(error.code(), "hash_mismatch");
    let HubError::HashMismatch { expected, actual, .. } = error else { unreachable!() };
    assert_eq!(expected, server.sha256());
    assert_ne!(actual, expected);
    assert!(!place.part(&server).exists() && !place.blob(&server).exists());
    let last = download.latest();
    assert_eq!(last.state, DownloadState::Failed);
    assert_eq!(last.error.unwrap().code, "hash_mismatch");
}

#[tokio::test]
async fn damage_in_the_bytes_of_an_earlier_session_costs_one_clean_start() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::StallAfter(300_000)]);
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 300_000).await;
    download.cancel();
    download.wait().await.unwrap_err();
    let mut bytes = fs::read(place.part(&server)).unwrap();
    bytes[1234] ^= 1;
    fs::write(place.part(&server), bytes).unwrap();
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
}

#[tokio::test]
async fn stopping_keeps_what_has_arrived() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let hub = place.hub(&server);
    server.next([Act::StallAfter(250_000)]);
    let download = hub.download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 250_000).await;
    let same = hub.download(request()).unwrap();
    assert_eq!(server.seen("cdn").len(), 1, "a second request for the same file should join the first");
    assert!(hub.cancel(download.id()));
    assert_eq!(same.wait().await.unwrap_err().code(), "download_cancelled");
    assert_eq!(download.latest().state, DownloadState::Cancelled);
    assert_eq!(download.latest().received_bytes, 250_000);
    hub.download(request()).unwrap().wait().await.unwrap();
    assert_eq!(server.sent(), SIZE);
}

#[tokio::test]
async fn the_wait_a_server_asks_for_is_kept() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.change(|state| state.hub_acts.push_back((429, Some("1"))));
    server.next([Act::Status(503, None), Act::Status(403, None)]);
    let start = Instant::now();
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.state == DownloadState::Retrying).await;
    download.wait().await.unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1), "Retry-After: 1 was not honoured");
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
        let (server, place) = (FakeHub::start(content(100)).await, Place::new());
        server.change(|state| state.hub_acts.extend([(status, wait); 10]));
        let error = place.hub(&server).download(request()).unwrap().wait().await.unwrap_err();
        assert_eq!((error.code(), server.seen("hub").len()), (code, requests), "for HTTP {status}");
        assert!(!error.next_step().is_empty());
    }
}

#[tokio::test]
async fn a_hub_that_is_not_there_is_reported_with_its_host() {
    let (server, place) = (FakeHub::start(content(100)).await, Place::new());
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
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let options = HubOptions { free_space: FreeSpace::from_fn(|_| Some(100_000)), ..place.options(&server) };
    let error = Hub::new(options).unwrap().download(request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "disk_full");
    assert!(
        matches!(error, HubError::DiskFull { available: 100_000, needed, .. } if needed >= SIZE as u64 - 100_000),
        "{error}"
    );
    assert_eq!(server.seen("cdn").len(), 0);
}

#[tokio::test]
async fn names_that_would_leave_the_cache_are_refused() {
    let (server, place) = (FakeHub::start(content(100)).await, Place::new());
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
    for edit in [
        |state: &mut fake_hub::Behaviour| state.commit = "../../../../evil".into(),
        |state: &mut fake_hub::Behaviour| {
            (state.commit, state.etag) = (COMMIT.into(), "../../../evil".into())
        },
    ] {
        server.change(edit);
        assert_eq!(hub.download(request()).unwrap().wait().await.unwrap_err().code(), "unsafe_name");
    }
    assert!(place.files().is_empty(), "{:?}", place.files());
    assert_eq!(server.seen("cdn").len(), 0);
}

#[tokio::test]
async fn a_server_that_sends_too_much_cannot_fill_the_disk() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::TooMany]);
    let error = place.hub(&server).download(request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "size_mismatch");
    assert!(!place.part(&server).exists() && !place.blob(&server).exists());
}

#[tokio::test]
async fn two_programs_do_not_write_into_one_file() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    server.next([Act::StallAfter(100_000)]);
    let first = place.hub(&server).download(request()).unwrap();
    until(&first, |progress| progress.received_bytes >= 100_000).await;
    let error = place.hub(&server).download(request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "download_busy");
    first.cancel();
}

#[tokio::test]
async fn a_repository_lists_its_files_and_one_is_chosen() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let hub = place.hub(&server);
    let files = hub.files(REPO, None).await.unwrap();
    assert_eq!(
        files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(),
        ["README.md", FILE, "model-Q8_0.gguf"]
    );
    assert_eq!((files[1].size, files[1].sha256.clone()), (SIZE as u64, Some(server.sha256())));
    assert_eq!(hub.resolve(REPO).await.unwrap().file, FILE);
    assert_eq!(hub.resolve(&format!("{REPO}:q8_0")).await.unwrap().file, "model-Q8_0.gguf");
    assert_eq!(hub.resolve(&format!("{REPO}/{FILE}")).await.unwrap(), request());
    let error = hub.resolve(&format!("{REPO}:Q2_K")).await.unwrap_err();
    assert_eq!(error.code(), "no_such_file");
    assert!(error.to_string().contains(FILE), "{error}");
    assert_eq!(hub.files("owner/absent", None).await.unwrap_err().code(), "hub_not_found");
    assert_eq!(hub.resolve("smollm2").await.unwrap().file, lantern_hub::STARTER.file);
}

#[tokio::test]
async fn all_pieces_of_a_split_model_are_one_download() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let shards = [content(900), content(SIZE), content(70_000)];
    let whole: u64 = shards.iter().map(|shard| shard.len() as u64).sum();
    let files = shards.iter().enumerate().map(|(i, bytes)| (shard(i, 3), bytes.clone())).collect();
    server.change(|state| state.files = files);
    // In the second piece the connection breaks.
    server.next([Act::CutAfter(usize::MAX), Act::CutAfter(200_000)]);
    let hub = place.hub(&server);
    assert_eq!(hub.resolve(&format!("{REPO}:q6_k")).await.unwrap().file, shard(0, 3));
    let request = DownloadRequest { file: shard(1, 3), ..request() };
    let download = hub.download(request.clone()).unwrap();
    let first = download.wait().await.unwrap();
    let folder = place.repo().join("snapshots").join(COMMIT);
    assert_eq!(first, folder.join(shard(0, 3)), "the outcome is the piece that opens the model");
    for (i, bytes) in shards.iter().enumerate() {
        assert_eq!(fs::read(folder.join(shard(i, 3))).unwrap(), *bytes, "piece {i}");
    }
    let last = download.latest();
    assert_eq!((last.received_bytes, last.total_bytes), (whole, Some(whole)), "progress is of the whole");
    let sent = server.sent();
    hub.download(request).unwrap().wait().await.unwrap();
    assert_eq!(server.sent(), sent, "pieces that are there were fetched again");

    server.change(|state| drop(state.files.pop()));
    let missing = DownloadRequest { file: shard(0, 3), ..self::request() };
    let error = place.hub(&server).download(missing).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "no_such_file");
}

#[tokio::test]
async fn a_model_that_sees_comes_with_its_projector() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let projector = content(70_000);
    server.change(|state| state.files = vec![("mmproj-F16.gguf".into(), projector.clone())]);
    let download = place.hub(&server).download(request()).unwrap();
    let model = download.wait().await.unwrap();
    assert_eq!(model.file_name().unwrap(), FILE);
    assert_eq!(fs::read(model.with_file_name("mmproj-F16.gguf")).unwrap(), projector);
    let whole = (SIZE + projector.len()) as u64;
    let last = download.latest();
    assert_eq!((last.received_bytes, last.total_bytes), (whole, Some(whole)), "progress is of both");
}

#[tokio::test]
async fn a_repository_of_safetensors_is_fetched_as_a_folder() {
    let (server, place) = (FakeHub::start(content(SIZE)).await, Place::new());
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/hf/llama");
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(golden)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    files.push(("onnx/model.safetensors".into(), content(10)));
    server.change(|state| (state.files, state.has_gguf) = (files, false));
    let hub = place.hub(&server);
    let request = hub.resolve(REPO).await.unwrap();
    let folder = hub.download(request).unwrap().wait().await.unwrap();
    assert_eq!(folder, place.repo().join("snapshots").join(COMMIT));
    assert!(!folder.join("onnx").exists() && !folder.join("expected.json").exists(), "only what is needed");
    let library = lantern_hub::ModelLibrary::new(place.dir.path(), vec![place.dir.path().join("cache")]);
    let [model] = library.list().try_into().expect("one model");
    assert_eq!((model.id.as_str(), model.error), ("model-GGUF", None));
    assert_eq!(model.architecture.as_deref(), Some("llama"));
    assert_eq!(model.quantisation.as_deref(), Some("BF16"));
    assert!(model.has_chat_template && model.parameters.is_some_and(|n| n > 40_000));
    assert_eq!(library.find(folder.to_str().unwrap()).unwrap().id, "model-GGUF");
    library.remove("model-GGUF").unwrap();
    assert!(library.list().is_empty());
}

#[tokio::test]
async fn a_recommended_file_must_have_the_hash_that_is_written_down() {
    let (server, place) = (FakeHub::start(content(100)).await, Place::new());
    let starter = lantern_hub::STARTER;
    let hub = place.hub(&server);
    // Other bytes under the recommended name, consistent in themselves.
    let error = hub.download(starter.request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "hash_mismatch");
    assert!(
        error.to_string().contains(starter.sha256) && error.to_string().contains(&server.sha256()),
        "{error}"
    );
    assert_eq!(server.seen("cdn").len(), 0, "bytes were fetched although the hash was known to be wrong");
    // Whoever names a commit has chosen it.
    let chosen = DownloadRequest { revision: Some(COMMIT.into()), ..starter.request() };
    hub.download(chosen).unwrap().wait().await.unwrap();
}

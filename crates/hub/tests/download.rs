//! Downloads over real sockets into real folders: where files land, what is fetched with what, and nothing twice.

mod place;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use lantern_hub::{Hub, HubOptions};
use lantern_protocol::{DownloadRequest, DownloadState};
use lantern_test_hub::{COMMIT, Fault, Gate, Repo, TestFile, TestHub, random_bytes};
use place::{FILE, MB, Place, REPO, SIZE, content, hub_with, request, until};

fn shard(i: usize, count: usize) -> String {
    format!("split/big-Q6_K-{:05}-of-{count:05}.gguf", i + 1)
}

#[tokio::test]
async fn a_file_lands_in_the_shared_layout_and_is_not_fetched_twice() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let download = place.hub(&server).download(request()).unwrap();
    let path = download.wait().await.unwrap();
    assert_eq!(path, place.repo().join("snapshots").join(COMMIT).join(FILE));
    assert_eq!(fs::read(&path).unwrap(), content(SIZE));
    #[cfg(unix)]
    assert_eq!(fs::read_link(&path).unwrap(), Path::new("../../blobs").join(&place.name));
    assert_eq!(fs::read_to_string(place.repo().join("refs/main")).unwrap(), COMMIT);
    let last = download.latest();
    assert_eq!((last.state, last.received_bytes), (DownloadState::Done, SIZE as u64));
    assert_eq!((last.total_bytes, last.files.len()), (Some(SIZE as u64), 1));
    let rest = ["incomplete", "draft", "quarantine"];
    assert!(
        !place.files().iter().any(|file| rest.iter().any(|end| file.contains(end))),
        "{:?}",
        place.files()
    );

    assert_eq!(place.hub(&server).download(request()).unwrap().wait().await.unwrap(), path);
    assert_eq!(server.sent(), SIZE as u64, "the second download fetched bytes again");
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_not_where_it_redirects() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let hub = place.hub(&server);
    hub.files(REPO, None).await.unwrap();
    hub.download(request()).unwrap().wait().await.unwrap();
    let (hub_saw, content_saw) = (server.seen_by_hub(), server.seen_by_content());
    let has_it = |seen: &lantern_test_hub::Seen| seen.authorization.as_deref() == Some("Bearer hf_secret");
    assert!(hub_saw.len() >= 3 && hub_saw.iter().all(has_it), "{hub_saw:?}");
    let clean = content_saw.iter().all(|seen| seen.authorization.is_none());
    assert!(!content_saw.is_empty() && clean, "the token leaked: {content_saw:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_comes_over_several_connections_and_a_small_one_over_one() {
    let size = 40 * MB;
    let (server, place) = (hub_with(size).await, Place::new(size));
    server.change(|state| state.link.bytes_per_second = Some(8 << 20));
    let options = HubOptions { connections: 6, ..place.options(&server) };
    let download = Hub::new(options).unwrap().download(request()).unwrap();
    let path = download.wait().await.unwrap();
    assert!(fs::read(path).unwrap() == content(size), "other bytes");
    let most = server.change(|state| state.most_open);
    assert!((4..=6).contains(&most), "{most} connections at once");
    let repeated = server.sent() - size as u64;
    assert!(repeated <= 2 * MB as u64, "{repeated} bytes were fetched twice");

    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(server.seen_by_content().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_connection_holds_up_nothing() {
    let size = 24 * MB;
    let (server, place) = (hub_with(size).await, Place::new(size));
    // One connection gets a few bytes and nothing more; its silence alone would last for five seconds.
    server.next([Fault::StallAfter(100_000)]);
    server.change(|state| state.link.bytes_per_second = Some(16 << 20));
    let download = place.hub(&server).download(request()).unwrap();
    let path = download.wait().await.unwrap();
    assert!(fs::read(path).unwrap() == content(size), "other bytes");
    let repeated = server.sent() - size as u64;
    assert!(repeated <= 4 * MB as u64, "{repeated} bytes were fetched twice");
}

#[tokio::test]
async fn an_address_that_expired_is_asked_for_anew() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::StallAfter(200_000)]);
    let hub = place.hub(&server);
    let download = hub.download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 200_000 - 20_000).await;
    hub.pause(download.id()).unwrap();
    until(&download, |progress| progress.state == DownloadState::Paused).await;
    server.expire_links();
    hub.resume(download.id()).unwrap();
    let path = download.wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert!(server.sent() <= SIZE as u64 + 20_000, "{} bytes sent", server.sent());

    // In the middle of a session, while every answer is cut.
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.change(|state| state.link_life = Some(Duration::from_millis(150)));
    server.next([1, 2, 3, 4, 5].map(|n| Fault::CutAfter(n * 50_000)));
    place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(place.blob()).unwrap(), content(SIZE));
}

#[tokio::test]
async fn parts_of_python_s_tools_are_continued() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let theirs = place.blob().with_extension("incomplete");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, &content(SIZE)[..400_000]).unwrap();
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert!(!theirs.exists());
    assert_eq!(server.sent(), (SIZE - 400_000) as u64);
}

#[tokio::test]
async fn other_content_under_the_same_name_is_not_mixed_with_what_is_there() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.next([Fault::StallAfter(300_000)]);
    let download = place.hub(&server).download(request()).unwrap();
    until(&download, |progress| progress.received_bytes >= 250_000).await;
    download.cancel();
    download.wait().await.unwrap_err();
    let other = random_bytes(SIZE, 9);
    server.edit(REPO, |repo| drop(repo.files.insert(FILE.into(), TestFile::new(FILE, other.clone()))));
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), other);
}

#[tokio::test]
async fn a_limit_of_the_bandwidth_is_kept_by_all_downloads_together() {
    let server = TestHub::start().await.unwrap();
    let file = |i: u64| random_bytes(300_000, i);
    server.add(Repo::new(REPO).with("a.gguf", file(1)).with("b.gguf", file(2)));
    let place = Place::new(SIZE);
    let hub = Hub::new(HubOptions { bytes_per_second: Some(400_000), ..place.options(&server) }).unwrap();
    let start = Instant::now();
    let both = ["a.gguf", "b.gguf"]
        .map(|name| hub.download(DownloadRequest { file: name.into(), ..request() }).unwrap());
    for download in both {
        download.wait().await.unwrap();
    }
    // 600 kB at 400 kB/s, of which a quarter of a second's may pass at once, and the last piece on credit.
    assert!(start.elapsed() >= Duration::from_millis(900), "took {:?}", start.elapsed());
}

#[tokio::test]
async fn gated_and_private_repositories_say_what_to_do() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.edit(REPO, |repo| repo.gate = Gate::Terms);
    let page = format!("{}/{REPO}", server.endpoint());
    for (token, status) in [(None, "401"), (Some("hf_secret"), "403")] {
        let options = HubOptions { token: token.map(str::to_owned), ..place.options(&server) };
        let error = Hub::new(options).unwrap().download(request()).unwrap().wait().await.unwrap_err();
        assert_eq!(error.code(), "hub_gated");
        assert!(error.to_string().contains(status) && error.next_step().contains(&page), "{error}");
    }
    server.edit(REPO, |repo| repo.admitted.extend(["hf_secret".to_owned()]));
    place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    server.edit(REPO, |repo| (repo.gate, repo.admitted) = (Gate::Private, Default::default()));
    for (token, code) in [(None, "hub_unauthorized"), (Some("hf_secret"), "hub_not_found")] {
        let options = HubOptions { token: token.map(str::to_owned), ..place.options(&server) };
        let error = Hub::new(options).unwrap().download(request()).unwrap().wait().await.unwrap_err();
        assert_eq!(error.code(), code);
    }
}

#[tokio::test]
async fn files_that_xet_keeps_come_over_the_ordinary_address() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.edit(REPO, |repo| {
        let file = repo.files.get_mut(FILE).unwrap();
        file.xet = Some("6aec24a72ab4ef9d4d1d2c7ddf8f5d4e4fd1e01d2ac9b4ee2cc4b3c1cf6fd3c5".into());
    });
    let path = place.hub(&server).download(request()).unwrap().wait().await.unwrap();
    assert_eq!(fs::read(path).unwrap(), content(SIZE));
    assert!(server.seen_by_hub().iter().all(|seen| !seen.path.contains("xet")));
}

#[tokio::test]
async fn a_repository_lists_its_files_and_one_is_chosen() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    server.edit(REPO, |repo| {
        let other = "model-Q8_0.gguf";
        repo.files.insert(other.into(), TestFile::new(other, content(10)));
    });
    // As the Hub does it with long lists.
    server.change(|state| state.page = 2);
    let hub = place.hub(&server);
    let files = hub.files(REPO, None).await.unwrap();
    let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
    assert_eq!(names, ["README.md", FILE, "model-Q8_0.gguf"]);
    assert_eq!((files[1].size, files[1].sha256.clone()), (SIZE as u64, Some(place.name.clone())));
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
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let shards = [random_bytes(900, 1), random_bytes(SIZE, 2), random_bytes(70_000, 3)];
    let whole: u64 = shards.iter().map(|shard| shard.len() as u64).sum();
    server.edit(REPO, |repo| {
        for (i, bytes) in shards.iter().enumerate() {
            repo.files.insert(shard(i, 3), TestFile::new(&shard(i, 3), bytes.clone()));
        }
    });
    // In the second piece the connection breaks.
    server.next([Fault::None, Fault::CutAfter(200_000)]);
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
    let sizes: Vec<_> = last.files.iter().map(|file| file.received_bytes as usize).collect();
    assert_eq!(sizes, shards.each_ref().map(Vec::len), "and of each");
    let sent = server.sent();
    hub.download(request).unwrap().wait().await.unwrap();
    assert_eq!(server.sent(), sent, "pieces that are there were fetched again");

    server.edit(REPO, |repo| drop(repo.files.remove(&shard(2, 3))));
    let missing = DownloadRequest { file: shard(0, 3), ..self::request() };
    let error = place.hub(&server).download(missing).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "no_such_file");
}

#[tokio::test]
async fn a_model_that_sees_comes_with_its_projector() {
    let (server, place) = (hub_with(SIZE).await, Place::new(SIZE));
    let (projector, name) = (random_bytes(70_000, 1), "mmproj-F16.gguf");
    server.edit(REPO, |repo| drop(repo.files.insert(name.into(), TestFile::new(name, projector.clone()))));
    let download = place.hub(&server).download(request()).unwrap();
    let whole = (SIZE + projector.len()) as u64;
    until(&download, |progress| progress.total_bytes == Some(whole) && progress.received_bytes < whole).await;
    let model = download.wait().await.unwrap();
    assert_eq!(model.file_name().unwrap(), FILE);
    assert_eq!(fs::read(model.with_file_name(name)).unwrap(), projector);
    assert_eq!(download.latest().received_bytes, whole, "progress is of both");
}

#[tokio::test]
async fn a_repository_of_safetensors_is_fetched_as_a_folder() {
    let (server, place) = (TestHub::start().await.unwrap(), Place::new(SIZE));
    let golden = lantern_golden::path("hf/llama");
    let mut repo = Repo::new(REPO).with("onnx/model.safetensors", content(10));
    for path in fs::read_dir(golden).unwrap().map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        repo.files.insert(name.clone(), TestFile::new(&name, fs::read(&path).unwrap()));
    }
    server.add(repo);
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
    let (server, place) = (TestHub::start().await.unwrap(), Place::new(100));
    let starter = lantern_hub::STARTER;
    // Other bytes under the recommended name, consistent in themselves.
    server.add(Repo::new(starter.repo).with(starter.file, content(100)));
    let hub = place.hub(&server);
    let error = hub.download(starter.request()).unwrap().wait().await.unwrap_err();
    assert_eq!(error.code(), "hash_mismatch");
    let text = error.to_string();
    assert!(text.contains(starter.sha256) && text.contains(&place.name), "{text}");
    assert_eq!(
        server.seen_by_content().len(),
        0,
        "bytes were fetched although the hash was known to be wrong"
    );
    // Whoever names a commit has chosen it.
    let chosen = DownloadRequest { revision: Some(COMMIT.into()), ..starter.request() };
    hub.download(chosen).unwrap().wait().await.unwrap();
}

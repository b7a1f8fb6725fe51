//! Headers of files on a Hub, read by their first bytes alone.

mod find_support;

use find_support::{REPO, finder, finder_with, local, model, repo};
use lantern_gguf::GgmlType;
use lantern_hub::HubError;
use lantern_test_hub::{Fault, Gate, TestHub};

/// A long vocabulary, in three types of weights.
const VOCABULARY: usize = 60_000;
const FILES: [(&str, GgmlType); 3] =
    [("m-Q4_0.gguf", GgmlType::Q4_0), ("m-Q8_0.gguf", GgmlType::Q8_0), ("m-F16.gguf", GgmlType::F16)];

async fn hub() -> TestHub {
    let hub = TestHub::start().await.unwrap();
    let mut repo = repo(REPO, &[]);
    for (name, ty) in FILES {
        repo = repo.with(name, model(ty, VOCABULARY, name.contains("Q4")));
    }
    hub.add(repo);
    hub
}

fn bytes_of(hub: &TestHub, file: &str) -> Vec<u8> {
    hub.change(|state| state.repos[REPO].files[file].bytes.to_vec())
}

#[tokio::test]
async fn a_header_is_that_of_the_file() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    for (name, _) in FILES {
        let remote = finder.headers(REPO).await.unwrap().read(name).await.unwrap();
        let local = local(&bytes_of(&hub, name), home.path());
        assert_eq!((remote.metadata(), remote.tensors()), (local.metadata(), local.tensors()), "{name}");
        assert_eq!(remote.file_len(), local.file_len());
    }
}

#[tokio::test]
async fn of_files_after_the_first_only_the_tables_are_read_and_nothing_twice() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let read_all = async || {
        let finder = finder(&hub, home.path());
        let mut headers = finder.headers(REPO).await.unwrap();
        let mut all = Vec::new();
        for (name, _) in FILES {
            all.push(headers.read(name).await.unwrap().tensors().clone());
        }
        all
    };
    let first = read_all().await;
    let local: Vec<_> =
        FILES.iter().map(|(name, _)| local(&bytes_of(&hub, name), home.path()).tensors().clone()).collect();
    assert_eq!(first, local);
    let sent = hub.sent();
    let header = 60_000 * 25;
    assert!(sent < 2 * header + 2 * 40_000, "{sent} bytes for three headers of {header}");
    assert_eq!(read_all().await, first);
    assert_eq!(hub.sent(), sent, "they were on the disk");
    // What was damaged there is read anew.
    for file in std::fs::read_dir(home.path().join("headers")).unwrap().flatten() {
        let mut bytes = std::fs::read(file.path()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(file.path(), bytes).unwrap();
    }
    assert_eq!(read_all().await, first);
    assert!(hub.sent() > sent);
    // Other content of the same name too.
    hub.edit(REPO, |repo| *repo = repo.clone().with("m-Q8_0.gguf", model(GgmlType::Q8_0, 100, false)));
    let other = finder(&hub, home.path()).headers(REPO).await.unwrap().read("m-Q8_0.gguf").await.unwrap();
    assert_eq!(other.metadata().strings("tokenizer.ggml.tokens").unwrap().len(), 100);
}

#[tokio::test]
async fn pieces_are_put_together() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let folder = home.path().join("split");
    std::fs::create_dir(&folder).unwrap();
    let names = ["m-00001-of-00002.gguf", "m-00002-of-00002.gguf"];
    for (i, name) in names.iter().enumerate() {
        let mut writer = lantern_gguf::GgufWriter::new();
        use lantern_gguf::Value::{String as Text, U16};
        if i == 0 {
            writer.metadata.set("general.architecture", Text("llama".into()));
        }
        writer.metadata.set("split.no", U16(i as u16));
        writer.metadata.set("split.count", U16(2));
        writer.tensor(&format!("blk.{i}.attn_q.weight"), &[32, 2], GgmlType::F32.id(), vec![0; 256]);
        let bytes = writer.finish();
        std::fs::write(folder.join(name), &bytes).unwrap();
        hub.edit(REPO, |repo| *repo = repo.clone().with(&format!("split/{name}"), bytes));
    }
    let finder = finder(&hub, home.path());
    let mut headers = finder.headers(REPO).await.unwrap();
    let remote = headers.read("split/m-00001-of-00002.gguf").await.unwrap();
    let local = lantern_gguf::GgufFile::open(&folder.join(names[0])).unwrap();
    assert_eq!((remote.tensors(), remote.shard_count()), (local.tensors(), 2));
    assert_eq!(headers.read("none.gguf").await.unwrap_err().code(), "no_such_file");
    assert_eq!(headers.read("../none.gguf").await.unwrap_err().code(), "unsafe_name");
}

#[tokio::test]
async fn a_bad_way_does_not_change_a_header() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let whole = local(&bytes_of(&hub, "m-Q8_0.gguf"), home.path());
    for faults in [
        vec![Fault::CutAfter(1000)],
        vec![Fault::Status(503, None), Fault::Status(500, None)],
        vec![Fault::IgnoreRange, Fault::IgnoreRange, Fault::IgnoreRange],
        vec![Fault::Status(429, Some("0"))],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let finder = finder(&hub, folder.path());
        hub.next(faults.clone());
        let mut headers = finder.headers(REPO).await.unwrap();
        let remote = headers.read("m-Q8_0.gguf").await.unwrap_or_else(|error| panic!("{faults:?}: {error}"));
        assert_eq!(remote.tensors(), whole.tensors(), "{faults:?}");
        hub.change(|state| state.content_faults.clear());
    }
}

#[tokio::test]
async fn what_is_no_header_has_a_name() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    let mut headers = finder.headers(REPO).await.unwrap();
    let mut read = async |fault: Fault| {
        hub.next(vec![fault; 4]);
        let error = headers.read("m-F16.gguf").await.unwrap_err();
        hub.change(|state| state.content_faults.clear());
        error
    };
    let html = read(Fault::Html).await;
    assert!(matches!(html.code(), "not_gguf" | "hub_malformed_response"), "{html}");
    assert_eq!(read(Fault::WrongRange).await.code(), "hub_malformed_response");
    assert_eq!(read(Fault::WrongBytes).await.code(), "not_gguf");
    assert_eq!(read(Fault::CutAfter(10)).await.code(), "hub_unreachable");
    assert_eq!(read(Fault::Status(404, None)).await.code(), "hub_not_found");
}

#[tokio::test]
async fn terms_that_were_not_accepted_are_told_with_their_place() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    hub.edit(REPO, |repo| {
        repo.gate = Gate::Terms;
        repo.admitted.insert("hf_good".into());
    });
    for token in [None, Some("hf_other")] {
        let finder = finder_with(&hub.endpoint(), home.path(), token);
        let error = finder.headers(REPO).await.unwrap().read("m-F16.gguf").await.unwrap_err();
        let HubError::Gated { page: url, .. } = &error else { panic!("{error:?}") };
        assert!(url.ends_with(REPO) && error.next_step().contains(url), "{error}");
    }
    let finder = finder_with(&hub.endpoint(), home.path(), Some("hf_good"));
    assert!(finder.headers(REPO).await.unwrap().read("m-F16.gguf").await.is_ok());
    let to_others = hub.seen_by_content().into_iter().filter_map(|seen| seen.authorization);
    assert_eq!(to_others.count(), 0, "the token is for the Hub alone");
}

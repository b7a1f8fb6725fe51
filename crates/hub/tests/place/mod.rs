//! A cache folder of its own, and a Hub with one model.
#![allow(dead_code)] // Each test program uses some of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lantern_hub::{Download, Hub, HubOptions, RetryPolicy};
use lantern_protocol::{DownloadProgress, DownloadRequest};
use lantern_test_hub::{Repo, TestHub, random_bytes, sha256};

pub const REPO: &str = "owner/model-GGUF";
pub const FILE: &str = "model-Q4_0.gguf";
/// A file that one connection fetches.
pub const SIZE: usize = 600_000;
pub const MB: usize = 1 << 20;

pub fn content(len: usize) -> Vec<u8> {
    random_bytes(len, 0)
}

/// A Hub with a model of so many bytes.
pub async fn hub_with(len: usize) -> TestHub {
    let hub = TestHub::start().await.unwrap();
    hub.add(Repo::new(REPO).with(FILE, content(len)).with("README.md", "# a model"));
    hub
}

pub struct Place {
    pub dir: tempfile::TempDir,
    pub name: String,
}

impl Place {
    /// For a model of so many bytes.
    pub fn new(len: usize) -> Self {
        Self { dir: tempfile::tempdir().unwrap(), name: sha256(&content(len)) }
    }

    pub fn options(&self, server: &TestHub) -> HubOptions {
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
            ..HubOptions::from_env()
        }
    }

    pub fn hub(&self, server: &TestHub) -> Hub {
        Hub::new(self.options(server)).unwrap()
    }

    pub fn repo(&self) -> PathBuf {
        self.dir.path().join("cache/models--owner--model-GGUF")
    }

    pub fn blob(&self) -> PathBuf {
        self.repo().join("blobs").join(&self.name)
    }

    pub fn part(&self) -> PathBuf {
        self.blob().with_extension("lantern.incomplete")
    }

    pub fn quarantine(&self) -> PathBuf {
        self.blob().with_extension("quarantine")
    }

    /// Every file below the cache, relative.
    pub fn files(&self) -> Vec<String> {
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

pub fn request() -> DownloadRequest {
    DownloadRequest { repo: REPO.into(), file: FILE.into(), revision: None }
}

pub async fn until(download: &Download, what: impl Fn(&DownloadProgress) -> bool) {
    let mut progress = download.progress();
    let found = tokio::time::timeout(Duration::from_secs(20), progress.wait_for(|p| what(p))).await;
    assert!(found.is_ok(), "it never came so far: {:?}", download.latest());
}

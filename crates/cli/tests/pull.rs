//! `lantern pull` against a Hub on real sockets: interrupted, out of room, resumed, and ready to use.
#![cfg(unix)]

#[path = "../../hub/tests/fake_hub/mod.rs"]
mod fake_hub;
mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fake_hub::{Act, FakeHub, REPO};
use support::{Done, Home, done, golden, signal};

struct Fixture {
    server: FakeHub,
    home: Home,
    bytes: Vec<u8>,
    _runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bytes = fs::read(golden("llama_untied-Q8_0.gguf")).unwrap();
        let server = runtime.block_on(FakeHub::start(bytes.clone()));
        let home = Home::with_hub(server.endpoint());
        Self { server, home, bytes, _runtime: runtime }
    }

    fn part(&self) -> PathBuf {
        let name = format!("{}.incomplete", self.server.sha256());
        self.home.cache().join("models--owner--model-GGUF/blobs").join(name)
    }

    fn finish(&self) -> Done {
        let pull = self.home.run(&["pull", &format!("{REPO}:Q4_0")]).good();
        assert_eq!(pull.out, "model-Q4_0\n");
        let list = self.home.run(&["list", "--json"]).good().json();
        assert_eq!(fs::read(list[0]["path"].as_str().unwrap()).unwrap(), self.bytes);
        assert_eq!(list[0]["repo"], REPO);
        assert!(!self.part().exists());
        pull
    }
}

#[test]
fn a_model_is_fetched_once_and_found_by_its_hub_name() {
    let fixture = Fixture::new();
    fixture.finish();
    fixture.finish();
    assert_eq!(fixture.server.sent(), fixture.bytes.len(), "the second pull fetched bytes");
    fixture.home.run(&["inspect", REPO]).good();
    let answer = |model: &str| {
        fixture.home.run(&["run", model, "once upon", "--raw", "--temp", "0", "-n", "16", "--stats"]).good()
    };
    let fetched = answer(&format!("{REPO}/model-Q4_0.gguf"));
    assert_eq!(fetched.out, answer(&golden("llama_untied-Q8_0.gguf")).out);
    assert!(fetched.err.contains("written"), "{}", fetched.err);
    fixture.home.run(&["rm", REPO]).good();
    assert_eq!(fixture.home.run(&["list"]).good().out, "");
}

#[test]
fn killed_or_interrupted_it_goes_on_where_it_stopped() {
    for name in ["INT", "KILL"] {
        let fixture = Fixture::new();
        let half = fixture.bytes.len() / 2 / 4096 * 4096;
        fixture.server.next([Act::StallAfter(half)]);
        let child = fixture.home.spawn(&["pull", REPO]);
        let start = Instant::now();
        while fs::metadata(fixture.part()).map_or(0, |meta| meta.len()) < half as u64 {
            assert!(start.elapsed() < Duration::from_secs(30), "the first half never came");
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(&child, name);
        let stopped = done(child.wait_with_output().unwrap());
        assert_ne!(stopped.code, Some(0));
        assert_eq!(stopped.out, "");
        assert!(
            name == "KILL" || (stopped.code == Some(130) && stopped.err.contains("go on")),
            "{:?} {}",
            stopped.code,
            stopped.err
        );
        fixture.finish();
        assert_eq!(fixture.server.sent(), fixture.bytes.len(), "bytes were fetched twice after SIG{name}");
    }
}

/// The shell's limit on file sizes makes a real write fail in the middle, like a disk that is full.
#[test]
fn out_of_room_it_says_so_and_keeps_what_has_arrived() {
    let fixture = Fixture::new();
    let script = format!("trap '' XFSZ; ulimit -f 400; exec {} pull {REPO}", Home::program());
    let pull = done(fixture.home.command("sh").args(["-c", &script]).output().unwrap()).failed("disk_full");
    assert!(pull.err.contains("are needed"), "{}", pull.err);
    let kept = fs::metadata(fixture.part()).unwrap().len();
    assert!(kept > 0 && kept < fixture.bytes.len() as u64, "{kept} bytes kept of {}", fixture.bytes.len());
    fixture.finish();
    let last = fixture.server.seen("cdn").last().unwrap().clone();
    assert_eq!(last.range.as_deref(), Some(format!("bytes={kept}-").as_str()));
}

#[test]
fn wrong_bytes_never_reach_the_library() {
    let fixture = Fixture::new();
    fixture.server.next([Act::WrongBytes]);
    fixture.home.run(&["pull", REPO]).failed("hash_mismatch");
    assert_eq!(fixture.home.run(&["list"]).good().out, "");
    fixture.finish();
}

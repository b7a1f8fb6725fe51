//! `lantern pull` against a Hub on real sockets: interrupted, out of room, through a proxy, several at once, ready to use.
#![cfg(unix)]

mod support;

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lantern_protocol::SettingsPatch;
use lantern_test_hub::{Fault, Gate, Repo, TestHub, TestProxy, sha256};
use serde_json::Value;
use support::{Done, Home, done, golden, signal};

const REPO: &str = "owner/model-GGUF";
const FILE: &str = "model-Q4_0.gguf";

struct Fixture {
    server: TestHub,
    home: Home,
    bytes: Vec<u8>,
    runtime: tokio::runtime::Runtime,
}

impl Fixture {
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bytes = fs::read(golden("llama_untied-Q8_0.gguf")).unwrap();
        let server = runtime.block_on(TestHub::start()).unwrap();
        server.add(Repo::new(REPO).with(FILE, bytes.clone()));
        let home = Home::with_hub(server.endpoint());
        Self { server, home, bytes, runtime }
    }

    fn part(&self) -> PathBuf {
        let name = format!("{}.lantern.incomplete", sha256(&self.bytes));
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
    assert_eq!(fixture.server.sent(), fixture.bytes.len() as u64, "the second pull fetched bytes");
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
        let half = fixture.bytes.len() as u64 / 2;
        fixture.server.next([Fault::StallAfter(half)]);
        let child = fixture.home.spawn(&["pull", REPO]);
        let start = Instant::now();
        let journal = fixture.part().with_extension("incomplete.json");
        let kept = || fs::read_to_string(&journal).unwrap_or_default().contains(&format!("[0,{half}]"));
        while !kept() {
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
        // Next week the signed address is no good any more.
        fixture.server.expire_links();
        fixture.finish();
        let (sent, size) = (fixture.server.sent(), fixture.bytes.len() as u64);
        assert_eq!(sent, size, "bytes were fetched twice after SIG{name}");
    }
}

/// The shell's limit on file sizes makes a real write fail in the middle, like a disk that is full.
#[test]
fn out_of_room_it_says_so_and_keeps_what_has_arrived() {
    let fixture = Fixture::new();
    let script = format!("trap '' XFSZ; ulimit -f 400; exec {} pull {REPO}", Home::program());
    let pull = done(fixture.home.command("sh").args(["-c", &script]).output().unwrap()).failed("disk_full");
    assert!(pull.err.contains("are needed"), "{}", pull.err);
    let before = fixture.server.sent();
    fixture.finish();
    let (sent, size) = (fixture.server.sent() - before, fixture.bytes.len() as u64);
    assert!(sent < size - 100_000, "{sent} of {size} bytes were fetched after some had been kept");
}

#[test]
fn wrong_bytes_never_reach_the_library() {
    let fixture = Fixture::new();
    fixture.server.next([Fault::WrongBytes]);
    fixture.home.run(&["pull", REPO]).failed("hash_mismatch");
    assert_eq!(fixture.home.run(&["list"]).good().out, "");
    fixture.finish();
}

#[test]
fn several_models_and_lines_for_programs() {
    let fixture = Fixture::new();
    fixture.server.edit(REPO, |repo| {
        let other = fs::read(golden("qwen2-Q8_0.gguf")).unwrap();
        *repo = repo.clone().with("other-Q8_0.gguf", other);
    });
    let both = [format!("{REPO}/{FILE}"), format!("{REPO}/other-Q8_0.gguf")];
    let pull = fixture.home.run(&["pull", &both[0], &both[1], "--json", "--connections", "2"]).good();
    let lines: Vec<Value> = pull.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let models: Vec<_> = lines.iter().filter_map(|line| line["model"]["id"].as_str()).collect();
    assert_eq!(models, ["model-Q4_0", "other-Q8_0"]);
    let whole = |file: &str| {
        lines.iter().map(|line| &line["download"]).any(|progress| {
            progress["request"]["file"] == file
                && progress["state"] == "done"
                && progress["files"][0]["receivedBytes"] == progress["totalBytes"]
        })
    };
    assert!(whole(FILE) && whole("other-Q8_0.gguf"), "{}", pull.out);
    // One that fails does not keep the other from coming.
    let (absent, fixture) = (format!("{REPO}/absent.gguf"), Fixture::new());
    let pull = fixture.home.run(&["pull", &absent, REPO]).failed("hub_not_found");
    assert_eq!(pull.out, "model-Q4_0\n");
}

#[test]
fn two_programs_fetch_a_file_once() {
    let fixture = Fixture::new();
    fixture.server.change(|state| state.link.bytes_per_second = Some(fixture.bytes.len() as u64));
    let both = [fixture.home.spawn(&["pull", REPO]), fixture.home.spawn(&["pull", REPO])];
    for child in both {
        let pull = done(child.wait_with_output().unwrap()).good();
        assert_eq!(pull.out, "model-Q4_0\n");
    }
    assert_eq!(fixture.server.sent(), fixture.bytes.len() as u64);
}

#[test]
fn the_limit_is_kept() {
    let fixture = Fixture::new();
    let rate = fixture.bytes.len() / 2;
    let start = Instant::now();
    fixture.home.run(&["pull", REPO, "--limit", &rate.to_string()]).good();
    assert!(start.elapsed() > Duration::from_millis(1500), "took {:?}", start.elapsed());
    assert_eq!(fixture.home.run(&["pull", REPO, "--limit", "fast"]).code, Some(2));

    // Where none is given, it is that of the settings.
    let fixture = Fixture::new();
    let patch =
        SettingsPatch { download_bytes_per_second: u32::try_from(rate).ok(), ..SettingsPatch::default() };
    fixture.home.with_app(async |app| app.update_settings(patch).await.unwrap());
    let start = Instant::now();
    fixture.home.run(&["pull", REPO]).good();
    assert!(start.elapsed() > Duration::from_millis(1500), "took {:?}", start.elapsed());
}

#[test]
fn a_proxy_of_the_environment_is_used_unless_the_host_is_excepted() {
    let fixture = Fixture::new();
    let proxy = fixture.runtime.block_on(TestProxy::start()).unwrap();
    let mut direct = fixture.home.command(Home::program());
    direct.args(["pull", REPO]).env("http_proxy", proxy.url()).env("NO_PROXY", "127.0.0.1");
    done(direct.output().unwrap()).good();
    assert!(proxy.seen().is_empty(), "{:?}", proxy.seen());
    fixture.home.run(&["rm", REPO]).good();
    let mut through = fixture.home.command(Home::program());
    through.args(["pull", REPO]).env("http_proxy", proxy.url()).env_remove("NO_PROXY").env_remove("no_proxy");
    done(through.output().unwrap()).good();
    let content = format!("GET http://{}", fixture.server.content_address);
    assert!(proxy.seen().iter().any(|line| line.starts_with(&content)), "{:?}", proxy.seen());
    // An endpoint over TLS is reached through a tunnel; nobody speaks TLS at its end.
    let mut tunnel = fixture.home.command(Home::program());
    let secure = format!("https://{}", fixture.server.address);
    tunnel.args(["pull", REPO]).env("HF_ENDPOINT", &secure).env("https_proxy", proxy.url());
    tunnel.env_remove("NO_PROXY").env_remove("no_proxy");
    done(tunnel.output().unwrap()).failed("hub_unreachable");
    let connect = format!("CONNECT {}", fixture.server.address);
    assert!(proxy.seen().iter().any(|line| line.starts_with(&connect)), "{:?}", proxy.seen());
}

#[test]
fn a_token_that_was_kept_opens_a_gate_until_it_is_forgotten() {
    let fixture = Fixture::new();
    fixture.server.edit(REPO, |repo| {
        repo.gate = Gate::Terms;
        repo.admitted.insert("hf_good".into());
    });
    let pull = || fixture.home.run(&["pull", &format!("{REPO}:Q4_0")]);
    pull().failed("hub_gated");
    assert_eq!(fixture.home.run(&["token"]).good().out, "The Hub gets no token.\n");
    fixture.home.pipe(&["token", "set"], "\n").failed("no_token");
    fixture.home.pipe(&["token", "set"], "two words\n").failed("hub_token");
    let kept = fixture.home.pipe(&["token", "set"], "hf_good\n").good();
    assert!(kept.out.contains("Lantern's token"), "{}", kept.out);
    pull().good();
    assert_eq!(fixture.home.run(&["token", "forget"]).good().out, "The Hub gets no token.\n");
}

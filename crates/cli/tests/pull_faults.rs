//! A large file through a hail of faults: connections that break or fall silent, refusals, wrong answers, wrong bytes, and
//! `kill -9` of `lantern pull` itself. It always ends whole, and little is fetched twice.
//!
//! `LANTERN_TEST_FAULTS=200 LANTERN_TEST_MB=300` is the long form.
#![cfg(unix)]

mod support;

use std::fs;
use std::process::Child;
use std::time::{Duration, Instant};

use lantern_test_hub::{Fault, Repo, TestHub, random_bytes, sha256};
use support::{Home, signal};

const REPO: &str = "owner/large-GGUF";
const FILE: &str = "large-Q4_0.gguf";
/// What a kill may cost: what is written and not yet in the journal (a second's, or 4 MiB and those that come meanwhile),
/// and what was on its way.
const PART: u64 = 8 << 20;
/// What everything else may cost: bytes in sockets, which a connection that is left does not read.
const ON_ITS_WAY: u64 = 1 << 20;

fn number(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

/// Numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % n
    }
}

fn pull(home: &Home) -> Child {
    home.spawn(&["pull", &format!("{REPO}/{FILE}")])
}

#[test]
fn a_hail_of_faults_ends_with_the_right_bytes_and_little_is_fetched_twice() {
    let faults = number("LANTERN_TEST_FAULTS", 40) as u64;
    let size = number("LANTERN_TEST_MB", 40) * 1_000_000;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let server = runtime.block_on(TestHub::start()).unwrap();
    let bytes = random_bytes(size, 5);
    let hash = sha256(&bytes);
    server.add(Repo::new(REPO).with(FILE, bytes));
    server.change(|state| {
        state.link.bytes_per_second = Some(1_500_000);
        state.link_life = Some(Duration::from_secs(3));
    });
    let home = Home::with_hub(server.endpoint());

    let (mut dice, mut counts) = (Dice(11), std::collections::BTreeMap::<&str, u64>::new());
    let start = Instant::now();
    let mut child = pull(&home);
    for fault in 0..faults {
        // Spread over what is to come, whatever was fetched twice.
        let due = size as u64 * fault / faults;
        let progress = |server: &TestHub| server.sent() >= due;
        while !progress(&server) && child.try_wait().unwrap().is_none() {
            assert!(start.elapsed() < Duration::from_secs(1200), "it does not get on: {counts:?}");
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(end) = child.try_wait().unwrap() {
            // All bytes came, or it gave up after too many failures; another start is what a person would do.
            if end.success() {
                break;
            }
            child = pull(&home);
        }
        let kind = match dice.below(10) {
            // Nobody can tell which of all bytes are the wrong ones, so this one costs the file once more.
            _ if fault == faults / 2 => {
                server.next([Fault::WrongBytes]);
                server.change(|state| state.break_now += 1);
                "wrong bytes"
            }
            0..3 => {
                signal(&child, "KILL");
                child.wait().unwrap();
                child = pull(&home);
                "kill"
            }
            3..5 => {
                server.change(|state| state.break_now += 1);
                "cut"
            }
            5 => {
                server.change(|state| state.stall_now += 1);
                "stall"
            }
            other => {
                let (fault, kind) = match other {
                    6 => (Fault::Status(429, Some("1")), "429"),
                    7 => (Fault::Status(503, None), "503"),
                    8 => (Fault::WrongRange, "bytes of another place"),
                    _ => (Fault::Html, "a web page"),
                };
                server.next([fault]);
                server.change(|state| state.break_now += 1);
                kind
            }
        };
        *counts.entry(kind).or_default() += 1;
    }
    let mut starts = 0;
    while !child.wait().unwrap().success() {
        starts += 1;
        assert!(starts < 20, "it does not end");
        child = pull(&home);
    }
    let blob = home.cache().join("models--owner--large-GGUF/blobs").join(&hash);
    assert_eq!(sha256(&fs::read(&blob).unwrap()), hash);
    let kills = counts.get("kill").copied().unwrap_or(0);
    let happened: u64 = counts.values().sum();
    let wrong = counts.get("wrong bytes").copied().unwrap_or(0);
    assert!(wrong == 1 && server.sent() >= 2 * size as u64, "the wrong bytes were not noticed: {counts:?}");
    let repeated = server.sent() - 2 * size as u64;
    println!(
        "{size} bytes, {happened} faults {counts:?}: the file twice for wrong bytes, and {repeated} bytes more, {} a fault; {:?}",
        repeated / happened.max(1),
        start.elapsed()
    );
    assert!(
        repeated <= kills * PART + (happened - kills) * ON_ITS_WAY,
        "{repeated} bytes were fetched twice"
    );
    assert!(happened >= faults * 3 / 4, "only {happened} faults happened");
}

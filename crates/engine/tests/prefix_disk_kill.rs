//! Killed in the middle of writing, again and again, the prefix cache on disk keeps its quota and gives no wrong token.
#![cfg(unix)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lantern_engine::{
    DiskCacheOptions, Engine, EngineOptions, GenerateRequest, GenerationEvent, HostMemory, Ledger, Prompt,
    SamplingParams,
};

/// Rounds, unless the environment says how many.
const ROUNDS: u64 = 40;
/// Names their number.
const ROUNDS_WANTED: &str = "LANTERN_TEST_KILLS";
/// Room for a few of the prompts below.
const QUOTA: u64 = 300_000;
/// Names the folder to the process that is to be killed.
const VICTIM: &str = "LANTERN_TEST_PREFIX_FOLDER";
/// Layers that see everything, with windows, and with states.
const FILES: [&str; 3] = ["llama_untied-Q8_0.gguf", "gemma3-Q8_0.gguf", "qwen35_dense-Q8_0.gguf"];

fn engine(file: &str, folder: Option<&Path>) -> Engine {
    let models = lantern_golden::path("models");
    let prefix_disk = folder.map(options);
    // Whatever else this machine does: short of memory, caches would let go of what they have.
    let ledger = Ledger::with(None, || HostMemory { available: 1 << 40, ..HostMemory::default() });
    let options = EngineOptions { threads: 1, prefix_disk, ledger, ..EngineOptions::default() };
    Engine::load(&models.join(file), options).expect("the golden model loads")
}

fn options(folder: &Path) -> DiskCacheOptions {
    DiskCacheOptions { folder: folder.to_path_buf(), quota_bytes: QUOTA }
}

/// The tokens of an answer, and how many of the prompt's came from the cache.
fn say(engine: &Engine, seed: u32) -> (Vec<u32>, usize) {
    let prompt = (0..200).map(|index| (seed * 131 + index * 37 + index * index) % 500).collect();
    let never = (500..512).map(|id| (id, f32::NEG_INFINITY)).collect();
    let request = GenerateRequest {
        sampling: SamplingParams { logit_bias: never, ..SamplingParams::greedy() },
        max_tokens: Some(5),
        ..GenerateRequest::new(Prompt::Tokens(prompt))
    };
    let (mut stream, mut all) = (engine.generate(request).expect("accepted"), Vec::new());
    loop {
        match stream.blocking_next() {
            Some(GenerationEvent::Text { tokens, .. }) => all.extend(tokens),
            Some(GenerationEvent::Finished { usage, .. }) => return (all, usage.cached_tokens),
            Some(GenerationEvent::Failed(error)) => panic!("{error}"),
            Some(_) => {}
            None => panic!("a stream ends with Finished or Failed"),
        }
    }
}

/// Not a test of its own: what the process that is to be killed does.
#[test]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let engines = FILES.map(|file| engine(file, Some(Path::new(&folder))));
    for seed in (0..12).cycle() {
        engines.iter().for_each(|engine| drop(say(engine, seed)));
    }
}

#[test]
fn killed_again_and_again_it_keeps_its_quota_and_gives_no_wrong_token() {
    let home = tempfile::tempdir().expect("a folder");
    let expected = FILES.map(|file| {
        let cold = engine(file, None);
        (0..12).map(|seed| say(&cold, seed).0).collect::<Vec<_>>()
    });
    let mut of_use = 0;
    let wanted = std::env::var(ROUNDS_WANTED).ok();
    for round in 0..wanted.map_or(ROUNDS, |rounds| rounds.parse().expect("a number")) {
        write_and_kill(home.path(), round);
        // Also before anybody tidies.
        let bytes = options(home.path()).bytes();
        assert!(bytes <= QUOTA, "round {round}: {bytes} bytes");
        let file = round as usize % FILES.len();
        let warm = engine(FILES[file], Some(home.path()));
        for seed in 0..12 {
            let (tokens, cached) = say(&warm, seed);
            assert_eq!(tokens, expected[file][seed as usize], "round {round}, {}", FILES[file]);
            of_use += cached;
        }
        drop(warm);
        assert!(options(home.path()).bytes() <= QUOTA, "round {round}, after the next engine");
    }
    assert!(of_use > 0, "something of it was of use");
}

fn write_and_kill(folder: &Path, round: u64) {
    let program = std::env::current_exe().expect("this program");
    let mut victim = Command::new(program)
        .args(["--exact", "writes_until_it_is_killed"])
        .env(VICTIM, folder)
        .stdout(Stdio::null())
        .spawn()
        .expect("it starts");
    // Long enough for it to begin, and another moment each time.
    std::thread::sleep(Duration::from_millis(150 + round * 37 % 300));
    assert!(victim.try_wait().expect("it can be asked").is_none(), "it ended by itself");
    // SIGKILL.
    victim.kill().expect("it can be killed");
    victim.wait().expect("it has ended");
}

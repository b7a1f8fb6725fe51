//! Whether models on a Hub that is played run here, by their headers alone.

mod support;

use std::path::Path;

use lantern_app::App;
use lantern_engine::{Engine, HostMemory, Ledger};
use lantern_protocol::{Fit, FitVerdict, ModelCapability};
use lantern_test_hub::{Fault, Repo, TestHub};
use support::{golden, open, open_on};

const REPO: &str = "maker/Model-GGUF";

/// A hub with these golden models in one repository, under the names given.
async fn hub(files: &[(&str, &str)]) -> TestHub {
    let hub = TestHub::start().await.unwrap();
    let mut repo = Repo::new(REPO);
    repo.tags = vec!["gguf".into()];
    for (name, model) in files {
        repo = repo.with(name, std::fs::read(golden(model)).unwrap());
    }
    hub.add(repo);
    hub
}

/// An application on a machine with so many bytes free.
async fn with_memory(home: &Path, hub: &TestHub, free: u64) -> App {
    let look = move || HostMemory { available: free, ..HostMemory::default() };
    open_on(home, &hub.endpoint(), Ledger::with(None, look)).await
}

/// Models of every shape: dense, tied, with experts, with windows, with states, with shared caches.
const SHAPES: [&str; 16] = [
    "llama_untied-Q8_0",
    "llama_k256-Q4_K_M",
    "qwen3-Q8_0",
    "phi3-Q8_0",
    "qwen3moe-MXFP4_MOE",
    "mixtral-F32",
    "gptoss-MXFP4",
    "deepseek3-F32",
    "glm4moe-F32",
    "gemma2-F32",
    "gemma3-Q4_0",
    "gemma3n-F32",
    "gemma4_moe-Q8_0",
    "granitehybrid-F32",
    "qwen35moe-Q8_0",
    "nemotron_h_moe-F32",
];

#[tokio::test]
async fn a_plan_from_the_header_is_the_plan_of_the_file() {
    let names: Vec<String> = SHAPES.iter().map(|name| format!("{name}.gguf")).collect();
    let files: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(SHAPES).collect();
    let (hub, home) = (hub(&files).await, tempfile::tempdir().unwrap());
    let app = with_memory(home.path(), &hub, 8 << 30).await;
    for (name, model) in files {
        let planned = app.planned_file(REPO, name, Some(200)).await.unwrap();
        let local = Engine::plan(&golden(model), &planned.options).unwrap();
        let remote = Engine::plan_file(&planned.header, &planned.options).unwrap();
        assert_eq!(remote, local, "{name}");
        let fit = app.file_fit(REPO, name, Some(200)).await.unwrap();
        assert_eq!((fit.verdict, fit.needed_bytes), (FitVerdict::Fits, local.alone_bytes()), "{name}");
    }
}

#[tokio::test]
async fn verdicts_depend_on_the_machine() {
    let hub = hub(&[("m-Q8_0.gguf", "qwen3moe-Q8_0")]).await;
    let fit = async |free: u64| -> Fit {
        let home = tempfile::tempdir().unwrap();
        let app = with_memory(home.path(), &hub, free).await;
        app.file_fit(REPO, "m-Q8_0.gguf", Some(256)).await.unwrap()
    };
    let much = fit(4 << 30).await;
    assert_eq!((much.verdict, much.context_length, much.error), (FitVerdict::Fits, 256, None));
    let home = tempfile::tempdir().unwrap();
    let app = with_memory(home.path(), &hub, 4 << 30).await;
    let planned = app.planned_file(REPO, "m-Q8_0.gguf", Some(256)).await.unwrap();
    let plan = Engine::plan_file(&planned.header, &planned.options).unwrap();
    // Whole but for a part of the experts.
    let some = fit(plan.weight_bytes + plan.scratch_bytes + much.cache_bytes - 60_000).await;
    assert_eq!(some.verdict, FitVerdict::ExpertsFromDisk, "{some:?}");
    assert!(some.experts_in_memory.is_some_and(|share| 0.0 < share && share < 1.0), "{some:?}");
    let little = fit(1 << 20).await;
    assert_eq!(little.verdict, FitVerdict::TooLarge);
    assert_eq!(little.error.map(|error| error.code).as_deref(), Some("model_too_large"));
    assert!(little.needed_bytes > 1 << 20 && little.summary.starts_with("Too large ("), "{}", little.summary);
}

#[tokio::test]
async fn a_repository_has_verdicts_and_one_file_to_take() {
    let hub = hub(&[
        ("m-F16.gguf", "llama_tied-F16"),
        ("m-Q4_K_M.gguf", "llama_k256-Q4_K_M"),
        ("m-Q6_K.gguf", "llama_k256-Q6_K"),
        ("m-Q2_K.gguf", "llama_k256-Q2_K"),
        ("e-Q8_0.gguf", "bert-F32"),
    ])
    .await;
    hub.edit(REPO, |repo| {
        *repo = repo.clone().with("broken-Q5_K_M.gguf", &b"<html>no model</html>"[..]);
        let strange = std::fs::read(golden("qwen3-Q8_0")).unwrap();
        let at = strange.windows(5).position(|window| window == b"qwen3").unwrap();
        let mut strange = strange;
        strange[at..at + 5].copy_from_slice(b"quark");
        *repo = repo.clone().with("strange-Q5_K_M.gguf", strange);
    });
    let home = tempfile::tempdir().unwrap();
    let app = with_memory(home.path(), &hub, 8 << 30).await;
    let fits = app.repository_fit(REPO, Some(128)).await.unwrap();
    let of = |file: &str| fits.files.iter().find(|fit| fit.file == file).unwrap();
    assert_eq!(fits.files.len(), 7);
    assert_eq!(of("broken-Q5_K_M.gguf").error.as_ref().unwrap().code, "not_gguf");
    let strange = of("strange-Q5_K_M.gguf").fit.as_ref().unwrap();
    assert_eq!(strange.verdict, FitVerdict::Unsupported);
    assert_eq!(strange.error.as_ref().unwrap().code, "unknown_architecture");
    let embedder = of("e-Q8_0.gguf").fit.as_ref().unwrap();
    assert_eq!((embedder.verdict, embedder.capabilities[0]), (FitVerdict::Fits, ModelCapability::Embedding));
    let recommended = fits.recommended.unwrap();
    assert!(recommended.reason.contains("best quality that fits with"), "{}", recommended.reason);
    assert!(["m-Q6_K.gguf", "e-Q8_0.gguf"].contains(&recommended.file.as_str()), "{}", recommended.file);
}

#[tokio::test]
async fn a_hub_that_is_away_is_told_once() {
    let (hub, home) = (hub(&[("m-F16.gguf", "llama_tied-F16")]).await, tempfile::tempdir().unwrap());
    let app = with_memory(home.path(), &hub, 8 << 30).await;
    assert!(app.repository(REPO).await.is_ok());
    hub.next(vec![Fault::Status(429, Some("400"))]);
    assert_eq!(app.repository_fit(REPO, None).await.unwrap_err().code, "hub_rate_limited");
    let away = open(home.path()).await;
    assert_eq!(away.search_models(Default::default()).await.unwrap_err().code, "hub_unreachable");
    assert_eq!(away.repository(REPO).await.unwrap_err().code, "hub_unreachable");
}

#[tokio::test]
async fn the_curated_page_needs_no_network() {
    let home = tempfile::tempdir().unwrap();
    let curated = async |gigabytes: u64| {
        let look = move || HostMemory { available: gigabytes << 30, ..HostMemory::default() };
        let app = open_on(home.path(), "http://127.0.0.1:9", Ledger::with(None, look)).await;
        app.curated_models().await.unwrap()
    };
    let small = curated(2).await;
    assert!(small.len() >= 6);
    assert!(small[0].fit.verdict == FitVerdict::Fits && small[0].entry.size_bytes < 1_200_000_000);
    let fit = |name: &str| &small.iter().find(|model| model.entry.name == name).unwrap().fit;
    assert_eq!(fit("Qwen3 14B").verdict, FitVerdict::TooLarge, "{:?}", fit("Qwen3 14B"));
    assert_eq!(fit("gpt-oss 20B").verdict, FitVerdict::ExpertsFromDisk);
    let large = curated(64).await;
    for model in &large {
        let (fit, size) = (&model.fit, model.entry.size_bytes);
        assert_eq!(fit.verdict, FitVerdict::Fits, "{}", model.entry.name);
        // The file, keys and values for 8192 tokens, and less than half a gigabyte beside them.
        assert!(fit.weight_bytes < size && fit.needed_bytes > size, "{}: {fit:?}", model.entry.name);
        assert!(fit.needed_bytes < size + fit.cache_bytes + 500_000_000, "{}: {fit:?}", model.entry.name);
    }
}

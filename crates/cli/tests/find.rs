//! `lantern search`, plans of models on the Hub and `lantern compare`, against a Hub that is played.

mod support;

use lantern_test_hub::{Gate, Repo, TestHub};
use serde_json::json;
use support::{Done, Home, golden};

const REPO: &str = "maker/Model-GGUF";

/// A Hub that runs as long as this is held.
struct Played {
    hub: TestHub,
    _runtime: tokio::runtime::Runtime,
}

impl Played {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let hub = runtime.block_on(TestHub::start()).unwrap();
        let read = |name: &str| std::fs::read(golden(name)).unwrap();
        let mut repo = Repo::new(REPO)
            .with("m-Q8_0.gguf", read("qwen3moe-Q8_0.gguf"))
            .with("m-Q4_0.gguf", read("qwen3moe-Q4_0.gguf"))
            .with("README.md", "---\nlicense: mit\n---\n# Model");
        repo.tags = ["gguf", "license:mit", "base_model:maker/Model"].map(String::from).to_vec();
        repo.gguf =
            Some(json!({"total": 123_000_000u64, "architecture": "qwen3moe", "context_length": 4096}));
        (repo.downloads, repo.likes) = (77, 7);
        hub.add(repo);
        Self { hub, _runtime: runtime }
    }

    fn run(&self, args: &[&str]) -> Done {
        Home::with_hub(self.hub.endpoint()).run(args)
    }
}

#[test]
fn models_are_found() {
    let played = Played::start();
    let found = played.run(&["search", "model", "--sort", "likes"]).good();
    let row = found.out.lines().find(|line| line.starts_with(REPO)).expect("a row");
    for cell in ["123 M", "77", "7", "mit", "Q4_0 Q8_0"] {
        assert!(row.contains(cell), "no {cell} in {row}");
    }
    let json = played.run(&["search", "--min-size", "100M", "--max-size", "0.2B", "--json"]);
    let json = json.good().json();
    assert_eq!(json["repositories"][0]["repo"], REPO);
    assert_eq!(json["chosenHere"], json!(["size"]));
    let none = played.run(&["search", "--quant", "Q5_K_M"]).good();
    assert!(none.err.contains("None of the 1 repositories"), "{}", none.err);
    assert_eq!(played.run(&["search", "--min-size", "much"]).code, Some(2));
    Home::new().run(&["search", "model"]).failed("hub_unreachable");
}

#[test]
fn a_repository_is_shown_with_what_runs_here() {
    let played = Played::start();
    let shown = played.run(&["search", "--repo", REPO, "--context", "256"]).good();
    for words in [
        "made from",
        "maker/Model",
        "qwen3moe",
        "mit",
        "m-Q4_0.gguf",
        "Fits (",
        "take Q8_0: the best quality",
    ] {
        assert!(shown.out.contains(words), "no “{words}” in {}", shown.out);
    }
    assert!(shown.err.contains("lantern pull maker/Model-GGUF/m-Q8_0.gguf"), "{}", shown.err);
    let json = played.run(&["search", "--repo", REPO, "--context", "256", "--json"]).good().json();
    assert_eq!(json["repository"]["card"]["markdown"], "# Model");
    assert_eq!(json["fit"]["files"][0]["fit"]["verdict"], "fits");
    assert_eq!(json["fit"]["recommended"]["file"], "m-Q8_0.gguf");
    let show = played.run(&["show", REPO, "--json"]).good().json();
    assert_eq!(show["repository"]["about"]["repo"], REPO, "what is not here is looked for there");
    let quick = played.run(&["search", "--repo", REPO, "--no-fit", "--json"]).good().json();
    assert_eq!(quick["fit"], json!(null));
    played.run(&["search", "--repo", "maker/None"]).failed("hub_unauthorized");

    played.hub.edit(REPO, |repo| repo.gate = Gate::Terms);
    let gated = played.run(&["search", "--repo", REPO]).good();
    assert!(gated.out.contains("m-Q8_0.gguf") && gated.err.contains("ask for access"), "{}", gated.err);
    played.run(&["plan", &format!("{REPO}:Q8_0")]).failed("hub_gated");
}

#[test]
fn a_model_on_the_hub_is_planned_as_it_would_be_here() {
    let (played, model) = (Played::start(), golden("qwen3moe-Q8_0.gguf"));
    let plan = |model: &str| {
        let report =
            played.run(&["plan", model, "--context", "256", "--gpu-layers", "0", "--json"]).good().json();
        report["plan"].clone()
    };
    let (there, here) = (plan(&format!("{REPO}/m-Q8_0.gguf")), plan(&model));
    assert!(there["total_bytes"].as_u64() > Some(1_000_000), "{there}");
    assert_eq!(there, here);
    assert_eq!(plan(&format!("{REPO}:Q8_0")), here);
    assert!(played.hub.sent() < std::fs::metadata(&model).unwrap().len() * 3, "more than headers");
    played.run(&["plan", &format!("{REPO}:Q8_0"), "--measure"]).failed("not_here");
    played.run(&["plan", "maker/None:Q8_0"]).failed("hub_unauthorized");
}

#[test]
#[cfg(target_os = "linux")]
fn several_models_are_planned_and_measured_each_by_itself() {
    let models = ["qwen2-Q8_0.gguf", "gemma3-Q8_0.gguf"].map(golden);
    let args = [
        "plan",
        &models[0],
        &models[1],
        "no-such-model",
        "--context",
        "256",
        "--gpu-layers",
        "0",
        "--measure",
    ];
    let told = Home::new().run(&args).good().out;
    assert_eq!(told.lines().filter(|line| line.contains(".gguf")).count(), 2, "{told}");
    assert!(told.contains("model_not_found") && told.contains("2 measured; none is further than"), "{told}");
    let json = Home::new().run(&[&args[..], &["--json"]].concat()).good().json();
    let alone = Home::new()
        .run(&["plan", &models[1], "--context", "256", "--gpu-layers", "0", "--json"])
        .good()
        .json();
    assert_eq!(json[1]["plan"], alone["plan"]);
    assert!(json[1]["measured"]["peak_bytes"].as_u64() > Some(1_000_000));
}

#[test]
fn two_models_are_compared() {
    let home = Home::new();
    let (a, b) = (golden("llama_untied-Q8_0.gguf"), golden("llama_untied-Q4_0.gguf"));
    let told = home.run(&["compare", &a, &b, "--seconds", "60"]).good().out;
    for words in [
        "same next token",
        "change of perplexity",
        "KL divergence",
        "writing",
        "the built-in text",
        "less memory",
    ] {
        assert!(told.contains(words), "no “{words}” in {told}");
    }
    let text = home.file("text.txt", "A text of mine, several times over. ".repeat(60).as_bytes());
    let json = home.run(&["compare", &a, &a, "--text", &text, "--json"]).good().json();
    assert_eq!(json["sameTopPercent"]["value"], json!(100.0));
    home.run(&["compare", &a, &b, "--last", "5"]).failed("no_prompts");
    home.run(&["compare", &a, &golden("qwen3-Q8_0.gguf")]).failed("different_tokens");
    home.run(&["compare", &a, "nothing"]).failed("model_not_found");
}

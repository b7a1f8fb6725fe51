//! Searches and repositories, on a Hub that is played over real sockets.

mod find_support;

use find_support::{finder, finder_with, repo};
use lantern_hub::HubError;
use lantern_protocol::{Gating, ModelCapability, SearchQuery, SearchSort};
use lantern_test_hub::{Fault, Gate, TestHub};
use serde_json::json;

/// Three repositories with models and one without.
async fn hub() -> TestHub {
    let hub = TestHub::start().await.unwrap();
    let mut small =
        repo("maker/Qwen3-4B-GGUF", &["license:apache-2.0", "base_model:quantized:Qwen/Qwen3-4B"])
            .with("Qwen3-4B-Q4_K_M.gguf", vec![1; 10])
            .with("Qwen3-4B-Q8_0.gguf", vec![1; 20]);
    (small.downloads, small.likes, small.trending) = (500, 5, 1);
    small.created_at = "2025-04-01T00:00:00.000Z".into();
    small.gguf = Some(json!({"total": 4_022_468_096u64, "architecture": "qwen3", "context_length": 40960,
        "chat_template": "{% if tools %}{% endif %}<think>"}));
    let mut large = repo("maker/gemma-3-27b-it-GGUF", &["license:other"])
        .with("gemma-3-27b-it-Q4_K_M.gguf", vec![1; 30])
        .with("mmproj-F16.gguf", vec![1; 3]);
    (large.downloads, large.likes, large.trending) = (900, 1, 9);
    large.card = json!({"license_name": "gemma", "license_link": "https://ai.google.dev/gemma/terms"});
    large.gguf = Some(json!({"total": 27_009_002_240u64, "architecture": "gemma3"}));
    large.gate = Gate::Terms;
    let mut vectors =
        repo("other/nomic-embed-GGUF", &["sentence-transformers"]).with("m-F32.gguf", vec![1; 5]);
    vectors.pipeline_tag = Some("sentence-similarity".into());
    (vectors.downloads, vectors.likes, vectors.trending) = (100, 90, 5);
    vectors.gguf = Some(json!({"total": 136_000_000u64, "architecture": "nomic-bert"}));
    let mut plain = lantern_test_hub::Repo::new("maker/Qwen3-4B");
    plain.tags = vec!["safetensors".into()];
    for repo in [small, large, vectors, plain] {
        hub.add(repo);
    }
    hub
}

fn query(text: &str) -> SearchQuery {
    SearchQuery { text: text.into(), ..SearchQuery::default() }
}

async fn names(finder: &lantern_hub::search::Finder, query: &SearchQuery) -> Vec<String> {
    let page = finder.search(query).await.unwrap();
    page.repositories.into_iter().map(|found| found.repo).collect()
}

const SMALL: &str = "maker/Qwen3-4B-GGUF";
const LARGE: &str = "maker/gemma-3-27b-it-GGUF";
const VECTORS: &str = "other/nomic-embed-GGUF";

#[tokio::test]
async fn repositories_are_found_in_every_order() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    for (sort, order) in [
        (SearchSort::Trending, [LARGE, VECTORS, SMALL]),
        (SearchSort::Downloads, [LARGE, SMALL, VECTORS]),
        (SearchSort::Likes, [VECTORS, SMALL, LARGE]),
    ] {
        assert_eq!(names(&finder, &SearchQuery { sort, ..query("") }).await, order, "{sort:?}");
    }
    assert_eq!(names(&finder, &SearchQuery { sort: SearchSort::Newest, ..query("") }).await[0], SMALL);
    assert_eq!(names(&finder, &query("qwen3")).await, [SMALL], "what has no GGUF file is no model here");
    let author = Some("other".to_owned());
    assert_eq!(names(&finder, &SearchQuery { author, ..query("") }).await, [VECTORS]);
    let asked = hub.seen_by_hub().last().unwrap().query.clone();
    assert!(
        asked.contains("filter=gguf") && asked.contains("author=other") && asked.contains("expand=gguf"),
        "{asked}"
    );
}

#[tokio::test]
async fn what_the_hub_cannot_choose_by_is_chosen_here() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    let sized =
        SearchQuery { min_parameters: Some(1_000_000_000), max_parameters: Some(8_000_000_000), ..query("") };
    let page = finder.search(&sized).await.unwrap();
    assert_eq!((page.repositories.len(), page.looked_at, page.chosen_here), (1, 3, vec!["size".to_owned()]));
    let quant = SearchQuery { quant: Some("q8_0".into()), ..query("") };
    assert_eq!(names(&finder, &quant).await, [SMALL]);
    let family = SearchQuery { family: Some("Gemma 3".into()), ..query("") };
    assert_eq!(names(&finder, &family).await, [LARGE]);
    let family = SearchQuery { family: Some("Gemma-4".into()), ..query("") };
    assert_eq!(names(&finder, &family).await, Vec::<String>::new());
    let family = SearchQuery { family: Some("gemma".into()), ..query("") };
    assert_eq!(names(&finder, &family).await, [LARGE]);
    for (capability, found) in [
        (ModelCapability::Vision, LARGE),
        (ModelCapability::Tools, SMALL),
        (ModelCapability::Thinking, SMALL),
        (ModelCapability::Embedding, VECTORS),
    ] {
        let can = SearchQuery { capabilities: vec![capability], ..query("") };
        assert_eq!(names(&finder, &can).await, [found], "{capability:?}");
    }
}

#[tokio::test]
async fn what_is_said_of_a_repository() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let page = finder(&hub, home.path()).search(&query("qwen3")).await.unwrap();
    let found = &page.repositories[0];
    assert_eq!((found.downloads, found.likes, found.gating), (500, 5, Gating::None));
    assert_eq!(found.licence.as_deref(), Some("apache-2.0"));
    assert_eq!(found.base_model.as_deref(), Some("Qwen/Qwen3-4B"));
    assert_eq!((found.architecture.as_deref(), found.parameters), (Some("qwen3"), Some(4_022_468_096)));
    assert_eq!(found.context_length, Some(40960));
    assert_eq!(found.capabilities, [ModelCapability::Tools, ModelCapability::Thinking]);
    assert_eq!(found.quants, ["Q4_K_M", "Q8_0"]);
}

#[tokio::test]
async fn a_page_leads_to_the_next_and_nothing_is_asked_twice() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    let first = SearchQuery { limit: Some(1), ..query("") };
    let page = finder.search(&first).await.unwrap();
    assert_eq!(page.repositories[0].repo, LARGE);
    let second = SearchQuery { next: page.next.clone(), ..first.clone() };
    assert_eq!(names(&finder, &second).await, [VECTORS]);
    let asked = hub.seen_by_hub().len();
    assert_eq!(finder.search(&first).await.unwrap(), page);
    assert_eq!(hub.seen_by_hub().len(), asked, "it was remembered");
    // Until enough were found, further pages are looked at.
    let rare = SearchQuery { quant: Some("Q8_0".into()), ..first.clone() };
    let page = finder.search(&rare).await.unwrap();
    assert_eq!((page.repositories.len(), page.looked_at, page.next), (1, 3, None));
    for next in ["", "a b", "a#b", "\n"] {
        let bad = SearchQuery { next: Some(next.into()), ..first.clone() };
        assert_eq!(finder.search(&bad).await.unwrap_err().code(), "unsafe_name", "{next:?}");
    }
}

#[tokio::test]
async fn what_goes_wrong_has_a_name() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    let finder = finder(&hub, home.path());
    let mut number = 0;
    let mut search = async |faults: Vec<Fault>| {
        number += 1;
        hub.change(|state| state.hub_faults.clear());
        hub.next_of_hub(faults);
        finder.search(&query(&format!("none {number}"))).await.map(|page| page.repositories.len())
    };
    let always = |fault: Fault| vec![fault; 3];
    assert_eq!(search(vec![Fault::Html]).await.unwrap_err().code(), "hub_malformed_response");
    assert_eq!(search(always(Fault::Status(503, None))).await.unwrap_err().code(), "hub_http_status");
    assert_eq!(search(always(Fault::Status(429, None))).await.unwrap_err().code(), "hub_rate_limited");
    let long = search(vec![Fault::Status(429, Some("900"))]).await.unwrap_err();
    assert!(matches!(long, HubError::RateLimited { seconds: 900, .. }), "{long}");
    assert_eq!(search(vec![Fault::Status(401, None)]).await.unwrap_err().code(), "hub_unauthorized");
    assert_eq!(search(vec![Fault::Status(404, None)]).await.unwrap_err().code(), "hub_not_found");
    assert_eq!(
        search(vec![Fault::Status(503, None), Fault::None]).await.unwrap(),
        0,
        "a passing fault passes"
    );
    let away = finder_with("http://127.0.0.1:9", home.path(), None);
    let error = away.search(&query("")).await.unwrap_err();
    assert!(matches!(error, HubError::Unreachable { tries: 3, .. }), "{error:?}");
}

#[tokio::test]
async fn a_repository_has_its_files_by_quantisation_its_terms_and_its_card() {
    let (hub, home) = (hub().await, tempfile::tempdir().unwrap());
    hub.edit(LARGE, |repo| {
        *repo = repo
            .clone()
            .with("Q8_0/big-Q8_0-00001-of-00002.gguf", vec![1; 40])
            .with("Q8_0/big-Q8_0-00002-of-00002.gguf", vec![1; 41])
            .with("README.md", "---\nlicense: gemma\n---\n# Gemma\n<script>x</script>");
        repo.gate = Gate::Open;
    });
    let finder = finder(&hub, home.path());
    let repository = finder.repository(LARGE).await.unwrap();
    let groups: Vec<_> = repository
        .quants
        .iter()
        .map(|g| (g.quant.as_str(), g.files[0].size_bytes, g.files[0].pieces))
        .collect();
    assert_eq!(groups, [("Q4_K_M", 30, 1), ("Q8_0", 81, 2)]);
    assert_eq!(repository.projectors[0].file, "mmproj-F16.gguf");
    assert_eq!(repository.total_bytes, 30 + 81 + 3);
    assert_eq!(repository.about.licence.as_deref(), Some("gemma"));
    assert_eq!(repository.licence_url.as_deref(), Some("https://ai.google.dev/gemma/terms"));
    assert_eq!(
        repository.card.unwrap().markdown,
        "# Gemma\n<script>x</script>",
        "source, for a careful renderer"
    );
    assert_eq!((repository.commit.as_deref(), repository.gate), (Some(lantern_test_hub::COMMIT), None));

    hub.edit(LARGE, |repo| repo.gate = Gate::Terms);
    let gate = finder.repository(LARGE).await.unwrap().gate.expect("terms");
    assert_eq!(gate.gating, Gating::Manual);
    assert!(gate.url.ends_with(LARGE) && gate.what_to_do.contains(&gate.url), "{gate:?}");
    assert_eq!(
        finder.repository("maker/none").await.unwrap_err().code(),
        "hub_unauthorized",
        "strangers are not told"
    );
    assert_eq!(finder.repository("../none").await.unwrap_err().code(), "unsafe_name");
}

//! Two models held against each other.

mod support;

use lantern_app::App;
use lantern_engine::Ledger;
use lantern_protocol::{CompareEvent, CompareRequest, CompareStage, CompareText, Comparison};
use support::{PATIENCE, answer, golden, limit_tokens, open_on};

const OTHER: &str = "llama_untied-Q4_0";

fn request(a: &str, b: &str, text: CompareText) -> CompareRequest {
    CompareRequest { a: a.into(), b: b.into(), text, seconds: Some(60) }
}

async fn end(app: &App, request: CompareRequest) -> (Vec<CompareEvent>, CompareEvent) {
    let mut stream = app.compare(request).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the end in time") {
        events.push(event);
    }
    let last = events.pop().expect("an end");
    (events, last)
}

async fn card(app: &App, request: CompareRequest) -> Comparison {
    match end(app, request).await.1 {
        CompareEvent::Done { comparison } => *comparison,
        other => panic!("{other:?}"),
    }
}

async fn with_two() -> (tempfile::TempDir, App) {
    let home = tempfile::tempdir().unwrap();
    // Books of its own: other tests charge those of the process meanwhile.
    let app = open_on(home.path(), "http://127.0.0.1:9", Ledger::limited(4 << 30)).await;
    for model in [support::MODEL, OTHER] {
        app.import_model(golden(model), false).await.unwrap();
    }
    (home, app)
}

#[tokio::test]
async fn a_model_is_itself_and_another_one_is_not() {
    let (_home, app) = with_two().await;
    let same = card(&app, request(support::MODEL, support::MODEL, CompareText::BuiltIn)).await;
    assert_eq!(same.same_top_percent.value, 100.0);
    assert!(same.divergence.value.abs() < 1e-4 && same.perplexity_change_percent.value.abs() < 1e-4);
    assert_eq!(same.a.perplexity, same.b.perplexity);
    assert!(same.scored_tokens > 500, "{}", same.scored_tokens);
    let other = card(&app, request(support::MODEL, OTHER, CompareText::BuiltIn)).await;
    assert!(other.same_top_percent.value < 100.0 && other.divergence.value > 1e-5, "{other:?}");
    assert_eq!(other.a.perplexity, same.a.perplexity, "the same model over the same text");
    assert_ne!(other.b.perplexity.value, other.a.perplexity.value);
    assert_eq!((other.a.quantisation.as_str(), other.b.quantisation.as_str()), ("Q8_0", "Q4_0"));
    assert!(other.b.file_bytes < other.a.file_bytes && other.b.memory_bytes < other.a.memory_bytes);
    for model in [&other.a, &other.b] {
        assert!(model.reading_tokens_per_second > 0.0 && model.writing_tokens_per_second > 0.0);
    }
    assert!(other.summary.contains(OTHER) && other.summary.contains("less memory"), "{}", other.summary);
    assert_eq!(app.memory_use().charged, 0, "what was charged was given back");
}

#[tokio::test]
async fn progress_goes_forward_through_both_models() {
    let (_home, app) = with_two().await;
    let text = CompareText::Given { text: "One two three. ".repeat(400) };
    let (events, last) = end(&app, request(support::MODEL, OTHER, text)).await;
    assert!(matches!(last, CompareEvent::Done { .. }), "{last:?}");
    let told: Vec<_> = events
        .iter()
        .map(|event| match event {
            CompareEvent::Progress { progress } => (progress.model.as_str(), progress.stage, progress.done),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(told.is_sorted_by(|a, b| a.2 <= b.2), "{told:?}");
    assert_eq!(told[0], (support::MODEL, CompareStage::Loading, 0.0));
    assert_eq!(told.last().unwrap(), &(OTHER, CompareStage::Reading, 1.0));
}

#[tokio::test]
async fn the_last_prompts_are_read() {
    let (_home, app) = with_two().await;
    let none = app.compare(request(support::MODEL, OTHER, CompareText::LastPrompts { count: 3 })).await;
    assert_eq!(none.unwrap_err().code, "no_prompts");
    limit_tokens(&app, Some(40)).await;
    for prompt in ["Tell me about the harbour.", "And about boats."] {
        answer(&app, None, prompt).await;
    }
    let card = card(&app, request(support::MODEL, OTHER, CompareText::LastPrompts { count: 3 })).await;
    assert!(card.text.contains("the last 2 prompts"), "{}", card.text);
    assert!(card.scored_tokens > 10);
}

#[tokio::test]
async fn a_comparison_can_be_stopped_and_is_alone() {
    let (_home, app) = with_two().await;
    let long = || request(support::MODEL, OTHER, CompareText::Given { text: "word ".repeat(60_000) });
    let mut stream = app.compare(long()).await.unwrap();
    assert!(stream.next().await.is_some());
    assert_eq!(app.compare(long()).await.unwrap_err().code, "compare_busy");
    app.stop_comparing();
    let mut last = None;
    while let Some(event) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the end in time") {
        last = Some(event);
    }
    assert!(matches!(&last, Some(CompareEvent::Failed { error }) if error.code == "cancelled"), "{last:?}");
    // Whoever leaves ends it too, and the next one can begin.
    drop(app.compare(long()).await.unwrap());
    support::until("the place to be free", async || {
        app.compare(request(support::MODEL, OTHER, CompareText::BuiltIn)).await.ok()
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_refused_by_name() {
    let (_home, app) = with_two().await;
    app.import_model(golden("qwen3-Q8_0"), false).await.unwrap();
    let code = async |request: CompareRequest| match app.compare(request).await {
        Err(error) => error.code,
        Ok(mut stream) => loop {
            match stream.next().await {
                Some(CompareEvent::Failed { error }) => break error.code,
                Some(_) => {}
                None => panic!("no end"),
            }
        },
    };
    let built_in = || CompareText::BuiltIn;
    assert_eq!(code(request(support::MODEL, "nothing", built_in())).await, "model_not_found");
    assert_eq!(code(request(support::MODEL, "qwen3-Q8_0", built_in())).await, "different_tokens");
    let short = CompareText::Given { text: "a".into() };
    assert_eq!(code(request(support::MODEL, OTHER, short)).await, "text_too_short");
    let hasty = CompareRequest { seconds: Some(1), ..request(support::MODEL, OTHER, built_in()) };
    assert_eq!(code(hasty).await, "invalid_request");
}

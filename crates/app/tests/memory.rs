//! Several models in the same memory: which stay, which leave, and when one is refused.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use lantern_app::{App, LoadedModel, Texts};
use lantern_engine::{GenerateRequest, GenerationEvent, HostMemory, Ledger, Prompt};
use lantern_protocol::SettingsPatch;
use support::{MODEL, golden, open_on, until};
use tempfile::TempDir;

const OTHER: &str = "llama_untied-Q4_0";
const EMBEDDER: &str = "bert-F32";

/// An application with three models in a memory of so many bytes.
async fn within(bytes: u64) -> (TempDir, App, Ledger) {
    let home = tempfile::tempdir().unwrap();
    let ledger = Ledger::with(Some(bytes), || HostMemory { available: u64::MAX, ..HostMemory::default() });
    let app = open_on(home.path(), "http://127.0.0.1:9", ledger.clone()).await;
    for model in [MODEL, OTHER, EMBEDDER] {
        app.import_model(golden(model), false).await.unwrap();
    }
    let patch = SettingsPatch { context_length: Some(256), ..SettingsPatch::default() };
    app.update_settings(patch).await.unwrap();
    (home, app, ledger)
}

/// What each model takes when it has all the memory it could want.
async fn bytes_of(models: [&str; 2]) -> [u64; 2] {
    let (_home, app, _) = within(1 << 40).await;
    let mut bytes = [0; 2];
    for (bytes, model) in bytes.iter_mut().zip(models) {
        *bytes = app.engine(Some(model)).await.unwrap().engine.memory_bytes();
    }
    bytes
}

async fn end(mut stream: lantern_engine::GenerationStream) -> Option<GenerationEvent> {
    let mut last = None;
    while let Some(event) = stream.next().await {
        last = Some(event);
    }
    last
}

fn story(loaded: &LoadedModel) -> lantern_engine::GenerationStream {
    loaded.engine.generate(GenerateRequest::new(Prompt::Text("Once".into()))).unwrap()
}

#[tokio::test]
async fn models_that_fit_beside_each_other_stay() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    let (_home, app, ledger) = within(2 * (one + two)).await;
    let first = app.engine(Some(MODEL)).await.unwrap();
    let second = app.engine(Some(OTHER)).await.unwrap();
    let texts = Texts::Written(vec!["a".into()]);
    app.embed(EMBEDDER, texts).await.unwrap();
    let file = std::fs::metadata(golden(EMBEDDER)).unwrap().len();
    assert_eq!(ledger.charged(), first.engine.memory_bytes() + second.engine.memory_bytes() + file);
    let again = app.engine(Some(MODEL)).await.unwrap();
    assert!(Arc::ptr_eq(&first.engine, &again.engine), "it was loaded again");

    drop((first, second, again));
    app.unload_model().await.unwrap();
    assert_eq!(ledger.charged(), 0, "somebody still has memory");
}

#[tokio::test]
async fn the_one_not_used_for_longest_leaves_for_another() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    let (_home, app, ledger) = within(one.max(two) + one.min(two) / 2).await;
    let first = Arc::downgrade(&app.engine(Some(MODEL)).await.unwrap().engine);
    let second = app.engine(Some(OTHER)).await.unwrap();
    assert!(first.upgrade().is_none(), "both cannot be there");
    assert_eq!(ledger.charged(), second.engine.memory_bytes());
    assert_eq!(second.context_length, 256, "it has all it wants");
}

#[tokio::test]
async fn an_idle_model_gives_back_cache_before_it_leaves() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    // Each has four contexts of 256 tokens, of 384 bytes each, and needs one.
    let spare = 3 * 256 * 384;
    let (_home, app, ledger) = within(one + two - spare - spare / 3).await;
    let first = app.engine(Some(MODEL)).await.unwrap();
    let (before, kept) = (first.engine.memory_bytes(), Arc::downgrade(&first.engine));
    drop(first);
    let second = app.engine(Some(OTHER)).await.unwrap();
    let first = kept.upgrade().expect("its weights are still there");
    assert!(first.memory_bytes() < before, "{} of {before}", first.memory_bytes());
    assert_eq!((first.context_length(), second.context_length), (256, 256));
    assert_eq!(ledger.charged(), first.memory_bytes() + second.engine.memory_bytes());
    let again = app.engine(Some(MODEL)).await.unwrap();
    assert!(matches!(end(story(&again)).await, Some(GenerationEvent::Finished { .. })));
}

#[tokio::test]
async fn a_longer_context_makes_an_idle_model_leave_when_it_needs_the_room() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    let (_home, app, ledger) = within(one + two).await;
    let first = Arc::downgrade(&app.engine(Some(MODEL)).await.unwrap().engine);
    let second = app.engine(Some(OTHER)).await.unwrap();
    assert!(first.upgrade().is_some(), "both are there");
    let longer = app.engine_for(Some(OTHER), Some(2048)).await.unwrap();
    assert!(Arc::ptr_eq(&second.engine, &longer.engine), "it was loaded again");
    assert_eq!((longer.context_length, second.context_length), (2048, 256));
    assert!(first.upgrade().is_none(), "there was no room for both");
    assert_eq!(ledger.charged(), second.engine.memory_bytes());
}

#[tokio::test]
async fn a_model_in_use_stays_and_the_other_is_refused_with_numbers() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    let (_home, app, ledger) = within(one + two / 8).await;
    let first = app.engine(Some(MODEL)).await.unwrap();
    let stream = story(&first);
    let charged = ledger.charged();
    let refused = app.engine(Some(OTHER)).await.map(|_| ()).unwrap_err();
    assert_eq!(refused.code, "model_too_large");
    assert!(refused.message.contains("MB") || refused.message.contains("MiB"), "{}", refused.message);
    assert_eq!(ledger.charged(), charged, "what was refused is not charged");
    assert!(matches!(end(stream).await, Some(GenerationEvent::Finished { .. })));

    drop(first);
    app.engine(Some(OTHER)).await.expect("nobody uses the first one any more");
    assert!(ledger.charged() <= one + two / 8);
}

#[tokio::test]
async fn loads_at_the_same_time_never_take_the_same_bytes() {
    let [one, two] = bytes_of([MODEL, OTHER]).await;
    let limit = one.max(two) + one.min(two) / 2;
    let (_home, app, ledger) = within(limit).await;
    let embed = async || app.embed(EMBEDDER, Texts::Written(vec!["a".into()])).await;
    for _ in 0..3 {
        let (a, b, c) = tokio::join!(app.engine(Some(MODEL)), app.engine(Some(OTHER)), embed());
        let charged = ledger.charged();
        assert!(charged <= limit, "{charged} of {limit}");
        assert!(a.is_ok() || b.is_ok() || c.is_ok(), "all were refused");
    }
}

#[tokio::test]
async fn under_pressure_from_other_programs_models_leave_that_nobody_uses() {
    let home = tempfile::tempdir().unwrap();
    let low = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&low);
    let ledger = Ledger::with(None, move || {
        let available = if seen.load(Ordering::Relaxed) { 1 } else { 1 << 40 };
        HostMemory { available, held: 0, reserve: 1 << 30 }
    });
    let app = open_on(home.path(), "http://127.0.0.1:9", ledger.clone()).await;
    for model in [MODEL, OTHER, EMBEDDER] {
        app.import_model(golden(model), false).await.unwrap();
    }
    let used = app.engine(Some(MODEL)).await.unwrap();
    app.embed(EMBEDDER, Texts::Written(vec!["a".into()])).await.unwrap();
    let last = app.engine(Some(OTHER)).await.unwrap().engine.memory_bytes();
    low.store(true, Ordering::Relaxed);
    let left = used.engine.memory_bytes() + last;
    until("the embedder leaves", async || (ledger.charged() == left).then_some(())).await;
    drop(used);
    until("the model used before leaves", async || (ledger.charged() == last).then_some(())).await;
    low.store(false, Ordering::Relaxed);
    assert_eq!(app.engine(Some(OTHER)).await.unwrap().engine.memory_bytes(), last);
    app.shutdown().await;
}

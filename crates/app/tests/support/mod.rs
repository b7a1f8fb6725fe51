//! A real application in a directory of its own, with a real (tiny, random) model.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use lantern_app::{App, AppOptions, ChatStream};
use lantern_engine::Ledger;
use lantern_hub::{HubOptions, RetryPolicy};
use lantern_protocol::{ChatEvent, Message, SamplingSettings, SendMessage, SettingsPatch};
use tempfile::TempDir;

/// Library id of the tiny model.
pub const MODEL: &str = "llama_untied-Q8_0";

/// Nothing here takes this long; waiting for ever helps nobody.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A model file among the golden data.
pub fn golden(name: &str) -> PathBuf {
    lantern_golden::path("models").join(format!("{name}.gguf"))
}

/// An application in `home` that sees none of the machine's own models; its Hub is at `endpoint`.
pub async fn open_with(home: &Path, endpoint: &str) -> App {
    open_on(home, endpoint, Ledger::shared()).await
}

/// The same, with books of its own for the memory that models take.
pub async fn open_on(home: &Path, endpoint: &str, ledger: Ledger) -> App {
    let retry = RetryPolicy { tries: 1, first_wait: Duration::from_millis(1), ..RetryPolicy::default() };
    let hub = HubOptions {
        endpoint: endpoint.into(),
        token: None,
        cache_dir: home.join("cache"),
        retry,
        ..HubOptions::from_env()
    };
    // Never the keyring of whoever runs the tests.
    let options = AppOptions {
        home: Some(home.into()),
        hub: Some(hub),
        ledger,
        secrets_in_file: true,
        ..AppOptions::default()
    };
    App::open(options).await.unwrap()
}

/// An application in `home` whose Hub cannot be reached.
pub async fn open(home: &Path) -> App {
    open_with(home, "http://127.0.0.1:9").await
}

/// An application with the tiny model in its library.
pub async fn with_model() -> (TempDir, App) {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let model = app.import_model(golden(MODEL), false).await.unwrap();
    assert_eq!(model.id, MODEL);
    (home, app)
}

/// Sets how tokens are chosen, the rest being greedy.
pub async fn limit_tokens(app: &App, max_tokens: Option<u32>) {
    let sampling = SamplingSettings { temperature: 0.0, max_tokens, ..SamplingSettings::default() };
    app.update_settings(SettingsPatch { sampling: Some(sampling), ..SettingsPatch::default() })
        .await
        .unwrap();
}

/// A message that starts a conversation or follows its end.
pub fn message(conversation_id: Option<&str>, content: &str) -> SendMessage {
    SendMessage {
        conversation_id: conversation_id.map(Into::into),
        parent_id: None,
        content: content.into(),
        model: None,
    }
}

/// The next event, which must come.
pub async fn next(stream: &mut ChatStream) -> ChatEvent {
    let event = tokio::time::timeout(PATIENCE, stream.next()).await.expect("an event in time");
    event.expect("one more event")
}

/// All events to the end.
pub async fn drain(mut stream: ChatStream) -> Vec<ChatEvent> {
    let mut events = Vec::new();
    while let Some(event) = tokio::time::timeout(PATIENCE, stream.next()).await.expect("the end in time") {
        events.push(event);
    }
    events
}

/// The text of all pieces.
pub fn text(events: &[ChatEvent]) -> String {
    let pieces = events.iter().filter_map(|event| match event {
        ChatEvent::Text { text } => Some(text.as_str()),
        _ => None,
    });
    pieces.collect()
}

/// The message of the last event, which must be `finished`.
pub fn finished(events: &[ChatEvent]) -> Message {
    match events.last() {
        Some(ChatEvent::Finished { message }) => message.clone(),
        other => panic!("the answer did not finish: {other:?}"),
    }
}

/// Sends, waits for the end, gives the answer.
pub async fn answer(app: &App, conversation_id: Option<&str>, content: &str) -> Message {
    finished(&drain(app.send_message(message(conversation_id, content)).await.unwrap()).await)
}

/// Waits until something is so.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = std::time::Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

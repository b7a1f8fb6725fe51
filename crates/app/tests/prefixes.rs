//! What is kept of conversations on disk: it is there after a restart, and goes when somebody wants it gone.

mod support;

use std::path::Path;

use lantern_app::App;
use lantern_engine::DiskCacheOptions;
use lantern_protocol::{Message, SettingsPatch};
use support::{answer, limit_tokens, open, with_model};

/// Long enough for some blocks of 32 tokens.
fn long_question(about: &str) -> String {
    format!("Tell me about {about}. ").repeat(20)
}

fn bytes(home: &Path) -> u64 {
    DiskCacheOptions { folder: home.join("prefixes"), quota_bytes: 0 }.bytes()
}

fn cached(message: &Message) -> u32 {
    message.stats.as_ref().expect("it has figures").cached_tokens
}

/// Closes an application and opens another on the same data.
async fn restart(app: App, home: &Path) -> App {
    app.shutdown().await;
    drop(app);
    open(home).await
}

async fn limit_disk(app: &App, gigabytes: u32) {
    let patch = SettingsPatch { prefix_disk_gb: Some(gigabytes), ..SettingsPatch::default() };
    app.update_settings(patch).await.unwrap();
}

#[tokio::test]
async fn a_conversation_goes_on_at_once_after_a_restart_and_takes_its_own_along() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(10)).await;
    let first = answer(&app, None, &long_question("lighthouses")).await;
    let app = restart(app, home.path()).await;
    let second = answer(&app, Some(&first.conversation_id), "And why?").await;
    let prompt = second.stats.as_ref().unwrap().prompt_tokens;
    assert!(cached(&second) >= 256 && cached(&second) + 96 > prompt, "{} of {prompt}", cached(&second));

    let other = answer(&app, None, &long_question("volcanoes")).await;
    let app = restart(app, home.path()).await;
    let both = bytes(home.path());
    // Without an engine, and then with one.
    app.delete_conversation(&first.conversation_id).await.unwrap();
    let one = bytes(home.path());
    assert!(one < both && one > 0, "{one} of {both}");
    let again = answer(&app, Some(&other.conversation_id), "And why?").await;
    assert!(cached(&again) >= 256, "the other one has lost nothing");
    app.delete_conversation(&other.conversation_id).await.unwrap();
    assert_eq!(bytes(home.path()), 0);
    app.shutdown().await;
    assert_eq!(bytes(home.path()), 0, "nothing comes back");
}

#[tokio::test]
async fn zero_keeps_nothing_and_deletes_what_was_kept() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(10)).await;
    let first = answer(&app, None, &long_question("lighthouses")).await;
    let app = restart(app, home.path()).await;
    assert!(bytes(home.path()) > 0);
    answer(&app, Some(&first.conversation_id), "And why?").await;
    limit_disk(&app, 0).await;
    assert_eq!(bytes(home.path()), 0);
    // Neither does the model in memory keep any more, nor one that is loaded later.
    answer(&app, None, &long_question("volcanoes")).await;
    app.unload_model().await.unwrap();
    answer(&app, None, &long_question("rivers")).await;
    let app = restart(app, home.path()).await;
    assert_eq!(bytes(home.path()), 0);
    limit_disk(&app, 1).await;
    answer(&app, None, &long_question("mountains")).await;
    app.shutdown().await;
    assert!(bytes(home.path()) > 0);
}

#[tokio::test]
async fn a_pinned_conversation_stays_pinned_until_it_is_let_go_or_deleted() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(10)).await;
    let first = answer(&app, None, &long_question("lighthouses")).await;
    let id = &first.conversation_id;
    let pins = || {
        let files = std::fs::read_dir(home.path().join("prefixes/owners")).into_iter().flatten().flatten();
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "pin")).count()
    };
    assert!(app.pin_conversation(id, true).await.unwrap().pinned);
    assert_eq!(pins(), 1);
    limit_disk(&app, 0).await;
    assert_eq!(pins(), 0, "everything was deleted");
    limit_disk(&app, 1).await;
    let app = restart(app, home.path()).await;
    assert!(app.conversation(id).await.unwrap().conversation.pinned);
    answer(&app, Some(id), "And why?").await;
    assert_eq!(pins(), 1, "the pin is said anew when a model is loaded");
    assert!(!app.pin_conversation(id, false).await.unwrap().pinned);
    assert_eq!(pins(), 0);
    app.pin_conversation(id, true).await.unwrap();
    app.delete_conversation(id).await.unwrap();
    assert_eq!((pins(), bytes(home.path())), (0, 0));
    assert_eq!(app.pin_conversation(id, true).await.unwrap_err().code, "conversation_not_found");
}

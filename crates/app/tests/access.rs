//! Programs' keys from making to revoking, with two processes on one database.

mod support;

use std::time::Duration;

use lantern_app::Refusal;
use lantern_protocol::{ApiRequest, AppEvent, NewApiKey};
use support::*;

fn named(name: &str) -> NewApiKey {
    NewApiKey { name: name.into(), ..NewApiKey::default() }
}

#[tokio::test]
async fn a_key_lets_its_program_in_until_it_is_revoked_in_any_process() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (open(home.path()).await, open(home.path()).await);
    let mut events = a.subscribe();
    let issued = a.make_api_key(named("  Editor ")).await.unwrap();
    assert_eq!(events.recv().await.unwrap(), AppEvent::ApiKeysChanged);
    assert_eq!(issued.key.name, "Editor");
    assert!(issued.secret.ends_with(&issued.key.ends_with) && issued.secret.len() >= 64);
    assert_eq!(b.admit(&issued.secret).await.unwrap().program(), Some("Editor"));
    assert!(matches!(b.admit("sk-lantern-guess").await, Err(Refusal::Unknown)));
    b.revoke_api_key(&issued.key.id).await.unwrap();
    assert!(matches!(a.admit(&issued.secret).await, Err(Refusal::Unknown)));
    assert_eq!(b.revoke_api_key(&issued.key.id).await.unwrap_err().code, "api_key_not_found");
}

#[tokio::test]
async fn a_limit_says_when_to_come_again() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let issued =
        app.make_api_key(NewApiKey { requests_per_minute: Some(2), ..named("Script") }).await.unwrap();
    app.admit(&issued.secret).await.unwrap();
    app.admit(&issued.secret).await.unwrap();
    match app.admit(&issued.secret).await {
        Err(Refusal::TooMany { per_minute: 2, retry_after }) => {
            assert!(retry_after > Duration::from_secs(20) && retry_after <= Duration::from_secs(30));
        }
        other => panic!("a third request in a minute: {other:?}"),
    }
}

#[tokio::test]
async fn what_was_asked_is_kept_with_the_program_s_name() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let issued = app.make_api_key(named("Editor")).await.unwrap();
    let caller = app.admit(&issued.secret).await.unwrap();
    let request =
        ApiRequest { at: 7, method: "POST".into(), path: "/v1/responses".into(), ..Default::default() };
    app.log_api_request(Some(&caller), request.clone());
    app.log_api_request(None, ApiRequest { at: 8, status: 401, ..request.clone() });
    app.shutdown().await;
    drop(app);
    let app = open(home.path()).await;
    let log = app.api_requests(10).await.unwrap();
    let told: Vec<_> = log.iter().map(|r| (r.at, r.status, r.program.as_deref())).collect();
    assert_eq!(told, [(8, 401, None), (7, 0, Some("Editor"))]);
    assert_eq!(app.api_keys().await.unwrap()[0].last_used_at, Some(7));
}

#[tokio::test]
async fn nonsense_is_refused_with_its_reason() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let code = async |new: NewApiKey| app.make_api_key(new).await.unwrap_err().code;
    assert_eq!(code(named(" ")).await, "invalid_api_key_name");
    assert_eq!(code(named("a\nb")).await, "invalid_api_key_name");
    assert_eq!(code(named(&"x".repeat(101))).await, "invalid_api_key_name");
    assert_eq!(code(NewApiKey { models: Some(vec![]), ..named("a") }).await, "invalid_api_key_models");
    assert_eq!(code(NewApiKey { requests_per_minute: Some(0), ..named("a") }).await, "invalid_settings");
    assert!(app.api_keys().await.unwrap().is_empty());
}

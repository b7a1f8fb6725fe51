//! Programs' keys and the log of their requests, over real files.

mod support;

use lantern_protocol::{ApiRequest, NewApiKey};
use support::*;

fn request(at: i64, path: &str) -> ApiRequest {
    ApiRequest {
        at,
        program: Some("Editor".into()),
        method: "POST".into(),
        path: path.into(),
        model: Some("m".into()),
        status: 200,
        error: None,
        prompt_tokens: Some(12),
        completion_tokens: Some(3),
        duration_ms: 250,
    }
}

#[test]
fn a_key_is_found_by_its_secret_until_it_is_revoked() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let new =
        NewApiKey { name: "Editor".into(), models: Some(vec!["a/b".into()]), requests_per_minute: Some(60) };
    let key = store.add_api_key(new, "aa11", "wxyz").unwrap();
    let other =
        store.add_api_key(NewApiKey { name: "Script".into(), ..NewApiKey::default() }, "bb22", "1234");
    let other = other.unwrap();
    drop(store);

    let mut store = open(dir.path());
    assert_eq!(store.api_key_by_secret("aa11").unwrap().as_ref(), Some(&key));
    assert_eq!(store.api_key_by_secret("aa1").unwrap(), None);
    assert_eq!(store.api_keys().unwrap(), [key.clone(), other.clone()]);
    assert!(store.revoke_api_key(&key.id).unwrap());
    assert!(!store.revoke_api_key(&key.id).unwrap(), "it is gone already");
    assert_eq!(store.api_key_by_secret("aa11").unwrap(), None);
    assert_eq!(store.api_keys().unwrap(), [other]);
    // The last one to close the database brings its log into it.
    drop(store);
    let file = std::fs::read(dir.path().join("lantern.db")).unwrap();
    assert!(!String::from_utf8_lossy(&file).contains("aa11"), "what was deleted is overwritten");
}

#[test]
fn two_keys_never_have_the_same_secret() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    store.add_api_key(NewApiKey::default(), "aa11", "wxyz").unwrap();
    assert!(store.add_api_key(NewApiKey::default(), "aa11", "wxyz").is_err());
}

#[test]
fn the_log_has_the_last_requests_and_keys_know_when_they_were_used() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = open(dir.path());
    let key = store.add_api_key(NewApiKey { name: "Editor".into(), ..NewApiKey::default() }, "aa11", "wxyz");
    let key = key.unwrap();
    let all: Vec<_> = (0..1010).map(|at| (None, request(at, "/v1/models"))).collect();
    store.log_api_requests(&all).unwrap();
    store.log_api_requests(&[(Some(key.id.clone()), request(2000, "/v1/responses"))]).unwrap();
    store.log_api_requests(&[(Some(key.id), request(1999, "/v1/responses"))]).unwrap();
    let last = store.api_requests(3).unwrap();
    assert_eq!(
        last,
        [request(1999, "/v1/responses"), request(2000, "/v1/responses"), request(1009, "/v1/models")]
    );
    assert_eq!(store.api_requests(5000).unwrap().len(), 1000, "older ones are forgotten");
    assert_eq!(store.api_keys().unwrap()[0].last_used_at, Some(2000));
}

//! Settings, the endpoint's key, notices: what outlives a restart and what two processes agree on.

mod support;

use lantern_protocol::{AppEvent, EndpointSettings, EndpointStatus, SamplingSettings, SettingsPatch, Theme};
use support::*;

#[tokio::test]
async fn settings_and_the_key_outlive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let key = app.endpoint_key().await.unwrap();
    assert!(key.len() >= 64, "{key}");
    let mut events = app.subscribe();
    let patch = SettingsPatch { theme: Some(Theme::Dark), ..Default::default() };
    let settings = app.update_settings(patch).await.unwrap();
    assert_eq!(events.recv().await.unwrap(), AppEvent::SettingsChanged { settings: settings.clone() });
    drop(app);

    let app = open(home.path()).await;
    assert_eq!(app.settings().await.unwrap(), settings);
    assert_eq!(app.endpoint_key().await.unwrap(), key);
}

#[tokio::test]
async fn an_empty_key_makes_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let before = app.endpoint_key().await.unwrap();
    let endpoint = EndpointSettings { key: String::new(), ..app.settings().await.unwrap().endpoint };
    let patch = SettingsPatch { endpoint: Some(endpoint), ..Default::default() };
    let after = app.update_settings(patch).await.unwrap().endpoint.key;
    assert!(after.len() >= 64 && after != before);
}

#[tokio::test]
async fn a_patch_is_taken_whole_or_not_at_all() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let before = app.settings().await.unwrap();
    let sampling = SamplingSettings { temperature: 9.0, ..Default::default() };
    let patch = SettingsPatch { theme: Some(Theme::Dark), sampling: Some(sampling), ..Default::default() };
    let error = app.update_settings(patch).await.unwrap_err();
    assert_eq!(error.code, "invalid_settings");
    assert!(error.message.contains("temperature is 9"), "{}", error.message);
    assert_eq!(app.settings().await.unwrap(), before);
}

#[tokio::test]
async fn two_processes_do_not_overwrite_each_others_settings() {
    let home = tempfile::tempdir().unwrap();
    let (a, b) = (open(home.path()).await, open(home.path()).await);
    assert_eq!(a.endpoint_key().await.unwrap(), b.endpoint_key().await.unwrap());
    a.update_settings(SettingsPatch { theme: Some(Theme::Dark), ..Default::default() }).await.unwrap();
    b.update_settings(SettingsPatch { system_prompt: Some("Hi".into()), ..Default::default() })
        .await
        .unwrap();
    let settings = a.settings().await.unwrap();
    assert_eq!((settings.theme, settings.system_prompt.as_str()), (Theme::Dark, "Hi"));
}

#[tokio::test]
async fn a_damaged_database_is_told_in_the_status() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("lantern.db"), "this is no database, whatever it is").unwrap();
    let status = open(home.path()).await.status().await.unwrap();
    assert_eq!(status.notices[0].code, "database_put_aside");
    assert_eq!(status.data_dir, home.path().display().to_string());
}

#[tokio::test]
async fn the_endpoints_state_is_told_when_it_changes() {
    let home = tempfile::tempdir().unwrap();
    let app = open(home.path()).await;
    let mut events = app.subscribe();
    let endpoint = EndpointStatus { running: true, url: Some("http://127.0.0.1:1/v1".into()), error: None };
    app.set_endpoint_status(endpoint.clone());
    app.set_endpoint_status(endpoint.clone());
    assert_eq!(events.try_recv().unwrap(), AppEvent::EndpointChanged { endpoint: endpoint.clone() });
    assert!(events.try_recv().is_err(), "told twice");
    assert_eq!(app.status().await.unwrap().endpoint, endpoint);
}

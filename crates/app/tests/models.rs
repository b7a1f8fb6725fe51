//! Loading, sharing, swapping, importing, deleting and downloading models.

mod support;

use std::sync::Arc;

use lantern_engine::{GenerateRequest, GenerationEvent, Prompt};
use lantern_protocol::{AppEvent, DownloadRequest, DownloadState, ModelSource, ModelState, SettingsPatch};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn callers_share_one_load_and_events_tell_it() {
    let (_home, app) = with_model().await;
    let mut events = app.subscribe();
    let (a, b, c) = tokio::join!(app.engine(Some(MODEL)), app.engine(None), app.engine(Some("llama_untied")));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert!(Arc::ptr_eq(&a.engine, &b.engine) && Arc::ptr_eq(&b.engine, &c.engine), "loaded more than once");
    let states: Vec<ModelState> = std::iter::from_fn(|| events.try_recv().ok())
        .filter_map(|event| match event {
            AppEvent::ModelChanged { model } => Some(model),
            _ => None,
        })
        .collect();
    assert!(
        matches!(&states[..], [ModelState::Loading { .. }, ModelState::Loaded { context_length: 2048, .. }]),
        "{states:?}"
    );
    assert_eq!(app.status().await.unwrap().model, states[1]);
}

#[tokio::test]
async fn callers_share_one_failure() {
    let (home, app) = with_model().await;
    let broken = home.path().join("broken.gguf");
    std::fs::copy(golden(MODEL), &broken).unwrap();
    app.import_model(&broken, false).await.unwrap();
    std::fs::File::options().write(true).open(&broken).unwrap().set_len(3000).unwrap();
    let mut events = app.subscribe();
    let (a, b) = tokio::join!(app.engine(Some("broken")), app.engine(Some("broken")));
    assert_eq!(a.map(|_| ()).unwrap_err(), b.map(|_| ()).unwrap_err());
    let loads = std::iter::from_fn(|| events.try_recv().ok())
        .filter(|event| matches!(event, AppEvent::ModelChanged { model: ModelState::Loading { .. } }))
        .count();
    assert_eq!(loads, 1);
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_cut_the_load_short() {
    let (_home, app) = with_model().await;
    let impatient = app.clone();
    let task = tokio::spawn(async move { impatient.engine(Some(MODEL)).await.map(|_| ()) });
    until("the load to begin", async || (app.model_state().await != ModelState::Unloaded).then_some(()))
        .await;
    task.abort();
    until("the load to end", async || {
        matches!(app.model_state().await, ModelState::Loaded { .. }).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_chat_and_a_request_are_answered_at_once() {
    let (_home, app) = with_model().await;
    limit_tokens(&app, Some(60)).await;
    let chat = app.send_message(message(None, "Story")).await.unwrap();
    let request = async {
        let loaded = app.engine(Some(MODEL)).await.unwrap();
        let request =
            GenerateRequest { max_tokens: Some(60), ..GenerateRequest::new(Prompt::Text("Once".into())) };
        let mut stream = loaded.engine.generate(request).unwrap();
        let mut last = None;
        while let Some(event) = stream.next().await {
            last = Some(event);
        }
        last
    };
    let (events, last) = tokio::join!(drain(chat), request);
    assert!(!finished(&events).content.is_empty());
    assert!(matches!(last, Some(GenerationEvent::Finished { .. })), "{last:?}");
}

#[tokio::test]
async fn the_context_length_never_loads_weights_again() {
    let (_home, app) = with_model().await;
    let change = async |context_length| {
        let patch = SettingsPatch { context_length: Some(context_length), ..Default::default() };
        app.update_settings(patch).await.unwrap();
        app.engine(None).await.unwrap()
    };
    let before = change(512).await;
    assert_eq!((before.context_length, before.engine.context_length()), (512, 512));
    let question = GenerateRequest {
        context_length: Some(before.context_length),
        ..GenerateRequest::new(Prompt::Tokens(vec![5; 600]))
    };
    assert_eq!(before.engine.generate(question).map(|_| ()).unwrap_err().code(), "context_overflow");

    let longer = change(1000).await;
    assert!(Arc::ptr_eq(&before.engine, &longer.engine), "the weights were loaded again");
    assert_eq!((longer.context_length, longer.engine.context_length()), (1000, 1000));
    let state = app.model_state().await;
    assert!(matches!(state, ModelState::Loaded { context_length: 1000, .. }), "{state:?}");

    let shorter = change(256).await;
    assert!(Arc::ptr_eq(&before.engine, &shorter.engine), "the weights were loaded again");
    assert_eq!((shorter.context_length, shorter.engine.context_length()), (256, 1000));
    let asked = app.engine_for(None, Some(5000)).await.unwrap();
    assert!(Arc::ptr_eq(&before.engine, &asked.engine), "the weights were loaded again");
    assert_eq!(asked.context_length, 2048, "no more than the model was made for");

    let patch = SettingsPatch { threads: Some(1), ..Default::default() };
    app.update_settings(patch).await.unwrap();
    let after = app.engine(None).await.unwrap();
    assert!(!Arc::ptr_eq(&before.engine, &after.engine));
    assert_eq!((after.context_length, after.engine.info().threads), (256, 1));
}

#[tokio::test]
async fn unloading_lets_the_engine_go() {
    let (_home, app) = with_model().await;
    let engine = Arc::downgrade(&app.engine(None).await.unwrap().engine);
    assert!(engine.upgrade().is_some());
    app.unload_model().await.unwrap();
    assert!(engine.upgrade().is_none(), "somebody still holds the model");
    assert_eq!(app.model_state().await, ModelState::Unloaded);
}

#[tokio::test]
async fn the_default_is_what_was_chosen_then_what_is_loaded_then_the_first() {
    let (_home, app) = with_model().await;
    app.import_model(golden("llama_tied-F16"), false).await.unwrap();
    assert_eq!(app.engine(None).await.unwrap().id, "llama_tied-F16", "the first by name");
    app.engine(Some(MODEL)).await.unwrap();
    assert_eq!(app.engine(None).await.unwrap().id, MODEL, "the one in memory");
    let patch = SettingsPatch { default_model: Some("llama_tied-F16".into()), ..Default::default() };
    app.update_settings(patch).await.unwrap();
    assert_eq!(app.engine(None).await.unwrap().id, "llama_tied-F16", "the chosen one");
}

#[tokio::test]
async fn a_loaded_model_is_not_deleted_and_a_deleted_default_is_none() {
    let (_home, app) = with_model().await;
    let copy = app.import_model(golden("llama_tied-F16"), true).await.unwrap();
    assert_eq!(copy.source, ModelSource::Imported);
    let patch = SettingsPatch { default_model: Some(copy.id.clone()), ..Default::default() };
    app.update_settings(patch).await.unwrap();
    app.load_model(&copy.id).await.unwrap();
    assert_eq!(app.delete_model(&copy.id).await.unwrap_err().code, "model_in_use");

    app.unload_model().await.unwrap();
    let mut events = app.subscribe();
    app.delete_model(&copy.id).await.unwrap();
    assert!(!std::path::Path::new(&copy.path).exists());
    assert_eq!(events.recv().await.unwrap(), AppEvent::LibraryChanged);
    assert_eq!(app.settings().await.unwrap().default_model, None);

    app.delete_model(MODEL).await.unwrap();
    assert!(golden(MODEL).exists(), "a file that lies elsewhere was deleted");
    assert!(app.library().await.unwrap().is_empty());
    assert_eq!(app.engine(None).await.map(|_| ()).unwrap_err().code, "no_model");
    assert_eq!(app.engine(Some(MODEL)).await.map(|_| ()).unwrap_err().code, "model_not_found");
}

#[tokio::test]
async fn a_download_is_told_to_its_end_and_the_model_answers() {
    let bytes = std::fs::read(golden(MODEL)).unwrap();
    let endpoint = serve_file(bytes).await;
    let home = tempfile::tempdir().unwrap();
    let app = open_with(home.path(), &endpoint).await;
    let mut events = app.subscribe();
    let request =
        DownloadRequest { repo: "owner/name".into(), file: "tiny-Q8_0.gguf".into(), revision: None };
    let first = app.download_model(request.clone()).await.unwrap();
    assert_eq!(first.id, "owner/name/tiny-Q8_0.gguf@main");
    assert_eq!(app.download_model(request).await.unwrap().id, first.id, "the second joins the first");

    let mut states = Vec::new();
    loop {
        match tokio::time::timeout(PATIENCE, events.recv()).await.expect("events").unwrap() {
            AppEvent::Download { progress } => {
                assert_eq!(progress.error, None);
                states.push(progress.state);
            }
            AppEvent::LibraryChanged => break,
            _ => {}
        }
    }
    assert_eq!(states.last(), Some(&DownloadState::Done));
    assert_eq!(states.iter().filter(|state| **state == DownloadState::Done).count(), 1, "{states:?}");
    assert_eq!(app.downloads().await.unwrap()[0].state, DownloadState::Done);
    assert_eq!(app.engine(None).await.unwrap().id, "tiny-Q8_0");
}

#[tokio::test]
async fn a_failed_download_says_why() {
    let (_home, app) = with_model().await;
    let mut events = app.subscribe();
    let request = DownloadRequest { repo: "owner/name".into(), file: "m.gguf".into(), revision: None };
    let id = app.download_model(request).await.unwrap().id;
    let last = loop {
        match tokio::time::timeout(PATIENCE, events.recv()).await.expect("events").unwrap() {
            AppEvent::Download { progress } if progress.state == DownloadState::Failed => break progress,
            _ => {}
        }
    };
    assert_eq!(last.id, id);
    assert!(!last.error.expect("a reason").next_step.is_empty());
    let bad = DownloadRequest { repo: "../..".into(), file: "m.gguf".into(), revision: None };
    assert!(app.download_model(bad).await.is_err());
}

/// A Hub with one file under every name. Closes each connection after its answer.
async fn serve_file(content: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && socket.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            let head = format!(
                "HTTP/1.1 200 OK\r\nX-Repo-Commit: {}\r\nETag: \"{}\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                "0123456789abcdef0123456789abcdef01234567",
                "89abcdef0123456789abcdef0123456789abcdef",
                content.len()
            );
            let _ = socket.write_all(head.as_bytes()).await;
            if !request.starts_with(b"HEAD") {
                let _ = socket.write_all(&content).await;
            }
            let _ = socket.shutdown().await;
        }
    });
    format!("http://{address}")
}

/// Names of the packed copies in an application's data directory.
fn packed_copies(home: &std::path::Path) -> Vec<std::path::PathBuf> {
    lantern_app::packed_copies(home).list().unwrap().into_iter().map(|copy| copy.path).collect()
}

/// Loads the tiny model anew, waits for its packed copy, and tells whether the weights came from one.
async fn loads_from_a_copy(app: &lantern_app::App) -> bool {
    app.unload_model().await.unwrap();
    let loaded = app.engine(Some(MODEL)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        loaded.engine.finish_packed_copy();
        loaded.engine.info().from_packed_copy
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn packed_copies_are_kept_on_request_and_go_when_nobody_wants_them() {
    let (home, app) = with_model().await;
    let keep = async |keep| {
        let patch = SettingsPatch { keep_packed: Some(keep), ..SettingsPatch::default() };
        app.update_settings(patch).await.unwrap();
    };
    assert!(!loads_from_a_copy(&app).await);
    assert!(packed_copies(home.path()).is_empty(), "nobody asked for a copy");
    keep(true).await;
    assert!(!loads_from_a_copy(&app).await, "there was none yet");
    assert_eq!(packed_copies(home.path()).len(), 1);
    assert!(loads_from_a_copy(&app).await, "the copy is used");
    keep(false).await;
    assert!(packed_copies(home.path()).is_empty(), "the copy takes disk that nobody wants to give");
    keep(true).await;
    loads_from_a_copy(&app).await;
    assert_eq!(packed_copies(home.path()).len(), 1);
    app.unload_model().await.unwrap();
    app.delete_model(MODEL).await.unwrap();
    assert!(packed_copies(home.path()).is_empty(), "the copy went with its model");
}

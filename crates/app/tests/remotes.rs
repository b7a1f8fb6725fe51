//! Remote engines behind the application: adding, listing, answering, and a plug that is pulled.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lantern_app::{Answering, App};
use lantern_protocol::{ChatEvent, MessageStatus, SendMessage};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const LIST: &str = r#"{"data":[{"id":"org/big","owned_by":"vllm","max_model_len":4096}]}"#;
const PIECE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A server of one model, whose first answer breaks off; counts the answers it was asked for.
async fn play() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) =
        (format!("http://{}/v1", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            // The last byte of a request's body, or of its head where there is none.
            while !(bytes.ends_with(b"}") || bytes.starts_with(b"GET") && bytes.ends_with(b"\r\n\r\n")) {
                if socket.read_buf(&mut bytes).await.unwrap() == 0 {
                    break;
                }
            }
            let body = match bytes.starts_with(b"GET") {
                true => LIST.to_owned(),
                false if counted.fetch_add(1, Ordering::SeqCst) == 0 => PIECE.to_owned(),
                false => format!("{PIECE}{END}"),
            };
            let _ = socket
                .write_all(format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}").as_bytes())
                .await;
        }
    });
    (url, asked)
}

fn to(model: &str) -> SendMessage {
    SendMessage { model: Some(model.into()), ..message(None, "Hi") }
}

async fn ask(app: &App, model: &str) -> Vec<ChatEvent> {
    drain(app.send_message(to(model)).await.unwrap()).await
}

#[tokio::test]
async fn a_plug_pulled_in_the_middle_is_a_typed_failure_and_the_text_is_kept() {
    let (home, app) = with_model().await;
    limit_tokens(&app, Some(4)).await;
    let (url, _) = play().await;
    app.add_remote("box", &url, Some("sk-secret")).await.unwrap();
    let listed = app.remote_models().await.unwrap();
    let models = listed[0].models.as_ref().unwrap();
    assert_eq!((models[0].id.as_str(), models[0].context_length), ("box/org/big", Some(4096)));

    let events = ask(&app, "box/org/big").await;
    let Some(ChatEvent::Failed { message, error }) = events.last() else { panic!("{events:?}") };
    assert_eq!((error.code.as_str(), message.content.as_str()), ("remote_connection_lost", "half"));
    let kept = app.conversation(&message.conversation_id).await.unwrap();
    assert_eq!(kept.messages[1].content, "half");

    // The next answer, of the same server and of a model here.
    assert_eq!(finished(&ask(&app, "box/org/big").await).status, MessageStatus::Complete);
    assert!(!finished(&ask(&app, MODEL).await).content.is_empty());

    let again = open(home.path()).await;
    assert!(again.remotes().await.unwrap()[0].has_key, "a restart lost the server");
    app.remove_remote("box").await.unwrap();
    assert!(app.remotes().await.unwrap().is_empty());
    assert_eq!(app.remove_remote("box").await.unwrap_err().code, "remote_not_found");
}

#[tokio::test]
async fn nothing_goes_to_a_server_that_was_not_named() {
    let (_home, app) = with_model().await;
    let (url, asked) = play().await;
    app.add_remote("box", &url, None).await.unwrap();
    for name in ["box", "org/big", "big", "Box/org/big", "box/org"] {
        assert!(app.answering(Some(name), None).await.is_err(), "{name}");
    }
    assert!(matches!(app.answering(None, None).await.unwrap(), Answering::Local(_)));
    assert_eq!(app.listed_model("box/org/big").await.unwrap(), "box/org/big");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn names_addresses_and_health_are_told() {
    let (_home, app) = with_model().await;
    for (name, url, code) in [
        ("a/b", "http://127.0.0.1:9/v1", "remote_name"),
        ("", "http://127.0.0.1:9/v1", "remote_name"),
        ("cloud", "http://example.org/v1", "remote_address"),
    ] {
        assert_eq!(app.add_remote(name, url, None).await.unwrap_err().code, code);
    }
    app.add_remote("away", "http://127.0.0.1:9/v1", None).await.unwrap();
    assert_eq!(app.add_remote("Away", "http://127.0.0.1:9/v1", None).await.unwrap_err().code, "remote_name");
    let listed = app.remote_models().await.unwrap();
    assert_eq!(listed[0].models.as_ref().unwrap_err().code, "remote_unreachable");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_the_file_of_keys() {
    use std::os::unix::fs::PermissionsExt;
    let (home, app) = with_model().await;
    app.add_remote("box", "http://127.0.0.1:9/v1", Some("sk-secret")).await.unwrap();
    let file = std::fs::metadata(home.path().join("remotes.json")).unwrap();
    assert_eq!(file.permissions().mode() & 0o777, 0o600);
}

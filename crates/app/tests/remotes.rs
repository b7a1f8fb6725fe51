//! Remote engines behind the application: adding, listing, answering, and a plug that is pulled.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lantern_app::{Answering, App};
use lantern_protocol::{
    AttachedFile, ChatEvent, HubTokenSource, MessageStatus, RemoteHealth, SecretStorage, SendMessage,
    SentWith,
};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const LIST: &str = r#"{"data":[{"id":"org/big","owned_by":"vllm","max_model_len":4096}]}"#;
const PIECE: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n";
const END: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";

/// A request up to the last byte of its body, or of its head where there is none.
async fn request(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    while !(bytes.ends_with(b"}") || bytes.starts_with(b"GET") && bytes.ends_with(b"\r\n\r\n")) {
        if socket.read_buf(&mut bytes).await.unwrap() == 0 {
            break;
        }
    }
    bytes
}

/// A server of one model, whose first answer breaks off; counts the answers it was asked for.
async fn play() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) =
        (format!("http://{}/v1", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let bytes = request(&mut socket).await;
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

/// A server that lists its models to whoever brings this key; counts those.
async fn play_locked(key: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, let_in) =
        (format!("http://{}/v1", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let counted = let_in.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            while !bytes.ends_with(b"\r\n\r\n") {
                if socket.read_buf(&mut bytes).await.unwrap() == 0 {
                    break;
                }
            }
            let answer = match String::from_utf8_lossy(&bytes).contains(&format!("Bearer {key}\r\n")) {
                true => {
                    counted.fetch_add(1, Ordering::SeqCst);
                    format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{LIST}")
                }
                false => "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n{}".to_owned(),
            };
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, let_in)
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

/// A server of a model that sees and one that does not; gives what it was asked.
async fn play_eyes() -> (String, UnboundedReceiver<String>) {
    const LIST: &str = r#"{"data":[{"id":"eyes","architecture":{"input_modalities":["text","image"]}},
        {"id":"blind","architecture":{"input_modalities":["text"]}}]}"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, (heard, asked)) =
        (format!("http://{}/v1", listener.local_addr().unwrap()), unbounded_channel());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let bytes = request(&mut socket).await;
            let body = match bytes.starts_with(b"GET") {
                true => LIST.to_owned(),
                false => {
                    let _ = heard.send(String::from_utf8(bytes).unwrap());
                    format!("{PIECE}{END}")
                }
            };
            let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{body}");
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

#[tokio::test]
async fn a_picture_goes_to_a_server_whose_model_sees_and_to_no_other() {
    let (_home, app) = with_model().await;
    let (url, mut asked) = play_eyes().await;
    app.add_remote("box", &url, None).await.unwrap();
    assert!(app.model_sees("box/eyes").await.unwrap() && !app.model_sees("box/blind").await.unwrap());
    let waves = lantern_golden::path("vision/waves.png");
    let picture = app.attach_file(waves).await.unwrap();
    let file = AttachedFile { document: picture.document, name: picture.name };
    let with = || SentWith { attachments: vec![file.clone()], folders: None, ..SentWith::default() };

    let events = drain(app.send_message_with(to("box/eyes"), with()).await.unwrap()).await;
    let conversation = finished(&events).conversation_id;
    let request = asked.recv().await.unwrap();
    assert!(request.contains("data:image/png;base64,") && request.contains("Hi"), "{request}");

    let events = drain(app.send_message_with(to("box/blind"), with()).await.unwrap()).await;
    let Some(ChatEvent::Failed { error, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(error.code, "model_cannot_see");
    // Told of it in words, as a model here that sees none.
    let next = SendMessage { model: Some("box/blind".into()), ..message(Some(&conversation), "And now?") };
    finished(&drain(app.send_message(next).await.unwrap()).await);
    let request = asked.recv().await.unwrap();
    assert!(request.contains("waves.png") && !request.contains("base64"), "{request}");
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
async fn only_its_owner_can_read_the_files_and_the_list_has_no_keys() {
    use std::os::unix::fs::PermissionsExt;
    let (home, app) = with_model().await;
    app.add_remote("box", "http://127.0.0.1:9/v1", Some("sk-secret")).await.unwrap();
    for name in ["remotes.json", "secrets.json"] {
        let file = std::fs::metadata(home.path().join(name)).unwrap();
        assert_eq!(file.permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert!(!std::fs::read_to_string(home.path().join("remotes.json")).unwrap().contains("sk-secret"));
    app.remove_remote("box").await.unwrap();
    assert!(!home.path().join("secrets.json").exists(), "the key of a server that is gone is kept");
}

#[tokio::test]
async fn keys_that_an_earlier_version_kept_in_the_list_move_out_and_are_sent() {
    let home = tempfile::tempdir().unwrap();
    let (url, asked) = play_locked("sk-old").await;
    let old = format!(r#"[{{"name": "box", "url": "{url}", "key": "sk-old"}}]"#);
    std::fs::write(home.path().join("remotes.json"), old).unwrap();
    let app = open(home.path()).await;
    assert!(app.remotes().await.unwrap()[0].has_key);
    assert!(!std::fs::read_to_string(home.path().join("remotes.json")).unwrap().contains("sk-old"));
    for _ in 0..2 {
        let servers = open(home.path()).await.remote_servers(true).await.unwrap();
        assert!(matches!(servers[0].health, RemoteHealth::Reachable { .. }), "{servers:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn health_is_told_from_memory_and_asked_for_anew() {
    let (_home, app) = with_model().await;
    let (url, _) = play().await;
    app.add_remote("box", &url, None).await.unwrap();
    app.add_remote("away", "http://127.0.0.1:9/v1", None).await.unwrap();
    let servers = app.remote_servers(false).await.unwrap();
    assert!(servers.iter().all(|server| server.health == RemoteHealth::Unknown), "{servers:?}");
    app.remote_servers(true).await.unwrap();
    let servers = app.remote_servers(false).await.unwrap();
    let RemoteHealth::Failing { error } = &servers[0].health else { panic!("{servers:?}") };
    assert_eq!(error.code, "remote_unreachable");
    let RemoteHealth::Reachable { models, .. } = &servers[1].health else { panic!("{servers:?}") };
    assert_eq!((models[0].id.as_str(), models[0].context_length), ("box/org/big", Some(4096)));
    // A server of the same name is another one.
    app.remove_remote("box").await.unwrap();
    app.add_remote("box", "http://127.0.0.1:9/v1", None).await.unwrap();
    assert_eq!(app.remote_servers(false).await.unwrap()[1].health, RemoteHealth::Unknown);
}

#[tokio::test]
async fn the_token_of_the_hub_is_kept_and_only_its_being_there_is_told() {
    let (home, app) = with_model().await;
    let none = app.secrets_status().await.unwrap();
    assert_eq!((none.secret_storage, none.hub_token), (SecretStorage::File, HubTokenSource::None));
    for bad in ["hf two", "hf\nnext", &"x".repeat(2000)] {
        assert_eq!(app.set_hub_token(bad).await.unwrap_err().code, "hub_token");
    }
    assert_eq!(app.set_hub_token(" hf_abc ").await.unwrap().hub_token, HubTokenSource::Lantern);
    let again = open(home.path()).await;
    assert_eq!(again.secrets_status().await.unwrap().hub_token, HubTokenSource::Lantern);
    assert_eq!(again.set_hub_token("").await.unwrap(), none);
    assert!(!home.path().join("secrets.json").exists());
}

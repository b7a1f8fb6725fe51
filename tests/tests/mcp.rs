//! The Model Context Protocol's own test server, over standard input and output and over HTTP, in a chat with a real model.
//!
//! The starter model is too small to think of a tool, so the conversation begins each answer with a call; which words it sends is
//! its own. What is shown is the way from the model's tokens over the user's consent to the server and back into the answer.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::Duration;

use lantern_app::{App, AppOptions, ChatStream};
use lantern_protocol::{
    ChatEvent, ChosenTool, ChosenTools, Message, MessageStatus, NewToolServer, Role, SamplingSettings,
    SendMessage, SettingsPatch, ToolCall, ToolCallState, ToolConsent, ToolServerInfo, ToolServerState,
    ToolTransport,
};
use lantern_tests::eventually;
use lantern_tests::home::free_port;
use lantern_tests::processes::Running;
use lantern_tests::programs::{mcp_server, starter_model};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(120);

async fn app(home: &std::path::Path) -> App {
    let options = AppOptions { home: Some(home.to_owned()), secrets_in_file: true, ..AppOptions::default() };
    let app = App::open(options).await.unwrap();
    app.import_model(starter_model(), false).await.unwrap();
    let sampling =
        SamplingSettings { temperature: 0.3, seed: Some(1), max_tokens: Some(300), ..Default::default() };
    app.update_settings(SettingsPatch { sampling: Some(sampling), ..Default::default() }).await.unwrap();
    app
}

/// Adds the server and waits until its tools are there.
async fn add(app: &App, transport: ToolTransport) -> ToolServerInfo {
    app.add_tool_server(NewToolServer { name: "everything".into(), transport }).await.unwrap();
    eventually("the server is ready", PATIENCE, async || {
        let all = app.tool_servers().await.unwrap();
        let server = all.into_iter().find(|server| server.name == "everything")?;
        match &server.state {
            ToolServerState::Failed { error, .. } => panic!("{error:?}: {:?}", server.written),
            ToolServerState::Ready => Some(server),
            _ => None,
        }
    })
    .await
}

/// New conversations have this tool and begin with it.
async fn choose(app: &App, server: &ToolServerInfo, tool: &str) {
    let hash =
        server.tools.iter().find(|known| known.name == tool).expect("the server has the tool").hash.clone();
    let tools = vec![ChosenTool { server: server.name.clone(), tool: tool.into(), hash }];
    app.choose_tools(None, ChosenTools { tools, required: true }).await.unwrap();
}

/// A call that the model made and the user allowed, with the end of the answer.
async fn ask(app: &App, words: &str) -> (ToolCall, Message) {
    let request = SendMessage { conversation_id: None, parent_id: None, content: words.into(), model: None };
    let mut stream = app.send_message(request).await.unwrap();
    let mut asked = false;
    let end = loop {
        match next(&mut stream).await {
            ChatEvent::ToolCall { call } if call.state == ToolCallState::Asking => {
                assert!(!asked, "it asked twice");
                asked = true;
                app.answer_tool_call(&call.id, ToolConsent::Once).await.unwrap();
            }
            ChatEvent::ToolCall { call } => assert!(asked, "{call:?} did not wait for the user"),
            ChatEvent::Finished { message } => break message,
            ChatEvent::Failed { error, .. } => panic!("{error:?}"),
            _ => {}
        }
    };
    let call = app.tool_calls(&end.conversation_id).await.unwrap().remove(0);
    (call, end)
}

async fn next(stream: &mut ChatStream) -> ChatEvent {
    let event = tokio::time::timeout(PATIENCE, stream.next()).await.expect("an event in time");
    event.expect("the answer ends with an event")
}

/// A round trip with words of the model's, and one with a picture.
async fn use_tools(app: &App, server: &ToolServerInfo) {
    choose(app, server, "echo").await;
    let (call, end) = ask(app, "Use the echo tool to say hello.").await;
    assert_eq!((call.tool.as_str(), call.state), ("echo", ToolCallState::Done));
    let sent: Value = serde_json::from_str(&call.arguments).unwrap();
    let words = sent["message"].as_str().expect("the schema wants a message").to_owned();
    let result = call.result.expect("it has a result");
    assert_eq!(result.text, format!("Echo: {words}"));
    let view = app.conversation(&end.conversation_id).await.unwrap();
    let roles: Vec<_> = view.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(view.messages[2].content, result.text);
    assert!(matches!(end.status, MessageStatus::Complete | MessageStatus::Truncated), "{end:?}");
    assert!(!end.content.trim().is_empty(), "the model said nothing after the call");

    choose(app, server, "get-tiny-image").await;
    let (call, _) = ask(app, "Show me the tiny picture.").await;
    assert_eq!((call.state, call.result.unwrap().images.len()), (ToolCallState::Done, 1));
}

fn program() -> String {
    mcp_server().to_string_lossy().into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocols_own_server_works_over_standard_input_and_output() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path()).await;
    let transport = ToolTransport::Command {
        command: "node".into(),
        args: vec![program(), "stdio".into()],
        env: BTreeMap::from([("LANTERN_TEST_VARIABLE".into(), "given".into())]),
        folder: None,
    };
    let server = add(&app, transport).await;
    assert!(server.tools.len() >= 8, "{:?}", server.tools);
    assert!(!server.written.is_empty(), "what it writes beside the protocol is kept");
    use_tools(&app, &server).await;

    // It gets what it was given, and nothing else of the environment's.
    choose(&app, &server, "get-env").await;
    let (call, _) = ask(&app, "Which variables are there?").await;
    let text = call.result.unwrap().text;
    assert!(text.contains("LANTERN_TEST_VARIABLE") && !text.contains("CARGO"), "{text}");
    app.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocols_own_server_works_over_http() {
    let home = tempfile::tempdir().unwrap();
    let app = app(home.path()).await;
    let port = free_port();
    let mut node = Command::new("node");
    node.arg(program()).arg("streamableHttp").env("PORT", port.to_string());
    let _server = Running::start(node.stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("the server listens", PATIENCE, async || {
        tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()
    })
    .await;
    let url = format!("http://127.0.0.1:{port}/mcp");
    let server = add(&app, ToolTransport::Http { url, headers: BTreeMap::new() }).await;
    use_tools(&app, &server).await;
    app.shutdown().await;
}

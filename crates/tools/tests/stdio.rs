//! A server that is a program: this one, started once more.

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use lantern_tools::{CommandConfig, ServerConfig, ServerState, ToolServer};
use serde_json::{Value, json};
use support::{Forgetful, answer, until};
use tokio_util::sync::CancellationToken;

const LIMIT: Duration = Duration::from_secs(30);

/// Not a test but the server; it does nothing unless it is asked to.
#[test]
fn serve_over_stdio() {
    let Ok(mode) = std::env::var("LANTERN_TEST_SERVER") else { return };
    if mode == "silent" {
        std::thread::sleep(Duration::from_secs(3600));
    }
    let mut version = 1;
    // What the test harness wrote on this line ends here.
    println!();
    eprintln!("the server is here; HOME is known: {}", std::env::var_os("HOME").is_some());
    eprintln!("the secret is known: {}", std::env::var_os("LANTERN_TEST_SECRET").is_some());
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(request) = serde_json::from_str::<Value>(&line) else { continue };
        let call = request["params"]["name"].as_str().unwrap_or_default().to_owned();
        match call.as_str() {
            "die" => std::process::exit(3),
            "hang" => continue,
            "long" => {
                println!(
                    "{}",
                    json!({"jsonrpc": "2.0", "id": request["id"], "result": {"content": [
                        {"type": "text", "text": "x".repeat(20 << 20)}
                    ]}})
                );
                continue;
            }
            "change" => {
                version += 1;
                println!("{}", json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}));
            }
            _ => {}
        }
        if let Some(reply) = answer(&request, version) {
            println!("this line is no message");
            println!("{reply}");
            std::io::stdout().flush().unwrap();
        }
    }
    std::process::exit(0);
}

fn server(mode: &str) -> ToolServer {
    let env = BTreeMap::from([("LANTERN_TEST_SERVER".to_owned(), mode.to_owned())]);
    let args = ["serve_over_stdio", "--exact", "--nocapture", "--quiet"].map(str::to_owned).to_vec();
    let command = std::env::current_exe().unwrap().to_string_lossy().into_owned();
    let config = ServerConfig::Command(CommandConfig { command, args, env, folder: None });
    config.check().unwrap();
    ToolServer::new(config, Forgetful::new())
}

async fn call(server: &ToolServer, name: &str, arguments: Value) -> Result<String, &'static str> {
    let Value::Object(arguments) = arguments else { panic!("no object") };
    let called = server.call(name, arguments, LIMIT, &CancellationToken::new()).await;
    called.map(|output| output.text).map_err(|error| error.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_started_and_its_tools_are_called() {
    let server = server("talk");
    assert_eq!(server.state(), ServerState::Off, "it runs although nobody asked for it");
    let tools = server.tools().await.unwrap();
    assert!(tools.iter().any(|tool| tool.name == "echo" && tool.description == "Says it again, version 1."));
    assert_eq!(call(&server, "echo", json!({"text": "hello"})).await, Ok("hello".into()));
    assert_eq!(call(&server, "fail", json!({})).await, Err("tool_failed"));
    assert_eq!(call(&server, "absent", json!({})).await, Err("tool_unknown"));
    let ServerState::Ready { left_out, .. } = server.state() else { panic!("{:?}", server.state()) };
    assert!(left_out.iter().any(|why| why.contains("bad name")), "{left_out:?}");
    let written = server.written().join("\n");
    assert!(written.contains("the server is here; HOME is known: true"), "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_have_limits() {
    let server = server("talk");
    let many = call(&server, "much", json!({})).await.unwrap();
    assert!(many.len() < 300 << 10 && many.contains("bytes more were left out"), "{}", many.len());
    // A message beyond all limits is none: the call waits until its time is over.
    let stop = CancellationToken::new();
    let long = server.call("long", Default::default(), Duration::from_secs(5), &stop).await;
    assert_eq!(long.map_err(|error| error.code()), Err("tool_timeout"));
    assert_eq!(call(&server, "echo", json!({"text": "still here"})).await, Ok("still here".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_end_when_they_are_stopped_or_take_too_long() {
    let server = server("talk");
    server.tools().await.unwrap();
    let stop = CancellationToken::new();
    let late = server.call("hang", Default::default(), Duration::from_millis(50), &stop).await;
    assert_eq!(late.map_err(|error| error.code()), Err("tool_timeout"));
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    };
    let (stopped, ()) = tokio::join!(server.call("hang", Default::default(), LIMIT, &stop), stopping);
    assert_eq!(stopped.map_err(|error| error.code()), Err("tool_stopped"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_change_are_listed_anew_with_another_hash() {
    let server = server("talk");
    let before = server.tools().await.unwrap();
    assert_eq!(call(&server, "change", json!({})).await, Ok("changed".into()));
    let after = until("another description", async || {
        let tools = server.tools().await.unwrap();
        tools.iter().any(|tool| tool.description.ends_with("version 2.")).then_some(tools)
    })
    .await;
    let hash = |tools: &[lantern_tools::Definition]| {
        tools.iter().find(|tool| tool.name == "echo").map(lantern_tools::Definition::hash)
    };
    assert_ne!(hash(&before), hash(&after));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_is_started_again() {
    let server = server("talk");
    server.tools().await.unwrap();
    assert_eq!(call(&server, "die", json!({})).await, Err("tool_server_ended"));
    until("its death is noticed", async || {
        matches!(server.state(), ServerState::Failed { retrying: true, .. }).then_some(())
    })
    .await;
    assert_eq!(call(&server, "echo", json!({"text": "again"})).await, Ok("again".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_cannot_be_started_says_so_and_is_left_alone() {
    let config = CommandConfig { command: "no-such-program-of-lanterns".into(), ..CommandConfig::default() };
    let server = ToolServer::new(ServerConfig::Command(config), Forgetful::new());
    assert_eq!(server.tools().await.map_err(|error| error.code()), Err("tool_server_start"));
    assert!(matches!(server.state(), ServerState::Failed { retrying: false, .. }));
    let folder = Some("/no/such/folder".into());
    let config = CommandConfig { command: "true".into(), folder, ..CommandConfig::default() };
    let server = ToolServer::new(ServerConfig::Command(config), Forgetful::new());
    assert_eq!(server.tools().await.map_err(|error| error.code()), Err("tool_server_start"));
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_running() {
    // A shell that starts another program: both must go.
    let script = "sleep 3600 & echo child $! >&2; wait";
    let args = vec!["-c".to_owned(), script.to_owned()];
    let config = CommandConfig { command: "sh".into(), args, ..CommandConfig::default() };
    let server = ToolServer::new(ServerConfig::Command(config), Forgetful::new());
    server.start();
    let child: u32 = until("the shell has a child", async || {
        server.written().first()?.strip_prefix("child ")?.parse().ok()
    })
    .await;
    let is_running = || std::path::Path::new(&format!("/proc/{child}/stat")).exists() && !is_dead(child);
    assert!(is_running());
    drop(server);
    until("it is gone", async || (!is_running()).then_some(())).await;
}

/// Killed and not yet collected by whoever inherits it.
#[cfg(target_os = "linux")]
fn is_dead(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z'))
}

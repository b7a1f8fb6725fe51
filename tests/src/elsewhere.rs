//! A server elsewhere on a real socket that speaks the OpenAI protocol and answers as the test has it: what a model of any size
//! does with tools, sources and programs can be tested without that model.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// The library's name for its model, once the server was added.
pub const MODEL: &str = "box/words";

/// One answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Words.
    Says(String),
    /// Words after a while.
    SaysAfter(Duration, String),
    /// A call of the tool with this name, with its arguments.
    Calls(&'static str, Value),
}

/// The server; it ends with the runtime.
#[derive(Debug, Clone)]
pub struct Elsewhere {
    url: String,
    state: Shared,
}

type Shared = Arc<Mutex<(VecDeque<Answer>, Vec<Value>)>>;

impl Elsewhere {
    /// Listens, and gives these answers one after the other; then empty ones.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let state = Shared::new(Mutex::new((answers.into_iter().collect(), Vec::new())));
        let models = async || Json(json!({"data": [{"id": "words", "max_model_len": 65536}]}));
        let router = Router::new()
            .route("/v1/models", get(models))
            .route("/v1/chat/completions", post(answer))
            .with_state(state.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("it is bound"));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Has the window's answers come from here.
    #[cfg(target_os = "linux")]
    pub async fn add_to(&self, page: &crate::page::Page) {
        let server = json!({"name": "box", "url": self.url, "key": null});
        let added = page.invoke("add_remote_server", json!({"server": server})).await;
        added.unwrap_or_else(|error| panic!("the server is refused: {error}"));
        page.set(json!({"defaultModel": MODEL})).await;
    }

    /// What it was asked so far: the bodies of requests.
    pub fn asked(&self) -> Vec<Value> {
        self.state.lock().expect("no test panics while it holds this").1.clone()
    }

    /// The last message of the last request, such as what a tool gave.
    pub fn told(&self) -> Value {
        let asked = self.asked().pop().expect("it was asked");
        asked["messages"].as_array().and_then(|all| all.last()).expect("there are messages").clone()
    }

    /// Gives more answers.
    pub fn then(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.lock().expect("no test panics while it holds this").0.extend(answers);
    }
}

async fn answer(State(state): State<Shared>, Json(body): Json<Value>) -> Body {
    let next = {
        let mut state = state.lock().expect("no test panics while it holds this");
        state.1.push(body.clone());
        state.0.pop_front().unwrap_or(Answer::Says(String::new()))
    };
    if let Answer::SaysAfter(wait, _) = &next {
        tokio::time::sleep(*wait).await;
    }
    let (delta, reason) = match next {
        Answer::Says(words) | Answer::SaysAfter(_, words) => (json!({"content": words}), "stop"),
        Answer::Calls(tool, arguments) => {
            let function = json!({"name": offered(&body, tool), "arguments": arguments.to_string()});
            (json!({"tool_calls": [{"index": 0, "id": "call", "function": function}]}), "tool_calls")
        }
    };
    let events = [
        json!({"choices": [{"delta": delta}]}),
        json!({"choices": [{"delta": {}, "finish_reason": reason}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}),
    ];
    let lines: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    Body::from(lines + "data: [DONE]\n\n")
}

/// The name under which a tool was offered, which may hold its server's.
fn offered(body: &Value, tool: &str) -> String {
    let tools = body["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names = tools.iter().filter_map(|one| one["function"]["name"].as_str());
    names.into_iter().find(|name| name.ends_with(tool)).unwrap_or(tool).to_owned()
}

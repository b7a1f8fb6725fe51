//! A server of a few lines, and what its tests share.
#![allow(dead_code)]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lantern_tools::TokenStore;
use serde_json::{Value, json};

/// What the server answers to a message; nothing to notifications.
pub fn answer(request: &Value, version: u32) -> Option<Value> {
    let id = request.get("id").filter(|_| request.get("method").is_some())?;
    let text = |text: String| json!({"content": [{"type": "text", "text": text}]});
    let result = match request["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": request["params"]["protocolVersion"],
            "capabilities": {"tools": {"listChanged": true}},
            "serverInfo": {"name": "test", "version": "1"},
        }),
        "ping" => json!({}),
        "tools/list" => tools(version),
        "tools/call" => match request["params"]["name"].as_str()? {
            "echo" => text(request["params"]["arguments"]["text"].as_str().unwrap_or_default().to_owned()),
            "much" => text("x".repeat(1 << 20)),
            "change" => text("changed".into()),
            _ => {
                let error = json!({"code": -32602, "message": "it cannot be done"});
                return Some(json!({"jsonrpc": "2.0", "id": id, "error": error}));
            }
        },
        _ => {
            return Some(
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "unknown"}}),
            );
        }
    };
    Some(json!({"jsonrpc": "2.0", "id": id, "result": result}))
}

fn tools(version: u32) -> Value {
    let schema = json!({"type": "object", "properties": {"text": {"type": "string"}}});
    let named =
        |name: &str| json!({"name": name, "description": "Of no use.", "inputSchema": {"type": "object"}});
    let echo = json!({
        "name": "echo",
        "description": format!("Says it again, version {version}."),
        "inputSchema": schema,
        "annotations": {"readOnlyHint": true},
    });
    let others = ["much", "long", "hang", "die", "fail", "change", "bad name"].map(named);
    let all = [vec![echo], others.to_vec()].concat();
    json!({"tools": all})
}

/// Keeps tokens in memory.
#[derive(Default)]
pub struct Forgetful(pub Mutex<Option<String>>);

impl Forgetful {
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }
}

#[async_trait::async_trait]
impl TokenStore for Forgetful {
    async fn load(&self) -> Result<Option<String>, String> {
        Ok(self.0.lock().unwrap().clone())
    }

    async fn save(&self, tokens: String) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(tokens);
        Ok(())
    }

    async fn clear(&self) -> Result<(), String> {
        *self.0.lock().unwrap() = None;
        Ok(())
    }
}

/// Waits until something is so.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

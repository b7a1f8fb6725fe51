//! As much of the WebDriver protocol (<https://www.w3.org/TR/webdriver2/>) as operating one window takes.

use std::time::Duration;

use serde_json::{Value, json};

/// The key under which the protocol hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A window under the driver's control.
#[derive(Debug, Clone)]
pub struct Session {
    client: reqwest::Client,
    base: String,
}

/// Something on the page.
#[derive(Debug, Clone)]
pub struct Element(String);

impl Session {
    /// Has the driver on this port start a program and take hold of its window.
    pub async fn start(port: u16, program: &str) -> Result<Self, String> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).no_proxy().build().unwrap();
        // WebKit's driver takes hold of a Tauri window under this browser name only.
        let wanted =
            json!({"browserName": "wry", "webkitgtk:browserOptions": {"binary": program, "args": []}});
        let body = json!({"capabilities": {"alwaysMatch": wanted}});
        let base = format!("http://127.0.0.1:{port}/session");
        let session = Self { client, base };
        let value = session.post("", body).await?;
        let id = value["sessionId"].as_str().ok_or_else(|| format!("the driver gave no session: {value}"))?;
        let session = Self { base: format!("{}/{id}", session.base), ..session };
        session.post("/timeouts", json!({"script": 30_000, "pageLoad": 30_000, "implicit": 0})).await?;
        Ok(session)
    }

    /// Lets go of the window.
    pub async fn close(&self) -> Result<(), String> {
        let reply = self.client.delete(&self.base).send().await.map_err(|error| error.to_string())?;
        Self::value(reply).await.map(drop)
    }

    /// The first element that a CSS selector finds.
    pub async fn find(&self, selector: &str) -> Option<Element> {
        let found = self.post("/element", json!({"using": "css selector", "value": selector})).await.ok()?;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    /// Clicks in an element's middle, as a person would: fails when something else lies above it.
    pub async fn click(&self, element: &Element) -> Result<(), String> {
        self.post(&format!("/element/{}/click", element.0), json!({})).await.map(drop)
    }

    /// Notes whether the next click comes to an element; `false` if none can.
    pub async fn await_click(&self, element: &Element) -> Result<bool, String> {
        // Menus heed the button's going up, and are gone before there is a click.
        const LISTEN: &str = "const element = arguments[0];
            window.lanternAwaited = { element, came: false };
            for (const name of ['pointerup', 'click'])
                element.addEventListener(name, () => (window.lanternAwaited.came = true), { capture: true, once: true });
            return !element.disabled && element.tagName !== 'OPTION'";
        let can = self.run(LISTEN, json!([{ELEMENT: element.0}])).await?;
        Ok(can == Value::Bool(true))
    }

    /// Whether it has come, or the element has gone.
    pub async fn click_came(&self) -> Result<bool, String> {
        const CAME: &str =
            "const { element, came } = window.lanternAwaited; return came || !element.isConnected";
        Ok(self.run(CAME, json!([])).await? == Value::Bool(true))
    }

    /// Moves the mouse over an element.
    pub async fn hover(&self, element: &Element) -> Result<(), String> {
        let over =
            json!({"type": "pointerMove", "origin": {ELEMENT: element.0}, "x": 0, "y": 0, "duration": 0});
        // The driver moves nothing when it believes the mouse to be there already, though a click has led it away.
        let away = json!({"type": "pointerMove", "origin": "viewport", "x": 1, "y": 1, "duration": 0});
        let mouse = json!({"type": "pointer", "id": "mouse", "actions": [away, over]});
        self.post("/actions", json!({"actions": [mouse]})).await.map(drop)
    }

    /// Types into an element. `\u{E007}` is Return.
    pub async fn type_into(&self, element: &Element, text: &str) -> Result<(), String> {
        self.post(&format!("/element/{}/value", element.0), json!({"text": text})).await.map(drop)
    }

    /// Presses and lets go of one key after the other, wherever the focus is.
    pub async fn write(&self, keys: &str) -> Result<(), String> {
        let strokes = keys.chars().map(String::from);
        let actions: Vec<Value> = strokes
            .flat_map(|key| {
                [json!({"type": "keyDown", "value": key}), json!({"type": "keyUp", "value": key})]
            })
            .collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", json!({"actions": [keyboard]})).await.map(drop)
    }

    /// Presses keys together wherever the focus is: the last one while the others are held. `\u{E009}` is Ctrl.
    pub async fn press(&self, keys: &str) -> Result<(), String> {
        let keys: Vec<String> = keys.chars().map(String::from).collect();
        let down = keys.iter().map(|key| json!({"type": "keyDown", "value": key}));
        let up = keys.iter().rev().map(|key| json!({"type": "keyUp", "value": key}));
        let actions: Vec<Value> = down.chain(up).collect();
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": actions});
        self.post("/actions", json!({"actions": [keyboard]})).await.map(drop)
    }

    /// Runs the body of a function in the page and gives what it returns.
    pub async fn run(&self, script: &str, arguments: Value) -> Result<Value, String> {
        self.post("/execute/sync", json!({"script": script, "args": arguments})).await
    }

    /// The same for a body that calls its last argument with the result.
    pub async fn run_async(&self, script: &str, arguments: Value) -> Result<Value, String> {
        self.post("/execute/async", json!({"script": script, "args": arguments})).await
    }

    /// The page as a PNG, in base64.
    pub async fn screenshot(&self) -> Result<String, String> {
        let reply =
            self.client.get(format!("{}/screenshot", self.base)).send().await.map_err(|e| e.to_string())?;
        Ok(Self::value(reply).await?.as_str().unwrap_or_default().to_owned())
    }

    /// Gives the window a size.
    pub async fn resize(&self, width: u32, height: u32) -> Result<(), String> {
        self.post("/window/rect", json!({"width": width, "height": height})).await.map(drop)
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        let request = self.client.post(format!("{}{path}", self.base)).json(&body);
        Self::value(request.send().await.map_err(|error| error.to_string())?).await
    }

    async fn value(reply: reqwest::Response) -> Result<Value, String> {
        let failed = !reply.status().is_success();
        let mut body: Value = reply.json().await.map_err(|error| error.to_string())?;
        let value = body["value"].take();
        if failed { Err(format!("{}: {}", value["error"], value["message"])) } else { Ok(value) }
    }
}

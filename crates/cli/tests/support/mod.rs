//! The real program in a data directory of its own, away from the user's and from the network.
#![allow(dead_code)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use lantern_app::{App, AppOptions};

pub struct Home {
    pub dir: tempfile::TempDir,
    endpoint: String,
}

/// What a finished command left.
pub struct Done {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Home {
    pub fn new() -> Self {
        // Nothing listens on port 9, so a command that asks the network by mistake fails at once.
        Self { dir: tempfile::tempdir().unwrap(), endpoint: "http://127.0.0.1:9".into() }
    }

    pub fn with_hub(endpoint: String) -> Self {
        Self { endpoint, ..Self::new() }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn cache(&self) -> PathBuf {
        self.dir.path().join("hf/hub")
    }

    pub fn program() -> &'static str {
        env!("CARGO_BIN_EXE_lantern")
    }

    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        for name in [
            "HF_TOKEN",
            "HF_HUB_CACHE",
            "HUGGINGFACE_HUB_CACHE",
            "HF_TOKEN_PATH",
            "LANTERN_API_KEY",
            "LANTERN_LOG",
        ] {
            command.env_remove(name);
        }
        command
            .env("LANTERN_HOME", self.data())
            // Never the keyring of whoever runs the tests.
            .env("LANTERN_SECRETS", "file")
            .env("LANTERN_OTHER_PROGRAMS", "0")
            .env("HF_HOME", self.dir.path().join("hf"))
            .env("HF_ENDPOINT", &self.endpoint)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What the application itself does or knows.
    pub fn with_app<T>(&self, work: impl AsyncFnOnce(App) -> T) -> T {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let options = AppOptions { home: Some(self.data()), ..AppOptions::default() };
            work(App::open(options).await.unwrap()).await
        })
    }

    pub fn run(&self, args: &[&str]) -> Done {
        done(self.command(Self::program()).args(args).output().unwrap())
    }

    /// With this text on standard input.
    pub fn pipe(&self, args: &[&str], input: &str) -> Done {
        let mut child = self.command(Self::program()).args(args).stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        std::thread::scope(|scope| {
            // Beside the reading, because a program that answers line by line waits until its answers are read.
            scope.spawn(move || stdin.write_all(input.as_bytes()).unwrap());
            done(child.wait_with_output().unwrap())
        })
    }

    pub fn spawn(&self, args: &[&str]) -> Child {
        self.command(Self::program()).args(args).spawn().unwrap()
    }

    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Done {
    /// The command went well.
    pub fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "it failed: {}", self.err);
        self
    }

    /// The command failed with this code, in the usual form, and printed nothing else.
    pub fn failed(self, code: &str) -> Self {
        assert_eq!(self.code, Some(1), "{}{}", self.out, self.err);
        assert!(self.err.contains(&format!("error[{code}]: ")), "expected {code}: {}", self.err);
        assert!(self.err.contains("\nnext: "), "no next step: {}", self.err);
        self
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {}", self.out))
    }
}

pub fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output that is not UTF-8");
    Done { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// A tiny model with random weights.
pub fn golden(name: &str) -> String {
    let path = lantern_golden::path("models").join(name);
    path.canonicalize().unwrap().to_str().unwrap().to_owned()
}

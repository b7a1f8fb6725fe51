//! A home of its own for each test: no conversation, model, setting or download of the user's is seen or touched.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::programs::{program, starter_model};

/// A folder that goes when this is dropped, and the environment that makes programs live in it.
#[derive(Debug)]
pub struct Home {
    folder: TempDir,
    hub: String,
}

impl Home {
    /// Without any model.
    pub fn empty() -> Self {
        let home = Self {
            folder: tempfile::tempdir().expect("the system's folder for temporary files can be written"),
            // Nobody listens there: a test that asked the internet would fail, not succeed on some machines.
            hub: "http://127.0.0.1:9".into(),
        };
        std::fs::create_dir_all(home.folder.path().join("run")).unwrap();
        home
    }

    /// With the starter model in its library.
    pub fn with_starter() -> Self {
        let home = Self::empty();
        let output =
            home.command("lantern").arg("import").arg(starter_model()).output().expect("lantern starts");
        assert!(
            output.status.success(),
            "lantern import failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        home
    }

    /// With a Hub of its own at this address.
    pub fn with_hub(self, endpoint: String) -> Self {
        Self { hub: endpoint, ..self }
    }

    /// `LANTERN_HOME`.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("lantern")
    }

    /// The folder that everything lies in.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// A program of Lantern's that lives here.
    pub fn command(&self, name: &str) -> Command {
        let mut command = Command::new(program(name));
        self.settle(&mut command);
        command
    }

    /// Makes any program live here.
    pub fn settle(&self, command: &mut Command) {
        let at = |name: &str| self.folder.path().join(name);
        command
            .env("LANTERN_HOME", self.data())
            .env("LANTERN_SECRETS", "file")
            .env("HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", at("config"))
            .env("XDG_DATA_HOME", at("data"))
            .env("XDG_CACHE_HOME", at("cache"))
            .env("XDG_RUNTIME_DIR", at("run"))
            .env("HF_HOME", at("huggingface"))
            .env("HF_ENDPOINT", &self.hub);
        for name in
            ["HF_HUB_CACHE", "HF_TOKEN", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "DBUS_SESSION_BUS_ADDRESS"]
        {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
    }
}

/// A port of 127.0.0.1 that nobody listens on at the moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}
